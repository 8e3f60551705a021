//! Which language a text is written in, and what a language means for lengths.

use crate::segment::is_han;
use whatlang::{Lang, Script};

/// How many letters are looked at for their script.
const SAMPLE_CHARS: usize = 4_000;
/// How many characters are looked at for their trigrams, which cost more; a language shows itself sooner.
const TRIGRAM_CHARS: usize = 1_500;

/// The language of a text as a BCP 47 primary tag: `"en"`, `"zh"`, `"ja"`, …; `"und"` when there is nothing to tell by.
#[must_use]
pub fn detect_language(text: &str) -> String {
    let sample: String = text
        .chars()
        .filter(|c| c.is_alphabetic())
        .take(SAMPLE_CHARS)
        .collect();
    by_script(&sample)
        .unwrap_or_else(|| by_trigrams(text))
        .to_owned()
}

/// Han, Kana and Hangul tell by themselves: a Japanese text has Kana, a Korean one Hangul, a Chinese one neither.
fn by_script(letters: &str) -> Option<&'static str> {
    let (mut han, mut kana, mut hangul, mut all) = (0_usize, 0_usize, 0_usize, 0_usize);
    for c in letters.chars() {
        all += 1;
        match c {
            '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => {
                kana += 1;
            }
            '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => {
                hangul += 1;
            }
            _ if is_han(c) => han += 1,
            _ => {}
        }
    }
    // Articles about software are half Latin names, so an eighth is enough. A Han or Kana character says about as much
    // as three Latin letters.
    let east = han + kana + hangul;
    if east == 0 || east * 8 < all {
        return None;
    }
    if hangul * 2 > east {
        return Some("ko");
    }
    // Some Chinese texts quote a little Japanese; a Japanese text is at least one fifth Kana.
    Some(if kana * 8 > han + kana { "ja" } else { "zh" })
}

fn by_trigrams(text: &str) -> &'static str {
    let sample: String = text.chars().take(TRIGRAM_CHARS).collect();
    let Some(info) = whatlang::detect(&sample) else {
        return "und";
    };
    // Trigrams guess wildly on a title alone; the world's web is mostly English.
    if info.script() == Script::Latin
        && !info.is_reliable()
        && (sample.chars().count() < 60 || info.confidence() < 0.05)
    {
        return if sample.chars().any(char::is_alphabetic) {
            "en"
        } else {
            "und"
        };
    }
    code(info.lang())
}

/// ISO 639-3 as whatlang has it -> the shorter tag of BCP 47, where there is one.
fn code(lang: Lang) -> &'static str {
    TWO_LETTERS
        .iter()
        .find(|(three, _)| *three == lang.code())
        .map_or(lang.code(), |(_, two)| two)
}

const TWO_LETTERS: &[(&str, &str)] = &[
    ("afr", "af"),
    ("aka", "ak"),
    ("amh", "am"),
    ("ara", "ar"),
    ("aze", "az"),
    ("bel", "be"),
    ("ben", "bn"),
    ("bul", "bg"),
    ("cat", "ca"),
    ("ces", "cs"),
    ("cmn", "zh"),
    ("cym", "cy"),
    ("dan", "da"),
    ("deu", "de"),
    ("ell", "el"),
    ("eng", "en"),
    ("epo", "eo"),
    ("est", "et"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("guj", "gu"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("hye", "hy"),
    ("ind", "id"),
    ("ita", "it"),
    ("jav", "jv"),
    ("jpn", "ja"),
    ("kan", "kn"),
    ("kat", "ka"),
    ("khm", "km"),
    ("kor", "ko"),
    ("lat", "la"),
    ("lav", "lv"),
    ("lit", "lt"),
    ("mal", "ml"),
    ("mar", "mr"),
    ("mkd", "mk"),
    ("mya", "my"),
    ("nep", "ne"),
    ("nld", "nl"),
    ("nob", "nb"),
    ("ori", "or"),
    ("pan", "pa"),
    ("pes", "fa"),
    ("pol", "pl"),
    ("por", "pt"),
    ("ron", "ro"),
    ("rus", "ru"),
    ("sin", "si"),
    ("slk", "sk"),
    ("slv", "sl"),
    ("sna", "sn"),
    ("spa", "es"),
    ("srp", "sr"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tel", "te"),
    ("tgl", "tl"),
    ("tha", "th"),
    ("tuk", "tk"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("urd", "ur"),
    ("uzb", "uz"),
    ("vie", "vi"),
    ("yid", "yi"),
    ("zul", "zu"),
];

/// The primary tag of a BCP 47 tag, lower case: `"zh-Hant-TW"` -> `"zh"`.
pub(crate) fn primary(tag: &str) -> String {
    ruled(tag).to_ascii_lowercase()
}

/// The primary tag as the rules name it, without a copy; a tag that no rule names stays as it is written.
pub(crate) fn ruled(tag: &str) -> &str {
    let first = tag.split(['-', '_']).next().unwrap_or_default().trim();
    let known = RULED
        .iter()
        .find(|(known, _)| first.eq_ignore_ascii_case(known));
    known.map_or(first, |(_, name)| name)
}

/// Tags for which there are rules of writing, and the name that the rules have for them.
const RULED: [(&str, &str); 12] = [
    ("en", "en"),
    ("zh", "zh"),
    ("cmn", "zh"),
    ("yue", "zh"),
    ("wuu", "zh"),
    ("ja", "ja"),
    ("hi", "hi"),
    ("bn", "bn"),
    ("mr", "mr"),
    ("ne", "ne"),
    ("pa", "pa"),
    ("ur", "ur"),
];

/// Whether lengths in this language are counted in full-width characters.
pub(crate) fn is_full_width(language: &str) -> bool {
    is_unspaced(language) || is_tag(language, "ko")
}

/// Whether words and clauses of this language stand without spaces and end in `。`.
pub(crate) fn is_unspaced(language: &str) -> bool {
    ["zh", "ja", "cmn", "yue", "wuu"]
        .iter()
        .any(|tag| is_tag(language, tag))
}

/// Whether a BCP 47 tag begins with this primary tag. Asked for every length, so nothing is copied.
fn is_tag(language: &str, tag: &str) -> bool {
    let first = language.split(['-', '_']).next().unwrap_or_default();
    first.trim().eq_ignore_ascii_case(tag)
}

/// The least and the most that a meta description should measure: 50 to 160 characters, 25 to 80 full-width ones.
pub(crate) fn measure_limits(language: &str) -> (f32, f32) {
    if is_full_width(language) {
        (25.0, 80.0)
    } else {
        (50.0, 160.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(detect_language(text), expect);
    }

    #[test]
    fn languages_are_told_apart() {
        check(
            "The quick brown fox jumps over the lazy dog while nobody is watching the garden.",
            "en",
        );
        check("如何为开源项目做贡献，从第一个拉取请求开始。", "zh");
        check(
            "使用 Visual Studio Enterprise IntelliTrace 收集事件数据",
            "zh",
        );
        check("オープンソースに貢献する方法を学びましょう。", "ja");
        check("東京都の人口は約千四百万人です。", "ja");
        check("오픈 소스에 기여하는 방법을 알아봅니다.", "ko");
        check(
            "Der schnelle braune Fuchs springt über den faulen Hund, während niemand zusieht und wartet.",
            "de",
        );
        check(
            "Le renard brun saute par-dessus le chien paresseux pendant que personne ne regarde.",
            "fr",
        );
        check(
            "يتعلم المطورون كيفية المساهمة في المشاريع مفتوحة المصدر.",
            "ar",
        );
        check(
            "Разработчики узнают, как внести вклад в проекты с открытым исходным кодом.",
            "ru",
        );
    }

    #[test]
    fn a_short_latin_title_is_english_unless_it_clearly_is_not() {
        check("Docker Compose", "en");
        check("", "und");
        check("12345 !!!", "und");
    }
}
