//! The address of a page: lower-case ASCII words joined by hyphens.

/// The most characters of a slug.
const MAX_CHARS: usize = 80;

/// Letters that a language writes otherwise in ASCII than the general table does.
const GERMAN: &[(char, &str)] = &[
    ('ä', "ae"),
    ('ö', "oe"),
    ('ü', "ue"),
    ('Ä', "ae"),
    ('Ö', "oe"),
    ('Ü', "ue"),
    ('ß', "ss"),
];
const NORDIC: &[(char, &str)] = &[
    ('å', "aa"),
    ('Å', "aa"),
    ('ø', "oe"),
    ('Ø', "oe"),
    ('æ', "ae"),
    ('Æ', "ae"),
];

/// A slug of at most 80 characters, cut between words; empty when nothing can be written in ASCII.
///
/// Chinese becomes pinyin without tones, a hyphen between syllables; other scripts are romanised letter by letter.
#[must_use]
pub fn slugify(text: &str, language: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let end = |word: &mut String, words: &mut Vec<String>| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    for c in text.chars().take(2_000) {
        if matches!(c, '\'' | '’' | '\u{2bc}') {
            continue;
        }
        let latin = latin(c, language);
        let is_syllable = crate::segment::is_han(c);
        if is_syllable || !latin.chars().any(|c| c.is_ascii_alphanumeric()) {
            end(&mut word, &mut words);
        }
        // An emoji's name is not what the writer wrote.
        if c.is_alphanumeric() {
            word.extend(
                latin
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .map(|c| c.to_ascii_lowercase()),
            );
        }
        if is_syllable || latin.ends_with(' ') {
            end(&mut word, &mut words);
        }
    }
    end(&mut word, &mut words);
    joined(&words)
}

fn latin(c: char, language: &str) -> String {
    let table = match language {
        "de" => GERMAN,
        "da" | "nb" | "no" => NORDIC,
        _ => &[],
    };
    if let Some((_, ascii)) = table.iter().find(|(letter, _)| *letter == c) {
        return (*ascii).to_owned();
    }
    deunicode::deunicode_char(c).unwrap_or_default().to_owned()
}

/// As many words as fit.
fn joined(words: &[String]) -> String {
    let mut slug = String::new();
    for word in words {
        let hyphen = usize::from(!slug.is_empty());
        if slug.len() + hyphen + word.len() > MAX_CHARS {
            // A first word that is too long by itself is no word; its beginning is better than no address.
            if slug.is_empty() {
                slug.extend(word.chars().take(MAX_CHARS));
            }
            break;
        }
        if hyphen == 1 {
            slug.push('-');
        }
        slug.push_str(word);
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, language: &str, expect: &str) {
        assert_eq!(slugify(text, language), expect);
    }

    #[test]
    fn scripts_become_latin() {
        check("What's new in C# 9.0?", "en", "whats-new-in-c-9-0");
        check("数据库 Milvus 入门", "zh", "shu-ju-ku-milvus-ru-men");
        check("Übergröße für Ärzte", "de", "uebergroesse-fuer-aerzte");
        check("Crème brûlée", "fr", "creme-brulee");
        check("Привет, мир", "ru", "privet-mir");
        check("Rødgrød", "da", "roedgroed");
        check("🎉 Party 🎉", "en", "party");
        check("", "en", "");
    }

    #[test]
    fn long_ones_end_at_a_word() {
        let slug = slugify(&"containers everywhere ".repeat(20), "en");
        assert!(
            slug.len() <= 80 && slug.ends_with("containers") || slug.ends_with("everywhere"),
            "{slug}"
        );
        assert_eq!(slugify(&"x".repeat(300), "en").len(), 80);
    }
}
