//! `cargo xtask test`: every test, in the order in which a failure is cheapest to find.

use anyhow::Result;

use crate::{demo, setup, sh, wordpress};

/// Which tests.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leaves out the tests that need a browser.
    #[arg(long)]
    no_browser: bool,
}

/// Runs the Rust tests, the package's own tests, the tests of the page in a browser, and those of the WordPress plugin.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::npm(setup::PACKAGE)?;
    setup::databases()?;
    setup::tesseract()?;
    setup::python()?;
    sh::part("Rust build", || cargo("build", &["--bins"]))?;
    sh::part("Rust tests", || cargo("test", &[]))?;
    if args.no_browser {
        return sh::part("package tests", package);
    }
    demo::page()?;
    sh::part("package tests", package)?;
    setup::browsers()?;
    setup::npm(setup::BROWSER_TESTS)?;
    sh::part("browser tests", || {
        sh::run(setup::BROWSER_TESTS, "npm", &["test", "--silent"])
    })?;
    wordpress::test()
}

/// Both verbs see the whole workspace with the same features, so that no crate is compiled twice. The binaries are built
/// first because the tests drive them; one of the two has the scripted engine.
fn cargo(verb: &str, more: &[&str]) -> Result<()> {
    let mut command = sh::command(".", "cargo", &[verb, "--quiet", "--workspace"]);
    command.args(["--exclude", "xtask", "--features", "backend/testing"]);
    command.args(more);
    command.env("SMART_SUMMARY_BIN_DIR", sh::root().join("target/debug"));
    sh::run_command(command)
}

fn package() -> Result<()> {
    sh::run(setup::PACKAGE, "npm", &["test", "--silent"])
}
