//! A door to the reader of conversations, for the fuzz targets in `tests/fuzz`.

use super::conversation::{self, Conversation};
use crate::intake::Reader;
use crate::refusal::Refusal;

pub use super::conversation::Counted;

/// Reads the body of `POST /v1/chat/completions`, pictures not decoded.
///
/// # Errors
/// As the route.
pub fn conversation(body: &[u8], reader: &Reader) -> Result<Counted, Refusal> {
    let request = conversation::parse(body)?;
    Ok(Conversation::of(request, reader)?.counted())
}
