//! What no description should be, however well its words fit.

use super::Analysis;
use crate::language::is_full_width;
use crate::segment;

/// How many faults of form a text has: that it ends in the middle of a sentence, says the title alone, or is not in the
/// article's language.
pub(super) fn faults(analysis: &Analysis<'_>, text: &str) -> f32 {
    let faults = [
        !segment::ends_as_sentence(text),
        letters(text).eq(letters(&analysis.title)),
        is_foreign(text, &analysis.language),
    ];
    faults.into_iter().map(f32::from).sum()
}

/// Letters and digits alone, in lower case.
fn letters(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
}

/// Whether fewer than a third of the letters are of the language's own script, where that is not Latin: names of things are
/// Latin everywhere, but a sentence that is little else reads as English.
fn is_foreign(text: &str, language: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let (all, latin) = letters.fold((0_usize, 0_usize), |(all, latin), c| {
        (all + 1, latin + usize::from(c.is_ascii()))
    });
    is_full_width(language) && (all - latin) * 3 < all
}

/// Whether a line only says who wrote: `By Ann Lee and Bo Chan`, `Ann Lee | Example`, `作者：李安`.
pub(super) fn is_byline(text: &str) -> bool {
    let named = |text: &str| {
        let mut words = text.split_whitespace();
        let name = |word: &str| word.starts_with(char::is_uppercase) || word == "and";
        words.clone().count() <= 10 && words.all(|word| name(word) || word == "|")
    };
    let by = text.strip_prefix("By ").is_some_and(named);
    let sided = text.contains(" | ") && named(text);
    let chinese = [
        "作者：",
        "本文作者：",
        "作者:",
        "文｜",
        "文|",
        "译者：",
        "作者 |",
    ];
    by || sided || chinese.iter().any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{self, Document};

    #[track_caller]
    fn check(title: &str, language: &str, text: &str, expect: bool) {
        let document: Document = text::blocks("", crate::ContentFormat::Text);
        let analysis = Analysis::new(&document, title.to_owned(), language.to_owned());
        assert_eq!(faults(&analysis, text) > 0.0, expect, "{text}");
    }

    #[test]
    fn a_line_that_only_names_its_writer_is_known() {
        for text in [
            "By Ann Lee and Bo Chan.",
            "Ann Lee | Example",
            "作者：李安",
            "文｜李安（花名：木子）",
        ] {
            assert!(is_byline(text), "{text}");
        }
        for text in [
            "By default it waits.",
            "Choose File | Open to begin.",
            "作者写了一本书。",
        ] {
            assert!(!is_byline(text), "{text}");
        }
    }

    #[test]
    fn a_description_is_a_sentence_in_the_articles_language_and_no_title() {
        check("Bread", "en", "Bread needs time.", false);
        check("Bread", "en", "Bread needs…", true);
        check("Bread needs: time", "en", "Bread needs time.", true);
        check("使用 Azure Cosmos DB", "zh", "了解如何使用数据库。", false);
        check(
            "数据库",
            "zh",
            "Spring Boot Starter 与 Azure Cosmos DB SQL API。",
            true,
        );
        check("Bread", "ja", "Bread needs time.", true);
    }
}
