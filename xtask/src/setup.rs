//! What a fresh machine lacks: the wasm target, npm packages, and for the browser tests Chromium, Firefox and fonts.

use anyhow::{Context, Result, bail};

use crate::sh;

/// The folders with a `package.json`.
pub(crate) const PACKAGE: &str = "plugin-wasm/js";
pub(crate) const DEMO: &str = "web-demo";
pub(crate) const BROWSER_TESTS: &str = "tests/browser";
pub(crate) const WORDPRESS: &str = "plugin-wordpress";
pub(crate) const WORDPRESS_TESTS: &str = "tests/wordpress";

/// Makes sure that the compiler can make WASM.
pub(crate) fn wasm_target() -> Result<()> {
    let installed = sh::output(".", "rustup", &["target", "list", "--installed"])
        .context("rustup is needed: https://rustup.rs")?;
    if installed
        .lines()
        .any(|line| line.trim() == "wasm32-unknown-unknown")
    {
        return Ok(());
    }
    sh::run(".", "rustup", &["target", "add", "wasm32-unknown-unknown"])
}

/// Installs the npm packages of `dir` as its lock file says, unless that was done.
pub(crate) fn npm(dir: &str) -> Result<()> {
    if !sh::has("npm") {
        bail!("npm is needed: install Node.js 20 or newer");
    }
    let lock = sh::root().join(dir).join("package-lock.json");
    let done = sh::root().join(dir).join("node_modules/.package-lock.json");
    let fresh = match (
        lock.metadata()?.modified(),
        done.metadata().and_then(|meta| meta.modified()),
    ) {
        (Ok(lock), Ok(done)) => done >= lock,
        _ => false,
    };
    if fresh {
        Ok(())
    } else {
        sh::run(dir, "npm", &["ci", "--no-audit", "--no-fund"])
    }
}

/// Installs Debian's PostgreSQL and Redis, for the tests of several servers, unless they are there.
pub(crate) fn databases() -> Result<()> {
    let postgres = std::path::Path::new("/usr/lib/postgresql").exists() || sh::has("postgres");
    if postgres && sh::has("redis-server") {
        return Ok(());
    }
    if !sh::has("apt-get") {
        bail!(
            "the tests of several servers need `redis-server` and PostgreSQL's `initdb` and `postgres`"
        );
    }
    apt(&["postgresql", "redis-server"])
}

/// Installs Debian's Tesseract with English and Chinese, for the tests of what is written on pictures, unless it is there.
pub(crate) fn tesseract() -> Result<()> {
    let listed = sh::output(".", "tesseract", &["--list-langs"]).unwrap_or_default();
    if ["eng", "chi_sim"]
        .iter()
        .all(|wanted| listed.lines().any(|line| line == *wanted))
    {
        return Ok(());
    }
    if !sh::has("apt-get") {
        bail!("the tests of what is written on pictures need `tesseract` with `eng` and `chi_sim`");
    }
    apt(&["tesseract-ocr", "tesseract-ocr-chi-sim"])
}

/// Installs OpenAI's own client for Python and Schemathesis, as `tests/python/requirements.txt` pins them, unless they are
/// there.
pub(crate) fn python() -> Result<()> {
    let wanted = "tests/python/requirements.txt";
    let (folder, copy) = (
        "target/python",
        sh::root().join("target/python/requirements.txt"),
    );
    let wanted_text = std::fs::read_to_string(sh::root().join(wanted))?;
    if std::fs::read_to_string(&copy).is_ok_and(|installed| installed == wanted_text) {
        return Ok(());
    }
    if !sh::has("python3") {
        bail!(
            "the tests of OpenAI's client and of the OpenAPI document need `python3` with `venv`"
        );
    }
    sh::run(".", "python3", &["-m", "venv", folder])?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        wanted,
    ];
    let python = sh::root().join(folder).join("bin/python");
    sh::run(".", &python.to_string_lossy(), &pip)?;
    Ok(std::fs::write(copy, wanted_text)?)
}

/// Installs Debian's wrk, which sends many requests at once, unless it is there.
pub(crate) fn wrk() -> Result<()> {
    if sh::has("wrk") {
        return Ok(());
    }
    if !sh::has("apt-get") {
        bail!("this bench needs `wrk` on the PATH");
    }
    apt(&["wrk"])
}

/// Installs Debian's Chromium and Firefox and a font with Chinese characters, for the browser tests, unless they are there.
pub(crate) fn browsers() -> Result<()> {
    let font = || {
        sh::output(".", "fc-list", &[":lang=zh", "family"])
            .is_ok_and(|fonts| !fonts.trim().is_empty())
    };
    if sh::has("chromium") && sh::has("firefox-esr") && font() {
        return Ok(());
    }
    if !sh::has("apt-get") {
        bail!(
            "the browser tests need `chromium` and `firefox-esr` on the PATH and a font with Chinese characters"
        );
    }
    apt(&[
        "chromium",
        "firefox-esr",
        "fonts-noto-cjk",
        "fonts-liberation",
        "fontconfig",
    ])
}

/// Installs PHP with what WordPress needs, and the plugin's own checks, unless they are there.
pub(crate) fn php() -> Result<()> {
    let extensions = "exit(array_diff(['sqlite3', 'pdo_sqlite', 'dom', 'mbstring', 'curl', 'gd', 'zip', 'sodium'], \
         array_map('strtolower', get_loaded_extensions())) ? 1 : 0);";
    let there = || sh::output(".", "php", &["-r", extensions]).is_ok();
    if sh::has("php") && there() && sh::has("phpunit") && sh::has("phpcs") {
        return Ok(());
    }
    if !sh::has("apt-get") {
        bail!(
            "the WordPress tests need PHP with SQLite, DOM, mbstring, cURL, GD and zip, PHPUnit 9 and PHP_CodeSniffer"
        );
    }
    apt(&[
        "php-cli",
        "php-sqlite3",
        "php-xml",
        "php-mbstring",
        "php-curl",
        "php-gd",
        "php-zip",
        "php-intl",
        "phpunit",
        "php-codesniffer",
        "unzip",
    ])
}

fn apt(packages: &[&str]) -> Result<()> {
    sh::run(".", "apt-get", &["update", "-qq"])?;
    let mut install = sh::command(
        ".",
        "apt-get",
        &["install", "-y", "-qq", "--no-install-recommends"],
    );
    install
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(std::process::Stdio::null());
    sh::run_command(install)
}
