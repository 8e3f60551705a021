//! A growing answer to fields: each is told as soon as it is complete, and prose while it is written.
//!
//! Nothing is told before it is certain that the answer is in the right language; from there on every piece is held
//! against the rules that must not come out.

use std::collections::HashMap;
use std::sync::Arc;

use api::{AltText, Candidate, Field};

use super::language::{self, Text, Verdict};
use super::leak::Guard;
use super::partial::{Part, Reader, Step};
use crate::engines::{EngineJob, Output, Sink, Written};

/// Bytes of prose between two looks at its language.
const LOOK_EVERY: usize = 24;

/// What is heard of one answer.
pub(super) struct Hearing {
    reader: Reader,
    guard: Arc<Guard>,
    sink: Sink,
    /// Fields that are wanted and did not come yet.
    missing: Vec<Field>,
    ids: Vec<String>,
    /// The language that was asked for; `None` when any will do.
    expected: Option<String>,
    /// What waits for the language to be certain; `None` once it is.
    held: Option<Vec<Output>>,
    prose: String,
    looked: usize,
    /// The text that is being read.
    text: String,
    keywords: Vec<String>,
    alt_texts: HashMap<String, String>,
    candidates: Vec<Candidate>,
    trouble: Option<String>,
}

/// What came of an answer.
pub(super) struct Heard {
    /// Fields that did not come.
    pub(super) missing: Vec<Field>,
    pub(super) candidates: Vec<Candidate>,
    /// It is in another language than was asked for.
    pub(super) other_language: bool,
    /// Nothing of it was told.
    pub(super) untold: bool,
    /// Why it is no answer; the fields that came before are told.
    pub(super) trouble: Option<String>,
}

impl Hearing {
    /// `fields`: those that are wanted. `patient`: another language is not told, since there will be another answer.
    pub(super) fn new(
        job: &EngineJob,
        fields: &[Field],
        expected: &str,
        guard: Arc<Guard>,
        sink: Sink,
        patient: bool,
    ) -> Self {
        let expected = (expected != "und").then(|| expected.to_owned());
        Self {
            reader: Reader::new(),
            guard,
            sink,
            missing: fields.to_vec(),
            ids: job.images.iter().map(|image| image.id.clone()).collect(),
            held: (patient && expected.is_some()).then(Vec::new),
            expected,
            prose: String::new(),
            looked: 0,
            text: String::new(),
            keywords: Vec::new(),
            alt_texts: HashMap::new(),
            candidates: Vec::new(),
            trouble: None,
        }
    }

    /// Takes the next piece of the answer.
    pub(super) fn push(&mut self, piece: &str) {
        if self.trouble.is_some() {
            return;
        }
        let mut parts: Vec<(Vec<Step>, Option<String>, bool)> = Vec::new();
        let read = self.reader.push(piece, |path, part| {
            parts.push(match part {
                Part::Piece(text) => (path.to_vec(), Some(text.to_owned()), false),
                Part::End => (path.to_vec(), None, false),
                Part::Closed => (path.to_vec(), None, true),
            });
        });
        for (path, text, closed) in parts {
            match text {
                Some(text) => self.more(&path, &text),
                None if closed => self.closed(&path),
                None => self.ended(&path),
            }
            if self.trouble.is_some() {
                return;
            }
        }
        if let Err(fault) = read {
            self.trouble = Some(fault.to_string());
        }
    }

    /// The answer has ended.
    pub(super) fn end(mut self) -> Heard {
        if self.trouble.is_none() && !self.reader.is_done() {
            self.trouble = Some("the answer ended before it was complete".to_owned());
        }
        let other_language = self.verdict(Text::Whole) == Verdict::Other;
        if self.held.is_some() && !other_language && self.trouble.is_none() {
            self.release();
        }
        Heard {
            untold: self.held.is_some(),
            missing: self.missing,
            candidates: self.candidates,
            other_language,
            trouble: self.trouble,
        }
    }

    fn more(&mut self, path: &[Step], text: &str) {
        self.text.push_str(text);
        let Some(field) = prose_field(path) else {
            return;
        };
        if self.leaks() || !self.missing.contains(&field) {
            return;
        }
        self.listen(text);
        self.tell(Output::Delta(field, text.to_owned()));
    }

    fn ended(&mut self, path: &[Step]) {
        if self.leaks() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        match path {
            [Step::Key(key)] => {
                let written = match key.as_str() {
                    "title" => Written::Title(text),
                    "meta_description" => Written::MetaDescription(text),
                    "summary" => Written::Summary(text),
                    "slug" => Written::Slug(text),
                    _ => return,
                };
                self.prose.push('\n');
                self.written(written);
            }
            [Step::Key(key), Step::Index(_)] if key == "keywords" => self.keywords.push(text),
            [Step::Key(key), Step::Key(id)] if key == "alt_texts" => {
                self.listen(&text);
                self.prose.push('\n');
                self.alt_texts.entry(id.clone()).or_insert(text);
            }
            [Step::Key(key), Step::Index(index), Step::Key(field)] if key == "candidates" => {
                if self.candidates.len() <= *index {
                    self.candidates.resize_with(*index + 1, || Candidate {
                        title: String::new(),
                        meta_description: String::new(),
                    });
                }
                if let Some(candidate) = self.candidates.get_mut(*index) {
                    match field.as_str() {
                        "title" => candidate.title = text,
                        "meta_description" => candidate.meta_description = text,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn closed(&mut self, path: &[Step]) {
        let [Step::Key(key)] = path else { return };
        match key.as_str() {
            "keywords" => {
                let keywords = std::mem::take(&mut self.keywords);
                self.written(Written::Keywords(keywords));
            }
            "alt_texts" => {
                let mut texts = std::mem::take(&mut self.alt_texts);
                let known = self.ids.iter().filter_map(|id| {
                    let text = texts.remove(id)?;
                    Some(AltText {
                        id: id.clone(),
                        decorative: text.trim().is_empty(),
                        needs_human: false,
                        text,
                    })
                });
                let known = known.collect();
                self.written(Written::AltTexts(known));
            }
            _ => {}
        }
    }

    /// A field is complete; said twice, it counts once.
    fn written(&mut self, written: Written) {
        let field = written.field();
        let Some(at) = self.missing.iter().position(|missing| *missing == field) else {
            return;
        };
        self.missing.remove(at);
        self.look();
        self.tell(Output::Field(written));
    }

    fn tell(&mut self, output: Output) {
        match &mut self.held {
            Some(held) => held.push(output),
            None => (self.sink)(output),
        }
    }

    /// Takes note of prose, and tells what waits once its language is certain.
    fn listen(&mut self, text: &str) {
        self.prose.push_str(text);
        if self.held.is_some() && self.prose.len() >= self.looked + LOOK_EVERY {
            self.look();
        }
    }

    fn look(&mut self) {
        self.looked = self.prose.len();
        if self.held.is_some() && self.verdict(Text::Growing) == Verdict::Same {
            self.release();
        }
    }

    fn release(&mut self) {
        for output in self.held.take().unwrap_or_default() {
            (self.sink)(output);
        }
    }

    fn verdict(&self, text: Text) -> Verdict {
        match &self.expected {
            Some(expected) => language::verdict(&self.prose, expected, text),
            None => Verdict::Unsure,
        }
    }

    fn leaks(&mut self) -> bool {
        let leaks = self.guard.finds(&self.text);
        if leaks {
            self.trouble = Some("the answer repeats the prompt".to_owned());
        }
        leaks
    }
}

fn prose_field(path: &[Step]) -> Option<Field> {
    let [Step::Key(key)] = path else { return None };
    match key.as_str() {
        "title" => Some(Field::Title),
        "meta_description" => Some(Field::MetaDescription),
        "summary" => Some(Field::Summary),
        _ => None,
    }
}
