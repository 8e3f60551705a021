//! Text on its way to a caller: nothing from a stop sequence on is told, and nothing that may be the beginning of one.

use super::TextSink;

/// What is told of one answer as it grows.
pub(super) struct Told {
    stop: Vec<String>,
    /// What may be the beginning of a stop sequence.
    held: String,
    sink: TextSink,
}

/// Whether the answer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It does.
    More,
    /// A stop sequence has come.
    Stopped,
}

impl Told {
    /// Nothing yet; an empty stop sequence is none.
    pub(super) fn new(stop: Vec<String>, sink: TextSink) -> Self {
        Self {
            stop: stop.into_iter().filter(|text| !text.is_empty()).collect(),
            held: String::new(),
            sink,
        }
    }

    /// Takes more of the answer, and tells what is certain.
    pub(super) fn push(&mut self, text: &str) -> Heard {
        if text.is_empty() {
            return Heard::More;
        }
        self.held.push_str(text);
        let stop = self.stop.iter().filter_map(|stop| self.held.find(stop));
        if let Some(at) = stop.min() {
            self.held.truncate(at);
            self.tell(at);
            return Heard::Stopped;
        }
        let begins = self.stop.iter().map(|stop| begun(&self.held, stop));
        let certain = self.held.len() - begins.max().unwrap_or(0);
        self.tell(certain);
        Heard::More
    }

    /// Tells what was held back.
    pub(super) fn finish(&mut self) {
        self.tell(self.held.len());
    }

    fn tell(&mut self, bytes: usize) {
        let rest = self.held.split_off(bytes);
        if !self.held.is_empty() {
            (self.sink)(&self.held);
        }
        self.held = rest;
    }
}

/// Bytes at the end of `text` that `mark` begins with, without being there whole.
pub(super) fn begun(text: &str, mark: &str) -> usize {
    let cuts = mark.char_indices().map(|(at, _)| at).rev();
    cuts.filter(|at| *at > 0)
        .find(|at| mark.get(..*at).is_some_and(|head| text.ends_with(head)))
        .unwrap_or(0)
}
