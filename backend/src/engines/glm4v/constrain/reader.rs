//! Reads an answer byte by byte while it is written, and notices an item that an earlier one of its array equals.
//!
//! Only what a grammar allowed is ever read: nothing here asks whether it is JSON.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use super::schema::{Kind, Places, Schema};

/// Zeros at the end of a number that is there already, on its way to becoming another one.
const MAX_ZEROS: usize = 6;

/// An item of a unique array came to its end, and there is one like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeated;

/// Where in an answer we are.
#[derive(Debug)]
pub(super) struct Reader {
    schema: Arc<Schema>,
    frames: Vec<Frame>,
    state: State,
    /// Unique arrays that are open.
    open: usize,
    /// Arrays and objects that were opened.
    opened: usize,
    /// What was written since the outermost unique array began; outside of one, the text or number under way.
    written: Vec<u8>,
    /// Where in it the text or number under way began.
    begun: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A value comes next, or the end of an empty array.
    Value,
    /// A name comes next, or the end of an empty object.
    Key,
    /// A value is complete.
    Next,
    /// Within quotes.
    Text { key: bool, escaped: bool },
    /// Within a number, `true`, `false` or `null`.
    Scalar,
}

/// An array or an object that is open.
#[derive(Debug, Clone)]
struct Frame {
    kind: Kind,
    places: Places,
    /// Where it began.
    begun: usize,
    opened: usize,
    index: usize,
    key: Arc<str>,
    /// Of a unique array.
    seen: Option<Seen>,
    /// What it is made of so far, where an array around it is unique.
    made: Option<Made>,
}

/// Items of a unique array.
#[derive(Debug, Clone, Default)]
struct Seen {
    known: Arc<Known>,
    /// Those of the token under way, so that trying one costs no copy of all.
    fresh: Vec<(Arc<str>, Arc<[u8]>)>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    values: HashSet<Arc<str>>,
    /// As they were written.
    texts: BTreeSet<Arc<[u8]>>,
}

#[derive(Debug, Clone)]
enum Made {
    Items(String),
    Members(Vec<(Arc<str>, Arc<str>)>),
}

/// An item under way of which an earlier one, as it was written, is a continuation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Doubt {
    array: usize,
    /// Where items of one array are of different kinds.
    index: usize,
    text: Vec<u8>,
}

impl Clone for Reader {
    fn clone(&self) -> Self {
        Self {
            schema: Arc::clone(&self.schema),
            frames: self.frames.clone(),
            written: self.written.clone(),
            ..*self
        }
    }

    /// Without new memory where there is some: tokens are tried by the hundred.
    fn clone_from(&mut self, other: &Self) {
        self.frames.clone_from(&other.frames);
        self.written.clone_from(&other.written);
        (self.state, self.begun) = (other.state, other.begun);
        (self.open, self.opened) = (other.open, other.opened);
        if !Arc::ptr_eq(&self.schema, &other.schema) {
            self.schema = Arc::clone(&other.schema);
        }
    }
}

impl Reader {
    pub(super) fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            frames: Vec::new(),
            state: State::Value,
            open: 0,
            opened: 0,
            written: Vec::new(),
            begun: 0,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Whether a unique array is open.
    pub(super) fn is_watching(&self) -> bool {
        self.open > 0
    }

    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Repeated> {
        bytes.iter().try_for_each(|byte| self.byte(*byte))
    }

    /// Takes what was read for good.
    pub(super) fn settle(&mut self) {
        for seen in self
            .frames
            .iter_mut()
            .filter_map(|frame| frame.seen.as_mut())
        {
            if seen.fresh.is_empty() {
                continue;
            }
            let known = Arc::make_mut(&mut seen.known);
            for (value, text) in seen.fresh.drain(..) {
                known.values.insert(value);
                known.texts.insert(text);
            }
        }
    }

    /// Whether the item under way may yet become one that is there, and which it is.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        let (frame, text) = self.doubtful()?;
        Some(Doubt {
            array: frame.opened,
            index: match self.schema.has_first_items(&frame.places) {
                true => frame.index,
                false => 0,
            },
            text: text.to_vec(),
        })
    }

    fn doubtful(&self) -> Option<(&Frame, &[u8])> {
        let written = self.written.get(self.begun..).unwrap_or_default();
        let is_number = self.state == State::Scalar && !is_word(written);
        let by_value = |seen: &Seen| is_number && seen.has(&scalar(written));
        let mut items = self.items_under_way();
        items.find_map(|(frame, seen, text)| {
            let may = seen.texts(text).next().is_some() || by_value(seen);
            may.then_some((frame, text))
        })
    }

    /// Of the item that may yet become a repetition, its array and its number.
    pub(super) fn doubtful_item(&self) -> Option<(usize, usize)> {
        let found = self.doubtful();
        found.map(|(frame, _)| (frame.opened, frame.index))
    }

    /// Whether the number under way is one that is there, and zeros make it longer and not another one.
    pub(super) fn is_idle(&self) -> bool {
        let written = self.written.get(self.begun..).unwrap_or_default();
        let innermost = self.frames.last().and_then(|frame| frame.seen.as_ref());
        self.state == State::Scalar
            && written.ends_with(&[b'0'; MAX_ZEROS + 1])
            && written.iter().any(|byte| b".eE".contains(byte))
            && innermost.is_some_and(|seen| seen.has(&scalar(written)))
    }

    /// Whether what is under way is a whole item by itself, of the only unique array that is open.
    pub(super) fn is_item(&self) -> bool {
        self.open == 1 && self.frames.last().is_some_and(|frame| frame.seen.is_some())
    }

    /// What is yet to come of items that the one under way may become.
    pub(super) fn continuations(&self) -> impl Iterator<Item = &[u8]> {
        self.items_under_way().flat_map(|(_, seen, text)| {
            let texts = seen.texts(text);
            texts.filter_map(move |whole| whole.get(text.len()..))
        })
    }

    /// Of each unique array from the outermost, its items and what there is of the one under way; nothing of it yet where
    /// one is about to come.
    fn items_under_way(&self) -> impl Iterator<Item = (&Frame, &Seen, &[u8])> {
        self.frames
            .iter()
            .enumerate()
            .filter_map(move |(depth, frame)| {
                let seen = frame.seen.as_ref()?;
                let begun = match (self.frames.get(depth + 1), self.state) {
                    (Some(inner), _) => inner.begun,
                    (None, State::Text { .. } | State::Scalar) => self.begun,
                    (None, State::Value) => self.written.len(),
                    (None, State::Key | State::Next) => return None,
                };
                Some((frame, seen, self.written.get(begun..)?))
            })
    }

    fn byte(&mut self, byte: u8) -> Result<(), Repeated> {
        match self.state {
            State::Text { key, escaped } => {
                self.written.push(byte);
                match (escaped, byte) {
                    (false, b'"') if key => self.named(),
                    (false, b'"') => return self.ended(self.begun, text),
                    (false, b'\\') => self.state = State::Text { key, escaped: true },
                    _ => {
                        self.state = State::Text {
                            key,
                            escaped: false,
                        }
                    }
                }
                Ok(())
            }
            State::Scalar if !is_end(byte) => {
                self.written.push(byte);
                Ok(())
            }
            State::Scalar => {
                self.ended(self.begun, scalar)?;
                self.between(byte)
            }
            State::Value | State::Key | State::Next => self.between(byte),
        }
    }

    fn between(&mut self, byte: u8) -> Result<(), Repeated> {
        match byte {
            b'[' => self.opens(Kind::Array),
            b'{' => self.opens(Kind::Object),
            b']' | b'}' => return self.closes(byte),
            b',' => {
                self.push(byte);
                if let Some(frame) = self.frames.last_mut() {
                    frame.index += 1;
                    self.state = match frame.kind {
                        Kind::Array => State::Value,
                        Kind::Object => State::Key,
                    };
                }
            }
            b':' => {
                self.push(byte);
                self.state = State::Value;
            }
            b' ' | b'\t' | b'\r' | b'\n' => self.push(byte),
            _ => {
                self.state = match (byte, self.state) {
                    (b'"', state) => State::Text {
                        key: state == State::Key,
                        escaped: false,
                    },
                    _ => State::Scalar,
                };
                self.begin();
                self.written.push(byte);
            }
        }
        Ok(())
    }

    /// What stands between values counts only within an item.
    fn push(&mut self, byte: u8) {
        if self.open > 0 {
            self.written.push(byte);
        }
    }

    fn begin(&mut self) {
        if self.open == 0 {
            self.written.clear();
        }
        self.begun = self.written.len();
    }

    fn opens(&mut self, kind: Kind) {
        let places = match self.frames.last() {
            None => self.schema.root(kind),
            Some(outer) if outer.places.is_empty() => Arc::clone(&outer.places),
            Some(outer) => match outer.kind {
                Kind::Array => self.schema.item(&outer.places, outer.index, kind),
                Kind::Object => self.schema.member(&outer.places, &outer.key, kind),
            },
        };
        let unique = kind == Kind::Array && self.schema.is_unique(&places);
        let made = self.open > 0;
        self.begin();
        self.open += usize::from(unique);
        self.opened += 1;
        self.push(match kind {
            Kind::Array => b'[',
            Kind::Object => b'{',
        });
        self.frames.push(Frame {
            kind,
            places,
            begun: self.begun,
            opened: self.opened,
            index: 0,
            key: Arc::default(),
            seen: unique.then(Seen::default),
            made: made.then(|| match kind {
                Kind::Array => Made::Items(String::new()),
                Kind::Object => Made::Members(Vec::new()),
            }),
        });
        self.state = match kind {
            Kind::Array => State::Value,
            Kind::Object => State::Key,
        };
    }

    fn closes(&mut self, byte: u8) -> Result<(), Repeated> {
        self.push(byte);
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        self.open -= usize::from(frame.seen.is_some());
        self.ended(frame.begun, |_| match frame.made {
            Some(Made::Items(items)) => format!("[{items}]"),
            Some(Made::Members(members)) => object(members),
            None => String::new(),
        })
    }

    fn named(&mut self) {
        let key = decoded(self.written.get(self.begun..).unwrap_or_default());
        if let Some(frame) = self.frames.last_mut() {
            frame.key = key.into();
        }
        self.state = State::Next;
    }

    /// A value that began at `begun` is complete.
    fn ended(&mut self, begun: usize, value: impl FnOnce(&[u8]) -> String) -> Result<(), Repeated> {
        self.state = State::Next;
        let Some(frame) = self.frames.last_mut() else {
            return Ok(());
        };
        if frame.seen.is_none() && frame.made.is_none() {
            return Ok(());
        }
        let written = self.written.get(begun..).unwrap_or_default();
        let value: Arc<str> = value(written).into();
        if let Some(seen) = &mut frame.seen {
            if seen.has(&value) {
                return Err(Repeated);
            }
            seen.fresh.push((Arc::clone(&value), written.into()));
        }
        match &mut frame.made {
            Some(Made::Items(items)) => {
                if !items.is_empty() {
                    items.push(',');
                }
                items.push_str(&value);
            }
            Some(Made::Members(members)) => members.push((Arc::clone(&frame.key), value)),
            None => {}
        }
        Ok(())
    }
}

impl Seen {
    fn has(&self, value: &str) -> bool {
        self.known.values.contains(value) || self.fresh.iter().any(|(known, _)| **known == *value)
    }

    /// Those that begin so.
    fn texts<'a>(&'a self, beginning: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let from = (Bound::Included(beginning), Bound::Unbounded);
        let known = self.known.texts.range::<[u8], _>(from);
        let known = known.map(|text| &**text);
        let fresh = self.fresh.iter().map(|(_, text)| &**text);
        known
            .take_while(|text| text.starts_with(beginning))
            .chain(fresh.filter(|text| text.starts_with(beginning)))
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n')
}

/// A text's characters, however they are written.
fn decoded(quoted: &[u8]) -> String {
    serde_json::from_slice(quoted).unwrap_or_else(|_| String::from_utf8_lossy(quoted).into_owned())
}

fn text(quoted: &[u8]) -> String {
    quote(&decoded(quoted))
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn scalar(written: &[u8]) -> String {
    let text = String::from_utf8_lossy(written);
    match is_word(written) {
        true => text.into_owned(),
        false => number(&text),
    }
}

/// Whether it is none of the numbers, nor the beginning of one that has no value yet.
fn is_word(written: &[u8]) -> bool {
    !written.iter().any(u8::is_ascii_digit)
}

/// A number's value: its digits without zeros around them, and the power of ten that they are multiplied with.
fn number(written: &str) -> String {
    let (sign, written) = match written.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", written),
    };
    let (digits, power) = written.split_once(['e', 'E']).unwrap_or((written, ""));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    // Beyond what fits all are the same: one too few is written rather than one twice.
    let power: i64 = match power.trim_start_matches('+') {
        "" | "-" => 0,
        power => match power.parse::<i32>() {
            Ok(power) => power.into(),
            Err(_) if power.starts_with('-') => i64::MIN / 2,
            Err(_) => i64::MAX / 2,
        },
    };
    let digits = format!("{whole}{part}");
    let least = digits.trim_end_matches('0');
    let zeros = digits.len() - least.len();
    let shift = i64::try_from(zeros).unwrap_or(0) - i64::try_from(part.len()).unwrap_or(0);
    match least.trim_start_matches('0') {
        "" => "0".to_owned(),
        least => format!("{sign}{least}e{}", power + shift),
    }
}

/// Members by name; of two with one name the later counts.
fn object(members: Vec<(Arc<str>, Arc<str>)>) -> String {
    let members: BTreeMap<_, _> = members.into_iter().collect();
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("{}:{value}", quote(key)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// What is the same for all texts of one JSON value.
pub(super) fn canonical(json: &str) -> String {
    // The value as an item of an array that is kept whole.
    let schema = Schema::of(&serde_json::json!({ "uniqueItems": true }));
    let Some(schema) = schema else {
        return json.to_owned();
    };
    let mut reader = Reader::new(Arc::new(schema));
    let _ = reader.read(format!("[{json} ").as_bytes());
    let seen = reader.frames.first().and_then(|frame| frame.seen.as_ref());
    let value = seen.and_then(|seen| seen.fresh.first());
    value.map_or_else(|| json.to_owned(), |(value, _)| value.to_string())
}
