//! Strings to ids and back.

use anyhow::{Context, Result};
use glm4v::tokenizer::{Kind, SkipSpecial, TextStream, Tokenizer};
use serde_json::{Map, Value};

use super::fixture::{Checkpoint, ids, json_if_there, string};
use super::report::{At, Report};

/// `expected/NAME/tokenizer.json`.
pub fn strings(checkpoint: &Checkpoint, report: &mut Report<'_>) {
    report
        .at(&checkpoint.name, "tokenizer")
        .attempt("strings", |at| {
            let Some(expected) =
                json_if_there::<Value>(&checkpoint.expected.join("tokenizer.json"))?
            else {
                return Ok(());
            };
            let tokenizer = Tokenizer::from_dir(&checkpoint.dir)?;
            let specials: Map<String, Value> = expected
                .get("special_ids")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            let wrong = specials
                .iter()
                .filter(|(token, id)| tokenizer.control_id(token).map(u64::from) != id.as_u64());
            at.within(
                &format!("ids of {} control tokens", specials.len()),
                wrong.count() as f64,
                0.0,
            );
            let rows = expected
                .get("strings")
                .and_then(Value::as_array)
                .context("no strings")?;
            let mut worst = [0; 5];
            for row in rows {
                for (count, wrong) in worst.iter_mut().zip(string_differs(&tokenizer, row)?) {
                    *count += usize::from(wrong);
                }
            }
            let checks = [
                "encoded",
                "decoded",
                "decoded without specials",
                "decoded one by one",
                "typed text stays text",
            ];
            for (check, wrong) in checks.iter().zip(worst) {
                at.within(
                    &format!("{} strings, {check}", rows.len()),
                    wrong as f64,
                    0.0,
                );
            }
            vocabulary(&tokenizer, at);
            Ok(())
        });
}

/// What differs for one string, in the order of the checks.
fn string_differs(tokenizer: &Tokenizer, row: &Value) -> Result<[bool; 5]> {
    let text = string(row, "text")?;
    let expected = ids(row, "ids")?;
    let mut stream = TextStream::new(SkipSpecial::No);
    let mut streamed: String = expected
        .iter()
        .map(|id| stream.push(tokenizer, *id))
        .collect();
    streamed.push_str(&stream.finish());
    // Text with no control token in it has the same ids either way; all text comes back as it was.
    let typed = tokenizer.encode_text(text)?;
    let controls = |ids: &[u32]| ids.iter().any(|id| tokenizer.kind(*id) != Kind::Text);
    let ordinary = !controls(&expected);
    Ok([
        tokenizer.encode_marked(text)? != expected,
        tokenizer.decode(&expected, SkipSpecial::No) != string(row, "decoded")?,
        tokenizer.decode(&expected, SkipSpecial::Yes) != string(row, "decoded_skip_special")?,
        streamed != string(row, "decoded")?,
        controls(&typed)
            || (ordinary && typed != expected)
            || tokenizer.decode(&typed, SkipSpecial::No) != text,
    ])
}

/// Every single byte has a token, or strangers' text could be lost.
fn vocabulary(tokenizer: &Tokenizer, at: &mut At<'_, '_>) {
    let mut known = [false; 256];
    for id in (0..).take(tokenizer.vocab_size()) {
        if let [byte] = tokenizer.token_bytes(id)
            && let Some(known) = known.get_mut(usize::from(*byte))
        {
            *known = true;
        }
    }
    at.within(
        "bytes without a token",
        known.iter().filter(|known| !**known).count() as f64,
        0.0,
    );
}
