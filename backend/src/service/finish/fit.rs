//! Lengths.

use api::FieldLimits;
use api::limits::lengths;

/// Characters of a reader's summary; it has no habit of its own, so this is only a guard.
pub(super) const SUMMARY_CHARS: usize = 1000;

/// The lengths of one answer's fields, in the language's own count.
#[derive(Clone, Copy)]
pub(super) struct Lengths {
    pub(super) title: usize,
    pub(super) description: usize,
    pub(super) keywords: usize,
    pub(super) alt: usize,
}

impl Lengths {
    /// What the request says, else the language's own.
    pub(super) fn of(language: &str, limits: &FieldLimits) -> Self {
        let lengths = lengths(language).with(limits);
        Self {
            title: lengths.title_chars.into(),
            description: lengths.description_chars.into(),
            keywords: lengths.keywords.into(),
            alt: lengths.alt_chars.into(),
        }
    }
}

/// The text within `max`, cut at a sentence, clause or word.
pub(super) fn fit(text: &str, max: usize, language: &str) -> String {
    extractive::fit(text, max, language)
}
