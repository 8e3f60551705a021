//! Paragraph -> sentences.
//!
//! UAX #29 as ICU has it, and a thin layer over it: UAX #29 ends a sentence after every abbreviation and initial, inside
//! `.NET` and after the number of a list item, and sees no end in `…` or before a number.

use super::breaks::sentence_ends;

/// Abbreviations after which a sentence goes on, lower case, without the last full stop.
const ABBREVIATIONS: &[&str] = &[
    "e.g", "i.e", "etc", "vs", "cf", "mr", "mrs", "ms", "dr", "prof", "st", "no", "nos", "fig",
    "figs", "inc", "ltd", "corp", "co", "approx", "u.s", "u.k", "a.m", "p.m", "al", "v", "jan",
    "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "vol", "pp",
    "ed", "eds", "sr", "jr", "dept", "est", "ca", "z.b", "d.h", "u.a", "bzw", "ca", "nr", "str",
    "bzgl", "evtl", "ggf", "usw", "sog", "p.ej", "ej", "sra", "p.ex", "м", "г", "т.е", "т.д", "др",
];

/// Whether a character can end a sentence by itself, whatever follows.
fn is_full_terminator(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '｡')
}

/// Whether a character can end a sentence.
fn is_terminator(c: char) -> bool {
    is_full_terminator(c)
        || matches!(
            c,
            '.' | '!' | '?' | '…' | '؟' | '۔' | '।' | '॥' | '։' | '።' | '၊' | '။' | '។'
        )
}

/// Quotes and brackets that may stand between a terminator and the next sentence.
fn is_closer(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | '”' | '’' | '»' | '」' | '』' | '）' | ')' | ']' | '】' | '》' | '*'
    )
}

/// Quotes and brackets that only open, and the marks that open a Spanish question.
fn is_opener(c: char) -> bool {
    matches!(
        c,
        '“' | '‘' | '(' | '[' | '«' | '「' | '『' | '（' | '【' | '《' | '¿' | '¡'
    )
}

/// Whether a text ends as a sentence does.
pub(crate) fn ends_as_sentence(text: &str) -> bool {
    text.trim_end()
        .trim_end_matches(is_closer)
        .ends_with(|c| is_terminator(c) && c != '…')
}

/// The sentences of one line of text, trimmed, in order; none is empty.
///
/// ICU's ends of sentences, and those that its rules do not see, are each asked of [`is_edge`].
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut ends: Vec<usize> = sentence_ends(text).chain(unseen_ends(text)).collect();
    ends.sort_unstable();
    let mut out = Vec::new();
    let mut start = 0;
    for end in ends {
        // To UAX #29 all quotes close; one that opens belongs to the next sentence.
        let sentence = text.get(start..end).unwrap_or_default().trim_end();
        let sentence = sentence.trim_end_matches(is_opener);
        let end = start + sentence.len();
        let rest = text.get(end..).unwrap_or_default();
        if !sentence.is_empty() && is_edge(sentence, rest) {
            push(sentence, &mut out);
            start = end;
        }
    }
    push(text.get(start..).unwrap_or_default(), &mut out);
    out
}

/// Ends that UAX #29 does not know: `…` ends a sentence in prose, and so does a full stop before a number, even when the
/// first letter behind the number is small (`Done. 3 of 5 passed.`).
fn unseen_ends(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices(['…', '.']).filter_map(|(at, mark)| {
        let after = text.get(at + mark.len()..)?;
        let rest = after.trim_start_matches(is_closer);
        let next = rest.trim_start();
        let spaced = next.len() < rest.len();
        (spaced && (mark == "…" || next.starts_with(char::is_numeric)))
            .then(|| text.len() - next.len())
    })
}

fn push<'a>(sentence: &'a str, out: &mut Vec<&'a str>) {
    let sentence = sentence.trim();
    if !sentence.is_empty() {
        out.push(sentence);
    }
}

/// Whether a sentence ends before `rest`, which begins with what separates it from the next one.
fn is_edge(sentence: &str, rest: &str) -> bool {
    let bare = sentence.trim_end_matches(is_closer);
    let Some(terminator) = bare.chars().next_back().filter(|c| is_terminator(*c)) else {
        // A line's end, or the text's.
        return true;
    };
    if is_full_terminator(terminator) {
        // “……。”他说: inside a quotation that goes on, the sentence goes on.
        return true;
    }
    if !rest.starts_with(char::is_whitespace) {
        // `.NET`, `index.html?q=1`
        return rest.is_empty() || rest.starts_with(super::is_han) && terminator != '.';
    }
    let next = rest
        .trim_start()
        .trim_start_matches(|c| is_opener(c) || matches!(c, '"' | '\''))
        .chars()
        .next();
    if next.is_some_and(char::is_lowercase) && terminator != '!' && terminator != '?' {
        return false;
    }
    terminator != '.' || !is_abbreviation(sentence)
}

fn is_abbreviation(sentence: &str) -> bool {
    let bare = sentence.trim_end_matches(is_closer).trim_end_matches('.');
    let last = bare
        .rsplit(|c: char| c.is_whitespace() || c == '(' || c == '"')
        .next()
        .unwrap_or_default();
    let lower = last.to_lowercase();
    let initial = last.chars().count() == 1 && last.chars().all(char::is_uppercase) && last != "I";
    // “1. First, …”: the number of a list item is no sentence.
    let number = bare == last && last.len() <= 3 && last.chars().all(|c| c.is_ascii_digit());
    initial || number || ABBREVIATIONS.contains(&lower.as_str()) && !(lower == "no" && bare == last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        assert_eq!(sentences(text), expect);
    }

    #[test]
    fn english() {
        check("One. Two! Three? Four", &["One.", "Two!", "Three?", "Four"]);
        check(
            "Dr. Smith uses e.g. Docker v. 2. Then rests.",
            &["Dr. Smith uses e.g. Docker v. 2.", "Then rests."],
        );
        check("He said “Go.” Then left.", &["He said “Go.”", "Then left."]);
        check(
            "Version 1.2.3 of Node.js runs. OK.",
            &["Version 1.2.3 of Node.js runs.", "OK."],
        );
        check("Wait... what? Yes.", &["Wait... what?", "Yes."]);
        check("1. First step. Next.", &["1. First step.", "Next."]);
    }

    #[test]
    fn chinese() {
        check(
            "你好。今天天气好！是吗？“是的。”好",
            &["你好。", "今天天气好！", "是吗？", "“是的。”", "好"],
        );
        check(
            "使用 .NET 3.5 版本。 完成",
            &["使用 .NET 3.5 版本。", "完成"],
        );
    }

    #[test]
    fn others() {
        check("これはペンです。次。", &["これはペンです。", "次。"]);
        check("ما هذا؟ كتاب.", &["ما هذا؟", "كتاب."]);
        check("Das ist z.B. gut. Ende.", &["Das ist z.B. gut.", "Ende."]);
        check("यह एक है। दूसरा।", &["यह एक है।", "दूसरा।"]);
    }

    #[test]
    fn nothing_gives_nothing() {
        check("", &[]);
        check("   ", &[]);
        check("...", &["..."]);
    }
}
