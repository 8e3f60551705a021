//! GLM-4.1V and GLM-4.6V-Flash (`Glm4vForConditionalGeneration`) on candle.

mod error;
mod json;

pub mod config;
pub mod processor;
pub mod prompt;
pub mod tokenizer;

pub use config::Config;
pub use error::{Error, Result};
