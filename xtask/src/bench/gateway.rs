//! The server under load, beside a bare handler of actix-web, and what identity and limits cost with many keys.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::{setup, sh};

const SCRIPT: &str = "xtask/src/bench/gateway.py";

/// What to measure with.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server; without it a release build is made.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Seconds for each row; there are eight, each once for the server and once for the bare handler.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Keys in the store when identity and limits are timed.
    #[arg(long, default_value_t = 100_000)]
    keys: u32,
}

/// Measures and prints Markdown tables.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(args.seconds > 0 && args.keys > 0, "nothing to measure");
    setup::wrk()?;
    let mut build = vec!["build", "--release", "--package", "backend"];
    build.extend(["--example", "bare", "--example", "identity"]);
    if args.binary.is_none() {
        build.extend(["--bin", "smart-summary"]);
    }
    sh::run(".", "cargo", &build)?;
    let release = sh::root().join("target/release");
    let binary = args.binary.clone();
    let mut command = sh::command(".", "python3", &[SCRIPT]);
    command
        .arg("--binary")
        .arg(binary.unwrap_or_else(|| release.join("smart-summary")));
    command.arg("--bare").arg(release.join("examples/bare"));
    command
        .arg("--identity")
        .arg(release.join("examples/identity"));
    command.args(["--seconds", &args.seconds.to_string()]);
    command.args(["--keys", &args.keys.to_string()]);
    sh::run_command(command)
}
