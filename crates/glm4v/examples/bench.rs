//! Times the model's four stages with random weights and prints one JSON object.
//!
//! ```text
//! cargo run --release -p glm4v --example bench -- [--shape mid|full] [--device cpu|cuda] [--hold f32|bf16|q8_0|q6k|q5k|q4k]
//!     [--repeat 3] [--decode 64] [--rows 1,8] [--text 200]
//! ```
//!
//! `mid` is the 116 M configuration that the Python reference script of the benchmarks builds; `full` is GLM-4.6V-Flash
//! itself, which needs about 24 GB of memory besides the device's. One picture of 1024 x 768 and `--text` tokens are
//! prefilled, then `--decode` tokens are decoded greedily, by each number of `--rows` at once. Weights are drawn on the
//! spot. What each stage has to read or multiply at least is told as well, for comparing with what a device could do.

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
        "cuda" => Device::new_cuda(0).map_err(|error| format!("no GPU can be used: {error}"))?,
        _ => Device::Cpu,
    };
    let config = if full {
        glm4v::testing::full_size()?
    } else {
        Config::from_json(&mid_shape().to_string())?
    };
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
    let processor = Processor::new(serde_json::from_value::<PreprocessorConfig>(json!({}))?)?;
    let picture = picture()?;
    let merge = model.config().vision_config.spatial_merge_size;
    let [t, h, w] = processor.process(&picture)?.grid_thw;
    let bench = Bench {
        model,
        processor,
        picture,
        image_tokens: t * h * w / (merge * merge),
        text: flags.number("text", 200)?,
        decode: flags.number("decode", 64)?,
        rows: flags.numbers("rows", "1")?,
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
    println!(
        "{}",
        json!({
            "parameters": parameters,
            "hold": hold,
            "weight_bytes": bench.model.bytes(),
            "rows": bench.rows,
            "best": best,
            "work": bench.work()?,
        })
    );
    Ok(())
}

struct Bench {
    model: Model,
    processor: Processor,
    picture: Rgb,
    image_tokens: usize,
    text: usize,
    decode: usize,
    rows: Vec<usize>,
}

impl Bench {
    /// One pass: milliseconds by stage, and under `cpu_` the processor's time of all threads.
    fn run(&self) -> Result<HashMap<String, f64>> {
        let device = self.model.device();
        let mut times = HashMap::new();
        let mut steps = Vec::new();
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
        let images: Vec<_> = embeds.into_iter().map(Arc::new).collect();
        let ids = self.prompt();
        let input = self.model.input(ids, images)?;
        let mut first: Row = self.model.row(None)?;
        let logits = self.model.prefill(&mut first, &input, usize::MAX)?;
        let chosen = glm4v::batch::greedy(&logits.unsqueeze(0)?)?;
        tick("prefill_text_ms")?;
        for count in &self.rows {
            let rows = (0..*count).map(|_| first.fork(first.len()));
            let step = self.decode(rows.collect::<glm4v::Result<_>>()?, chosen.repeat(*count))?;
            tick(&format!("decode_total_ms_{count}"))?;
            steps.push((format!("decode_ms_per_token_{count}"), step));
        }
        let first = steps.first().map(|(_, step)| *step);
        times.extend(first.map(|step| ("decode_ms_per_token".to_owned(), step)));
        times.extend(steps);
        let stages = ["preprocess_ms", "vision_ms", "prefill_text_ms"];
        let first = stages.iter().filter_map(|stage| times.get(*stage)).sum();
        times.insert("first_token_ms".to_owned(), first);
        Ok(times)
    }

    /// The median step of `rows` that decode together, beginning with the tokens `chosen`: milliseconds.
    fn decode(&self, mut rows: Vec<Row>, mut chosen: Vec<u32>) -> Result<f64> {
        let mut steps = Vec::with_capacity(self.decode);
        for _ in 0..self.decode {
            let start = Instant::now();
            let mut batch: Vec<&mut Row> = rows.iter_mut().collect();
            let logits = self.model.decode(&mut batch, &chosen)?;
            chosen = glm4v::batch::greedy(&logits)?;
            steps.push(start.elapsed().as_secs_f64() * 1e3);
        }
        steps.sort_by(f64::total_cmp);
        Ok(steps.get(steps.len() / 2).copied().unwrap_or_default())
    }

    fn prompt(&self) -> Vec<u32> {
        let word = |index: usize| (100 + index * 7919 % 14_000) as u32;
        let image = self.model.config().image_token_id;
        let mut ids: Vec<u32> = (0..20).map(word).collect();
        ids.extend(std::iter::repeat_n(image, self.image_tokens));
        ids.extend((20..self.text).map(word));
        ids
    }

    /// What each stage does at least: products of the tower and the decoder in FLOP, bytes of a decoding step.
    fn work(&self) -> Result<Value> {
        let config = self.model.config();
        let (text, vision) = (&config.text_config, &config.vision_config);
        let merged = (vision.spatial_merge_size * vision.spatial_merge_size) as f64;
        let tokens = (self.image_tokens + self.text) as f64;
        let image_tokens = self.image_tokens as f64;
        let patches = merged * image_tokens;
        let mut layers = 0.0;
        let mut head = 0.0;
        let mut blocks = 0.0;
        let mut rest = 0.0;
        for (name, shape) in expected_tensors(config) {
            let count = shape.iter().product::<usize>() as f64;
            match name {
                // Looked up, or sampled once.
                name if shape.len() < 2
                    || name.contains("embedding")
                    || name.contains("embed_tokens") => {}
                name if name.starts_with("model.language_model.layers") => layers += count,
                name if name.starts_with("lm_head") => head += count,
                name if name.contains("visual.blocks") || name.contains("patch_embed") => {
                    blocks += count;
                }
                _ => rest += count,
            }
        }
        // Scores and sums: two products of a head's width for each pair, half of the pairs where it is causal.
        let pairs = |n: f64, hidden: usize, depth: usize| 4.0 * n * n * (hidden * depth) as f64;
        let causal = pairs(tokens, text.hidden_size, text.num_hidden_layers) / 2.0;
        let full = pairs(patches, vision.hidden_size, vision.depth);
        Ok(json!({
            "prompt_tokens": tokens,
            "vision_flop": 2.0 * (blocks * patches + rest * image_tokens) + full,
            "prefill_flop": 2.0 * (layers * tokens + head) + causal,
            "decode_weight_bytes": 2.0 * (layers + head),
            "decode_kv_bytes_per_row": tokens * text.kv_bytes_per_token(2) as f64,
        }))
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

    fn numbers(&self, name: &str, default: &str) -> Result<Vec<usize>> {
        let all = self.get(name, default).split(',');
        all.map(|number| {
            let wrong = |_| format!("--{name} takes whole numbers such as 1,8, not `{number}`");
            number.parse().map_err(wrong).map_err(Into::into)
        })
        .collect()
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
