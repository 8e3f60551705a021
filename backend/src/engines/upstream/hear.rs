//! The bytes of an answer to what they say: an event stream, or one JSON document from a server that does not stream.

use bytes::{Buf as _, BytesMut};
use serde_json::Value;

use crate::engines::Finish;
use api::TokenUsage;

/// Bytes of one line of a stream, or of a whole document.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What a server said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// More of the answer.
    Text(String),
    /// Why the answer ended.
    Finish(Finish),
    /// The answer was withheld for this reason.
    Withheld(String),
    /// What it used.
    Usage(TokenUsage),
    /// That something went wrong: the error's code or type, if it has one.
    Error(Option<String>),
    /// That nothing follows.
    Done,
}

/// Bytes that make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("the answer is neither a stream of events nor JSON")]
    NotJson,
    #[error("a line of the answer has more than {MAX_BYTES} bytes")]
    TooLong,
}

/// Cuts an event stream into what its events say.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: BytesMut,
}

impl Events {
    /// More bytes; gives what they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Said>, Fault> {
        self.line.extend_from_slice(bytes);
        let mut said = Vec::new();
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line = self.line.split_to(end);
            self.line.advance(1);
            // Comments keep the connection alive; names and ids of events are not used by this API.
            let Some(data) = line.strip_prefix(b"data:") else {
                continue;
            };
            let data = data.trim_ascii();
            if data == b"[DONE]" {
                said.push(Said::Done);
            } else if !data.is_empty() {
                let value = serde_json::from_slice(data).map_err(|_| Fault::NotJson)?;
                read(&value, "delta", &mut said);
            }
        }
        if self.line.len() > MAX_BYTES {
            return Err(Fault::TooLong);
        }
        Ok(said)
    }
}

/// Collects an answer that comes in one piece.
#[derive(Debug, Default)]
pub(super) struct Document {
    bytes: BytesMut,
}

impl Document {
    /// More bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > MAX_BYTES {
            return Err(Fault::TooLong);
        }
        Ok(())
    }

    /// What it says, once it is there.
    pub(super) fn end(&self) -> Result<Vec<Said>, Fault> {
        let value = serde_json::from_slice(&self.bytes).map_err(|_| Fault::NotJson)?;
        let mut said = Vec::new();
        read(&value, "message", &mut said);
        said.push(Said::Done);
        Ok(said)
    }
}

/// One chunk, or a whole answer: they differ by the name under which the text stands.
fn read(value: &Value, text: &str, said: &mut Vec<Said>) {
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        said.push(Said::Error(error_code(error)));
        return;
    }
    let choice = value.get("choices").and_then(|choices| choices.get(0));
    if let Some(choice) = choice {
        let content = choice.get(text).and_then(|part| part.get("content"));
        if let Some(content) = content
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
        {
            said.push(Said::Text(content.to_owned()));
        }
        match choice.get("finish_reason").and_then(Value::as_str) {
            None => {}
            Some("length" | "max_tokens") => said.push(Said::Finish(Finish::Length)),
            Some("stop" | "eos_token" | "end_turn") => said.push(Said::Finish(Finish::Stop)),
            Some(other) => said.push(Said::Withheld(plain(other))),
        }
    }
    if let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) {
        let count = |name: &str| number(usage.get(name));
        let details = usage.get("prompt_tokens_details");
        let images = details.and_then(|details| details.get("image_tokens"));
        let images = number(images);
        said.push(Said::Usage(TokenUsage {
            prompt_tokens: count("prompt_tokens").saturating_sub(images),
            image_tokens: images,
            completion_tokens: count("completion_tokens"),
        }));
    }
}

fn number(value: Option<&Value>) -> u32 {
    let number = value.and_then(Value::as_u64).unwrap_or(0);
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The code or the type of an error object; its words may quote what was asked, and are not repeated.
pub(super) fn error_code(error: &Value) -> Option<String> {
    let named = |name: &str| match error.get(name) {
        Some(Value::String(text)) => Some(plain(text)),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    named("code")
        .or_else(|| named("type"))
        .filter(|code| !code.is_empty())
}

/// A word of somebody else's, fit for a log.
fn plain(text: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || "_-.".contains(*c);
    text.chars().filter(fits).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        ": hello\n\n",
        "event: message\r\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"水 is\"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"prompt_tokens_details\":{\"image_tokens\":3}}}\n\n",
        "data:[DONE]\n\n",
    );

    #[test]
    fn a_stream_says_the_same_in_whatever_pieces_it_comes() {
        let expected = vec![
            Said::Text("水 is".to_owned()),
            Said::Finish(Finish::Stop),
            Said::Usage(TokenUsage {
                prompt_tokens: 2,
                image_tokens: 3,
                completion_tokens: 2,
            }),
            Said::Done,
        ];
        for size in [1, 7, STREAM.len()] {
            let mut events = Events::default();
            let mut said = Vec::new();
            for bytes in STREAM.as_bytes().chunks(size) {
                said.extend(events.push(bytes).unwrap());
            }
            assert_eq!(said, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_answer_in_one_piece_says_what_a_stream_says() {
        let mut document = Document::default();
        let text = br#"{"choices":[{"message":{"content":"Bread."},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":4}}"#;
        document.push(text).unwrap();
        let said = document.end().unwrap();
        assert_eq!(
            said[..2],
            [
                Said::Text("Bread.".to_owned()),
                Said::Finish(Finish::Length)
            ]
        );
        assert_eq!(said.last(), Some(&Said::Done));
    }

    #[test]
    fn faults_are_told_without_their_words() {
        let mut said = Vec::new();
        let value =
            serde_json::json!({ "error": { "message": "about bread", "code": "over\nloaded!" } });
        read(&value, "delta", &mut said);
        assert_eq!(said, [Said::Error(Some("overloaded".to_owned()))]);
        assert_eq!(
            Events::default().push(b"data: <html>\n"),
            Err(Fault::NotJson)
        );
        let endless = vec![b'x'; MAX_BYTES + 1];
        assert_eq!(Events::default().push(&endless), Err(Fault::TooLong));
        assert_eq!(Document::default().push(&endless), Err(Fault::TooLong));
    }
}
