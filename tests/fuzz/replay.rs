//! Every input of the corpus and every crash that was ever found, through the properties that the fuzz targets hold.
//!
//! Needs neither libFuzzer nor a sanitizer: `cargo xtask test` runs it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "all of this binary is a test"
)]

#[path = "properties/answer.rs"]
mod answer;
#[path = "properties/article.rs"]
mod article;
#[path = "properties/cut.rs"]
mod cut;
#[path = "properties/front.rs"]
mod front;
#[path = "properties/image.rs"]
mod image;
#[path = "properties/intake.rs"]
mod intake;
#[path = "properties/key.rs"]
mod key;
#[path = "properties/stream.rs"]
mod stream;
#[path = "properties/upstream.rs"]
mod upstream;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// The folders of one target's inputs: what covers its code, and what once broke it.
const FOLDERS: [&str; 2] = ["corpus", "crashes"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Inputs of a folder, in their order; none when it is not there.
fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join(folder).join(target)) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// `check` holds for every input of the target, and for what is left of each when it is cut off.
#[track_caller]
fn replay(target: &str, check: fn(&[u8])) {
    let files: Vec<_> = FOLDERS
        .iter()
        .flat_map(|folder| inputs(folder, target))
        .collect();
    assert!(!files.is_empty(), "the corpus of `{target}` was found");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for length in [bytes.len(), bytes.len() / 2] {
            let outcome = catch_unwind(|| check(&bytes[..length]));
            assert!(
                outcome.is_ok(),
                "{} ({length} bytes) breaks a property",
                file.display()
            );
        }
    }
}

#[test]
fn json_that_grows() {
    replay("answer", answer::check);
}

#[test]
fn articles() {
    replay("article", article::check);
}

#[test]
fn front_matter() {
    replay("front", front::check);
}

#[test]
fn pictures() {
    replay("image", image::check);
}

#[test]
fn bodies_of_requests() {
    replay("intake", intake::check);
}

#[test]
fn keys_and_tokens() {
    replay("key", key::check);
}

#[test]
fn the_browsers_event_stream() {
    replay("stream", stream::check);
}

#[test]
fn other_servers_answers() {
    replay("upstream", upstream::check);
}

/// A folder that no test replays would be forgotten, a target without one never fuzzed from what is known.
#[test]
fn each_target_has_its_corpus_and_its_replay() {
    let names = |folder: &str| -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    };
    let targets = names("targets");
    assert_eq!(targets, names("corpus"));
    let replayed = include_str!("replay.rs");
    for target in targets {
        assert!(
            replayed.contains(&format!("replay(\"{target}\", {target}::check)")),
            "{target}"
        );
    }
}

/// A check that accepts anything would find nothing.
#[test]
fn the_properties_can_be_broken() {
    let broken = |check: fn()| catch_unwind(check).is_err();
    assert!(broken(|| article::is_plain("a <b>tag</b>")));
    assert!(broken(|| article::is_plain("see https://a.example")));
    article::is_plain("1 < 2 & so on");
}
