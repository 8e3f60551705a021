//! JSON that grows, and the schema that a caller gives for it.

use backend::engines::doors;
use serde_json::Value;

use crate::cut::{choice, text_pieces};

/// Bytes of one text and entries of one list that the reader takes.
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// However an answer is cut, its parts are the same; what serde_json reads as an object of texts, it reads alike.
pub(crate) fn check(bytes: &[u8]) {
    let Some((seed, rest)) = choice(bytes) else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    let whole = doors::growing(&[&text]);
    let cut = doors::growing(&text_pieces(&text, seed));
    assert_eq!(whole, cut, "the pieces tell what the whole tells");
    for (path, value) in &whole.texts {
        assert!(value.len() <= MAX_TEXT_BYTES, "{path:?}");
        assert!(!value.contains(char::is_control), "{path:?} {value:?}");
    }
    if let Ok(Value::Object(object)) = serde_json::from_str(&text)
        && whole.done
        && whole.fault.is_none()
    {
        check_against(&object, &whole.texts);
    }
}

/// Every text of the first level that comes once and holds no control character.
fn check_against(object: &serde_json::Map<String, Value>, texts: &[(String, String)]) {
    for (key, value) in object {
        let path = format!("/{key}");
        let mut told = texts.iter().filter(|(at, _)| *at == path);
        let (Some(text), Some((_, told)), None) = (value.as_str(), told.next(), told.next()) else {
            continue;
        };
        if !key.contains('/') && !text.contains(char::is_control) {
            assert_eq!(text, told, "{key:?}");
        }
    }
}
