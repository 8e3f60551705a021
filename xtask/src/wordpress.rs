//! `cargo xtask wordpress`: the WordPress plugin as a zip, in `target/wordpress/smart-summary.zip`.

use anyhow::Result;

use crate::{setup, sh, wasm};

/// Where the zip lies, relative to the root.
pub(crate) const ZIP: &str = "target/wordpress/smart-summary.zip";

/// Builds the browser package, then the plugin; prints the zip's files and sizes.
pub(crate) fn run() -> Result<()> {
    wasm::run()?;
    pack()
}

/// Packs the plugin around the browser package that is already built.
pub(crate) fn pack() -> Result<()> {
    setup::npm(setup::WORDPRESS)?;
    sh::part("WordPress plugin", || {
        sh::run(setup::WORDPRESS, "npm", &["run", "--silent", "build"])?;
        let out = sh::root().join(ZIP);
        sh::run(
            setup::WORDPRESS,
            "node",
            &["scripts/zip.mjs", &out.to_string_lossy()],
        )
    })
}

/// The plugin in a real WordPress, with the real server, in Chromium.
pub(crate) fn test() -> Result<()> {
    pack()?;
    setup::php()?;
    setup::npm(setup::WORDPRESS_TESTS)?;
    sh::part("WordPress tests", || {
        sh::run(setup::WORDPRESS_TESTS, "npm", &["test", "--silent"])
    })
}
