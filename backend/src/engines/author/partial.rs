//! Growing JSON text to its parts, as they come. Every bound is fixed, so no text can make it grow without end.
//!
//! What stands before the object is passed over: a model's thoughts, a box's mark, a fence. So is what stands behind it.

/// Bytes of one answer, all of it.
const MAX_BYTES: usize = 256 * 1024;
/// Bytes of one text; a text that is longer will not end by itself.
const MAX_TEXT_BYTES: usize = 8 * 1024;
/// Bytes of a key; picture ids have at most 64.
const MAX_KEY_BYTES: usize = 128;
/// Values in one list.
const MAX_ITEMS: usize = 64;
/// Objects and lists within each other.
const MAX_DEPTH: usize = 4;
/// Bytes in which a mark that begins at the end of a piece is found again.
const LONGEST_MARK: usize = 16;

/// Why a text is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// A character that JSON does not have there.
    #[error("the answer is no JSON")]
    NotJson,
    /// A text, a list or the whole is longer than any answer.
    #[error("the answer runs on without end")]
    Endless,
}

/// A step from the whole answer towards one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Of an object.
    Key(String),
    /// Of a list, from 0.
    Index(usize),
}

/// What was read; the path says where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// More of a text.
    Piece(&'a str),
    /// The text is complete.
    End,
    /// An object or a list is complete.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No object has begun.
    Lead,
    /// A thought that has not ended.
    Thought,
    Key,
    InKey,
    Colon,
    Value,
    Text,
    /// A number or a word such as `true`; nothing here is made of those.
    Scalar,
    After,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    /// Behind a backslash.
    Open,
    /// Within `\uXXXX`: digits read, their value.
    Unicode(u8, u16),
}

/// Reads one answer.
pub(super) struct Reader {
    state: State,
    /// Whether each open container is an object, the outermost first.
    objects: Vec<bool>,
    path: Vec<Step>,
    escape: Escape,
    /// The first half of a surrogate pair.
    surrogate: Option<u16>,
    /// The key that is being read, or the piece that is not yet told.
    text: String,
    /// Bytes of the text that is being read.
    text_bytes: usize,
    bytes: usize,
    /// The end of what stands before the object.
    lead: String,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            state: State::Lead,
            objects: Vec::new(),
            path: Vec::new(),
            escape: Escape::None,
            surrogate: None,
            text: String::new(),
            text_bytes: 0,
            bytes: 0,
            lead: String::new(),
        }
    }

    /// Whether the object is complete.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads more of the answer and tells its parts.
    pub(super) fn push(
        &mut self,
        text: &str,
        mut tell: impl FnMut(&[Step], Part<'_>),
    ) -> Result<(), Fault> {
        self.bytes += text.len();
        if self.bytes > MAX_BYTES {
            return Err(Fault::Endless);
        }
        let text = match self.state {
            State::Lead | State::Thought => self.behind_lead(text),
            _ => text.to_owned(),
        };
        for c in text.chars() {
            self.read(c, &mut tell)?;
        }
        if self.state == State::Text {
            self.tell_piece(&mut tell);
        }
        Ok(())
    }

    /// What of `text` belongs to the object.
    fn behind_lead(&mut self, text: &str) -> String {
        let mut lead = std::mem::take(&mut self.lead) + text;
        loop {
            let found = match self.state {
                State::Thought => lead.find("</think").map(|at| (at, State::Lead)),
                _ => match (lead.find('{'), lead.find("<think")) {
                    (Some(object), thought) if thought.is_none_or(|at| object < at) => {
                        self.state = State::Value;
                        return lead.split_off(object);
                    }
                    (_, thought) => thought.map(|at| (at, State::Thought)),
                },
            };
            let Some((at, state)) = found else { break };
            self.state = state;
            lead = lead.split_off(at + "<think".len());
        }
        let keep = lead
            .char_indices()
            .map(|(at, _)| at)
            .find(|at| lead.len() - at <= LONGEST_MARK);
        self.lead = lead.split_off(keep.unwrap_or(lead.len()));
        String::new()
    }

    fn read(&mut self, c: char, tell: &mut impl FnMut(&[Step], Part<'_>)) -> Result<(), Fault> {
        match self.state {
            State::Text | State::InKey => return self.in_text(c, tell),
            State::Scalar if c.is_ascii_alphanumeric() || "+-.".contains(c) => return Ok(()),
            State::Scalar => self.end_value(),
            _ => {}
        }
        match (self.state, c) {
            (State::Done | State::Lead | State::Thought, _) => {}
            (_, ' ' | '\n' | '\r' | '\t') => {}
            (State::Value, '"') => self.begin_text(State::Text),
            (State::Value, '{') => self.open(true)?,
            (State::Value, '[') => self.open(false)?,
            (State::Value, c) if c.is_ascii_alphanumeric() || c == '-' => {
                self.state = State::Scalar;
            }
            (State::Key, '"') => self.begin_text(State::InKey),
            (State::Colon, ':') => self.state = State::Value,
            (State::After, ',') => self.next()?,
            (State::Key | State::After, '}') => self.close(true, tell)?,
            (State::Value | State::After, ']') => self.close(false, tell)?,
            _ => return Err(Fault::NotJson),
        }
        Ok(())
    }

    fn open(&mut self, object: bool) -> Result<(), Fault> {
        if self.objects.len() == MAX_DEPTH {
            return Err(Fault::NotJson);
        }
        self.objects.push(object);
        self.state = if object {
            State::Key
        } else {
            self.path.push(Step::Index(0));
            State::Value
        };
        Ok(())
    }

    fn close(
        &mut self,
        object: bool,
        tell: &mut impl FnMut(&[Step], Part<'_>),
    ) -> Result<(), Fault> {
        if self.objects.pop() != Some(object) {
            return Err(Fault::NotJson);
        }
        if !object {
            self.path.pop();
        }
        tell(&self.path, Part::Closed);
        self.end_value();
        Ok(())
    }

    fn next(&mut self) -> Result<(), Fault> {
        if self.objects.last() == Some(&true) {
            self.state = State::Key;
            return Ok(());
        }
        self.state = State::Value;
        match self.path.last_mut() {
            Some(Step::Index(index)) if *index + 1 < MAX_ITEMS => *index += 1,
            _ => return Err(Fault::Endless),
        }
        Ok(())
    }

    fn end_value(&mut self) {
        if self.objects.last() == Some(&true) {
            self.path.pop();
        }
        self.state = if self.objects.is_empty() {
            State::Done
        } else {
            State::After
        };
    }

    fn begin_text(&mut self, state: State) {
        self.state = state;
        self.text.clear();
        self.text_bytes = 0;
        self.surrogate = None;
        self.escape = Escape::None;
    }

    fn in_text(&mut self, c: char, tell: &mut impl FnMut(&[Step], Part<'_>)) -> Result<(), Fault> {
        match (self.escape, c) {
            (Escape::None, '\\') => self.escape = Escape::Open,
            (Escape::None, '"') => self.end_text(tell),
            (Escape::None, c) => self.add_alone(c)?,
            (Escape::Open, 'u') => self.escape = Escape::Unicode(0, 0),
            (Escape::Open, c) => {
                self.escape = Escape::None;
                self.add_alone(unescaped(c).ok_or(Fault::NotJson)?)?;
            }
            (Escape::Unicode(digits, value), c) => {
                let digit = c.to_digit(16).ok_or(Fault::NotJson)?;
                let value = value << 4 | u16::try_from(digit).unwrap_or_default();
                self.escape = Escape::Unicode(digits + 1, value);
                if digits == 3 {
                    self.escape = Escape::None;
                    self.add_unit(value)?;
                }
            }
        }
        Ok(())
    }

    /// Adds a character that is no half of a pair.
    fn add_alone(&mut self, c: char) -> Result<(), Fault> {
        if self.surrogate.take().is_some() {
            self.add(char::REPLACEMENT_CHARACTER)?;
        }
        self.add(c)
    }

    /// Adds a UTF-16 unit; half a pair without its other half becomes a replacement character.
    fn add_unit(&mut self, unit: u16) -> Result<(), Fault> {
        let first = self.surrogate.take();
        if matches!(unit, 0xd800..=0xdbff) {
            self.surrogate = Some(unit);
            return first.map_or(Ok(()), |_| self.add(char::REPLACEMENT_CHARACTER));
        }
        let units = first.into_iter().chain([unit]);
        let decoded: String = char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        decoded.chars().try_for_each(|c| self.add(c))
    }

    fn add(&mut self, c: char) -> Result<(), Fault> {
        self.text_bytes += c.len_utf8();
        let most = if self.state == State::InKey {
            MAX_KEY_BYTES
        } else {
            MAX_TEXT_BYTES
        };
        if self.text_bytes > most {
            return Err(Fault::Endless);
        }
        // JSON has no bare control character in a text; where one comes all the same it stands for a space.
        self.text.push(if c.is_control() { ' ' } else { c });
        Ok(())
    }

    fn end_text(&mut self, tell: &mut impl FnMut(&[Step], Part<'_>)) {
        if self.state == State::InKey {
            self.path.push(Step::Key(std::mem::take(&mut self.text)));
            self.state = State::Colon;
            return;
        }
        self.tell_piece(tell);
        tell(&self.path, Part::End);
        self.end_value();
    }

    fn tell_piece(&mut self, tell: &mut impl FnMut(&[Step], Part<'_>)) {
        if !self.text.is_empty() {
            tell(&self.path, Part::Piece(&self.text));
            self.text.clear();
        }
    }
}

fn unescaped(c: char) -> Option<char> {
    match c {
        '"' | '\\' | '/' => Some(c),
        'b' | 'f' | 'n' | 'r' | 't' => Some(' '),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The texts of an answer that comes in pieces of `size` characters, by their path, and whether it is complete.
    fn read(answer: &str, size: usize) -> Result<(BTreeMap<String, String>, bool), Fault> {
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        let mut reader = Reader::new();
        let chars: Vec<char> = answer.chars().collect();
        for piece in chars.chunks(size) {
            let piece: String = piece.iter().collect();
            reader.push(&piece, |path, part| {
                let steps = path.iter().map(|step| match step {
                    Step::Key(key) => format!("/{key}"),
                    Step::Index(index) => format!("/{index}"),
                });
                let path: String = steps.collect();
                match part {
                    Part::Piece(piece) => texts.entry(path).or_default().push_str(piece),
                    Part::End => texts.entry(path).or_default().push('.'),
                    Part::Closed => texts.entry(path).or_default().push('#'),
                }
            })?;
        }
        Ok((texts, reader.is_done()))
    }

    #[track_caller]
    fn check(answer: &str, expect: &[(&str, &str)]) {
        let expect = expect
            .iter()
            .map(|(path, text)| ((*path).into(), (*text).into()));
        let expect: BTreeMap<String, String> = expect.collect();
        for size in 1..=answer.chars().count() {
            assert_eq!(
                read(answer, size),
                Ok((expect.clone(), true)),
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn an_answer_is_read_whatever_its_pieces_are() {
        check(
            r#"{"title": "Rye", "keywords":["a","b"], "alt_texts":{"p1":"x","p2":""}, "n": [-1.5e3, true, null], "o":{}}"#,
            &[
                ("/title", "Rye."),
                ("/keywords/0", "a."),
                ("/keywords/1", "b."),
                ("/keywords", "#"),
                ("/alt_texts/p1", "x."),
                ("/alt_texts/p2", "."),
                ("/alt_texts", "#"),
                ("/n", "#"),
                ("/o", "#"),
                ("", "#"),
            ],
        );
    }

    #[test]
    fn escapes_are_undone() {
        check(
            r#"{"t":"\"a\\b\/c\nd\u00e9\u9ed1\ud83c\udf5e"}"#,
            &[("/t", "\"a\\b/c dé黑🍞."), ("", "#")],
        );
        check(
            r#"{"t":"\ud83cx\udf5e"}"#,
            &[("/t", "\u{fffd}x\u{fffd}."), ("", "#")],
        );
    }

    #[test]
    fn what_stands_around_the_object_is_passed_over() {
        for answer in [
            "<think>A {\"t\":\"draft\"}? No.</think>{\"t\":\"Rye\"}",
            "<|begin_of_box|>{\"t\":\"Rye\"}<|end_of_box|>",
            "```json\n{\"t\":\"Rye\"}\n```\nI hope this {helps}!",
        ] {
            check(answer, &[("/t", "Rye."), ("", "#")]);
        }
    }

    #[test]
    fn half_an_answer_is_not_done() {
        assert!(matches!(read(r#"{"t":"Rye"#, 3), Ok((_, false))));
        assert!(matches!(read("I cannot do that.", 3), Ok((_, false))));
        assert!(matches!(read("<think>{}", 3), Ok((_, false))));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for answer in [
            "{title}",
            r#"{"t" "x"}"#,
            r#"{"t":"x"]"#,
            r#"{"t":"\x"}"#,
            r#"{"t":"\u12g4"}"#,
            "{\"t\":[[[[[",
            r#"{"t":}"#,
        ] {
            assert_eq!(read(answer, 1), Err(Fault::NotJson), "{answer}");
        }
    }

    #[test]
    fn nothing_grows_without_end() {
        let endless = [
            format!("{{\"t\":\"{}", "rye ".repeat(3_000)),
            format!("{{\"t\":[{}", "\"rye\",".repeat(100)),
            format!("{{\"{}", "rye".repeat(100)),
            format!("{{{}", "\"t\":\"rye bread needs time\",".repeat(10_000)),
            "no object ".repeat(30_000),
        ];
        for answer in endless {
            assert_eq!(read(&answer, 500), Err(Fault::Endless));
        }
    }
}
