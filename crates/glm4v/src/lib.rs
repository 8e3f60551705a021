//! GLM-4.1V and GLM-4.6V-Flash (`Glm4vForConditionalGeneration`) on candle.

mod attention;
mod cpu;
mod error;
mod gguf;
mod json;
mod kv_cache;
mod swiglu;
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
