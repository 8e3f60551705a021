//! Describes a picture, word by word.
//!
//! ```text
//! cargo run --release -p glm4v --example describe -- MODEL PICTURE [QUESTION]
//! ```
//!
//! `MODEL` is a directory with a checkpoint, or `OWNER/NAME` of a hub. The decoder is held in 8 bits, so that the whole of
//! GLM-4.6V-Flash fits 16 GB of memory.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use glm4v::generation::GenerationConfig;
use glm4v::hub::{Hub, ProgressBars};
use glm4v::processor::{Processor, Rgb};
use glm4v::prompt::{ChatOptions, ChatTemplate, Message, Part, Prompt, Role};
use glm4v::sample::{LoopGuard, Sampler};
use glm4v::tokenizer::{SkipSpecial, TextStream, Tokenizer};
use glm4v::{LoadOptions, Model, Scheme};

const QUESTION: &str = "Describe the picture in one sentence.";
const MOST_TOKENS: usize = 200;
/// Prompt tokens that are computed together.
const CHUNK: usize = 512;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, picture, question) = match arguments.as_slice() {
        [model, picture] => (model, picture, QUESTION),
        [model, picture, question] => (model, picture, question.as_str()),
        _ => bail!("usage: describe MODEL PICTURE [QUESTION]"),
    };
    let picture = image::open(picture).with_context(|| format!("{picture} cannot be read"))?;
    let picture = picture.to_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let picture = Rgb::new(width, height, picture.into_raw())?;
    describe(&checkpoint(model)?, &picture, question)
}

/// The directory that `model` is, or that the hub's files of it are in.
fn checkpoint(model: &str) -> Result<PathBuf> {
    let dir = PathBuf::from(model);
    if dir.is_dir() {
        return Ok(dir);
    }
    Ok(Hub::from_env().fetch(model, None, &mut ProgressBars::from_env())?)
}

fn describe(dir: &Path, picture: &Rgb, question: &str) -> Result<()> {
    let options = LoadOptions {
        quantise: Some(Scheme::Q8_0),
        ..LoadOptions::default()
    };
    let model = Model::load(dir, &options)?;
    let (processor, tokenizer) = (Processor::from_dir(dir)?, Tokenizer::from_dir(dir)?);
    let template = ChatTemplate::from_dir(dir)?;
    let generation = GenerationConfig::from_dir(dir)?;

    // The picture becomes tokens of the decoder, and the conversation the ids around them.
    let pixels = processor.process(picture)?;
    let grids = [pixels.grid_thw];
    let seen = model.see(&[pixels], None)?;
    let asked = vec![Part::Image {}, Part::text(question)];
    let chat = ChatOptions {
        enable_thinking: Some(false),
        ..ChatOptions::default()
    };
    let ids = template.encode(&tokenizer, &[Message::parts(Role::User, asked)], chat)?;
    let merge = model.config().vision_config.spatial_merge_size;
    let prompt = Prompt::expand(&ids, model.config().image_token_id, &grids, merge)?;
    let input = model.input(prompt.token_ids, seen.into_iter().map(Arc::new).collect())?;

    let mut sampling = generation.sampling();
    sampling.forbidden = tokenizer.marker_ids();
    sampling.loop_guard = Some(LoopGuard::default());
    let mut sampler = Sampler::new(sampling)?;
    sampler.see(input.ids());
    let mut row = model.row(None)?;
    let mut logits = model.prefill(&mut row, &input, CHUNK)?;
    let mut stream = TextStream::new(SkipSpecial::Yes);
    let mut out = std::io::stdout().lock();
    for _ in 0..MOST_TOKENS {
        let token = sampler.sample(&logits.to_vec1::<f32>()?, None)?;
        if generation.eos_token_id.contains(&token) {
            break;
        }
        write!(out, "{}", stream.push(&tokenizer, token))?;
        out.flush()?;
        logits = model.decode(&mut [&mut row], &[token])?.squeeze(0)?;
    }
    writeln!(out, "{}", stream.finish())?;
    Ok(())
}
