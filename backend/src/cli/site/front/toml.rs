//! The first level of a TOML table, with places.

use toml::de::{DeTable, DeValue};

use super::{Broken, Entry, Value};

/// Keys and values of the first level in the order of their places, which are bytes of `source`.
pub(super) fn entries(source: &str) -> Result<Vec<Entry>, Broken> {
    let table = DeTable::parse(source).map_err(|error| Broken(error.message().to_owned()))?;
    let mut entries: Vec<Entry> = table
        .get_ref()
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_end: key.span().end,
            span: value.span(),
            value: match value.get_ref() {
                DeValue::String(text) if text.is_empty() => Value::Empty,
                DeValue::String(text) => Value::Text(text.to_string()),
                DeValue::Boolean(flag) => Value::Flag(*flag),
                _ => Value::Other,
            },
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_end);
    Ok(entries)
}
