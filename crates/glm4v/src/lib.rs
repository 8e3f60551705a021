//! GLM-4.1V and GLM-4.6V-Flash (`Glm4vForConditionalGeneration`) on candle: a library about tensors, which knows no HTTP and
//! has no state of its own.
//!
//! A [`Model`] has three verbs. [`see`](Model::see) turns pictures into tokens of the decoder, [`prefill`](Model::prefill)
//! takes a prompt into a [`Row`], and [`decode`](Model::decode) takes one token into each row of a batch and gives the
//! logits that the next are chosen from. [`step`](Model::step) mixes the last two for a scheduler.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use glm4v::generation::GenerationConfig;
//! use glm4v::processor::{Processor, Rgb};
//! use glm4v::prompt::{ChatOptions, ChatTemplate, Message, Part, Prompt, Role};
//! use glm4v::sample::{LoopGuard, Sampler};
//! use glm4v::tokenizer::{SkipSpecial, TextStream, Tokenizer};
//! use glm4v::{LoadOptions, Model};
//!
//! fn describe(dir: &Path, width: usize, height: usize, rgb: Vec<u8>) -> glm4v::Result<String> {
//!     let model = Model::load(dir, &LoadOptions::default())?;
//!     let (processor, tokenizer) = (Processor::from_dir(dir)?, Tokenizer::from_dir(dir)?);
//!     let template = ChatTemplate::from_dir(dir)?;
//!     let generation = GenerationConfig::from_dir(dir)?;
//!
//!     // Picture to tokens. What `see` gives may be kept, and used in many prompts.
//!     let pixels = processor.process(&Rgb::new(width, height, rgb)?)?;
//!     let grids = [pixels.grid_thw];
//!     let seen = model.see(&[pixels], None)?.into_iter().map(Arc::new).collect();
//!
//!     // Conversation to ids. No text of a message becomes a control token.
//!     let question = vec![Part::Image {}, Part::text("Describe the picture in one sentence.")];
//!     let messages = [Message::parts(Role::User, question)];
//!     let options = ChatOptions { enable_thinking: Some(false), ..ChatOptions::default() };
//!     let ids = template.encode(&tokenizer, &messages, options)?;
//!     let merge = model.config().vision_config.spatial_merge_size;
//!     let prompt = Prompt::expand(&ids, model.config().image_token_id, &grids, merge)?;
//!     let input = model.input(prompt.token_ids, seen)?;
//!
//!     // Tokens, one after the other.
//!     let mut sampling = generation.sampling();
//!     sampling.forbidden = tokenizer.marker_ids();
//!     sampling.loop_guard = Some(LoopGuard::default());
//!     let mut sampler = Sampler::new(sampling)?;
//!     sampler.see(input.ids());
//!     let mut row = model.row(None)?;
//!     let mut logits = model.prefill(&mut row, &input, 512)?;
//!     let mut stream = TextStream::new(SkipSpecial::Yes);
//!     let mut text = String::new();
//!     for _ in 0..200 {
//!         let token = sampler.sample(&logits.to_vec1::<f32>()?, None)?;
//!         if generation.eos_token_id.contains(&token) {
//!             break;
//!         }
//!         text += &stream.push(&tokenizer, token);
//!         logits = model.decode(&mut [&mut row], &[token])?.squeeze(0)?;
//!     }
//!     Ok(text + &stream.finish())
//! }
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | many sequences at once, prompts in chunks beside those that decode | [`batch`] |
//! | weights in 4 to 8 bits, and what a model then occupies | [`quant`], [`memory`] |
//! | a GPU, other types, files in GGUF | [`LoadOptions`], [`Model::load_gguf`] |
//! | adapters, merged or chosen by each sequence | [`lora`] |
//! | a model from a hub | `hub` |
//! | constrained decoding, loops, forbidden tokens | [`sample`] |
//!
//! # What holds
//!
//! - Row `i` of a batch is row `i` alone; step by step is one prefill; a picture among others is the picture alone.
//! - `cargo run --release -p glm4v --example parity -- DIR` compares every value with Hugging Face transformers;
//!   `--device cuda:0` does so on a GPU.
//! - User text can make no control token, whatever is typed.
//! - A broken checkpoint is one line that names the key, the file or the tensor.
//!
//! # Features
//!
//! `hub` (default) fetches models; `cuda` and `flash-attn` are for NVIDIA GPUs; `testing` has tiny models with seeded
//! weights.

mod attention;
mod cpu;
mod error;
mod gguf;
mod json;
mod kv_cache;
mod norm;
mod swiglu;
mod tensors;
mod text;
mod vision;

pub mod batch;
pub mod config;
pub mod generation;
#[cfg(feature = "hub")]
pub mod hub;
pub mod lora;
pub mod memory;
pub mod model;
pub mod mrope;
pub mod processor;
pub mod prompt;
pub mod quant;
pub mod sample;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tokenizer;
pub mod weights;

pub use batch::{Step, Work};
pub use config::Config;
pub use error::{Error, Result};
pub use lora::Adapter;
pub use model::{ImageEmbeds, Input, LoadOptions, Model, Row};
pub use quant::Scheme;

/// The example of the README is compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
