//! Times the model's four stages with random weights and prints one JSON object.
//!
//! ```text
//! cargo run --release -p glm4v --example bench -- [--shape mid|full] [--device cpu|cuda] [--hold f32|bf16|q8_0|q6k|q5k|q4k]
//!     [--repeat 3] [--decode 64] [--rows 1] [--text 200]
//! ```
//!
//! `mid` is the 116 M configuration that the Python reference script of the benchmarks builds; `full` is GLM-4.6V-Flash
//! itself, which needs about 48 GB of memory besides the device's. One picture of 1024 x 768 and `--text` tokens are
//! prefilled, then `--decode` tokens are decoded greedily, by `--rows` sequences at once. Weights are drawn on the spot.

#![expect(clippy::print_stdout, reason = "figures are what this program makes")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use glm4v::processor::{PreprocessorConfig, Processor, Rgb};
use glm4v::testing::random_tensors;
use glm4v::weights::expected_tensors;
use glm4v::{Config, LoadOptions, Model, Row, Scheme};
use serde_json::{Value, json};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let flags = Flags::read(std::env::args().skip(1))?;
    let full = flags.get("shape", "mid") == "full";
    let device = match flags.get("device", "cpu") {
        "cuda" => Device::new_cuda(0)?,
        _ => Device::Cpu,
    };
    let shape = if full { full_shape() } else { mid_shape() };
    let config = Config::from_json(&shape.to_string())?;
    let hold = flags.get("hold", if device.is_cpu() { "f32" } else { "bf16" });
    let mut options = LoadOptions {
        device: device.clone(),
        ..LoadOptions::default()
    };
    match hold {
        "f32" => options.dtype = Some(DType::F32),
        "bf16" => options.dtype = Some(DType::BF16),
        scheme => {
            // The vision tower and the attention keep the type that checkpoints have.
            options.dtype = Some(DType::BF16);
            options.quantise = Some(scheme.parse::<Scheme>()?);
        }
    }
    let weights = if full {
        repeated_tensors(&config)?
    } else {
        random_tensors(&config, DType::BF16, 1)?
    };
    let parameters: usize = expected_tensors(&config)
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();
    let model = Model::from_tensors(weights, config, &options)?;
    let bench = Bench {
        model,
        processor: Processor::new(serde_json::from_value::<PreprocessorConfig>(json!({}))?)?,
        picture: picture()?,
        text: flags.number("text", 200)?,
        decode: flags.number("decode", 64)?,
        rows: flags.number("rows", 1)?,
    };
    let mut stages = Vec::new();
    for _ in 0..flags.number("repeat", 3)? {
        stages.push(bench.run()?);
    }
    let mut best: HashMap<String, f64> = HashMap::new();
    for (key, value) in stages.into_iter().flatten() {
        let least = best.entry(key).or_insert(value);
        *least = least.min(value);
    }
    let step = best.get("decode_ms_per_token").copied().unwrap_or(f64::NAN);
    let tokens_per_second = bench.rows as f64 * 1000.0 / step;
    println!(
        "{}",
        json!({
            "parameters": parameters,
            "hold": hold,
            "weight_bytes": bench.model.bytes(),
            "rows": bench.rows,
            "best": best,
            "decode_tokens_per_second": tokens_per_second,
        })
    );
    Ok(())
}

struct Bench {
    model: Model,
    processor: Processor,
    picture: Rgb,
    text: usize,
    decode: usize,
    rows: usize,
}

impl Bench {
    /// One pass: milliseconds by stage, and under `cpu_` the processor's time of all threads.
    fn run(&self) -> Result<HashMap<String, f64>> {
        let device = self.model.device();
        let mut times = HashMap::new();
        let mut lap = (Instant::now(), processor_ms());
        let mut tick = |name: &str| -> Result<()> {
            device.synchronize()?;
            times.insert(name.to_owned(), lap.0.elapsed().as_secs_f64() * 1e3);
            times.insert(format!("cpu_{name}"), processor_ms() - lap.1);
            lap = (Instant::now(), processor_ms());
            Ok(())
        };
        let pixels = self.processor.process(&self.picture)?;
        tick("preprocess_ms")?;
        let embeds = self.model.see(&[pixels], None)?;
        tick("vision_ms")?;
        let image = self.model.config().image_token_id;
        let images: Vec<_> = embeds.into_iter().map(Arc::new).collect();
        let mut tokens = 0;
        for image in &images {
            tokens += image.embeds().dim(0)?;
        }
        let word = |index: usize| (100 + index * 7919 % 14_000) as u32;
        let mut ids: Vec<u32> = (0..20).map(word).collect();
        ids.extend(std::iter::repeat_n(image, tokens));
        ids.extend((20..self.text).map(word));
        let input = self.model.input(ids, images)?;
        let mut rows = Vec::with_capacity(self.rows);
        let mut first: Row = self.model.row(None)?;
        let logits = self.model.prefill(&mut first, &input, usize::MAX)?;
        let mut chosen = glm4v::batch::greedy(&logits.unsqueeze(0)?)?;
        tick("prefill_text_ms")?;
        for _ in 1..self.rows {
            rows.push(first.fork(first.len())?);
        }
        rows.push(first);
        chosen = chosen.repeat(self.rows);
        tick("fork_ms")?;
        let mut steps = Vec::with_capacity(self.decode);
        for _ in 0..self.decode {
            let start = Instant::now();
            let mut batch: Vec<&mut Row> = rows.iter_mut().collect();
            let logits = self.model.decode(&mut batch, &chosen)?;
            chosen = glm4v::batch::greedy(&logits)?;
            steps.push(start.elapsed().as_secs_f64() * 1e3);
        }
        tick("decode_total_ms")?;
        steps.sort_by(f64::total_cmp);
        let median = steps.get(steps.len() / 2).copied().unwrap_or_default();
        times.insert("decode_ms_per_token".to_owned(), median);
        let stages = ["preprocess_ms", "vision_ms", "prefill_text_ms"];
        let first = stages.iter().filter_map(|stage| times.get(*stage)).sum();
        times.insert("first_token_ms".to_owned(), first);
        Ok(times)
    }
}

/// Processor time of this process so far, all threads together, in steps of 10 ms; 0 where the system does not tell.
fn processor_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold spaces; user and system time are the 12th and 13th fields behind it.
    let behind = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind.split_whitespace().skip(11).take(2);
    10.0 * ticks
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
}

/// The picture of the reference script: two ramps and a pattern.
fn picture() -> Result<Rgb> {
    let (width, height) = (1024, 768);
    let pixels = (0..height).flat_map(|y| {
        (0..width).flat_map(move |x| {
            [x * 255 / width, y * 255 / height, (x * 7 + y * 13) % 256].map(|value| value as u8)
        })
    });
    Ok(Rgb::new(width, height, pixels.collect())?)
}

/// One block of random values for every tensor: drawing ten billion numbers would take longer than the bench.
fn repeated_tensors(config: &Config) -> Result<HashMap<String, Tensor>> {
    let block = glm4v::testing::random(1, 1 << 22, 0.02, DType::BF16)?;
    let block: Vec<half::bf16> = block.to_vec1()?;
    expected_tensors(config)
        .into_iter()
        .map(|(name, shape)| {
            let count: usize = shape.iter().product();
            let tensor = if shape.len() == 1 && name.ends_with(".weight") {
                Tensor::ones(shape, DType::BF16, &Device::Cpu)?
            } else {
                let values: Vec<half::bf16> = block.iter().copied().cycle().take(count).collect();
                Tensor::from_vec(values, shape, &Device::Cpu)?
            };
            Ok((name, tensor))
        })
        .collect()
}

fn mid_shape() -> Value {
    json!({
        "architectures": ["Glm4vForConditionalGeneration"],
        "model_type": "glm4v",
        "image_token_id": 15900, "video_token_id": 15901,
        "image_start_token_id": 15902, "image_end_token_id": 15903,
        "tie_word_embeddings": false,
        "text_config": {
            "vocab_size": 16000, "hidden_size": 768, "intermediate_size": 2560, "num_hidden_layers": 10,
            "num_attention_heads": 12, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
            "max_position_embeddings": 8192, "eos_token_id": [0],
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 500_000.0, "partial_rotary_factor": 0.5,
                "mrope_section": [4, 6, 6],
            },
        },
        "vision_config": {
            "depth": 8, "hidden_size": 384, "num_heads": 6, "intermediate_size": 2048, "out_hidden_size": 768,
            "in_channels": 3, "image_size": 336, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "rms_norm_eps": 1e-5, "attention_bias": false,
        },
    })
}

/// GLM-4.6V-Flash, by the list of its tensors and the published configuration.
fn full_shape() -> Value {
    json!({
        "architectures": ["Glm4vForConditionalGeneration"],
        "model_type": "glm4v",
        "image_token_id": 151_363, "video_token_id": 151_364,
        "image_start_token_id": 151_339, "image_end_token_id": 151_340,
        "tie_word_embeddings": false,
        "text_config": {
            "vocab_size": 151_552, "hidden_size": 4096, "intermediate_size": 13_696, "num_hidden_layers": 40,
            "num_attention_heads": 32, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
            "max_position_embeddings": 131_072, "eos_token_id": [151_329, 151_336, 151_338],
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 500_000.0, "partial_rotary_factor": 0.5,
                "mrope_section": [8, 12, 12],
            },
        },
        "vision_config": {
            "depth": 24, "hidden_size": 1536, "num_heads": 12, "intermediate_size": 13_696, "out_hidden_size": 4096,
            "in_channels": 3, "image_size": 336, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "rms_norm_eps": 1e-5, "attention_bias": false,
        },
    })
}

/// `--name value` pairs.
struct Flags(HashMap<String, String>);

impl Flags {
    const KNOWN: [&str; 7] = [
        "shape", "device", "hold", "repeat", "decode", "rows", "text",
    ];

    fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut flags = HashMap::new();
        while let Some(name) = args.next() {
            let known = Self::KNOWN
                .iter()
                .find(|known| name == format!("--{known}"));
            let known = known
                .ok_or_else(|| format!("`{name}` is none of --{}", Self::KNOWN.join(", --")))?;
            let value = args
                .next()
                .ok_or_else(|| format!("`{name}` needs a value"))?;
            flags.insert((*known).to_owned(), value);
        }
        Ok(Self(flags))
    }

    fn get<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).map_or(default, String::as_str)
    }

    fn number(&self, name: &str, default: usize) -> Result<usize> {
        let Some(value) = self.0.get(name) else {
            return Ok(default);
        };
        value
            .parse()
            .map_err(|_| format!("--{name} takes a whole number, not `{value}`").into())
    }
}
