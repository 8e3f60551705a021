//! A word as it is compared.

use super::is_unspaced_script;
use frostem::{Algorithm, Stemmer};

/// A word as it is compared: lower case, full-width forms folded, endings cut by the language's Snowball stemmer.
///
/// A language without a stemmer, and a Latin word in a language that is not written in Latin, gets the English one: names
/// of things are English everywhere. Words with digits or signs keep their endings (`K8s`, `Node.js`), and no stem has
/// fewer than three letters, so that `iOS` is not `IO`.
pub(crate) fn stem(word: &str, language: &str) -> String {
    let lower = super::folded(word);
    let base = lower
        .strip_suffix("'s")
        .or_else(|| lower.strip_suffix('\''))
        .unwrap_or(&lower);
    if !base.chars().all(|c| c.is_alphabetic() || is_joint(c))
        || base.chars().any(is_unspaced_script)
    {
        return base.to_owned();
    }
    let stemmer = Stemmer::new(algorithm(language, base.is_ascii()));
    let stem = stemmer.stem(base);
    if stem.chars().count() < 3 {
        return base.to_owned();
    }
    stem.into_owned()
}

/// What may stand inside a word: an apostrophe, a hyphen, marks that combine with a letter.
fn is_joint(c: char) -> bool {
    matches!(c, '\'' | '-' | '\u{300}'..='\u{36f}' | '\u{5b0}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}')
}

fn algorithm(language: &str, ascii: bool) -> Algorithm {
    let name = match language {
        "en" | "zh" | "ja" | "ko" => return Algorithm::English,
        "ar" | "el" | "fa" | "hi" | "hy" | "ne" | "ru" | "sr" | "ta" | "uk" | "yi" if ascii => {
            return Algorithm::English;
        }
        "nb" | "nn" => "no",
        other => other,
    };
    Algorithm::from_name(name).unwrap_or(Algorithm::English)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(words: &[&str], language: &str) {
        for word in words {
            assert_eq!(stem(word, language), stem(words[0], language), "{word}");
        }
    }

    #[track_caller]
    fn differ(words: [&str; 2], language: &str) {
        assert_ne!(stem(words[0], language), stem(words[1], language));
    }

    #[test]
    fn forms_of_a_word_are_one() {
        same(
            &["container", "Ｃontainers", "container's", "CONTAINERS'"],
            "en",
        );
        same(
            &["deploy", "deploys", "deployed", "deploying", "deployment"],
            "en",
        );
        same(&["Datenbank", "Datenbanken"], "de");
        same(&["serveur", "serveurs"], "fr");
        same(&["программа", "программы", "программу"], "ru");
    }

    #[cfg(feature = "languages")]
    #[test]
    fn forms_of_a_word_are_one_in_more_languages() {
        same(&["användare", "användaren"], "sv");
        same(&["bilen", "biler", "bilene"], "nb");
        same(&["kitap", "kitaplar"], "tr");
    }

    #[test]
    fn latin_words_are_english_where_the_script_is_not_latin() {
        same(&["server", "servers"], "zh");
        same(&["server", "servers"], "ru");
        same(&["server", "servers"], "und");
    }

    #[test]
    fn names_stay_whole() {
        differ(["iOS", "IO"], "en");
        differ(["C++", "C"], "en");
        assert_eq!(stem("K8s", "en"), "k8s");
        assert_eq!(stem("2.0", "en"), "2.0");
        assert_eq!(stem("数据", "zh"), "数据");
        assert_eq!(stem("", "en"), "");
    }
}
