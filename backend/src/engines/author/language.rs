//! Which language a summary is to be in, and whether it is.

/// Letters by which a language of the Latin script is told, at least; detection takes what is shorter for English.
const ENOUGH_LATIN: usize = 60;
/// Letters by which one says that a text is in another language, at least: a title may be all names.
const ENOUGH_FOR_OTHER: usize = 60;
/// The same once nothing more will come.
const ENOUGH_AT_END: usize = 20;

/// What a text's language looks like beside the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in the expected language.
    Same,
    /// It is in another.
    Other,
    /// There is too little of it.
    Unsure,
}

/// Whether more of a text will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// It is being written.
    Growing,
    /// It is complete.
    Whole,
}

/// Languages that short texts do not tell apart.
const COUSINS: &[&[&str]] = &[
    &["nb", "nn", "no", "da", "sv"],
    &["hr", "sr", "bs", "sl"],
    &["es", "pt", "gl", "ca", "it"],
    &["id", "ms", "jv", "tl"],
    &["cs", "sk"],
    &["nl", "af"],
    &["ru", "uk", "be", "bg", "mk", "sr"],
    &["ar", "fa", "ur"],
    &["hi", "mr", "ne"],
    &["tr", "az", "tk", "uz"],
];

/// English names of languages; what a model is told to write in.
const NAMES: &[(&str, &str)] = &[
    ("ar", "Arabic"),
    ("bg", "Bulgarian"),
    ("bn", "Bengali"),
    ("ca", "Catalan"),
    ("cs", "Czech"),
    ("da", "Danish"),
    ("de", "German"),
    ("el", "Greek"),
    ("en", "English"),
    ("es", "Spanish"),
    ("et", "Estonian"),
    ("fa", "Persian"),
    ("fi", "Finnish"),
    ("fr", "French"),
    ("he", "Hebrew"),
    ("hi", "Hindi"),
    ("hr", "Croatian"),
    ("hu", "Hungarian"),
    ("id", "Indonesian"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("ko", "Korean"),
    ("lt", "Lithuanian"),
    ("lv", "Latvian"),
    ("nb", "Norwegian"),
    ("nl", "Dutch"),
    ("no", "Norwegian"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("ro", "Romanian"),
    ("ru", "Russian"),
    ("sk", "Slovak"),
    ("sl", "Slovenian"),
    ("sr", "Serbian"),
    ("sv", "Swedish"),
    ("th", "Thai"),
    ("tr", "Turkish"),
    ("uk", "Ukrainian"),
    ("vi", "Vietnamese"),
];

/// The language part of a tag, lower case: `zh` of `zh-Hant-TW`.
pub(super) fn primary(tag: &str) -> String {
    let first = tag.split(['-', '_']).next().unwrap_or_default();
    match first.to_ascii_lowercase().as_str() {
        "cmn" | "wuu" | "yue" => "zh".to_owned(),
        other => other.to_owned(),
    }
}

/// What the English prompt calls a language: `German (de-CH)`, or the tag alone.
pub(super) fn english_name(tag: &str) -> String {
    let known = NAMES.iter().find(|(known, _)| *known == primary(tag));
    match (known, traditional(tag)) {
        _ if primary(tag) == "zh" => format!("Chinese ({tag})"),
        (Some((_, name)), _) => format!("{name} ({tag})"),
        (None, _) => format!("the language whose BCP 47 tag is {tag}"),
    }
}

/// What the Chinese prompt calls Chinese.
pub(super) fn chinese_name(tag: &str) -> &'static str {
    if traditional(tag) {
        "繁体中文"
    } else {
        "简体中文"
    }
}

fn traditional(tag: &str) -> bool {
    let tag = tag.to_ascii_lowercase();
    ["hant", "-tw", "-hk", "-mo"]
        .iter()
        .any(|part| tag.contains(part))
}

/// Whether a text of this language is counted in full-width characters.
pub(super) fn is_wide(tag: &str) -> bool {
    api::limits::lengths(tag) == api::limits::WIDE
}

/// Whether a language is written in Latin letters, of which a token holds several.
pub(super) fn is_latin(tag: &str) -> bool {
    !matches!(
        primary(tag).as_str(),
        "zh" | "ja"
            | "ko"
            | "ar"
            | "fa"
            | "ur"
            | "he"
            | "yi"
            | "el"
            | "ru"
            | "uk"
            | "be"
            | "bg"
            | "mk"
            | "sr"
            | "hi"
            | "mr"
            | "ne"
            | "bn"
            | "gu"
            | "pa"
            | "ta"
            | "te"
            | "kn"
            | "ml"
            | "or"
            | "si"
            | "th"
            | "lo"
            | "my"
            | "km"
            | "ka"
            | "hy"
            | "am"
            | "und"
    )
}

/// Holds `text` against the language that was asked for.
pub(super) fn verdict(text: &str, expected: &str, whole: Text) -> Verdict {
    let expected = primary(expected);
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    // Among the many Latin names of a technical text, a tenth of the letters tells what it is written in.
    let wide = text.chars().filter(|c| is_wide_letter(*c)).count();
    let is_wide = matches!(expected.as_str(), "zh" | "ja" | "ko");
    if is_wide && wide >= 2 && wide * 10 >= letters && !kana_in_chinese(text, &expected) {
        return Verdict::Same;
    }
    let found = extractive::detect_language(text);
    let enough = if is_latin(&expected) { ENOUGH_LATIN } else { 2 };
    if found == expected || alike(&found, &expected) {
        return if letters >= enough || whole == Text::Whole {
            Verdict::Same
        } else {
            Verdict::Unsure
        };
    }
    // A language that detection does not know is found as some other.
    let known = NAMES.iter().any(|(tag, _)| *tag == expected) || expected == "zh";
    let enough = match whole {
        Text::Growing => ENOUGH_FOR_OTHER,
        Text::Whole => ENOUGH_AT_END,
    };
    if known && found != "und" && letters >= enough {
        Verdict::Other
    } else {
        Verdict::Unsure
    }
}

/// Whether a letter is of a script that is written without spaces, or Korean.
pub(super) fn is_wide_letter(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Japanese is written with Han characters as well, but not without kana.
fn kana_in_chinese(text: &str, expected: &str) -> bool {
    expected == "zh" && text.contains(|c| matches!(c, '\u{3040}'..='\u{30FF}'))
}

fn alike(a: &str, b: &str) -> bool {
    COUSINS
        .iter()
        .any(|cousins| cousins.contains(&a) && cousins.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str, whole: Text, expect: Verdict) {
        assert_eq!(verdict(text, expected, whole), expect, "{text}");
    }

    #[test]
    fn a_script_tells_at_once() {
        check("黑麦面包", "zh", Text::Growing, Verdict::Same);
        check("黑麦面包", "zh-Hant", Text::Growing, Verdict::Same);
        check("ライ麦パン", "ja", Text::Growing, Verdict::Same);
    }

    #[test]
    fn names_are_not_another_language() {
        check("Docker Compose", "zh", Text::Growing, Verdict::Unsure);
        check(
            "Visual Studio Enterprise IntelliTrace 收集数据",
            "zh",
            Text::Growing,
            Verdict::Same,
        );
    }

    #[test]
    fn another_language_is_told_when_there_is_enough_of_it() {
        let english = "Rye bread needs time more than skill, and the dough raises overnight in a cool kitchen.";
        check(english, "zh", Text::Growing, Verdict::Other);
        check(english, "de", Text::Growing, Verdict::Other);
        check(english, "en", Text::Growing, Verdict::Same);
        let german = "Roggenbrot braucht mehr Zeit als Können, und der Teig geht über Nacht in einer kühlen Küche.";
        check(german, "en", Text::Growing, Verdict::Other);
        check(german, "de-CH", Text::Growing, Verdict::Same);
        check(
            "黑麦面包需要时间，而不是技巧。面团在凉爽的厨房里过夜。",
            "en",
            Text::Whole,
            Verdict::Other,
        );
    }

    #[test]
    fn too_little_tells_nothing() {
        check("Rye", "de", Text::Growing, Verdict::Unsure);
        check("Rye", "de", Text::Whole, Verdict::Unsure);
        check("", "en", Text::Whole, Verdict::Unsure);
        // Icelandic is not among the languages that detection knows.
        check(
            "Rúgbrauð þarf meiri tíma en kunnáttu, og deigið lyftir sér yfir nótt.",
            "is",
            Text::Whole,
            Verdict::Unsure,
        );
    }
}
