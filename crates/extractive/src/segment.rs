//! Text -> sentences and words.
//!
//! Both follow UAX #29 as ICU has it, with a thin layer of own rules; runs of Han go to jieba, or to pairs of characters
//! while no dictionary is installed. Words are compared by their Snowball stems.

mod breaks;
mod dictionary;
mod lexicon;
mod sentence;
mod stem;
mod stop;

pub(crate) use breaks::pieces;

pub(crate) use dictionary::is_installed;
pub use dictionary::{InstallError, install_dictionary};
pub(crate) use lexicon::{Lexicon, Token};
pub(crate) use sentence::{ends_as_sentence, sentences};
pub(crate) use stem::stem;
pub(crate) use stop::is_stop;

/// One word of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// As written.
    pub(crate) text: &'a str,
    /// Where it begins in the text, in bytes.
    pub(crate) start: usize,
    /// Whether it is a noun, as far as the dictionary tells; true for everything that is not Han.
    pub(crate) noun: bool,
}

impl Word<'_> {
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Whether a character is a Han character (the unified blocks and the compatibility block).
pub fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Whether a character is of a script that is written without spaces between words.
pub fn is_unspaced_script(c: char) -> bool {
    is_han(c)
        || matches!(c, '\u{3041}'..='\u{30ff}' | '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

/// The words of a text, in order; punctuation and spaces are left out.
///
/// Japanese Han is left in runs: jieba's dictionary is Chinese.
pub(crate) fn words<'a>(text: &'a str, language: &str) -> Vec<Word<'a>> {
    let mut out = Vec::new();
    let mut rest = 0;
    let mut run: Option<usize> = None;
    for (start, piece) in pieces(text) {
        if start < rest {
            continue;
        }
        let first = piece.chars().next().unwrap_or(' ');
        if is_han(first) {
            run.get_or_insert(start);
            continue;
        }
        if let Some(from) = run.take() {
            han_run(text, from, start, language, &mut out);
        }
        if piece.chars().any(char::is_alphanumeric) {
            let end = with_suffix(text, start + piece.len());
            rest = end;
            out.push(Word {
                text: text.get(start..end).unwrap_or(piece),
                start,
                noun: true,
            });
        }
    }
    if let Some(from) = run {
        han_run(text, from, text.len(), language, &mut out);
    }
    out
}

/// `C#`, `F#`, `C++`: the sign belongs to the word.
fn with_suffix(text: &str, end: usize) -> usize {
    let rest = text.get(end..).unwrap_or_default();
    let signs = ["++", "#"]
        .into_iter()
        .find(|signs| rest.starts_with(signs));
    let Some(signs) = signs else { return end };
    let after = rest.get(signs.len()..).and_then(|rest| rest.chars().next());
    if after.is_some_and(char::is_alphanumeric) {
        end
    } else {
        end + signs.len()
    }
}

fn han_run<'a>(text: &'a str, from: usize, to: usize, language: &str, out: &mut Vec<Word<'a>>) {
    let run = text.get(from..to).unwrap_or_default();
    if language == "ja" {
        out.push(Word {
            text: run,
            start: from,
            noun: true,
        });
    } else {
        dictionary::cut(run, from, out);
    }
}

/// Full-width ASCII -> ASCII, curly apostrophe -> straight.
pub(crate) fn fold(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{2018}' | '\u{2019}' => '\'',
        _ => c,
    }
}

/// Whether a word carries meaning: no stop word, not a single Latin letter.
pub(crate) fn is_content(word: &str, language: &str) -> bool {
    is_content_folded(&folded(word), language)
}

/// A word in lower case, full-width forms folded.
fn folded(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    word.chars()
        .map(fold)
        .flat_map(char::to_lowercase)
        .collect()
}

fn is_content_folded(lower: &str, language: &str) -> bool {
    let long = lower.chars().any(|c| is_han(c) || c.is_ascii_digit()) || lower.chars().count() > 1;
    long && !is_stop(lower, language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, language: &str, expect: &[&str]) {
        let found: Vec<&str> = words(text, language).iter().map(|word| word.text).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn latin_words_keep_their_signs() {
        check(
            "Don't use C++, C# or Node.js 2.0!",
            "en",
            &["Don't", "use", "C++", "C#", "or", "Node.js", "2.0"],
        );
    }

    #[cfg(feature = "dictionary")]
    #[test]
    fn han_is_cut_into_words() {
        check(
            "使用数据库提高性能。OK",
            "zh",
            &["使用", "数据库", "提高", "性能", "OK"],
        );
    }

    #[test]
    fn every_word_lies_where_it_says() {
        let text = "Über 中文分词 naïve 東京 — كتاب";
        for word in words(text, "zh") {
            assert_eq!(text.get(word.start..word.end()), Some(word.text));
        }
    }
}
