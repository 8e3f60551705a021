//! Lengths and widths.

use api::FieldLimits;
use api::limits::{description_line, lengths, title_line};
use extractive::{Line, Room};

use crate::engines::line;

/// A reader's summary has no habit of its own, so this is only a guard.
pub(super) const SUMMARY: Bound = Bound {
    chars: 1000,
    line: None,
};

/// How long a text may be, in the language's own count, and how wide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    chars: usize,
    line: Option<Line>,
}

impl Bound {
    fn chars(chars: u16) -> Self {
        Self {
            chars: chars.into(),
            line: None,
        }
    }

    /// The text within it, cut at a sentence, clause or word.
    pub(super) fn fit(self, text: &str, language: &str) -> String {
        extractive::fit_in(text, Room::of(self.chars, language).on(self.line))
    }

    /// Why a text was cut.
    pub(super) fn exceeded(self, text: &str, language: &str) -> String {
        match self.line {
            Some(line) if Room::of(self.chars, language).holds(text) => format!(
                "The text was wider than {} pixels, which is all that is shown of it, and was cut.",
                line.pixels
            ),
            _ => format!(
                "The text was longer than {} characters and was cut.",
                self.chars
            ),
        }
    }
}

/// The bounds of one answer's fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lengths {
    pub(super) title: Bound,
    pub(super) description: Bound,
    pub(super) keywords: usize,
    pub(super) alt: Bound,
}

impl Lengths {
    /// What the request says, else the language's own.
    pub(super) fn of(language: &str, limits: &FieldLimits) -> Self {
        let lengths = lengths(language).with(limits);
        Self {
            title: Bound {
                line: title_line(limits).map(line),
                ..Bound::chars(lengths.title_chars)
            },
            description: Bound {
                line: description_line(limits).map(line),
                ..Bound::chars(lengths.description_chars)
            },
            keywords: lengths.keywords.into(),
            alt: Bound::chars(lengths.alt_chars),
        }
    }
}
