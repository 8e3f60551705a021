//! Which words of a text the article does not support.

use crate::segment;
use crate::text::Document;
use std::collections::HashSet;

/// The content words of `text` that are not found in the article, in order, each once.
///
/// Words are compared by their stem; Han by pairs of characters, so that it does not matter how either side was cut.
/// A document without a title of its own: put the title into `text`'s article, or call it for the body alone.
#[must_use]
pub fn unsupported_words(text: &str, document: &Document) -> Vec<String> {
    let title = document.title.as_deref().unwrap_or_default();
    let article = format!("{}{title}", document.plain());
    let language = crate::detect_language(&article);
    let known = Known::of(&article, &language);
    let mut out: Vec<String> = Vec::new();
    for word in segment::words(text, &language) {
        let missing = segment::is_content(word.text, &language) && !known.has(word.text);
        if missing && !out.iter().any(|other| other == word.text) {
            out.push(word.text.to_owned());
        }
    }
    out
}

/// The article's words and pairs of Han.
struct Known<'a> {
    language: &'a str,
    stems: HashSet<String>,
    pairs: HashSet<(char, char)>,
    han: HashSet<char>,
}

impl<'a> Known<'a> {
    fn of(article: &str, language: &'a str) -> Self {
        let stems = segment::words(article, language)
            .iter()
            .map(|word| segment::stem(word.text, language))
            .collect();
        Self {
            language,
            stems,
            pairs: pairs(article).collect(),
            han: article.chars().filter(|c| segment::is_han(*c)).collect(),
        }
    }

    fn has(&self, word: &str) -> bool {
        if self.stems.contains(&segment::stem(word, self.language)) {
            return true;
        }
        let han = word.chars().all(segment::is_han);
        han && if word.chars().count() == 1 {
            word.chars().all(|c| self.han.contains(&c))
        } else {
            pairs(word).all(|pair| self.pairs.contains(&pair))
        }
    }
}

fn pairs(text: &str) -> impl Iterator<Item = (char, char)> + '_ {
    text.chars()
        .zip(text.chars().skip(1))
        .filter(|(a, b)| segment::is_han(*a) && segment::is_han(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContentFormat, text};

    #[track_caller]
    fn check(article: &str, text: &str, expect: &[&str]) {
        let document = text::blocks(article, ContentFormat::Text);
        assert_eq!(unsupported_words(text, &document), expect);
    }

    #[test]
    fn invented_words_are_named() {
        check(
            "Bake bread with rye flour.",
            "Baking rye bread in Paris, in 2024.",
            &["Paris", "2024"],
        );
        check("数据库提高了系统的性能。", "数据库性能与火箭", &["火箭"]);
        check("", "Bananas", &["Bananas"]);
        check("Something", "", &[]);
    }
}
