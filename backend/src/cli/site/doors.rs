//! Doors to the reader of front matter, for the fuzz targets in `tests/fuzz`.

use super::{edit, front};

/// What a page's head says for `key`, when it is a text, and where the body begins, in bytes.
///
/// # Errors
/// Why the head cannot be read.
pub fn front(text: &str, key: &str) -> Result<(Option<String>, usize), String> {
    let (front, body) = front::read(text).map_err(|broken| broken.to_string())?;
    let value = front.and_then(|front| front.text(&[key]).map(str::to_owned));
    Ok((value, body))
}

/// The page with `key` set to `literal`, which is JSON; nothing when it cannot be done safely.
#[must_use]
pub fn with_front(text: &str, key: &str, literal: &str) -> Option<String> {
    let change = front::set(text, key, literal)?;
    edit::apply(text, &[change])
}
