//! Pieces of a text while an engine still writes it: only what the finished field will hold.
//!
//! A piece may be half a tag, half an address, half a private number or the middle of a thought. So the text is
//! finished anew at each piece, and of the result only the words that no later piece can change are told.

use std::collections::HashMap;

use api::{Delta, Event, Field};

use super::clean::{is_wide, open_link};
use super::mask_pii::Shown;

/// Bytes that are kept of one text; a longer one is told when it is complete.
const MAX_BYTES: usize = 16 * 1024;

/// The texts that are being written.
#[derive(Default)]
pub(super) struct Drafts(HashMap<Field, Draft>);

#[derive(Default)]
struct Draft {
    /// As the engine wrote it.
    raw: String,
    /// As the caller has it.
    told: String,
    /// It is complete, or longer than its field: no further piece is told.
    closed: bool,
}

impl Drafts {
    /// Takes a piece of `field`. `finish` gives the finished form of what is there so far, `None` when it no longer
    /// fits its field.
    pub(super) fn piece(
        &mut self,
        field: Field,
        text: &str,
        finish: impl FnOnce(&str) -> Option<String>,
    ) -> Option<Event> {
        if !matches!(
            field,
            Field::Title | Field::MetaDescription | Field::Summary
        ) {
            return None;
        }
        let draft = self.0.entry(field).or_default();
        if draft.closed || draft.raw.len() + text.len() > MAX_BYTES {
            draft.closed = true;
            return None;
        }
        draft.raw.push_str(text);
        // A link that is not closed yet is told once it is: only then is it known where its words end.
        let whole = draft.raw.get(..open_link(&draft.raw)).unwrap_or_default();
        let Some(finished) = finish(whole) else {
            draft.closed = true;
            return None;
        };
        draft.tell(field, settled(&finished))
    }

    /// The end of a text: what is missing of its complete `value`. A value that says something else than was told
    /// follows as a field only.
    pub(super) fn end(&mut self, field: Field, value: &str) -> Option<Event> {
        let draft = self.0.get_mut(&field)?;
        let was_told = !draft.told.is_empty();
        draft.closed = true;
        draft.raw = String::new();
        draft.tell(field, value).filter(|_| was_told)
    }
}

impl Draft {
    fn tell(&mut self, field: Field, text: &str) -> Option<Event> {
        let more = text.strip_prefix(self.told.as_str())?.to_owned();
        if more.is_empty() {
            return None;
        }
        self.told.push_str(&more);
        Some(Event::Delta(Delta { field, text: more }))
    }
}

/// The part of a finished text that stays when more is written: without its last word, which may become an address,
/// and without a number at its end, which may become a longer one.
fn settled(text: &str) -> &str {
    let end = text
        .char_indices()
        .rev()
        .find(|(_, c)| c.is_whitespace() || is_wide(*c))
        .map_or(0, |(at, c)| if is_wide(c) { at + c.len_utf8() } else { at });
    let words = text.get(..end).unwrap_or_default();
    words.trim_end_matches(|c: char| Shown::may_be_of_a_number(c) || c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::finish::clean;

    /// The pieces that are told of `text`, which comes in pieces of `size` characters, and its finished form.
    fn told(text: &str, size: usize) -> (Vec<String>, String) {
        let finish = |text: &str| Shown::of("").mask(&clean::clean(text, ""));
        let mut drafts = Drafts::default();
        let chars: Vec<char> = text.chars().collect();
        let mut events: Vec<Event> = chars
            .chunks(size)
            .filter_map(|piece| {
                let piece: String = piece.iter().collect();
                drafts.piece(Field::Summary, &piece, |raw| Some(finish(raw)))
            })
            .collect();
        let value = finish(text);
        events.extend(drafts.end(Field::Summary, &value));
        let pieces = events.into_iter().map(|event| match event {
            Event::Delta(delta) => delta.text,
            other => panic!("{other:?}"),
        });
        (pieces.collect(), value)
    }

    #[test]
    fn whatever_the_pieces_are_they_make_the_finished_text() {
        for text in [
            "Rye bread needs time more than skill.",
            "Rye <b>bread</b> needs <script>alert('time')</script> time.",
            "Rye <think>the writer wants bread</think> bread needs time.",
            "<think>Hm. Rye, then.</think>Rye bread needs time.",
            "Rye bread <think>never closed, and long",
            "Buy at https://evil.example/now or at www.evil.example today, and bake.",
            "Call +44 20 7946 0999 or pay 4111 1111 1111 1111 for rye bread.",
            "电话13812345678，黑麦面包需要时间。",
            "电话１３８１２３４５６７８，黑麦面包需要时间。",
            "请看https://evil.example/now，黑麦面包需要时间。",
            "a < b and 3 <4 or <",
            "Rye [bread of the house](javascript:alert('a b c')) needs time [sic] and more.",
            "Rye ![bread](//evil.example/a b c) needs [time",
        ] {
            for size in 1..9 {
                let (pieces, value) = told(text, size);
                // Nothing is told of a text that is one word long.
                assert!(
                    pieces.is_empty() || pieces.concat() == value,
                    "{size}: {pieces:?} of {value:?}"
                );
            }
        }
    }

    #[test]
    fn a_text_is_told_while_it_is_written() {
        assert_eq!(
            told("Rye bread needs time", 4).0,
            ["Rye", " bread", " needs", " time"]
        );
        assert_eq!(
            told("黑麦面包需要时间", 2).0,
            ["黑麦", "面包", "需要", "时间"]
        );
    }

    #[test]
    fn what_does_not_fit_and_what_is_no_prose_is_not_told() {
        let mut drafts = Drafts::default();
        let fits = |raw: &str| (raw.len() < 8).then(|| raw.to_owned());
        assert!(drafts.piece(Field::Title, "Rye a ", fits).is_some());
        assert_eq!(drafts.piece(Field::Title, "bread needs ", fits), None);
        assert_eq!(drafts.piece(Field::Keywords, "rye, bread ", fits), None);
        let long = "x ".repeat(MAX_BYTES);
        assert_eq!(
            drafts.piece(Field::Summary, &long, |raw| Some(raw.to_owned())),
            None
        );
    }
}
