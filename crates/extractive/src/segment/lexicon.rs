//! What is known of each word of one article, found out once: most words of an article stand in it many times.

use super::{Word, folded, is_content_folded, stem};
use foldhash::{HashMap, HashMapExt as _};
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

/// A word of a text and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// Where it begins in the text, in bytes.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// As [`Word::noun`].
    pub(crate) noun: bool,
    pub(crate) entry: Entry,
}

/// The words of an article in one language.
#[derive(Debug)]
pub(crate) struct Lexicon {
    language: String,
    entries: HashMap<Rc<str>, Entry>,
    /// The texts that are cut more than once: every sentence is ranked, and then searched for keywords.
    texts: HashMap<Box<str>, Rc<[Token]>>,
}

impl Lexicon {
    pub(crate) fn new(language: &str) -> Self {
        Self {
            language: language.to_owned(),
            entries: HashMap::new(),
            texts: HashMap::new(),
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
        let words = super::words(text, &self.language).into_iter();
        words
            .filter_map(|word| {
                let entry = self.entry(word.text);
                entry.content.then_some(entry.stem)
            })
            .collect()
    }

    /// The words of a text that will be asked for again.
    pub(crate) fn tokens(&mut self, text: &str) -> Rc<[Token]> {
        if let Some(tokens) = self.texts.get(text) {
            return Rc::clone(tokens);
        }
        let words = super::words(text, &self.language).into_iter();
        let token = |word: Word<'_>| Token {
            start: word.start,
            end: word.end(),
            noun: word.noun,
            entry: self.entry(word.text),
        };
        let tokens: Rc<[Token]> = words.map(token).collect();
        self.texts.insert(text.into(), Rc::clone(&tokens));
        tokens
    }

    /// [`Lexicon::stems`] of a text that will be asked for again.
    pub(crate) fn kept_stems(&mut self, text: &str) -> Vec<Rc<str>> {
        let tokens = self.tokens(text);
        let content = tokens.iter().filter(|token| token.entry.content);
        content.map(|token| Rc::clone(&token.entry.stem)).collect()
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
