//! The head of a page's file: YAML, TOML or JSON, read and changed in one key.

use backend::cli::doors;

use crate::cut::choice;

const LITERALS: [&str; 3] = [
    "\"A plain line.\"",
    "[\"one\",\"two\"]",
    "\"\u{6c34} \\\"and\\\" \\\\ more: - # \"",
];

/// A change sets the one key and leaves every byte of the body as it was.
pub(crate) fn check(bytes: &[u8]) {
    let Some((first, rest)) = choice(bytes) else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    let key = ["description", "title", "keywords", "draft"][usize::from(first) % 4];
    let literal = LITERALS[usize::from(first >> 2) % 3];
    let Ok((_, body)) = doors::front(&text, key) else {
        assert_eq!(
            doors::with_front(&text, key, literal),
            None,
            "a head that cannot be read is not changed"
        );
        return;
    };
    assert!(
        text.is_char_boundary(body),
        "the body begins at a character"
    );
    let Some(changed) = doors::with_front(&text, key, literal) else {
        return;
    };
    let (value, after) = doors::front(&changed, key).expect("what was changed can be read");
    let wanted: serde_json::Value =
        serde_json::from_str(literal).expect("our own literals are JSON");
    assert_eq!(
        value.as_deref(),
        wanted.as_str(),
        "the key says what it should"
    );
    assert!(
        changed[after..].trim_start() == text[body..].trim_start(),
        "the body is as it was"
    );
    // A list is not replaced by another one.
    let Some(again) = doors::with_front(&changed, key, literal) else {
        assert!(wanted.is_array(), "a text can be set again");
        return;
    };
    let (value, _) = doors::front(&again, key).expect("what was changed twice can be read");
    assert_eq!(value.as_deref(), wanted.as_str());
}
