//! `cargo xtask test`: every test, in the order in which a failure is cheapest to find.

use anyhow::Result;

use crate::{demo, setup, sh};

/// Which tests.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leaves out the tests that need a browser.
    #[arg(long)]
    no_browser: bool,
}

/// Runs the Rust tests, the package's own tests, and the tests of the page in a browser.
pub(crate) fn run(args: &Args) -> Result<()> {
    sh::part("Rust tests", || {
        sh::run(
            ".",
            "cargo",
            &["test", "--quiet", "--workspace", "--exclude", "tests"],
        )
    })?;
    sh::part("server tests", server)?;
    setup::npm(setup::PACKAGE)?;
    if args.no_browser {
        return sh::part("package tests", || {
            sh::run(setup::PACKAGE, "npm", &["test", "--silent"])
        });
    }
    demo::page()?;
    sh::part("package tests", || {
        sh::run(setup::PACKAGE, "npm", &["test", "--silent"])
    })?;
    setup::chromium()?;
    setup::npm(setup::BROWSER_TESTS)?;
    sh::part("browser tests", || {
        sh::run(setup::BROWSER_TESTS, "npm", &["test", "--silent"])
    })
}

/// The tests that drive the built binaries over HTTP; one of the two has the scripted engine.
fn server() -> Result<()> {
    sh::run(
        ".",
        "cargo",
        &[
            "build",
            "--quiet",
            "--package",
            "backend",
            "--features",
            "testing",
            "--bins",
        ],
    )?;
    sh::run(".", "cargo", &["test", "--quiet", "--package", "tests"])
}
