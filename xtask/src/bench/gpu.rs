//! GLM-4.6V-Flash's full shape on a GPU, beside the Python reference and beside what the device could do.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::model::{Args, Figures, REFERENCE, numbers, python_of_our_own};
use crate::sh;

const ROWS: [usize; 3] = [1, 8, 32];
const TEXT: &str = "300";

/// What a device could do: its name as its driver tells it, bytes and dense bfloat16 FLOP a second.
///
/// Source: NVIDIA's data sheets of H100 SXM, H200 SXM and RTX 4090.
const LIMITS: [(&str, f64, f64); 3] = [
    ("H200", 4.8e12, 989e12),
    ("H100", 3.35e12, 989e12),
    ("4090", 1.008e12, 165e12),
];

/// What one side was measured at.
struct Side {
    best: Figures,
    /// MiB of the device in use at most, all programs together.
    peak: Option<f64>,
}

/// Measures both in turn and prints Markdown tables.
pub(crate) fn run(args: &Args) -> Result<()> {
    let device = ask("name").context("nvidia-smi tells of no GPU")?;
    let before = ask("memory.used").unwrap_or_default();
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => build()?,
    };
    let python = match &args.python {
        Some(python) => python.clone(),
        None => python_of_our_own()?,
    };
    let repeat = args.rounds.to_string();
    let (ours, told) = sh::part("ours", || {
        let rows = ROWS.map(|rows| rows.to_string()).join(",");
        let mut command = Command::new(&binary);
        command.args(["--shape", "full", "--device", "cuda", "--rows", &rows]);
        command.args(["--text", TEXT, "--repeat", &repeat]);
        measured(command)
    })?;
    let theirs = sh::part("the reference", || {
        let mut command = Command::new(&python);
        command.arg(sh::root().join(REFERENCE)).arg("--rows");
        command.args(ROWS.map(|rows| rows.to_string()));
        command.args(["--text", TEXT, "--repeat", &repeat]);
        measured(command)
    });
    let theirs = match theirs {
        Ok((theirs, _)) => Some(theirs),
        Err(error) => {
            println!("The reference could not be measured: {error:#}");
            None
        }
    };
    println!("\n{device}; {before} MiB of it were in use before.\n");
    print_table(&ours, theirs.as_ref());
    let limits = LIMITS.iter().find(|(name, ..)| device.contains(name));
    match limits {
        Some((_, bandwidth, peak)) => {
            let work = numbers(told.get("work"));
            print_limits(&ours.best, &work, *bandwidth, *peak);
        }
        None => println!(
            "\nNo limits of this device are known: see `LIMITS` in xtask/src/bench/gpu.rs."
        ),
    }
    Ok(())
}

/// The example, for the GPU that `CUDA_COMPUTE_CAP` names or this machine has.
fn build() -> Result<PathBuf> {
    let example = [
        "build",
        "--release",
        "--package",
        "glm4v",
        "--example",
        "bench",
    ];
    let features = ["--features", "flash-attn,testing"];
    sh::run(".", "cargo", &[&example[..], &features[..]].concat())?;
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| sh::root().join("target"), PathBuf::from);
    Ok(target.join("release/examples/bench"))
}

/// Runs a program that prints one JSON object, and watches the device's memory meanwhile.
fn measured(command: Command) -> Result<(Side, Value)> {
    let done = AtomicBool::new(false);
    let (output, peak) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak: Option<f64> = None;
            while !done.load(Ordering::Relaxed) {
                let used = ask("memory.used").and_then(|used| used.parse().ok());
                peak = peak.into_iter().chain(used).reduce(f64::max);
                std::thread::sleep(Duration::from_millis(200));
            }
            peak
        });
        let output = sh::output_of(command);
        done.store(true, Ordering::Relaxed);
        (output, watch.join().ok().flatten())
    });
    let told: Value = serde_json::from_str(&output?).context("no JSON object was printed")?;
    let best = told.get("best").or_else(|| told.pointer("/runs/bfloat16"));
    let best = numbers(best);
    ensure!(!best.is_empty(), "no figures were printed");
    Ok((Side { best, peak }, told))
}

/// One field of the first GPU.
fn ask(field: &str) -> Option<String> {
    let query = format!("--query-gpu={field}");
    let output = Command::new("nvidia-smi")
        .args([&*query, "--format=csv,noheader,nounits"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

fn print_table(ours: &Side, theirs: Option<&Side>) {
    let figure = |side: Option<&Side>, key: &str| {
        let value = side.and_then(|side| side.best.get(key));
        value.copied().unwrap_or(f64::NAN)
    };
    println!("| | reference | ours | ratio |\n|---|---:|---:|---:|");
    let stages = [
        ("preprocess, ms", "preprocess_ms"),
        ("vision, ms", "vision_ms"),
        ("prefill, ms", "prefill_text_ms"),
        ("first token, ms", "first_token_ms"),
    ];
    for (stage, key) in stages {
        let (their, our) = (figure(theirs, key), figure(Some(ours), key));
        println!("| {stage} | {their:.1} | {our:.1} | {:.2} |", their / our);
    }
    for rows in ROWS {
        let key = format!("decode_ms_per_token_{rows}");
        let speed = |side| rows as f64 * 1e3 / figure(side, &key);
        let (their, our) = (speed(theirs), speed(Some(ours)));
        let ratio = our / their;
        println!("| decode of {rows}, tokens/s | {their:.0} | {our:.0} | {ratio:.2} |");
    }
    let peak = |side: Option<&Side>| side.and_then(|side| side.peak).unwrap_or(f64::NAN) / 1024.0;
    let (their, our) = (peak(theirs), peak(Some(ours)));
    println!(
        "| peak memory, GiB | {their:.1} | {our:.1} | {:.2} |",
        their / our
    );
}

/// Part of what the device could do: bandwidth while decoding, arithmetic before.
fn print_limits(best: &Figures, work: &Figures, bandwidth: f64, peak: f64) {
    let figure = |of: &Figures, key: &str| of.get(key).copied().unwrap_or(f64::NAN);
    println!("\n| | least possible, ms | measured, ms | reached |\n|---|---:|---:|---:|");
    let row = |name: &str, least: f64, key: &str| {
        let measured = figure(best, key);
        let reached = 100.0 * least / measured;
        println!("| {name} | {least:.2} | {measured:.2} | {reached:.0} % |");
    };
    row(
        "vision, arithmetic",
        figure(work, "vision_flop") / peak * 1e3,
        "vision_ms",
    );
    row(
        "prefill, arithmetic",
        figure(work, "prefill_flop") / peak * 1e3,
        "prefill_text_ms",
    );
    for rows in ROWS {
        let cache = rows as f64 * figure(work, "decode_kv_bytes_per_row");
        let bytes = figure(work, "decode_weight_bytes") + cache;
        let name = format!("decode of {rows}, bandwidth");
        row(
            &name,
            bytes / bandwidth * 1e3,
            &format!("decode_ms_per_token_{rows}"),
        );
    }
}
