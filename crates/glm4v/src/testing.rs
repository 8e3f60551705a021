//! Tiny models with seeded weights, which compute in milliseconds on a CPU.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Shape, Tensor};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::processor::Pixels;
use crate::weights::expected_tensors;
use crate::{Config, Error, LoadOptions, Model, Result};

/// A tensor on the CPU with values drawn evenly from `-spread..spread`, the same for the same seed.
///
/// # Errors
/// [`Error::Candle`] when the values cannot be converted to `dtype`.
pub fn random(seed: u64, shape: impl Into<Shape>, spread: f32, dtype: DType) -> Result<Tensor> {
    let shape = shape.into();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.elem_count())
        .map(|_| rng.random_range(-spread..spread))
        .collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?)
}

/// The `config.json` of a tiny model: two blocks, two layers, a vocabulary of 96, image token 90.
pub fn tiny_config() -> serde_json::Value {
    json!({
        "architectures": ["Glm4vForConditionalGeneration"],
        "model_type": "glm4v",
        "image_token_id": 90,
        "video_token_id": 91,
        "image_start_token_id": 92,
        "image_end_token_id": 93,
        "tie_word_embeddings": false,
        "text_config": {
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5,
            "vocab_size": 96,
            "max_position_embeddings": 512,
            "eos_token_id": [95],
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.5,
                "mrope_section": [1, 1, 2],
            },
        },
        "vision_config": {
            "depth": 2,
            "hidden_size": 32,
            "num_heads": 2,
            "intermediate_size": 48,
            "out_hidden_size": 64,
            "in_channels": 3,
            "image_size": 16,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "rms_norm_eps": 1e-5,
            "attention_bias": false,
        },
    })
}

/// As [`tiny_config`], with widths that blocks of 256 fit.
pub fn wide_config() -> serde_json::Value {
    let mut config = tiny_config();
    for (part, key, value) in [
        ("text_config", "hidden_size", 256),
        ("text_config", "intermediate_size", 512),
        ("vision_config", "out_hidden_size", 256),
    ] {
        if let Some(place) = config.get_mut(part).and_then(|part| part.get_mut(key)) {
            *place = value.into();
        }
    }
    let section = json!([4, 6, 6]);
    if let Some(place) = config.pointer_mut("/text_config/rope_parameters/mrope_section") {
        *place = section;
    }
    config
}

/// The configuration of GLM-4.6V-Flash.
///
/// # Errors
/// None that a caller could cause.
pub fn full_size() -> Result<Config> {
    Config::from_json(
        &json!({
            "architectures": ["Glm4vForConditionalGeneration"],
            "model_type": "glm4v",
            "image_token_id": 151_363,
            "video_token_id": 151_364,
            "image_start_token_id": 151_339,
            "image_end_token_id": 151_340,
            "tie_word_embeddings": false,
            "text_config": {
                "hidden_size": 4096,
                "intermediate_size": 13_696,
                "num_hidden_layers": 40,
                "num_attention_heads": 32,
                "num_key_value_heads": 2,
                "rms_norm_eps": 1e-5,
                "vocab_size": 151_552,
                "max_position_embeddings": 131_072,
                "eos_token_id": [151_329, 151_336, 151_338],
                "pad_token_id": 151_329,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 500_000.0,
                    "partial_rotary_factor": 0.5,
                    "mrope_section": [8, 12, 12],
                },
            },
            "vision_config": {
                "depth": 24,
                "hidden_size": 1536,
                "num_heads": 12,
                "intermediate_size": 13_696,
                "out_hidden_size": 4096,
                "in_channels": 3,
                "image_size": 336,
                "patch_size": 14,
                "spatial_merge_size": 2,
                "temporal_patch_size": 2,
                "rms_norm_eps": 1e-5,
                "attention_bias": false,
            },
        })
        .to_string(),
    )
}

/// Random weights of every shape that a configuration asks for.
///
/// The spread of a matrix is `1 / sqrt(columns)`, so that a signal neither dies nor grows through the layers; norms are
/// near 1 and biases small.
///
/// # Errors
/// [`Error::Candle`] when the values cannot be converted to `dtype`.
pub fn random_tensors(config: &Config, dtype: DType, seed: u64) -> Result<HashMap<String, Tensor>> {
    let mut tensors = HashMap::new();
    for (index, (name, shape)) in expected_tensors(config).into_iter().enumerate() {
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(index as u64);
        let tensor = if shape.len() > 1 {
            let columns: usize = shape.iter().skip(1).product();
            random(seed, shape, (3.0 / columns as f32).sqrt(), dtype)?
        } else if name.ends_with(".weight") {
            (random(seed, shape, 0.2, DType::F32)? + 1.0)?.to_dtype(dtype)?
        } else {
            random(seed, shape, 0.1, dtype)?
        };
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// Writes `config.json` and a `model.safetensors` with [`random_tensors`].
///
/// # Errors
/// [`Error::Io`] when the directory cannot be written, else as [`Config::from_json`].
pub fn write_checkpoint(
    dir: &Path,
    config: &serde_json::Value,
    dtype: DType,
    seed: u64,
) -> Result<()> {
    let parsed = Config::from_json(&config.to_string())?;
    let path = dir.join("config.json");
    std::fs::write(&path, config.to_string()).map_err(|error| Error::io(&path, error))?;
    let tensors = random_tensors(&parsed, dtype, seed)?;
    Ok(candle_core::safetensors::save(
        &tensors,
        dir.join("model.safetensors"),
    )?)
}

/// A tiny model of [`tiny_config`] with seeded weights, in float32 on the CPU.
///
/// # Errors
/// None that a caller could cause.
pub fn tiny() -> Result<Model> {
    let config = Config::from_json(&tiny_config().to_string())?;
    let tensors = random_tensors(&config, DType::F32, 1)?;
    Model::from_tensors(tensors, config, &LoadOptions::default())
}

/// Pixels of a picture of `rows x columns` patches for a tiny model, the same for the same seed.
///
/// # Errors
/// [`Error::Candle`] never in practice.
pub fn tiny_pixels(seed: u64, rows: usize, columns: usize) -> Result<Pixels> {
    let row_len = Config::from_json(&tiny_config().to_string())?
        .vision_config
        .patch_row_len();
    let patches = random(seed, (rows * columns, row_len), 2.0, DType::F32)?;
    Ok(Pixels {
        grid_thw: [1, rows, columns],
        patches: patches.flatten_all()?.to_vec1()?,
        rows: rows * columns,
        row_len,
    })
}
