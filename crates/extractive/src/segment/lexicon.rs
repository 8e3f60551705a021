//! What is known of each word of one article, found out once: most words of an article stand in it many times.

use super::{folded, is_content_folded, stem};
use std::collections::HashMap;
use std::rc::Rc;

/// A word as it is compared.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its lower case, full-width forms folded.
    pub(crate) lower: Rc<str>,
    pub(crate) stem: Rc<str>,
    /// Whether it carries meaning.
    pub(crate) content: bool,
}

/// The words of an article in one language.
#[derive(Debug)]
pub(crate) struct Lexicon {
    language: String,
    entries: HashMap<Rc<str>, Entry>,
}

impl Lexicon {
    pub(crate) fn new(language: &str) -> Self {
        Self {
            language: language.to_owned(),
            entries: HashMap::new(),
        }
    }

    /// What is known of a word as it is written.
    pub(crate) fn entry(&mut self, word: &str) -> Entry {
        if let Some(entry) = self.entries.get(word) {
            return entry.clone();
        }
        let lower = folded(word);
        let entry = Entry {
            content: is_content_folded(&lower, &self.language),
            lower: lower.into(),
            stem: stem(word, &self.language).into(),
        };
        self.entries.insert(word.into(), entry.clone());
        entry
    }

    /// The content words of a text, as they are compared.
    pub(crate) fn stems(&mut self, text: &str) -> Vec<Rc<str>> {
        let language = self.language.clone();
        let words = super::words(text, &language).into_iter();
        words
            .filter_map(|word| {
                let entry = self.entry(word.text);
                entry.content.then_some(entry.stem)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_known_by_its_form() {
        let mut lexicon = Lexicon::new("en");
        for _ in 0..2 {
            let entry = lexicon.entry("Ｃontainers");
            assert_eq!(
                (&*entry.lower, &*entry.stem, entry.content),
                ("containers", "contain", true)
            );
            assert!(!lexicon.entry("The").content);
        }
        let stems = lexicon.stems("The container of containers");
        assert_eq!(stems, [Rc::from("contain"), Rc::from("contain")]);
    }
}
