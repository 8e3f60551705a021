//! `cargo xtask fuzz`: libFuzzer with AddressSanitizer against every reader of bytes from outside.

use std::fs;

use anyhow::{Result, ensure};

use crate::sh;

/// The package of the targets, which no other build sees.
const PACKAGE: &str = "tests/fuzz";

/// What is fuzzed, and how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One of the files in `tests/fuzz/targets`; all of them, one after the other, when none is named.
    target: Option<String>,
    /// Minutes for each target.
    #[arg(long, default_value_t = 10)]
    minutes: u32,
}

/// Runs the targets over the corpus; inputs that reach new code are kept in `target/fuzz`, crashes in
/// `tests/fuzz/artifacts`.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(
        sh::has("cargo-fuzz"),
        "cargo-fuzz is not installed: `cargo install cargo-fuzz --locked`"
    );
    let known = targets()?;
    let chosen = match &args.target {
        None => known,
        Some(target) => {
            ensure!(
                known.contains(target),
                "there is no target `{target}`; there are {}",
                known.join(", ")
            );
            vec![target.clone()]
        }
    };
    for target in chosen {
        sh::part(&format!("fuzzing {target}"), || fuzz(&target, args.minutes))?;
    }
    Ok(())
}

fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(sh::root().join(PACKAGE).join("targets"))? {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .and_then(|name| name.to_str())
                .map(str::to_owned),
        );
    }
    names.sort();
    Ok(names)
}

fn fuzz(target: &str, minutes: u32) -> Result<()> {
    let found = sh::root().join("target/fuzz").join(target);
    fs::create_dir_all(&found)?;
    let found = found.to_string_lossy();
    let known = format!("{PACKAGE}/corpus/{target}");
    let seconds = format!("-max_total_time={}", minutes * 60);
    let mut command = sh::command(
        ".",
        "cargo",
        &[
            "fuzz",
            "run",
            "--fuzz-dir",
            PACKAGE,
            target,
            &found,
            &known,
            "--",
        ],
    );
    command.args([
        &seconds,
        "-max_len=4096",
        "-timeout=20",
        "-detect_leaks=0",
        "-print_final_stats=1",
    ]);
    // The sanitizer is a flag of nightly compilers; the stable one has it behind this variable.
    command.env("RUSTC_BOOTSTRAP", "1");
    sh::run_command(command)
}
