//! What the full model occupies under each scheme, computed; and what a generated checkpoint really occupies, measured.
//!
//! ```text
//! cargo run --release -p glm4v --features testing --example memory -- [LAYERS]
//! ```
//!
//! The first table needs nothing. The second writes a checkpoint of random parameters in bfloat16, 0.2 G with the 8
//! layers that it has by default, and loads it in a process of its own for each scheme; it reads the resident memory from `/proc`, so it needs Linux.
#![expect(
    clippy::print_stdout,
    reason = "tables for a person are what this program makes"
)]

use std::path::Path;
use std::process::Command;

use candle_core::DType;
use glm4v::memory::{Footprint, Holding};
use glm4v::testing::{full_size, tiny_config, write_checkpoint};
use glm4v::{LoadOptions, Model, Scheme};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, dir, name] = arguments.as_slice()
        && flag == "--measure"
    {
        return measure(Path::new(dir), name);
    }
    println!("{}", glm4v::memory::table(&full_size()?));
    let dir = tempfile::tempdir()?;
    let layers = arguments.first().map_or(Ok(8), |layers| layers.parse())?;
    let config = middle(layers);
    write_checkpoint(dir.path(), &config, DType::BF16, 1)?;
    println!(
        "| held | computed | measured after loading | measured after a prompt of 256 tokens |"
    );
    println!("|---|---|---|---|");
    for name in ["f32", "bf16", "q8_0", "q6k", "q5k", "q4k"] {
        let out = Command::new(std::env::current_exe()?)
            .arg("--measure")
            .arg(dir.path())
            .arg(name)
            .output()?;
        print!("{}", String::from_utf8(out.stdout)?);
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into());
        }
    }
    Ok(())
}

/// A model whose widths are to each other as the full model's are: `down_proj` has columns that no block of 256 fits.
fn middle(layers: usize) -> serde_json::Value {
    let mut config = tiny_config();
    for (place, value) in [
        ("/image_token_id", 32_000),
        ("/text_config/hidden_size", 1024),
        ("/text_config/intermediate_size", 3424),
        ("/text_config/num_hidden_layers", layers),
        ("/text_config/num_attention_heads", 8),
        ("/text_config/vocab_size", 32_768),
        ("/vision_config/depth", 4),
        ("/vision_config/hidden_size", 512),
        ("/vision_config/num_heads", 4),
        ("/vision_config/intermediate_size", 3424),
        ("/vision_config/out_hidden_size", 1024),
        ("/vision_config/image_size", 336),
        ("/vision_config/patch_size", 14),
    ] {
        if let Some(key) = config.pointer_mut(place) {
            *key = value.into();
        }
    }
    if let Some(section) = config.pointer_mut("/text_config/rope_parameters/mrope_section") {
        *section = serde_json::json!([8, 12, 12]);
    }
    config
}

fn measure(dir: &Path, name: &str) -> Result<()> {
    let (dense, scheme) = match name {
        "f32" => (DType::F32, None),
        "bf16" => (DType::BF16, None),
        scheme => (DType::BF16, Some(scheme.parse::<Scheme>()?)),
    };
    let options = LoadOptions {
        dtype: Some(dense),
        quantise: scheme,
        ..LoadOptions::default()
    };
    let before = resident()?;
    let model = Model::load(dir, &options)?;
    let loaded = resident()?.saturating_sub(before);
    let computed = Footprint::of(model.config(), &Holding::on_cpu(DType::BF16, dense, scheme));
    let input = model.input((0..256).collect(), vec![])?;
    let mut row = model.row(None)?;
    model.prefill(&mut row, &input, 256)?;
    model.decode(&mut [&mut row], &[7])?;
    let used = resident()?.saturating_sub(before);
    let mega = |bytes: usize| format!("{:.0} MB", bytes as f64 / 1e6);
    println!(
        "| {name} | {} | {} | {} |",
        mega(computed.weights()),
        mega(loaded),
        mega(used)
    );
    Ok(())
}

/// Bytes of memory that are this process's own; mapped files are not among them.
fn resident() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no RssAnon")?;
    Ok(kilobytes.parse::<usize>()? * 1024)
}
