//! Where words and sentences end by UAX #29: ICU's rules, through the crate `icu_segmenter`.
//!
//! ICU's dictionaries and networks for scripts without spaces stay out: jieba cuts Chinese, and the data for Thai, Lao,
//! Khmer, Burmese and Japanese would weigh more in a browser than all code of the engine. Such scripts are cut into what a
//! reader sees as one character.

use icu_segmenter::options::{SentenceBreakInvariantOptions, WordBreakInvariantOptions};
use icu_segmenter::{GraphemeClusterSegmenter, SentenceSegmenter, WordSegmenter};

/// The pieces between two word breaks and where each begins, in bytes; together they are the text.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    runs(text).flat_map(ends).map(move |end| {
        let piece = (start, text.get(start..end).unwrap_or_default());
        start = end;
        piece
    })
}

/// A stretch of a text, in bytes, of scripts that are written either all with or all without spaces between words.
#[derive(Clone, Copy)]
struct Run<'a> {
    text: &'a str,
    start: usize,
    unspaced: bool,
}

fn runs(text: &str) -> impl Iterator<Item = Run<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..)?;
        let unspaced = is_unspaced(rest.chars().next()?);
        let inside = |c: char| is_attached(c) || is_unspaced(c) == unspaced;
        let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        let run = Run {
            text: rest.get(..length)?,
            start,
            unspaced,
        };
        start += length;
        Some(run)
    })
}

fn ends(run: Run<'_>) -> Box<dyn Iterator<Item = usize> + '_> {
    // The first break is the beginning.
    if run.unspaced {
        let breaks = GraphemeClusterSegmenter::new().segment_str(run.text);
        return Box::new(breaks.skip(1).map(move |end| run.start + end));
    }
    let words = WordSegmenter::new_for_non_complex_scripts(WordBreakInvariantOptions::default());
    let breaks = words.segment_str(run.text);
    Box::new(breaks.skip(1).map(move |end| run.start + end))
}

/// Whether ICU would look a character up in a dictionary: Han, Hiragana, Thai, Lao, Burmese and Khmer with their signs.
/// Katakana is spaced here: its runs are words.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0x2fdf | 0x3005..=0x3007 | 0x3021..=0x3029
        | 0x3038..=0x303b | 0x3041..=0x309f | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xa9e0..=0xa9ff | 0xaa60..=0xaa7f
        | 0xf900..=0xfaff | 0x16fe0..=0x18cff | 0x1aff0..=0x1b2ff | 0x1f200 | 0x20000..=0x3fffd)
}

/// Whether a character belongs to the one before it, of whatever script that is.
fn is_attached(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Where sentences end by the rules, in bytes, the text's end included; white space belongs to the sentence before it.
pub(super) fn sentence_ends(text: &str) -> impl Iterator<Item = usize> {
    SentenceSegmenter::new(SentenceBreakInvariantOptions::default())
        .segment_str(text)
        .skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text() {
        for text in ["", "a", "Don't stop 3.14 数据 ไทย\n\u{301}x", "\u{301}"] {
            let joined: String = pieces(text).map(|(_, piece)| piece).collect();
            assert_eq!(joined, text);
            for (start, piece) in pieces(text) {
                assert_eq!(text.get(start..start + piece.len()), Some(piece));
            }
        }
        let words: Vec<&str> = pieces("ไทยa数\u{301}据テキスト")
            .map(|(_, piece)| piece)
            .collect();
        assert_eq!(words, ["ไ", "ท", "ย", "a", "数\u{301}", "据", "テキスト"]);
        let words: Vec<&str> = pieces("can't 3.14").map(|(_, piece)| piece).collect();
        assert_eq!(words, ["can't", " ", "3.14"]);
    }

    #[test]
    fn sentences_end_as_the_rules_say() {
        let ends: Vec<usize> = sentence_ends("One. Two? 3").collect();
        assert_eq!(ends, [5, 10, 11]);
    }
}
