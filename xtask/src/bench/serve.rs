//! The server beside `transformers serve`: many callers, one checkpoint, the same requests in turns.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::model::python_of_our_own;
use crate::sh;

const SCRIPT: &str = "xtask/src/bench/serve.py";

/// What to measure with.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder with `dev.jsonl.gz` and `images/`: articles and their pictures.
    #[arg(long)]
    corpus: PathBuf,
    /// The checkpoint that both serve.
    #[arg(long, default_value = "crates/glm4v/tests/fixtures/checkpoint-b")]
    checkpoint: PathBuf,
    /// A Python that has torch, torchvision, `transformers[serving]` and pillow; without it one is made in
    /// `target/bench-python`, which downloads some gigabytes.
    #[arg(long)]
    python: Option<PathBuf>,
    /// The server; without it a release build is made.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Turns for each number of callers; the best of each side counts.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
}

/// Measures and prints Markdown tables.
pub(crate) fn run(args: &Args) -> Result<()> {
    let corpus = args.corpus.canonicalize();
    let corpus = corpus.context("--corpus needs an existing folder")?;
    ensure!(
        args.checkpoint.join("config.json").exists(),
        "{} is no checkpoint",
        args.checkpoint.display()
    );
    let python = match &args.python {
        Some(python) => python.clone(),
        None => python_of_our_own()?,
    };
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => {
            let build = ["build", "--release", "--package", "backend"];
            sh::run(
                ".",
                "cargo",
                &[&build[..], &["--bin", "smart-summary"]].concat(),
            )?;
            sh::root().join("target/release/smart-summary")
        }
    };
    let rounds = args.rounds.to_string();
    let mut command = std::process::Command::new(&python);
    command.arg(sh::root().join(SCRIPT));
    command.arg("--binary").arg(&binary);
    command.arg("--checkpoint").arg(&args.checkpoint);
    command.arg("--corpus").arg(&corpus);
    command.args(["--rounds", &rounds]);
    let status = command.status().context("the bench did not start")?;
    ensure!(status.success(), "the bench ended with {status}");
    Ok(())
}
