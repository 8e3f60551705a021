//! Plain text -> paragraphs at empty lines.

use super::Document;
use super::builder::Builder;

pub(super) fn read(content: &str) -> Document {
    let mut builder = Builder::default();
    for line in content.lines() {
        if line.trim().is_empty() {
            builder.break_block();
        } else {
            builder.text(line);
            builder.text("\n");
        }
    }
    builder.finish()
}
