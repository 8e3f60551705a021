//! Private numbers in the answer of a conversation, masked while it is told.

use super::finish::Shown;
use crate::engines::{AnswerFormat, ChatJob, TextSink};

/// Characters of what may be one number with what stands between its digits.
const LONGEST: usize = 128;

/// Tells an answer without the private numbers that the conversation does not hold.
pub(super) struct Masked {
    shown: Shown,
    /// The answer is JSON: what stands outside of its texts must stay a number.
    json: bool,
    /// Within a text of the JSON, and behind a backslash there.
    in_text: bool,
    escaped: bool,
    /// What may be the beginning of a number.
    held: String,
    sink: TextSink,
}

impl Masked {
    pub(super) fn new(job: &ChatJob, sink: TextSink) -> Self {
        Self {
            shown: Shown::of(&job.words()),
            json: job.format != AnswerFormat::Text,
            in_text: false,
            escaped: false,
            held: String::new(),
            sink,
        }
    }

    /// Takes more of the answer and tells what is certain.
    pub(super) fn push(&mut self, text: &str) {
        self.held.push_str(text);
        let kept = self.held.trim_end_matches(Shown::may_be_of_a_number).len();
        let tail = self.held.get(kept..).unwrap_or_default();
        let certain = if tail.chars().count() > LONGEST {
            self.held.len()
        } else {
            kept
        };
        self.tell(certain);
    }

    /// Tells the rest.
    pub(super) fn finish(&mut self) {
        self.tell(self.held.len());
    }

    fn tell(&mut self, bytes: usize) {
        let rest = self.held.split_off(bytes);
        let text = std::mem::replace(&mut self.held, rest);
        if text.is_empty() {
            return;
        }
        let masked = self.shown.mask(&text);
        let told = if self.json {
            self.kept_json(&text, &masked)
        } else {
            masked
        };
        (self.sink)(&told);
    }

    /// A number of JSON cannot be made of stars: it becomes nines.
    fn kept_json(&mut self, text: &str, masked: &str) -> String {
        let pairs = text.chars().zip(masked.chars());
        pairs
            .map(|(plain, masked)| {
                match plain {
                    _ if self.escaped => self.escaped = false,
                    '\\' => self.escaped = self.in_text,
                    '"' => self.in_text = !self.in_text,
                    _ => {}
                }
                match masked {
                    '*' if plain.is_ascii_digit() && !self.in_text => '9',
                    masked => masked,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::engines::{ChatMessage, ChatRole};

    /// What is told of an answer that comes in pieces of so many characters.
    fn told(text: &str, size: usize, format: AnswerFormat) -> Vec<String> {
        let job = ChatJob {
            messages: vec![ChatMessage::text(ChatRole::User, "Call 020 7946 0018.")],
            format,
            ..ChatJob::default()
        };
        let pieces = Arc::new(Mutex::new(Vec::new()));
        let sink: TextSink = {
            let pieces = Arc::clone(&pieces);
            Arc::new(move |piece: &str| pieces.lock().unwrap().push(piece.to_owned()))
        };
        let mut masked = Masked::new(&job, sink);
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(size) {
            masked.push(&piece.iter().collect::<String>());
        }
        masked.finish();
        let told = pieces.lock().unwrap();
        told.clone()
    }

    #[track_caller]
    fn check(text: &str, format: &AnswerFormat, expected: &str) {
        for size in [1, 3, 7, 1000] {
            assert_eq!(
                told(text, size, format.clone()).concat(),
                expected,
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn a_number_is_masked_however_it_comes() {
        let text = &AnswerFormat::Text;
        check(
            "Pay 4111 1111 1111 1111 now.",
            text,
            "Pay **** **** **** **** now.",
        );
        check(
            "Call 020 7946 0018 or 13812345678",
            text,
            "Call 020 7946 0018 or ***********",
        );
        check(
            "In 2026 13812345678, 24/7. 电话１３８１２３４５６７８。",
            text,
            "In 2026 ***********, 24/7. 电话***********。",
        );
        check(
            "In 2026 there were 12 of 15.",
            text,
            "In 2026 there were 12 of 15.",
        );
    }

    #[test]
    fn json_stays_json() {
        let format = AnswerFormat::JsonObject;
        check(
            r#"{"a\"": "13812345678", "b": 13812345678, "c": 5}"#,
            &format,
            r#"{"a\"": "***********", "b": 99999999999, "c": 5}"#,
        );
    }

    #[test]
    fn words_are_told_as_they_come() {
        let pieces = told("one two three", 4, AnswerFormat::Text);
        assert!(pieces.len() > 2, "{pieces:?}");
        let endless = told(&"1".repeat(1000), 10, AnswerFormat::Text);
        assert!(
            endless.len() > 2,
            "what is longer than any number is not held back"
        );
    }
}
