//! The first level of a JSON object at the head of a text, with places.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{Broken, Entry, Value};

/// Keys and values of the first level and the object's length; nothing when the text goes on in the object's last line
/// (then it was no front matter).
pub(super) fn entries(text: &str, start: usize) -> Result<Option<(Vec<Entry>, usize)>, Broken> {
    let mut reader = Reader { text, at: 1 };
    let mut entries = Vec::new();
    if reader.next_is('}') {
        return Ok(reader.ends_a_line().then_some((entries, reader.at)));
    }
    // Without a quoted key it is a template or an expression of the page's.
    if !reader
        .text
        .get(reader.at..)
        .unwrap_or_default()
        .starts_with('"')
    {
        return Ok(None);
    }
    loop {
        let (key, at) = reader.value::<String>()?;
        if !reader.next_is(':') {
            return Err(Broken("a `:` is missing".to_owned()));
        }
        let (value, span) = reader.value::<Json>()?;
        entries.push(Entry {
            key,
            value: match value {
                Json::Null => Value::Empty,
                Json::String(text) if text.is_empty() => Value::Empty,
                Json::String(text) => Value::Text(text),
                Json::Bool(flag) => Value::Flag(flag),
                _ => Value::Other,
            },
            key_end: start + at.end,
            span: start + span.start..start + span.end,
        });
        if reader.next_is('}') {
            return Ok(reader.ends_a_line().then_some((entries, reader.at)));
        }
        if !reader.next_is(',') {
            return Err(Broken("a `,` or `}` is missing".to_owned()));
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes `c`, and the white space on both sides, when it is next.
    fn next_is(&mut self, c: char) -> bool {
        self.skip_space();
        let is = self.rest().starts_with(c);
        if is {
            self.at += c.len_utf8();
            if c != '}' {
                self.skip_space();
            }
        }
        is
    }

    fn value<T: DeserializeOwned>(&mut self) -> Result<(T, std::ops::Range<usize>), Broken> {
        self.skip_space();
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<T>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            Some(Err(error)) => return Err(Broken(error.to_string())),
            None => return Err(Broken("it ends too early".to_owned())),
        };
        let length = values.byte_offset();
        let span = self.at..self.at + length;
        self.at = span.end;
        Ok((value, span))
    }

    fn ends_a_line(&self) -> bool {
        let line = self.rest().lines().next().unwrap_or_default();
        line.trim().is_empty()
    }
}
