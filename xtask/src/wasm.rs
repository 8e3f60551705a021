//! `cargo xtask wasm`: the npm package with its WASM modules, in `plugin-wasm/js/dist`.
//!
//! One crate gives five modules, so that a page loads first what most pictures need, and the rest when it is used.
//! Each is built with `-p plugin-wasm` alone: a build of the workspace would unify features and grow both.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{setup, sh};

const TARGET: &str = "wasm32-unknown-unknown";
/// Feature of `plugin-wasm`, which is the module's name too; its profile; and how it is optimised: pixels for speed.
const MODULES: [(&str, &str, &str); 5] = [
    ("core", "wasm-first", "-O3"),
    ("drawings", "wasm", "-O3"),
    ("decoders", "wasm", "-O3"),
    ("net", "wasm", "-Os"),
    ("draft", "wasm", "-Os"),
];

/// What a page may load, and the most bytes that this has when gzipped.
const BUDGETS: [(&str, usize, &[&str]); 8] = [
    (
        "the package, before any call",
        7_000,
        &[
            "bridge.js",
            "error.js",
            "generated/api.js",
            "index.js",
            "lane.js",
            "pictures.js",
            "request.js",
            "spawn.js",
            "token.js",
        ],
    ),
    (
        "the first picture",
        60_000,
        &[
            "downscale.js",
            "error.js",
            "generated/api.js",
            "lane.js",
            "modules.js",
            "picture/browser.js",
            "picture/prepare.js",
            "pictures.js",
            "serve.js",
            "spawn.js",
            "wasm/core.js",
            "wasm/core_bg.wasm",
            "worker.js",
        ],
    ),
    (
        "the first drawing",
        90_000,
        &["wasm/drawings.js", "wasm/drawings_bg.wasm"],
    ),
    (
        "a picture without WebAssembly",
        10_000,
        &["picture/canvas.js", "picture/header.js", "picture/inks.js"],
    ),
    (
        "a picture that the browser does not decode",
        440_000,
        &["wasm/decoders.js", "wasm/decoders_bg.wasm"],
    ),
    (
        "the first summary",
        125_000,
        &["wasm/net.js", "wasm/net_bg.wasm"],
    ),
    (
        "the first draft",
        1_050_000,
        &["wasm/draft.js", "wasm/draft_bg.wasm"],
    ),
    (
        "the first Chinese draft",
        2_000_000,
        &["wasm/dictionary.bin"],
    ),
];

/// Builds the package and prints the size of each file that a page may load.
pub(crate) fn run() -> Result<()> {
    setup::wasm_target()?;
    setup::npm(setup::PACKAGE)?;
    sh::part("npm package", || {
        sh::run(setup::PACKAGE, "npm", &["run", "--silent", "build"])
    })?;
    for (module, profile, level) in MODULES {
        sh::part(&format!("wasm module {module}"), || {
            build(module, profile, level)
        })?;
    }
    sh::part("short scripts", || shorten(&dist()))?;
    print_sizes(&dist())?;
    check_budgets(&dist())
}

/// Builds the draft's module and the Chinese dictionary alone, and gives the folder that holds them.
pub(crate) fn draft() -> Result<PathBuf> {
    setup::wasm_target()?;
    setup::npm(setup::PACKAGE)?;
    sh::run(setup::PACKAGE, "node", &["scripts/dictionary.mjs"])?;
    for (module, profile, level) in MODULES {
        if module == "draft" {
            build(module, profile, level)?;
        }
    }
    Ok(dist().join("wasm"))
}

fn dist() -> PathBuf {
    sh::root().join(setup::PACKAGE).join("dist")
}

fn build(module: &str, profile: &str, level: &str) -> Result<()> {
    let target_dir = format!("target/wasm-{module}");
    let mut cargo = sh::command(
        ".",
        "cargo",
        &["build", "--quiet", "--package", "plugin-wasm", "--lib"],
    );
    cargo.args([
        "--target",
        TARGET,
        "--profile",
        profile,
        "--no-default-features",
        "--features",
        module,
    ]);
    // Dependencies are shared by a common folder; the result is taken away before the next module replaces it.
    cargo.args(["--target-dir", "target"]);
    // 128-bit SIMD: Chromium 91, Firefox 89, Safari 16.4 and later. Without it a call answers `worker_failed`.
    cargo.env(
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
        "-C target-feature=+simd128",
    );
    sh::run_command(cargo)?;

    let built = sh::root()
        .join("target")
        .join(TARGET)
        .join(profile)
        .join("plugin_wasm.wasm");
    let bound = sh::root().join(&target_dir);
    let names = [
        format!("{module}.js"),
        format!("{module}.d.ts"),
        format!("{module}_bg.wasm"),
    ];
    let out = dist().join("wasm");
    // Binding and optimising take longer than a build that finds nothing to do.
    let mark = bound.join("made-from");
    let source = format!("{:016x}", fingerprint(&fs::read(&built)?));
    let done = names.iter().all(|name| out.join(name).exists());
    if done && fs::read_to_string(&mark).is_ok_and(|known| known == source) {
        return Ok(());
    }
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(&built)
        .out_name(module)
        .web(true)?
        .typescript(true)
        .generate(&bound)
        .with_context(|| format!("wasm-bindgen could not read {}", built.display()))?;
    optimise(&bound, module, level)?;
    fs::create_dir_all(&out)?;
    for name in &names {
        fs::copy(bound.join(name), out.join(name))
            .with_context(|| format!("{name} was not made"))?;
    }
    Ok(fs::write(mark, source)?)
}

/// Tells one build from another; not a protection against anybody.
fn fingerprint(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Scripts without what only people read; the types beside them keep it. Each stays a file of its own, for bundlers.
fn shorten(dist: &Path) -> Result<()> {
    let scripts = files(dist)?;
    let scripts = scripts
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "js"))
        .map(|file| file.to_string_lossy().into_owned());
    let out = format!("--outdir={}", dist.display());
    let base = format!("--outbase={}", dist.display());
    let mut args = ["--no-install", "esbuild", "--minify", "--format=esm"]
        .map(str::to_owned)
        .to_vec();
    args.extend(["--log-level=warning", "--allow-overwrite"].map(str::to_owned));
    args.extend([out, base]);
    args.extend(scripts);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    sh::run(setup::PACKAGE, "npx", &args)
}

fn optimise(bound: &Path, module: &str, level: &str) -> Result<()> {
    let file = bound.join(format!("{module}_bg.wasm"));
    let file = file.to_string_lossy();
    let features = [
        "--enable-simd",
        "--enable-bulk-memory",
        "--enable-nontrapping-float-to-int",
        "--enable-sign-ext",
    ];
    let more = [
        "--enable-mutable-globals",
        "--enable-reference-types",
        "--enable-multivalue",
        "--converge",
        "--strip-debug",
        "--strip-producers",
    ];
    let mut args = vec!["--no-install", "wasm-opt", level];
    args.extend(features);
    args.extend(more);
    args.extend([&*file, "-o", &*file]);
    sh::run(setup::PACKAGE, "npx", &args)
}

/// Says what each step of a page loads, and fails when one has outgrown its budget.
fn check_budgets(dist: &Path) -> Result<()> {
    println!(
        "{:<44} {:>9} {:>9} {:>9} {:>9}",
        "loaded for", "raw", "gzip", "brotli", "budget"
    );
    let mut over = Vec::new();
    for (what, budget, names) in BUDGETS {
        let (mut raw, mut gzipped, mut brotlied) = (0, 0, 0);
        for name in names {
            let bytes =
                fs::read(dist.join(name)).with_context(|| format!("{name} is not there"))?;
            raw += bytes.len();
            gzipped += gzip(&bytes)?;
            brotlied += brotli(&bytes)?;
        }
        println!("{what:<44} {raw:>9} {gzipped:>9} {brotlied:>9} {budget:>9}");
        if gzipped > budget {
            over.push(format!("{what} loads {gzipped} bytes, {budget} at most"));
        }
    }
    anyhow::ensure!(over.is_empty(), "{}", over.join("; "));
    Ok(())
}

fn print_sizes(dist: &Path) -> Result<()> {
    println!("{:<44} {:>9} {:>9} {:>9}", "file", "raw", "gzip", "brotli");
    for file in files(dist)? {
        let bytes = fs::read(&file)?;
        let name = file
            .strip_prefix(dist)
            .unwrap_or(&file)
            .display()
            .to_string();
        println!(
            "{name:<44} {:>9} {:>9} {:>9}",
            bytes.len(),
            gzip(&bytes)?,
            brotli(&bytes)?
        );
    }
    Ok(())
}

/// Every file below `dir` that a browser loads, sorted by name.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if !path.to_string_lossy().ends_with(".d.ts")
            && path.extension().is_some_and(|end| end != "map")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn gzip(bytes: &[u8]) -> Result<usize> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

fn brotli(bytes: &[u8]) -> Result<usize> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 1 << 16, 9, 22);
    encoder.write_all(bytes)?;
    Ok(encoder.into_inner().len())
}
