//! The package's `downscale` in Chromium beside what else a page could use, on the same pictures.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{sh, wasm};

const SCRIPT: &str = "xtask/src/bench/downscale.py";
/// Where the harness is copied to, so that nothing is installed in a folder of somebody else's.
const WORK: &str = "target/downscale";
/// The package as it is, or with this in it, which knows no way but that of our own decoders.
const DIST: &str = "plugin-wasm/js/dist";
const WASM_ONLY: &str = "xtask/src/bench/downscale_wasm.mjs";
const WASM_ONLY_DIST: &str = "target/downscale-wasm";

/// What to measure with.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder with the harness: `run.mjs`, `package.json` and `package-lock.json`.
    #[arg(long)]
    harness: PathBuf,
    /// A folder of pictures.
    #[arg(long)]
    images: PathBuf,
    /// Names of pictures or regular expressions, separated by commas; all without it.
    #[arg(long)]
    files: Option<String>,
    /// Whom to measure, separated by commas.
    #[arg(
        long,
        default_value = "ours,imagedecoder,bitmap-draw,compressorjs,sharp"
    )]
    adapters: String,
    /// How often each picture is made small by each; the least time counts.
    #[arg(long, default_value_t = 15)]
    repeats: u32,
    /// `bench`: time, size and quality; `memory`: the most that a page grows; `robust`: broken, hostile and unknown files.
    #[arg(long, default_value = "bench", value_parser = ["bench", "memory", "robust"])]
    mode: String,
    /// A Content-Security-Policy for every page, for instance `script-src 'self'`, under which ours has no WebAssembly.
    #[arg(long)]
    csp: Option<String>,
    /// Lets ours go by its own decoders only.
    #[arg(long)]
    wasm_only: bool,
}

/// Builds the package, measures and prints Markdown tables.
pub(crate) fn run(args: &Args) -> Result<()> {
    let harness = existing(&args.harness, "--harness")?;
    let images = existing(&args.images, "--images")?;
    ensure!(
        harness.join("run.mjs").exists(),
        "{} holds no run.mjs",
        harness.display()
    );
    wasm::run()?;
    let work = sh::root().join(WORK);
    copy(&harness, &work)?;
    sh::run(WORK, "npm", &["ci", "--no-audit", "--no-fund"])?;
    let report = work.join("report.json");
    let ours = if args.wasm_only {
        wasm_only()?
    } else {
        sh::root().join(DIST).join("downscale.js")
    };
    let mut command = sh::command(WORK, "node", &["run.mjs"]);
    command.arg("--images").arg(images);
    command.arg("--ours").arg(ours);
    command.arg("--json").arg(&report);
    command.args(["--mode", &args.mode, "--adapters", &args.adapters]);
    command.args(["--repeats", &args.repeats.to_string()]);
    if let Some(files) = &args.files {
        command.args(["--files", files]);
    }
    if let Some(policy) = &args.csp {
        command.args(["--csp", policy]);
    }
    sh::run_command(command)?;
    sh::run(".", "python3", &[SCRIPT, &report.to_string_lossy()])
}

/// A copy of the package with the slot that knows only our own decoders.
fn wasm_only() -> Result<PathBuf> {
    let folder = sh::root().join(WASM_ONLY_DIST);
    copy(&sh::root().join(DIST), &folder)?;
    let slot = folder.join("downscale_wasm.mjs");
    fs::copy(sh::root().join(WASM_ONLY), &slot)?;
    Ok(slot)
}

fn existing(folder: &Path, option: &str) -> Result<PathBuf> {
    folder
        .canonicalize()
        .with_context(|| format!("{option} needs an existing folder"))
}

/// All of a folder but what npm installed in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "node_modules" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
