//! What no description should be, however well its words fit.

use super::Analysis;
use crate::language::is_full_width;
use crate::segment;

/// How many faults of form a text has: that it ends in the middle of a sentence, says the title alone, is not in the
/// article's language, or that one of the article's sentences in it, its `parts`, is a label.
pub(super) fn faults(analysis: &Analysis<'_>, text: &str, parts: &[usize]) -> f32 {
    let labelled = |part: &usize| {
        let sentence = analysis.sentences.get(*part);
        sentence.is_some_and(|sentence| is_label(&sentence.text, &analysis.language))
    };
    let faults = [
        !segment::ends_as_sentence(text),
        letters(text).eq(letters(&analysis.title)),
        is_foreign(text, &analysis.language),
        parts.iter().any(labelled),
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

/// Small words of a label: `Advantages of the Cloud`.
const SMALL: &[&str] = &[
    "a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "of", "on", "or", "per",
    "the", "to", "via", "vs", "with",
];

/// Whether an English line is the name of a thing and no sentence, as headings and links are: every word but the small ones
/// is in title case. What ends as a sentence does may be one of few words (`Docker Wins.`).
fn is_label(text: &str, language: &str) -> bool {
    if language != "en" || segment::ends_as_sentence(text) {
        return false;
    }
    let mut words = text
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty());
    let titled = |word: &str| !word.starts_with(char::is_lowercase) || SMALL.contains(&word);
    words.all(titled)
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

/// First words of a sentence that only the sentence before it makes clear.
const LEANING: &[&str] = &[
    "and",
    "as a result",
    "both",
    "but",
    "consequently",
    "each of them",
    "he",
    "hence",
    "her",
    "his",
    "however",
    "instead",
    "it",
    "it's",
    "its",
    "nevertheless",
    "nor",
    "or",
    "otherwise",
    "she",
    "so",
    "such",
    "that",
    "that's",
    "their",
    "then",
    "therefore",
    "these",
    "they",
    "they're",
    "this",
    "those",
    "thus",
    "yet",
];
const LEANING_WIDE: &[&str] = &[
    "不过",
    "为此",
    "他",
    "但",
    "其",
    "同时",
    "否则",
    "因此",
    "因而",
    "她",
    "它",
    "并且",
    "所以",
    "于是",
    "此外",
    "然而",
    "然后",
    "而",
    "该",
    "这",
    "那",
    "另外",
    "另一方面",
];
/// What `this` stands before when a text speaks of itself.
const ITSELF: &[&str] = &[
    "article",
    "blog",
    "chapter",
    "document",
    "guide",
    "lesson",
    "overview",
    "page",
    "paper",
    "post",
    "quickstart",
    "section",
    "series",
    "topic",
    "tutorial",
    "walkthrough",
];
const ITSELF_WIDE: &[&str] = &[
    "这篇", "这份", "这里", "这本", "该文", "其实", "其他", "其它", "那么",
];

/// Whether a sentence leans on the one before it: it begins with a word that points back or goes on.
pub(crate) fn leans(text: &str) -> bool {
    let lower = text.trim_start().to_lowercase().replace('’', "'");
    let wide = |starts: &[&str]| starts.iter().any(|start| lower.starts_with(start));
    if wide(LEANING_WIDE) {
        return !wide(ITSELF_WIDE);
    }
    let after = |start: &str| {
        let rest = lower.strip_prefix(start)?;
        let ends = rest.starts_with(|c: char| !c.is_alphanumeric() && c != '-' && c != '\'');
        ends.then(|| {
            rest.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
    };
    let next = LEANING.iter().find_map(|start| after(start));
    next.is_some_and(|next| {
        let next = next.trim_matches(|c: char| !c.is_alphanumeric());
        !(lower.starts_with("this ") && ITSELF.contains(&next))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{self, Document};

    #[test]
    fn a_sentence_that_points_back_leans_on_the_one_before() {
        for leaning in [
            "They do it cheaply, as long as the buckets are chosen with some thought.",
            "However, the loaf is best a day later.",
            "It’s best a day later.",
            "This lets the dough rest.",
            "它可以自动扩容。",
            "因此需要更多时间。",
        ] {
            assert!(leans(leaning), "{leaning}");
        }
        for upright in [
            "This tutorial bakes a rye bread.",
            "Item by item, the list grows.",
            "Sourdough raises it overnight.",
            "Thistles grow fast.",
            "这篇文章介绍微服务。",
            "其实微服务并不复杂。",
            "微服务需要监控。",
        ] {
            assert!(!leans(upright), "{upright}");
        }
    }

    #[track_caller]
    fn check(title: &str, language: &str, text: &str, expect: bool) {
        let document: Document = text::blocks("", crate::ContentFormat::Text);
        let analysis = Analysis::new(&document, title.to_owned(), language.to_owned());
        assert_eq!(faults(&analysis, text, &[]) > 0.0, expect, "{text}");
    }

    #[test]
    fn a_name_of_a_thing_is_no_sentence() {
        for text in [
            "HipChat Setup Telegram Setup",
            "Advantages of the Cloud",
            "2020 Roadmap",
        ] {
            assert!(is_label(text, "en"), "{text}");
        }
        for text in [
            "HipChat is set up first",
            "Docker Wins.",
            "Bread needs Time",
        ] {
            assert!(!is_label(text, "en"), "{text}");
        }
        assert!(!is_label("Das Brot", "de"), "German writes every noun so");
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
