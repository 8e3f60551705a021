//! Front matter: where it is, what it says, and the one change that sets a key.
//!
//! A change is trusted only after the changed text has been read again and says exactly what it should.

mod json;
mod toml;
mod yaml;

use std::ops::Range;

use super::edit::{self, Edit};

/// A page's head of keys, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Front {
    form: Form,
    /// The bytes of the file between the fences; of JSON the whole object.
    block: Range<usize>,
    entries: Vec<Entry>,
}

/// What it is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Yaml,
    Toml,
    Json,
}

/// A key of the first level.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: String,
    value: Value,
    /// Where the key ends and the value is, in bytes of the file.
    key_end: usize,
    span: Range<usize>,
}

/// A key's value, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, `null` or an empty text.
    Empty,
    Text(String),
    Flag(bool),
    /// A list, a table, a date or a number.
    Other,
}

/// Why a head cannot be read. The page is reported and never changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the front matter cannot be read: {0}")]
pub(super) struct Broken(String);

/// Reads the head of a file, and gives where the body begins.
///
/// # Errors
/// [`Broken`] when there is one that its own language does not allow.
pub(super) fn read(text: &str) -> Result<(Option<Front>, usize), Broken> {
    let start = bom(text);
    let body = text.get(start..).unwrap_or_default();
    for (fence, form) in [("---", Form::Yaml), ("+++", Form::Toml)] {
        if let Some((block, end)) = fenced(text, start, fence) {
            let source = text.get(block.clone()).unwrap_or_default();
            let mut entries = match form {
                Form::Yaml => yaml::entries(source),
                _ => toml::entries(source),
            }?;
            for entry in &mut entries {
                entry.key_end += block.start;
                entry.span = entry.span.start + block.start..entry.span.end + block.start;
            }
            let front = Front {
                form,
                block,
                entries,
            };
            return Ok((Some(front), end));
        }
    }
    if body.starts_with('{')
        && !body.starts_with("{{")
        && !body.starts_with("{%")
        && let Some((entries, length)) = json::entries(body, start)?
    {
        let block = start..start + length;
        let end = block.end;
        let front = Front {
            form: Form::Json,
            block,
            entries,
        };
        return Ok((Some(front), end));
    }
    Ok((None, start))
}

/// The length of a byte order mark.
fn bom(text: &str) -> usize {
    if text.starts_with('\u{feff}') { 3 } else { 0 }
}

/// The bytes between two lines that are `fence`, the first of which begins the text; and where the body begins.
fn fenced(text: &str, start: usize, fence: &str) -> Option<(Range<usize>, usize)> {
    let mut lines = text.get(start..)?.split_inclusive('\n');
    let first = lines.next()?;
    if first.trim_end() != fence {
        return None;
    }
    let begin = start + first.len();
    let mut at = begin;
    for line in lines {
        if line.trim_end() == fence {
            return Some((begin..at, at + line.len()));
        }
        at += line.len();
    }
    None
}

impl Front {
    /// The value of a key; keys are told apart by case only where nothing else fits.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The first of these keys that holds a text.
    pub(super) fn text(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| match self.get(key) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        })
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        let exact = self.entries.iter().find(|entry| entry.key == key);
        exact.or_else(|| {
            self.entries
                .iter()
                .find(|entry| entry.key.eq_ignore_ascii_case(key))
        })
    }

    /// The line on which a key stands, counted from 1.
    pub(super) fn line(&self, text: &str, keys: &[&str]) -> usize {
        let entry = keys.iter().find_map(|key| self.entry(key));
        let at = entry.map_or(self.block.start, |entry| entry.key_end);
        super::page::line_of(text, at)
    }
}

/// The change that gives `key` the value `literal`, which is written in JSON.
///
/// Nothing when it cannot be made so that every other key keeps its value.
pub(super) fn set(text: &str, key: &str, literal: &str) -> Option<Edit> {
    let (front, body) = read(text).ok()?;
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let change = match &front {
        None => Edit::insert(
            body,
            format!("---{newline}{key}: {literal}{newline}---{newline}{newline}"),
        ),
        Some(front) => match front.entry(key) {
            Some(entry) => front.replace(text, entry, literal)?,
            None => front.add(text, key, literal, newline)?,
        },
    };
    let changed = edit::apply(text, std::slice::from_ref(&change))?;
    let (after, _) = read(&changed).ok()?;
    says_the_same(front.as_ref(), after.as_ref()?, key, literal).then_some(change)
}

/// Whether only `key` differs, and says what it should.
fn says_the_same(before: Option<&Front>, after: &Front, key: &str, literal: &str) -> bool {
    let others = |front: &Front| -> Vec<(String, Value)> {
        let others = front
            .entries
            .iter()
            .filter(|entry| !entry.key.eq_ignore_ascii_case(key));
        others
            .map(|entry| (entry.key.clone(), entry.value.clone()))
            .collect()
    };
    let wanted = match serde_json::from_str(literal) {
        Ok(serde_json::Value::String(text)) => Value::Text(text),
        _ => Value::Other,
    };
    before.map(others).unwrap_or_default() == others(after) && after.get(key) == Some(&wanted)
}

impl Front {
    fn replace(&self, text: &str, entry: &Entry, literal: &str) -> Option<Edit> {
        if !entry.span.is_empty() {
            return Edit::replace(text, entry.span.clone(), literal.to_owned());
        }
        // `key:` alone; only YAML has it.
        let colon = text.get(entry.key_end..)?.find(':')? + entry.key_end + 1;
        Some(Edit::insert(colon, format!(" {literal}")))
    }

    /// After the title, since there a person looks for it; else where the form allows.
    fn add(&self, text: &str, key: &str, literal: &str, newline: &str) -> Option<Edit> {
        let title = self.entry("title");
        let indent = self.indent(text);
        match self.form {
            Form::Yaml => {
                let at =
                    title.map_or(Some(self.block.end), |entry| line_end(text, entry.span.end))?;
                Some(Edit::insert(
                    at,
                    format!("{indent}{key}: {literal}{newline}"),
                ))
            }
            // A key after a table's head would be the table's.
            Form::Toml => {
                let at = title.map_or(Some(self.block.start), |entry| {
                    line_end(text, entry.span.end)
                })?;
                Some(Edit::insert(
                    at,
                    format!("{indent}{key} = {literal}{newline}"),
                ))
            }
            Form::Json => match (title, self.entries.first()) {
                (Some(entry), _) => Some(Edit::insert(
                    entry.span.end,
                    format!(",{newline}{indent}\"{key}\": {literal}"),
                )),
                (None, Some(_)) => Some(Edit::insert(
                    self.block.start + 1,
                    format!("{newline}{indent}\"{key}\": {literal},"),
                )),
                (None, None) => Edit::replace(
                    text,
                    self.block.clone(),
                    format!("{{{newline}  \"{key}\": {literal}{newline}}}"),
                ),
            },
        }
    }

    /// The white space before the first key.
    fn indent(&self, text: &str) -> String {
        let Some(first) = self.entries.first() else {
            return String::new();
        };
        let head = text.get(..first.key_end).unwrap_or_default();
        let line = head
            .rfind('\n')
            .map_or(head, |at| head.get(at + 1..).unwrap_or_default());
        line.chars()
            .take_while(|c| *c == ' ' || *c == '\t')
            .collect()
    }
}

/// Past the end of the line in which `at` is; `at` itself when a line begins there.
fn line_end(text: &str, at: usize) -> Option<usize> {
    if text.get(..at)?.ends_with('\n') {
        return Some(at);
    }
    Some(at + text.get(at..)?.find('\n')? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let edit = set(text, "description", "\"A “new” one: \\\"yes\\\".\"").expect(text);
        let got = edit::apply(text, &[edit]).unwrap();
        assert_eq!(got, expect.replace("@@", "\"A “new” one: \\\"yes\\\".\""));
    }

    #[test]
    fn a_description_comes_after_the_title() {
        check(
            "---\ntitle: A # why\ntags: [a]\n---\nText\n",
            "---\ntitle: A # why\ndescription: @@\ntags: [a]\n---\nText\n",
        );
        check(
            "---\ntitle: >-\n  A long\n  title\ndate: 2020-01-01\n---\n",
            "---\ntitle: >-\n  A long\n  title\ndescription: @@\ndate: 2020-01-01\n---\n",
        );
        check(
            "---\r\ntitle: A\r\n---\r\nText",
            "---\r\ntitle: A\r\ndescription: @@\r\n---\r\nText",
        );
    }

    #[test]
    fn without_a_title_it_comes_last_in_yaml_and_first_in_toml() {
        check(
            "\u{feff}---\ntags:\n  - a\n  - b\n---\n",
            "\u{feff}---\ntags:\n  - a\n  - b\ndescription: @@\n---\n",
        );
        check(
            "+++\ndate = 2020-01-01\n[menu]\nname = \"x\"\n+++\n",
            "+++\ndescription = @@\ndate = 2020-01-01\n[menu]\nname = \"x\"\n+++\n",
        );
        check("---\n---\nText", "---\ndescription: @@\n---\nText");
    }

    #[test]
    fn an_empty_one_is_filled_in_its_place() {
        check(
            "---\ndescription:\ntitle: A\n---\n",
            "---\ndescription: @@\ntitle: A\n---\n",
        );
        check(
            "---\ndescription: ''  # to do\ntitle: A\n---\n",
            "---\ndescription: @@  # to do\ntitle: A\n---\n",
        );
        check(
            "+++\ndescription = ''\n+++\n",
            "+++\ndescription = @@\n+++\n",
        );
        check(
            "{\"description\": \"\"}\n\nText",
            "{\"description\": @@}\n\nText",
        );
    }

    #[test]
    fn one_that_spans_lines_is_replaced_whole() {
        check(
            "---\ndescription: >\n  Old\n  lines.\ntitle: A\n---\n",
            "---\ndescription: @@\ntitle: A\n---\n",
        );
        check(
            "---\ndescription: Old\n  lines go on.\ntitle: A\n---\n",
            "---\ndescription: @@\ntitle: A\n---\n",
        );
        check(
            "+++\ndescription = \"\"\"\nOld\n\"\"\"\ntitle = 'A'\n+++\n",
            "+++\ndescription = @@\ntitle = 'A'\n+++\n",
        );
    }

    #[test]
    fn json_keeps_its_form() {
        check(
            "{\n  \"title\": \"A {b}\",\n  \"tags\": [\"x\"]\n}\nText",
            "{\n  \"title\": \"A {b}\",\n  \"description\": @@,\n  \"tags\": [\"x\"]\n}\nText",
        );
        check(
            "{\n  \"tags\": []\n}\nText",
            "{\n  \"description\": @@,\n  \"tags\": []\n}\nText",
        );
        check("{}\nText", "{\n  \"description\": @@\n}\nText");
    }

    #[test]
    fn a_page_without_front_matter_gets_one() {
        check(
            "\u{feff}# A\n",
            "\u{feff}---\ndescription: @@\n---\n\n# A\n",
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_touched() {
        for text in [
            "---\na: [\n---\n",
            "+++\na = \n+++\n",
            "---\njust words\n---\n",
            "{\"a\": }\n",
        ] {
            assert!(read(text).is_err(), "{text}");
            assert_eq!(set(text, "description", "\"x\""), None);
        }
        // One line in braces: there is no place for a line of its own.
        assert_eq!(set("---\n{title: A}\n---\n", "description", "\"x\""), None);
    }

    #[test]
    fn values_are_told_apart() {
        let (front, body) = read(
            "---\na: null\nb: ~\nc: \"\"\nd: true\ne: 'it''s'\nf: [x]\ng: 12\nh: \"12\"\n---\nText",
        )
        .unwrap();
        let front = front.unwrap();
        for key in ["a", "b", "c"] {
            assert_eq!(front.get(key), Some(&Value::Empty), "{key}");
        }
        assert_eq!(front.get("d"), Some(&Value::Flag(true)));
        assert_eq!(front.text(&["x", "e"]), Some("it's"));
        assert_eq!(front.get("f"), Some(&Value::Other));
        assert_eq!(front.text(&["h"]), Some("12"));
        assert_eq!(body, 67);
    }

    #[test]
    fn a_fence_that_is_never_closed_is_a_rule() {
        assert_eq!(read("---\ntitle: A\n"), Ok((None, 0)));
        assert_eq!(read("{{< figure >}}\n"), Ok((None, 0)));
    }
}
