//! The first level of a YAML mapping, with places. Events are read, so that no alias is ever expanded.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{Broken, Entry, Value};

/// Keys and values of the first level; their places are bytes of `source`.
pub(super) fn entries(source: &str) -> Result<Vec<Entry>, Broken> {
    let places = Places::of(source);
    let mut entries = Vec::new();
    let mut depth = 0_usize;
    // A key that waits for its value.
    let mut key: Option<(String, usize)> = None;
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|error| Broken(error.to_string()))?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                if depth == 0 && matches!(event, Event::SequenceStart(..)) {
                    return Err(Broken("it is a list, not keys with values".to_owned()));
                }
                if depth == 1 {
                    let (key, key_end) = key.take().ok_or_else(odd_key)?;
                    let start = places.byte(span.start.index());
                    entries.push(Entry {
                        key,
                        value: Value::Other,
                        key_end,
                        span: start..start,
                    });
                }
                depth += 1;
            }
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            Event::Scalar(text, style, _, tag) if depth == 1 => match key.take() {
                None => key = Some((text.into_owned(), places.byte(span.end.index()))),
                Some((key, key_end)) => {
                    let value = if tag.is_some() {
                        Value::Other
                    } else {
                        value(&text, style)
                    };
                    let span = scalar(source, &places, span, style, key_end);
                    entries.push(Entry {
                        key,
                        value,
                        key_end,
                        span,
                    });
                }
            },
            Event::Alias(_) if depth == 1 => {
                let (key, key_end) = key.take().ok_or_else(odd_key)?;
                let start = places.byte(span.start.index());
                entries.push(Entry {
                    key,
                    value: Value::Other,
                    key_end,
                    span: start..start,
                });
            }
            Event::Scalar(..) if depth == 0 => {
                return Err(Broken("it is a text, not keys with values".to_owned()));
            }
            _ => {}
        }
    }
    Ok(entries)
}

fn odd_key() -> Broken {
    Broken("a key is a list, a mapping or an alias".to_owned())
}

fn value(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (_, "") | (ScalarStyle::Plain, "~" | "null" | "Null" | "NULL") => Value::Empty,
        (ScalarStyle::Plain, "true" | "True" | "TRUE") => Value::Flag(true),
        (ScalarStyle::Plain, "false" | "False" | "FALSE") => Value::Flag(false),
        // A number as a title is a text to every generator.
        _ => Value::Text(text.to_owned()),
    }
}

/// Where a scalar is. The parser's place of a block begins behind its `>` or `|` and holds its last line end; that of a
/// quoted text holds the comment behind it.
fn scalar(
    source: &str,
    places: &Places,
    span: Span,
    style: ScalarStyle,
    key_end: usize,
) -> std::ops::Range<usize> {
    let (start, end) = (
        places.byte(span.start.index()),
        places.byte(span.end.index()),
    );
    let text = source.get(start..end).unwrap_or_default();
    let whole = start..start + text.trim_end().len();
    match style {
        ScalarStyle::Folded | ScalarStyle::Literal => {
            let head = source.get(key_end..start).unwrap_or_default();
            let sign = head.find(['>', '|']).map_or(start, |at| key_end + at);
            sign..whole.end
        }
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            start..start + quoted(text).unwrap_or(text.trim_end().len())
        }
        ScalarStyle::Plain => whole,
    }
}

/// Bytes of the quoted text that `text` begins with.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote == '"' {
            chars.next();
        } else if c == quote {
            // In single quotes, two stand for one.
            let doubled = quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == quote);
            if !doubled {
                return Some(at + 1);
            }
            chars.next();
        }
    }
    None
}

/// Bytes of characters: the parser counts the latter.
struct Places {
    bytes: Vec<usize>,
    end: usize,
}

impl Places {
    fn of(source: &str) -> Self {
        Self {
            bytes: source.char_indices().map(|(at, _)| at).collect(),
            end: source.len(),
        }
    }

    fn byte(&self, index: usize) -> usize {
        self.bytes.get(index).copied().unwrap_or(self.end)
    }
}
