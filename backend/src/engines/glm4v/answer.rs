//! Tokens to the text that a caller hears: whole characters, and nothing from a stop sequence on.

use glm4v::tokenizer::{SkipSpecial, TextStream, Tokenizer};

use crate::engines::TextSink;
use crate::engines::told::{Heard, Told};

/// One answer as it grows.
pub(super) struct Answer {
    stream: TextStream,
    told: Told,
}

impl Answer {
    /// Nothing yet; an empty stop sequence is none.
    pub(super) fn new(stop: Vec<String>, sink: TextSink) -> Self {
        Self {
            stream: TextStream::new(SkipSpecial::Yes),
            told: Told::new(stop, sink),
        }
    }

    /// Takes a token, and tells what is certain.
    pub(super) fn push(&mut self, tokenizer: &Tokenizer, token: u32) -> Heard {
        self.told.push(&self.stream.push(tokenizer, token))
    }

    /// Tells what was held back. A character that never came to its end is left out.
    pub(super) fn finish(&mut self) {
        self.told.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::*;

    fn tokenizer() -> Tokenizer {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/glm4v/tests/fixtures");
        Tokenizer::from_dir(&fixtures.join("checkpoint-b")).unwrap()
    }

    /// What is told of `text`, token by token, and whether it stopped.
    fn told(text: &str, stop: &[&str]) -> (Vec<String>, Heard) {
        let tokenizer = tokenizer();
        let pieces = Arc::new(Mutex::new(Vec::new()));
        let sink: TextSink = {
            let pieces = Arc::clone(&pieces);
            Arc::new(move |piece: &str| pieces.lock().unwrap().push(piece.to_owned()))
        };
        let stop = stop.iter().map(|stop| (*stop).to_owned()).collect();
        let mut answer = Answer::new(stop, sink);
        let mut heard = Heard::More;
        for token in tokenizer.encode_text(text).unwrap() {
            heard = answer.push(&tokenizer, token);
            if heard == Heard::Stopped {
                break;
            }
        }
        if heard == Heard::More {
            answer.finish();
        }
        let pieces = pieces.lock().unwrap().clone();
        (pieces, heard)
    }

    #[track_caller]
    fn check(text: &str, stop: &[&str], expected: &str, heard: Heard) {
        let (pieces, found) = told(text, stop);
        assert_eq!((pieces.concat().as_str(), found), (expected, heard));
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
    }

    #[test]
    fn an_answer_ends_before_its_first_stop_sequence() {
        check("one two three", &["three", "two"], "one ", Heard::Stopped);
        check("one two", &["\n\n"], "one two", Heard::More);
        check("one two", &[""], "one two", Heard::More);
        check("水水火", &["火"], "水水", Heard::Stopped);
    }

    #[test]
    fn what_only_begins_like_a_stop_sequence_is_told_all_the_same() {
        check("a<b<c", &["<stop>"], "a<b<c", Heard::More);
        check("a<sto", &["<stop>"], "a<sto", Heard::More);
    }

    #[test]
    fn text_is_told_as_soon_as_it_is_certain() {
        let (pieces, _) = told("one two three", &["<stop>"]);
        assert!(pieces.len() > 1, "{pieces:?}");
    }
}
