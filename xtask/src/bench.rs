//! `cargo xtask bench`: measurements, each side by side with what it is compared to.

mod downscale;
mod gateway;
mod gpu;
mod model;
mod quality;
mod serve;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::sh;

/// Which bench.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(clap::Subcommand)]
enum Bench {
    /// The embedded engine's fields beside human ones and simple peers; writes `docs/benchmarks/quality.md`.
    Quality(quality::Args),
    /// The server under load beside a bare handler, and identity and limits with many keys.
    Gateway(gateway::Args),
    /// The model crate beside the Python reference on this CPU, stage by stage.
    Model(model::Args),
    /// The server beside `transformers serve` on one checkpoint, with 1, 8 and 32 callers.
    Serve(serve::Args),
    /// Pictures made small in Chromium: the package beside what else a page could use.
    Downscale(downscale::Args),
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
        Bench::Quality(args) => quality::run(args),
        Bench::Gateway(args) => gateway::run(args),
        Bench::Model(args) => model::run(args),
        Bench::Serve(args) => serve::run(args),
        Bench::Downscale(args) => downscale::run(args),
        Bench::Imaging { images, repeats } => run_imaging(images, *repeats),
    }
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
