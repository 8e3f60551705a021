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
        let own = lengths(language);
        let pick = |asked: Option<u16>, own: u16| usize::from(asked.unwrap_or(own));
        Self {
            title: pick(limits.title_chars, own.title_chars),
            description: pick(limits.description_chars, own.description_chars),
            keywords: pick(limits.keywords, own.keywords),
            alt: pick(limits.alt_chars, own.alt_chars),
        }
    }
}

/// The text within `max`, cut at a sentence, clause or word.
pub(super) fn fit(text: &str, max: usize, language: &str) -> String {
    extractive::fit(text, max, language)
}
