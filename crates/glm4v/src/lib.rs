//! GLM-4.1V and GLM-4.6V-Flash (`Glm4vForConditionalGeneration`) on candle.

mod error;

pub mod config;

pub use config::Config;
pub use error::{Error, Result};
