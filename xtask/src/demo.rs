//! `cargo xtask demo`: the whole product on one machine, with the embedded engine.

use anyhow::Result;

use crate::{setup, sh, wasm};

/// Where the demo listens.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A loopback address.
    #[arg(long, default_value = "127.0.0.1:8080")]
    bind: String,
    /// Builds everything, then stops.
    #[arg(long)]
    build_only: bool,
    /// Handed to `smart-summary serve`, for instance `-- --engine glm4v --model DIR`.
    #[arg(last = true, value_name = "SERVE OPTIONS")]
    serve: Vec<String>,
}

/// Builds everything and serves until Ctrl-C.
pub(crate) fn run(args: &Args) -> Result<()> {
    build()?;
    if args.build_only {
        return Ok(());
    }
    let binary = sh::root().join("target/debug/smart-summary");
    let binary = binary.to_string_lossy();
    println!("== open http://{} (Ctrl-C stops it)", args.bind);
    let fixed = [
        "--data-dir",
        "data/demo",
        "serve",
        "--bind",
        &args.bind,
        "--demo",
        "web-demo/dist",
    ];
    let more = args.serve.iter().map(String::as_str);
    sh::run(
        ".",
        &binary,
        &fixed.into_iter().chain(more).collect::<Vec<_>>(),
    )
}

/// Builds the browser package, the page and the server.
pub(crate) fn build() -> Result<()> {
    page()?;
    // The whole workspace, so that dependencies have the features they have in the tests and are compiled once.
    sh::part("server", || {
        let build = [
            "build",
            "--quiet",
            "--workspace",
            "--exclude",
            "xtask",
            "--bins",
        ];
        sh::run(".", "cargo", &build)
    })
}

/// Builds the browser package and the page into `web-demo/dist`.
pub(crate) fn page() -> Result<()> {
    wasm::run()?;
    setup::npm(setup::DEMO)?;
    sh::part("demo page", || {
        sh::run(setup::DEMO, "npm", &["run", "--silent", "build"])
    })
}
