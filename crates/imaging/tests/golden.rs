//! The same bytes give the same pixels on every machine: `golden.json` holds what they are. The browser's module is held to
//! it too (`tests/browser/golden.test.mjs`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]
#![cfg(feature = "decoders")]

use std::path::{Path, PathBuf};

use imaging::Options;
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// FNV-1a with 64 bits: short to write in any language, and nobody attacks it here.
fn hash(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    format!("{hash:016x}")
}

/// What becomes of one fixture at one size: the bytes that are sent, and the pixels in them.
fn outcome(name: &str, longest_edge: u32) -> Value {
    let bytes = std::fs::read(folder().join("fixtures").join(name)).unwrap();
    let options = Options {
        longest_edge,
        ..Options::default()
    };
    let sent = imaging::prepare(&bytes, &options).unwrap();
    let pixels = imaging::decode(&sent.bytes, &options).unwrap();
    json!({
        "file": name,
        "longest_edge": longest_edge,
        "format": sent.format.extension(),
        "width": sent.width,
        "height": sent.height,
        "class": sent.looks.class.name(),
        "bytes": hash(&sent.bytes),
        "pixels": hash(&pixels.pixels),
    })
}

#[test]
fn the_same_bytes_give_the_same_pixels_everywhere() {
    let mut names: Vec<String> = std::fs::read_dir(folder().join("fixtures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".md") && !name.starts_with("bomb"))
        // Look-up tables are the colour engine's, whose vector code rounds otherwise on each kind of processor, by a step.
        .filter(|name| name != "tables.png")
        .collect();
    names.sort();
    let found: Vec<Value> = names
        .iter()
        // As it is; by a filter alone; after decoding at 1/2 and 1/4.
        .flat_map(|name| [1024, 200, 90, 40].map(|edge| outcome(name, edge)))
        .collect();
    let golden = std::fs::read_to_string(folder().join("golden.json")).unwrap_or_default();
    let golden: Vec<Value> = serde_json::from_str(&golden).unwrap_or_default();
    let changed: Vec<&Value> = found.iter().filter(|one| !golden.contains(one)).collect();
    assert!(
        changed.is_empty() && golden.len() == found.len(),
        "{} of {} are new or changed: {changed:?}\nIf that is meant, golden.json is:\n[\n{}\n]",
        changed.len(),
        found.len(),
        found
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(",\n"),
    );
}
