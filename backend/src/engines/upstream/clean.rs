//! What other servers write around an answer, left out: thoughts, marks of a box, fences. Works on text in any pieces.

use crate::engines::AnswerFormat;
use crate::engines::told::begun;

const THOUGHT: &str = "<think>";
const THOUGHT_END: &str = "</think>";
const MARKS: [&str; 4] = [THOUGHT, THOUGHT_END, "<|begin_of_box|>", "<|end_of_box|>"];
/// Levels of JSON within each other.
const MAX_DEPTH: usize = 64;

/// Leaves out marks wherever they stand, and a thought that stands before the answer.
#[derive(Debug, Default)]
pub(super) struct Clean {
    held: String,
    thinking: bool,
    /// Something of the answer was given.
    begun: bool,
}

impl Clean {
    /// More of the text; gives what is certain to belong to the answer.
    pub(super) fn push(&mut self, text: &str) -> String {
        self.held.push_str(text);
        let mut clean = String::new();
        loop {
            let found = MARKS
                .iter()
                .filter_map(|mark| Some((self.held.find(mark)?, *mark)));
            let Some((at, mark)) = found.min() else { break };
            let rest = self.held.split_off(at + mark.len());
            self.held.truncate(at);
            self.keep(&mut clean);
            self.held = rest;
            match mark {
                THOUGHT => self.thinking = !self.begun,
                THOUGHT_END => self.thinking = false,
                _ => {}
            }
        }
        let uncertain = MARKS.iter().map(|mark| begun(&self.held, mark)).max();
        let rest = self
            .held
            .split_off(self.held.len() - uncertain.unwrap_or(0));
        self.keep(&mut clean);
        self.held = rest;
        clean
    }

    /// What was held back and is no mark after all.
    pub(super) fn finish(&mut self) -> String {
        let mut clean = String::new();
        self.keep(&mut clean);
        clean
    }

    fn keep(&mut self, clean: &mut String) {
        let text = std::mem::take(&mut self.held);
        if self.thinking {
            return;
        }
        // The line behind a thought or a mark is not the answer's.
        let text = if self.begun {
            text.as_str()
        } else {
            text.trim_start()
        };
        self.begun |= !text.is_empty();
        clean.push_str(text);
    }
}

/// Gives one JSON object, or one list, and nothing of what stands around it.
#[derive(Debug)]
pub(super) struct OneValue {
    /// What it begins with.
    first: char,
    /// The closing characters that are due, the last first to come.
    open: Vec<char>,
    in_text: bool,
    escaped: bool,
    begun: bool,
    broken: bool,
}

impl OneValue {
    /// The value that answers in this format are; `None` when they may be any text.
    pub(super) fn of(format: &AnswerFormat) -> Option<Self> {
        let first = match format {
            AnswerFormat::Text => return None,
            AnswerFormat::JsonObject => '{',
            AnswerFormat::JsonSchema(schema) => match schema.get("type")?.as_str()? {
                "object" => '{',
                "array" => '[',
                _ => return None,
            },
        };
        Some(Self {
            first,
            open: Vec::new(),
            in_text: false,
            escaped: false,
            begun: false,
            broken: false,
        })
    }

    /// More of the text; gives what belongs to the value.
    pub(super) fn push(&mut self, text: &str) -> String {
        text.chars().filter(|c| self.takes(*c)).collect()
    }

    /// Whether the value is complete.
    pub(super) fn is_done(&self) -> bool {
        self.begun && self.open.is_empty() && !self.broken
    }

    fn takes(&mut self, c: char) -> bool {
        if self.broken || self.is_done() {
            return false;
        }
        if self.in_text {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.in_text = false,
                _ => {}
            }
            return true;
        }
        match c {
            '{' | '[' if self.begun || c == self.first => {
                self.begun = true;
                self.open.push(if c == '{' { '}' } else { ']' });
                self.broken = self.open.len() > MAX_DEPTH;
            }
            '}' | ']' if self.begun => self.broken = self.open.pop() != Some(c),
            '"' => self.in_text = self.begun,
            _ => {}
        }
        self.begun && !self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In every cut of the text into two the outcome is the same.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        for (at, _) in text.char_indices() {
            let (head, tail) = text.split_at(at);
            let mut clean = Clean::default();
            let found = clean.push(head) + &clean.push(tail) + &clean.finish();
            assert_eq!(found, expected, "cut at {at}");
        }
    }

    #[test]
    fn a_thought_before_the_answer_and_marks_anywhere_are_left_out() {
        check("<think>so\nand so</think>\n\nBread.", "Bread.");
        check("<|begin_of_box|>42<|end_of_box|>", "42");
        check("a < b <b>c</b> <thin", "a < b <b>c</b> <thin");
        // Behind the first word a thought's mark hides nothing.
        check("Write <think> to think.", "Write  to think.");
        check("水<|end_of_box|>火", "水火");
    }

    #[test]
    fn a_thought_without_an_end_is_no_answer() {
        check("<think>so and so", "");
    }

    #[track_caller]
    fn check_value(kind: &str, text: &str, expected: &str, done: bool) {
        let format = AnswerFormat::JsonSchema(serde_json::json!({ "type": kind }));
        for (at, _) in text.char_indices() {
            let (head, tail) = text.split_at(at);
            let mut value = OneValue::of(&format).unwrap();
            let found = value.push(head) + &value.push(tail);
            assert_eq!(
                (found.as_str(), value.is_done()),
                (expected, done),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn one_value_is_taken_out_of_what_stands_around_it() {
        check_value(
            "object",
            "Here [is] one:\n```json\n{\"a\": [1, \"}\"]}\n```\n",
            "{\"a\": [1, \"}\"]}",
            true,
        );
        check_value(
            "object",
            "{\"a\": \"\\\"}\"} {\"b\": 1}",
            "{\"a\": \"\\\"}\"}",
            true,
        );
        check_value("array", "[1, 2", "[1, 2", false);
        check_value("array", "[1}", "[1", false);
        check_value("object", "no value \" at all", "", false);
    }

    #[test]
    fn an_answer_that_may_be_any_text_is_left_as_it_is() {
        let format = |schema| OneValue::of(&AnswerFormat::JsonSchema(schema)).is_none();
        assert!(OneValue::of(&AnswerFormat::Text).is_none());
        assert!(format(serde_json::json!({ "type": "string" })));
        assert!(format(serde_json::json!({ "anyOf": [] })));
    }
}
