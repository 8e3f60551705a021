//! `generation_config.json`: how the makers of a checkpoint want it sampled, and where its answers end.

use std::path::Path;

use serde::Deserialize;

use crate::sample::Sampling;
use crate::{Error, Result, json};

const FILE: &str = "generation_config.json";

/// The keys of `generation_config.json` that concern this crate.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GenerationConfig {
    /// Whether to draw tokens at all; otherwise the most probable one is taken.
    pub do_sample: bool,
    /// Divides the logits; below 1 the likely tokens become likelier.
    pub temperature: Option<f32>,
    /// Keeps so many of the likeliest tokens.
    pub top_k: Option<usize>,
    /// Keeps the likeliest tokens that together have this probability.
    pub top_p: Option<f32>,
    /// Makes tokens less likely that the prompt or the answer has already.
    pub repetition_penalty: Option<f32>,
    /// Tokens that end an answer.
    #[serde(deserialize_with = "one_or_many")]
    pub eos_token_id: Vec<u32>,
    /// Fills up a padded row; this crate does not pad.
    pub pad_token_id: Option<u32>,
    /// Longest answer in tokens.
    pub max_new_tokens: Option<usize>,
}

impl GenerationConfig {
    /// Reads the file of a checkpoint's directory; without one, everything is as if the keys were missing.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] when it cannot be read, [`Error::Config`] for a value that cannot be sampled with.
    pub fn from_dir(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        let config: Self = json::read(&path)?;
        config
            .sampling()
            .check()
            .map_err(|(key, reason)| Error::config(FILE, key, reason))?;
        Ok(config)
    }

    /// The recommended way to sample. A missing key leaves its step out.
    ///
    /// The reference's class default of `top_k`, 50, is not assumed: a file that wants it says so.
    #[must_use]
    pub fn sampling(&self) -> Sampling {
        let default = Sampling::default();
        let temperature = if self.do_sample {
            self.temperature.unwrap_or(1.0)
        } else {
            0.0
        };
        Sampling {
            temperature,
            top_k: self.top_k.unwrap_or(default.top_k),
            top_p: self.top_p.unwrap_or(default.top_p),
            repetition_penalty: self
                .repetition_penalty
                .unwrap_or(default.repetition_penalty),
            ..default
        }
    }
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ids {
        One(u32),
        Many(Vec<u32>),
        None(()),
    }
    Ok(match Ids::deserialize(deserializer)? {
        Ids::One(id) => vec![id],
        Ids::Many(ids) => ids,
        Ids::None(()) => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_answer_is_one_token_or_a_list() {
        let read = |text: &str| {
            serde_json::from_str::<GenerationConfig>(text)
                .unwrap()
                .eos_token_id
        };
        assert_eq!(read(r#"{"eos_token_id": 7}"#), [7]);
        assert_eq!(read(r#"{"eos_token_id": [7, 9]}"#), [7, 9]);
        assert_eq!(read(r#"{"eos_token_id": null}"#), [0; 0]);
        assert_eq!(read("{}"), [0; 0]);
    }

    #[test]
    fn without_do_sample_the_best_token_is_taken_whatever_the_temperature() {
        let config: GenerationConfig =
            serde_json::from_str(r#"{"temperature": 0.8, "top_k": 2}"#).unwrap();
        assert_eq!(config.sampling().temperature, 0.0);
        let config = GenerationConfig {
            do_sample: true,
            ..config
        };
        assert_eq!(
            (config.sampling().temperature, config.sampling().top_k),
            (0.8, 2)
        );
    }
}
