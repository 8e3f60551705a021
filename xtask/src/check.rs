//! `cargo xtask check`: everything that is wrong without running the product.

use anyhow::Result;

use crate::{setup, sh, types};

/// All but the GPU's, which need NVIDIA's compiler.
const FEATURES: &str = "api/openapi,api/typescript,backend/testing,glm4v/testing";

/// Checks formatting, lints, documentation, generated files, TypeScript, PHP and licences.
pub(crate) fn run() -> Result<()> {
    setup::wasm_target()?;
    sh::part("formatting", || {
        sh::run(".", "cargo", &["fmt", "--all", "--check"])
    })?;
    sh::part("lints", || {
        sh::run(
            ".",
            "cargo",
            &[
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--features",
                FEATURES,
                "--",
                "-D",
                "warnings",
            ],
        )
    })?;
    sh::part("documentation", documentation)?;
    sh::part("generated files", || types::run(&types::Args::checking()))?;
    for dir in [
        setup::PACKAGE,
        setup::DEMO,
        setup::BROWSER_TESTS,
        setup::WORDPRESS,
        setup::WORDPRESS_TESTS,
    ] {
        setup::npm(dir)?;
        sh::part(&format!("TypeScript of {dir}"), || {
            sh::run(dir, "npm", &["run", "--silent", "check"])
        })?;
        if dir == setup::PACKAGE {
            // The others are checked against the types that it is shipped with.
            sh::run(dir, "npm", &["run", "--silent", "build"])?;
        }
    }
    php()?;
    licences()
}

/// The pages of every library; a link that leads nowhere is a mistake like any other.
fn documentation() -> Result<()> {
    let mut command = sh::command(".", "cargo", &["doc", "--quiet", "--no-deps", "--lib"]);
    command.args(["--workspace", "--features", FEATURES]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    sh::run_command(command)
}

fn php() -> Result<()> {
    if sh::has("phpcs") {
        return sh::part("PHP", || {
            sh::run(setup::WORDPRESS, "phpcs", &["-q", "--standard=phpcs.xml"])
        });
    }
    println!("== phpcs is not installed: PHP's coding standard is left to `cargo xtask test`");
    Ok(())
}

fn licences() -> Result<()> {
    if sh::has("cargo-deny") {
        return sh::part("licences", || {
            sh::run(
                ".",
                "cargo",
                &[
                    "deny",
                    "--log-level",
                    "error",
                    "check",
                    "licenses",
                    "bans",
                    "sources",
                ],
            )
        });
    }
    // The licences themselves are also held by a test, so that no check depends on a tool that may be absent.
    println!(
        "== cargo-deny is not installed (`cargo install cargo-deny --locked`): licences are left to `cargo xtask test`"
    );
    Ok(())
}
