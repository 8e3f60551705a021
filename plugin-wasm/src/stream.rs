//! The streamed answer: bytes as the network cuts them -> events of the contract.
//!
//! Source: WHATWG HTML, 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream". The fields `id` and
//! `retry` are read over: a summary is a `POST`, which no browser would reconnect by itself.

use crate::error::{ClientCode, SmartSummaryError};
use api::Event;

/// The most bytes that a line, or the data of one event, may have. A summary of eight pictures has about 10 kB.
const MAX_BYTES: usize = 1 << 20;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Reads a stream of events piece by piece. Memory is bounded by two times one mebibyte.
#[derive(Debug, Default)]
pub struct Parser {
    /// The line that is not yet ended.
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_cr: bool,
    /// The first line was read, so that a byte order mark can no longer come.
    begun: bool,
    message: Message,
}

/// An event as the stream spells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The name; `message` when the stream gives none.
    pub name: String,
    /// The data lines, joined by line feeds.
    pub data: String,
}

impl Parser {
    /// Takes the next bytes and gives the events that are complete with them. Names that this version does not know are
    /// skipped.
    ///
    /// # Errors
    /// `protocol` when a line or an event is too long, or an event does not have the form of its name.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, SmartSummaryError> {
        let mut events = Vec::new();
        for message in self.messages(bytes)? {
            let event = Event::parse(&message.name, &message.data).map_err(|cause| {
                protocol(format!(
                    "the event `{}` cannot be read: {cause}",
                    message.name
                ))
            })?;
            events.extend(event);
        }
        Ok(events)
    }

    /// Takes the next bytes and gives the messages that are complete with them.
    ///
    /// # Errors
    /// `protocol` when a line or a message is too long.
    fn messages(&mut self, mut bytes: &[u8]) -> Result<Vec<Message>, SmartSummaryError> {
        let mut complete = Vec::new();
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        // Line ends are ASCII and ASCII never stands inside a UTF-8 sequence, so a line is whole before it is decoded.
        while let Some(at) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (head, end) = bytes.split_at(at);
            self.grow(head)?;
            complete.extend(self.end_line()?);
            bytes = match end {
                [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
                [_, rest @ ..] => {
                    self.after_cr = rest.is_empty();
                    rest
                }
                [] => end,
            };
        }
        self.grow(bytes)?;
        Ok(complete)
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), SmartSummaryError> {
        if self.line.len() + bytes.len() > MAX_BYTES {
            return Err(protocol("a line of the answer is too long"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Reads the line that has just ended; an empty one completes the message.
    fn end_line(&mut self) -> Result<Option<Message>, SmartSummaryError> {
        let line = std::mem::take(&mut self.line);
        let first = !std::mem::replace(&mut self.begun, true);
        let bytes = if first {
            line.strip_prefix(BOM).unwrap_or(&line)
        } else {
            &line
        };
        if bytes.is_empty() {
            return Ok(self.message.complete());
        }
        self.message.read(&String::from_utf8_lossy(bytes))?;
        Ok(None)
    }
}

impl Message {
    /// Reads a line that is not empty. Comments and unknown fields are read over.
    fn read(&mut self, line: &str) -> Result<(), SmartSummaryError> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" if self.data.len() + value.len() >= MAX_BYTES => {
                return Err(protocol("an event of the answer is too long"));
            }
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            _ => {}
        }
        Ok(())
    }

    /// The message, if it has data; then starts anew.
    fn complete(&mut self) -> Option<Self> {
        let mut message = std::mem::take(self);
        message.data.pop()?;
        if message.name.is_empty() {
            "message".clone_into(&mut message.name);
        }
        Some(message)
    }
}

fn protocol(message: impl Into<String>) -> SmartSummaryError {
    SmartSummaryError::client(ClientCode::Protocol, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        let messages = chunks
            .iter()
            .flat_map(|chunk| parser.messages(chunk).unwrap());
        messages
            .map(|message| (message.name, message.data))
            .collect()
    }

    #[track_caller]
    fn check(stream: &str, expect: &[(&str, &str)]) {
        let found = read(&[stream.as_bytes()]);
        let found: Vec<_> = found
            .iter()
            .map(|(name, data)| (name.as_str(), data.as_str()))
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn an_event_has_a_name_and_data() {
        check(
            "event: queued\ndata: {\"position\":1}\n\n",
            &[("queued", "{\"position\":1}")],
        );
    }

    #[test]
    fn one_space_after_the_colon_is_not_data() {
        check(
            "data:a\n\ndata: a\n\ndata:  a\n\n",
            &[("message", "a"), ("message", "a"), ("message", " a")],
        );
    }

    #[test]
    fn data_lines_are_joined() {
        check(
            "data: one\ndata\ndata: three\n\n",
            &[("message", "one\n\nthree")],
        );
    }

    #[test]
    fn every_line_end_is_one() {
        check("event: a\r\ndata: 1\r\n\r\n", &[("a", "1")]);
        check("event: a\rdata: 1\r\r", &[("a", "1")]);
        check("event: a\ndata: 1\r\n\n", &[("a", "1")]);
    }

    #[test]
    fn a_heartbeat_is_a_comment() {
        check(": still here\n\ndata: 1\n:\n\n", &[("message", "1")]);
    }

    #[test]
    fn a_byte_order_mark_is_read_over_once() {
        check("\u{feff}data: 1\n\n", &[("message", "1")]);
        check("\u{feff}\u{feff}data: 1\n\n", &[]);
        check("\n\u{feff}data: 1\n\n", &[]);
    }

    #[test]
    fn an_event_without_data_is_none_and_its_name_is_forgotten() {
        check("event: a\n\ndata: 1\n\n", &[("message", "1")]);
    }

    #[test]
    fn what_is_not_ended_is_not_an_event() {
        check("data: 1\n", &[]);
        check("data: 1", &[]);
    }

    #[test]
    fn unknown_fields_are_read_over() {
        check(
            "id: 7\nretry: 10\ndatum: x\ndata: 1\n\n",
            &[("message", "1")],
        );
    }

    #[test]
    fn a_carriage_return_at_the_end_of_a_piece_joins_the_line_feed_of_the_next() {
        let expect = vec![("a".to_owned(), "1".to_owned())];
        assert_eq!(
            read(&[b"event: a\r", b"\ndata: 1\r", b"", b"\n\r", b"\n"]),
            expect
        );
    }

    #[test]
    fn a_character_cut_in_two_is_one_character() {
        let bytes = "data: 摘要\n\n".as_bytes();
        let (head, tail) = bytes.split_at(7);
        assert_eq!(
            read(&[head, tail]),
            [("message".to_owned(), "摘要".to_owned())]
        );
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; MAX_BYTES];
        assert!(parser.messages(&piece).is_ok());
        assert!(parser.messages(b"x").is_err());
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut parser = Parser::default();
        let line = [b"data: ".as_slice(), &vec![b'x'; MAX_BYTES / 2], b"\n"].concat();
        assert!(parser.messages(&line).is_ok());
        assert!(parser.messages(&line).is_err());
    }

    #[test]
    fn a_known_event_is_typed_and_an_unknown_one_skipped() {
        let mut parser = Parser::default();
        let events = parser
            .push(b"event: telepathy\ndata: ?\n\nevent: queued\ndata: {\"position\":3}\n\n")
            .unwrap();
        assert_eq!(
            events,
            [Event::Queued(api::Queued {
                position: 3,
                wait_ms: None
            })]
        );
    }

    #[test]
    fn an_event_of_another_form_is_an_error_of_the_protocol() {
        let error = Parser::default()
            .push(b"event: queued\ndata: {}\n\n")
            .unwrap_err();
        assert_eq!(
            error.code,
            crate::error::ErrorCode::Client(ClientCode::Protocol)
        );
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("event: delta\n".to_owned()),
            Just("data: {\"a\":\"摘要 🖼\"}\r\n".to_owned()),
            Just("\n".to_owned()),
            Just("\r".to_owned()),
            Just("\r\n".to_owned()),
            Just(": \u{feff}beat\r".to_owned()),
            "[ -~é\\n]{0,12}",
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        // The same cases in every run: a test that fails by chance helps nobody; fuzzing looks further.
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn the_cuts_of_the_network_do_not_matter(bytes in stream(), cuts in prop::collection::vec(0_usize..400, 0..12)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(read(&pieces), read(&[&bytes]));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Parser::default().push(&bytes);
        }
    }
}
