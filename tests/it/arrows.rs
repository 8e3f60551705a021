//! The map of ARCHITECTURE.md, held true: who may import whom.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::project;

/// Package -> our packages that it may depend on.
const CRATES: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("imaging", &[]),
    ("extractive", &["api"]),
    ("glm4v", &[]),
    ("plugin-wasm", &["api", "imaging", "extractive"]),
    ("backend", &["api", "imaging", "extractive", "glm4v"]),
    (
        "tests",
        &["api", "backend", "extractive", "imaging", "plugin-wasm"],
    ),
    ("xtask", &[]),
];

/// Room of the backend -> rooms that it may use. `main` and `cli` put the house together and may use all.
const ROOMS: &[(&str, &[&str])] = &[
    ("http", &["auth", "limits", "intake", "service", "batches"]),
    ("batches", &["auth", "limits", "intake", "service", "store"]),
    ("auth", &["store"]),
    ("limits", &["auth", "store", "redis"]),
    ("store", &[]),
    ("intake", &[]),
    (
        "service",
        &["intake", "cache", "queue", "engines", "moderation"],
    ),
    ("cache", &["redis"]),
    ("queue", &[]),
    // For the salted keys of what an engine keeps per tenant.
    ("engines", &["cache", "outbound"]),
    ("moderation", &["outbound"]),
    ("outbound", &[]),
    ("redis", &[]),
    ("config", &[]),
    ("telemetry", &[]),
    ("refusal", &[]),
];

/// Rooms that every room may use.
const COMMON: &[&str] = &["config", "telemetry", "refusal"];

/// Outer thing -> the only rooms that know it.
const OUTER: &[(&str, &[&str])] = &[
    ("actix", &["http"]),
    ("rusqlite", &["auth", "store"]),
    ("tokio_postgres", &["auth", "store"]),
    ("redis", &["redis"]),
    ("ureq", &["batches", "cli"]),
    ("reqwest", &["outbound", "engines", "moderation"]),
    ("rustls", &["outbound"]),
    ("jsonwebtoken", &["auth"]),
    ("governor", &["limits"]),
    ("moka", &["cache"]),
    ("candle_core", &["engines"]),
    ("llguidance", &["engines"]),
    ("nvml_wrapper", &["engines"]),
    ("clap", &["cli"]),
    ("imaging", &["intake", "engines"]),
    ("extractive", &["engines", "service", "cli"]),
    ("std::env", &["config"]),
    ("Command::new", &["engines"]),
];

#[test]
fn crates_depend_only_along_the_arrows() {
    let metadata = project::metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if !package["source"].is_null() {
            continue;
        }
        let (_, allowed) = CRATES
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| {
                panic!("package `{name}` is not on the map: add it here and to ARCHITECTURE.md")
            });
        for dependency in package["dependencies"].as_array().unwrap() {
            let ours = dependency["source"].is_null();
            let dependency = dependency["name"].as_str().unwrap();
            // A crate may ask itself for a feature in its own tests.
            assert!(
                !ours || dependency == name || allowed.contains(&dependency),
                "`{name}` may not depend on `{dependency}`"
            );
        }
    }
}

#[test]
fn rooms_of_the_backend_use_only_the_rooms_they_may() {
    for (room, path, line) in backend_lines() {
        let Some((_, allowed)) = ROOMS.iter().find(|(known, _)| *known == room) else {
            assert!(
                ["lib", "main", "cli", "bin"].contains(&&*room),
                "room `{room}` ({path}) is not on the map"
            );
            continue;
        };
        for used in rooms_used(&line) {
            let fine = used == room || allowed.contains(&&*used) || COMMON.contains(&&*used);
            assert!(fine, "{path}: `{room}` may not use `{used}`: {line}");
        }
    }
}

#[test]
fn one_room_knows_each_outer_thing() {
    for (room, path, line) in backend_lines() {
        // What stands between quotes is a value, not a path.
        let code = line.split('"').step_by(2).collect::<Vec<_>>().join("\"");
        for (outer, rooms) in OUTER {
            let uses = code
                .split(|c: char| !(c.is_alphanumeric() || "_:".contains(c)))
                .any(|path| {
                    let path = path.trim_start_matches("::");
                    // Alone it may be the name of a field.
                    (path == *outer && code.contains("use "))
                        || path.starts_with(&format!("{outer}::"))
                        || (*outer == "actix" && path.starts_with("actix_"))
                });
            assert!(
                !uses || rooms.contains(&&*room),
                "{path}: only {rooms:?} may use `{outer}`: {line}"
            );
        }
    }
}

#[test]
fn the_map_can_tell_a_wrong_line() {
    let found: Vec<String> = rooms_used("use crate::{http::sse, service, cache::{key, memory}};")
        .into_iter()
        .collect();
    assert_eq!(found, ["cache", "http", "service"]);
    let found: Vec<String> = rooms_used("    let x = crate::engines::pick();")
        .into_iter()
        .collect();
    assert_eq!(found, ["engines"]);
}

/// `(room, file, line)` of every code line of the backend, its unit tests left out.
fn backend_lines() -> Vec<(String, String, String)> {
    let source = project::root().join("backend/src");
    let mut lines = Vec::new();
    for file in project::files(&source, "rs") {
        let room = room_of(&file);
        let text = fs::read_to_string(source.join(&file)).unwrap();
        for statement in statements(&text) {
            lines.push((room.clone(), file.display().to_string(), statement));
        }
    }
    assert!(lines.len() > 100, "the backend was found");
    lines
}

fn room_of(file: &Path) -> String {
    let first = file
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Code lines without comments; a `use` that spans lines is joined into one; the test module at a file's end is left out.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let line = line.trim();
        if line.starts_with("//") {
            continue;
        }
        if !open.is_empty() || line.trim_start_matches("pub ").starts_with("use ") {
            open.push_str(line);
            if line.ends_with(';') {
                found.push(std::mem::take(&mut open));
            }
        } else {
            found.push(line.to_owned());
        }
    }
    found
}

/// The rooms that a line names by `crate::room` or `crate::{room, ...}`.
fn rooms_used(line: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(top_level(group)),
            None => found.extend(first_word(rest)),
        }
    }
    found
}

/// The first words of a brace group's own entries.
fn top_level(group: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let mut entries = vec![String::new()];
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => entries.push(String::new()),
            _ if depth == 0 => entries.last_mut().unwrap().push(character),
            _ => {}
        }
    }
    entries
        .iter()
        .filter_map(|entry| first_word(entry.trim()))
        .collect()
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let is_room = word.chars().next().is_some_and(char::is_lowercase);
    is_room.then_some(word)
}
