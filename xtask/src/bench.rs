//! `cargo xtask bench`: measurements, each side by side with what it is compared to.

mod gpu;
mod model;
mod serve;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::sh;

/// Which bench.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(clap::Subcommand)]
enum Bench {
    /// The embedded engine's summaries beside human ones: a folder with `dev.jsonl.gz`, `images/` and `evaluate.py`.
    Corpus {
        /// The folder.
        #[arg(long)]
        corpus: PathBuf,
    },
    /// The model crate beside the Python reference on this CPU, stage by stage.
    Model(model::Args),
    /// The server beside `transformers serve` on one checkpoint, with 1, 8 and 32 callers.
    Serve(serve::Args),
    /// The crate `imaging` beside libvips, in turn: a folder of pictures.
    Imaging {
        /// The folder.
        #[arg(long)]
        images: PathBuf,
        /// How often each picture is prepared; the least time counts.
        #[arg(long, default_value_t = 7)]
        repeats: u32,
    },
}

/// The bench of pictures beside libvips, with its own package.
const BESIDE_LIBVIPS: &str = "crates/imaging/benches/beside-libvips";

/// Runs one bench.
pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.bench {
        Bench::Corpus { corpus } => run_corpus(corpus),
        Bench::Model(args) => model::run(args),
        Bench::Serve(args) => serve::run(args),
        Bench::Imaging { images, repeats } => run_imaging(images, *repeats),
    }
}

/// Predicts every article's fields with the binary of the demo, then scores them with the corpus' own script.
fn run_corpus(corpus: &std::path::Path) -> Result<()> {
    let corpus = corpus
        .canonicalize()
        .context("--corpus needs an existing folder")?;
    let input = corpus.join("dev.jsonl.gz");
    ensure!(input.exists(), "{} is not there", input.display());
    let predictions = sh::root().join("target/corpus-predictions.jsonl");
    let (input, predictions) = (input.to_string_lossy(), predictions.to_string_lossy());
    sh::part("predictions", || {
        let run = [
            "run",
            "--quiet",
            "--package",
            "backend",
            "--bin",
            "smart-summary",
            "--",
        ];
        let evaluate = ["evaluate", "--input", &*input, "--output", &*predictions];
        sh::run(".", "cargo", &[&run[..], &evaluate[..]].concat())
    })?;
    let script = corpus.join("evaluate.py");
    let scored = format!("ours={predictions}");
    sh::run(
        ".",
        "python3",
        &[&*script.to_string_lossy(), "--corpus", &*input, &scored],
    )
}

/// Builds the example that prepares pictures on request and lets the script ask it and libvips in turn.
fn run_imaging(images: &std::path::Path, repeats: u32) -> Result<()> {
    let images = images
        .canonicalize()
        .context("--images needs an existing folder")?;
    let build = [
        "build",
        "--quiet",
        "--release",
        "--package",
        "imaging",
        "--example",
        "timed",
    ];
    sh::run(".", "cargo", &build)?;
    sh::run(BESIDE_LIBVIPS, "npm", &["ci", "--no-audit", "--no-fund"])?;
    let timed = sh::root().join("target/release/examples/timed");
    let arguments = [
        "bench.mjs",
        &timed.to_string_lossy(),
        &images.to_string_lossy(),
        &repeats.to_string(),
    ];
    sh::run(BESIDE_LIBVIPS, "node", &arguments)
}
