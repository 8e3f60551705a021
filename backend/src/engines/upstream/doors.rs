//! Doors to the readers of other servers' answers, for the fuzz targets in `tests/fuzz`.

use serde_json::json;

use super::clean::{Clean, OneValue};
use super::hear::{Document, Events, Fault};
use crate::engines::AnswerFormat;

/// What a stream in these pieces says, one line each; or why it makes no sense.
///
/// # Errors
/// The fault as a sentence.
pub fn upstream_events(pieces: &[&[u8]]) -> Result<Vec<String>, String> {
    let mut events = Events::default();
    let mut said = Vec::new();
    for piece in pieces {
        said.extend(events.push(piece).map_err(told)?);
    }
    Ok(said.iter().map(|said| format!("{said:?}")).collect())
}

/// What a document says, as [`upstream_events`].
///
/// # Errors
/// The fault as a sentence.
pub fn upstream_document(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut document = Document::default();
    document.push(bytes).map_err(told)?;
    let said = document.end().map_err(told)?;
    Ok(said.iter().map(|said| format!("{said:?}")).collect())
}

fn told(fault: Fault) -> String {
    fault.to_string()
}

/// The text in these pieces, without thoughts before it and marks in it.
#[must_use]
pub fn without_marks(pieces: &[&str]) -> String {
    let mut clean = Clean::default();
    let mut text: String = pieces.iter().map(|piece| clean.push(piece)).collect();
    text.push_str(&clean.finish());
    text
}

/// What is looked for in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OneOf {
    /// A JSON object.
    Object,
    /// A JSON list.
    List,
}

/// The one value in a text that comes in these pieces, and whether it is complete.
#[must_use]
pub fn one_value(form: OneOf, pieces: &[&str]) -> (String, bool) {
    let kind = match form {
        OneOf::Object => "object",
        OneOf::List => "array",
    };
    let format = AnswerFormat::JsonSchema(json!({ "type": kind }));
    let Some(mut one) = OneValue::of(&format) else {
        return (String::new(), false);
    };
    let value = pieces.iter().map(|piece| one.push(piece)).collect();
    (value, one.is_done())
}
