//! The model crate beside the Python reference: the same shapes, machine and threads, in turns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::sh;

/// What to measure with.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The full shape on an NVIDIA GPU: first token, decoding of 1, 8 and 32 rows, memory, and the device's limits.
    #[arg(long)]
    gpu: bool,
    /// The example `bench` of `glm4v`, built elsewhere: with the feature `testing`, for `--gpu` with `flash-attn` as well.
    #[arg(long)]
    pub(super) binary: Option<PathBuf>,
    /// A Python that has torch, torchvision, `transformers[serving]` and pillow; without it one is made in `target/bench-python`,
    /// which downloads some gigabytes.
    #[arg(long)]
    pub(super) python: Option<PathBuf>,
    /// Threads of both.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Turns; the least of each figure counts.
    #[arg(long, default_value_t = 3)]
    pub(super) rounds: usize,
}

/// Times transformers; from the project's root.
pub(super) const REFERENCE: &str = "xtask/src/bench/model_reference.py";

/// Figures by name: wall-clock milliseconds, and processor time under `cpu_`.
pub(super) type Figures = BTreeMap<String, f64>;

/// Stages as both sides name them, and whether their processor time is told.
const STAGES: [(&str, &str, bool); 4] = [
    ("preprocess", "preprocess_ms", false),
    ("vision", "vision_ms", true),
    ("prefill", "prefill_text_ms", true),
    ("decode, a token", "decode_ms_per_token", false),
];

/// Ours, and the reference's type that it is compared with.
const OURS: [(&str, &str); 4] = [
    ("f32", "float32"),
    ("bf16", "bfloat16"),
    ("q8_0", "bfloat16"),
    ("q4k", "bfloat16"),
];

/// Measures in turns and prints a Markdown table of ratios, where more than 1 is in our favour.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.gpu {
        return super::gpu::run(args);
    }
    let python = match &args.python {
        Some(python) => python.clone(),
        None => python_of_our_own()?,
    };
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => build()?,
    };
    let mut theirs: BTreeMap<String, Figures> = BTreeMap::new();
    let mut ours: BTreeMap<String, Figures> = BTreeMap::new();
    for round in 1..=args.rounds {
        sh::part(&format!("round {round} of {}", args.rounds), || {
            for (dtype, figures) in reference_once(&python, args.threads)? {
                keep_least(theirs.entry(dtype).or_default(), figures);
            }
            for (hold, _) in OURS {
                keep_least(
                    ours.entry(hold.to_owned()).or_default(),
                    ours_once(&binary, hold, args.threads)?,
                );
            }
            Ok(())
        })?;
    }
    print_table(&ours, &theirs);
    Ok(())
}

fn build() -> Result<PathBuf> {
    let example = [
        "build",
        "--release",
        "--package",
        "glm4v",
        "--features",
        "testing",
    ];
    sh::run(
        ".",
        "cargo",
        &[&example[..], &["--example", "bench"]].concat(),
    )?;
    Ok(sh::root().join("target/release/examples/bench"))
}

fn print_table(ours: &BTreeMap<String, Figures>, theirs: &BTreeMap<String, Figures>) {
    println!(
        "\n| stage | reference | ours | ms, reference | ms, ours | ratio | ratio of processor time |"
    );
    println!("|---|---|---|---:|---:|---:|---:|");
    for (stage, key, has_cpu) in STAGES {
        for (hold, dtype) in OURS {
            let figure = |side: &BTreeMap<String, Figures>, name: &str, key: &str| {
                let value = side.get(name).and_then(|figures| figures.get(key));
                value.copied().unwrap_or(f64::NAN)
            };
            // Where the reference is slower in bfloat16 than in float32, nobody would run it so.
            let dtype = [dtype, "float32"]
                .into_iter()
                .min_by(|a, b| figure(theirs, a, key).total_cmp(&figure(theirs, b, key)))
                .unwrap_or(dtype);
            let (their, our) = (figure(theirs, dtype, key), figure(ours, hold, key));
            let cpu = format!("cpu_{key}");
            let cpu = if has_cpu {
                format!(
                    "{:.2}",
                    figure(theirs, dtype, &cpu) / figure(ours, hold, &cpu)
                )
            } else {
                String::new()
            };
            println!(
                "| {stage} | {dtype} | {hold} | {their:.1} | {our:.1} | {:.2} | {cpu} |",
                their / our
            );
        }
    }
}

fn keep_least(least: &mut Figures, figures: Figures) {
    for (key, value) in figures {
        let kept = least.entry(key).or_insert(value);
        *kept = kept.min(value);
    }
}

/// One pass of the reference in both of its types.
fn reference_once(python: &Path, threads: usize) -> Result<BTreeMap<String, Figures>> {
    let mut command = sh::command(".", &python.to_string_lossy(), &[REFERENCE]);
    command.args(["--shape", "mid", "--device", "cpu"]);
    command.args(["--dtype", "float32", "bfloat16"]);
    command.args(["--rows", "1", "--text", "200", "--repeat", "1"]);
    command.args(["--threads", &threads.to_string()]);
    let told: Value = serde_json::from_str(&sh::output_of(command)?)
        .context("the reference printed no JSON object")?;
    let runs = told.get("runs").and_then(Value::as_object);
    let runs = runs.context("the reference told of no runs")?;
    Ok(runs
        .iter()
        .map(|(dtype, run)| (dtype.clone(), numbers(Some(run))))
        .collect())
}

/// One pass of ours.
fn ours_once(binary: &Path, hold: &str, threads: usize) -> Result<Figures> {
    let mut command = sh::command(
        ".",
        &binary.to_string_lossy(),
        &["--hold", hold, "--repeat", "1"],
    );
    command.env("RAYON_NUM_THREADS", threads.to_string());
    let told: Value = serde_json::from_str(&sh::output_of(command)?)
        .context("the bench printed no JSON object")?;
    Ok(numbers(told.get("best")))
}

pub(super) fn numbers(object: Option<&Value>) -> Figures {
    let pairs = object.and_then(Value::as_object).into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_f64()?)))
        .collect()
}

/// Makes a Python with what the reference needs, once.
pub(super) fn python_of_our_own() -> Result<PathBuf> {
    let home = sh::root().join("target/bench-python");
    let python = home.join("bin/python");
    if !home.join("done").exists() {
        sh::run(".", "python3", &["-m", "venv", &home.to_string_lossy()])?;
        let install = ["-m", "pip", "install", "--quiet"];
        let packages = ["torch", "torchvision", "transformers[serving]", "pillow"];
        sh::run(
            ".",
            &python.to_string_lossy(),
            &[&install[..], &packages[..]].concat(),
        )?;
        std::fs::write(home.join("done"), "")?;
    }
    Ok(python)
}
