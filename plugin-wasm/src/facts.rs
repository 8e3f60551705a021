//! What is wished of a picture, and what the page is told about one that is ready to be sent.

use crate::plain::Plain;
use imaging::{Format, Prepared};
use wasm_bindgen::JsValue;

/// The bounds of the contract, and the caller's wishes within reason.
pub(crate) fn options(longest_edge: u32, quality: u8, keep_alpha: bool) -> imaging::Options {
    imaging::Options {
        longest_edge: longest_edge.max(1),
        quality: quality.clamp(1, 100),
        max_pixels: api::limits::MAX_PIXELS,
        keep_alpha,
        ..imaging::Options::default()
    }
}

/// A picture that is ready to be sent, as an object; its fields are those of `Facts` in `messages.ts`.
pub(crate) fn facts(prepared: &Prepared) -> JsValue {
    let mut facts = Plain::new();
    facts.text("mime", prepared.format.mime());
    facts.text("format", short_name(prepared.format));
    facts.number("width", f64::from(prepared.width));
    facts.number("height", f64::from(prepared.height));
    facts.number("bytes_before", prepared.original_bytes as f64);
    facts.number("bytes_after", prepared.bytes.len() as f64);
    let mut original = Plain::new();
    original.text("format", short_name(prepared.original.format));
    original.number("width", f64::from(prepared.original.width));
    original.number("height", f64::from(prepared.original.height));
    facts.value("original", &original.into());
    facts.words("removed", prepared.removed.iter().map(|kind| kind.name()));
    facts.number("sharpness", f64::from(prepared.sharpness));
    facts.truth("too_soft", prepared.too_soft);
    let mut looks = Plain::new();
    looks.text("class", prepared.looks.class.name());
    looks.text("exposure", prepared.looks.exposure.name());
    looks.number("brightness", f64::from(prepared.looks.brightness));
    looks.number("text", f64::from(prepared.looks.text));
    looks.number("flatness", f64::from(prepared.looks.flatness));
    facts.value("looks", &looks.into());
    facts.words(
        "warnings",
        prepared.warnings.iter().map(|warning| warning.name()),
    );
    facts.into()
}

/// `jpeg` for `image/jpeg`.
fn short_name(format: Format) -> &'static str {
    let mime = format.mime();
    mime.strip_prefix("image/").unwrap_or(mime)
}
