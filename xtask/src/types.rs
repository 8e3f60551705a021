//! `cargo xtask types`: the files that are made from the Rust types, so that there is one place to change.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::sh;

/// Which way round.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only compares, and fails when a file is stale.
    #[arg(long)]
    check: bool,
}

impl Args {
    /// Compare only.
    pub(crate) const fn checking() -> Self {
        Self { check: true }
    }
}

/// A generated file: where it lies, and the cargo arguments whose output it is.
struct Generated {
    path: &'static str,
    cargo: &'static [&'static str],
}

const SERVER: [&str; 6] = [
    "run",
    "--quiet",
    "--package",
    "backend",
    "--bin",
    "smart-summary",
];
const FILES: [Generated; 4] = [
    Generated {
        path: "plugin-wasm/js/src/generated/api.ts",
        cargo: &[
            "run",
            "--quiet",
            "--package",
            "api",
            "--features",
            "typescript",
            "--example",
            "typescript",
        ],
    },
    Generated {
        path: "docs/openapi.json",
        cargo: &["--", "openapi"],
    },
    Generated {
        path: "docs/configuration.md",
        cargo: &["--", "config-table"],
    },
    Generated {
        path: "docs/errors.md",
        cargo: &["--", "error-table"],
    },
];

/// Writes or compares the generated files.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut stale = Vec::new();
    for file in &FILES {
        let fresh = generate(file)?;
        let path = sh::root().join(file.path);
        let current = fs::read_to_string(&path).unwrap_or_default();
        if current == fresh {
            println!("{} is fresh", file.path);
        } else if args.check {
            stale.push(file.path);
        } else {
            fs::create_dir_all(path.parent().context("a generated file lies in a folder")?)?;
            fs::write(&path, fresh)?;
            println!("{} is written", file.path);
        }
    }
    if stale.is_empty() {
        Ok(())
    } else {
        bail!(
            "stale: {}; run `cargo xtask types` and commit",
            stale.join(", ")
        )
    }
}

fn generate(file: &Generated) -> Result<String> {
    let args: Vec<&str> = match file.cargo.first() {
        Some(&"--") => SERVER.iter().chain(file.cargo).copied().collect(),
        _ => file.cargo.to_vec(),
    };
    sh::output(".", "cargo", &args)
}
