//! Paragraph -> sentences.
//!
//! Own rules instead of UAX #29, which ends a sentence after every abbreviation.

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

/// Whether a text ends as a sentence does.
pub(crate) fn ends_as_sentence(text: &str) -> bool {
    text.trim_end()
        .trim_end_matches(is_closer)
        .ends_with(|c| is_terminator(c) && c != '…')
}

/// The sentences of one line of text, trimmed, in order; none is empty.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if !is_terminator(c) {
            continue;
        }
        let mut end = at + c.len_utf8();
        while let Some(&(next_at, next)) = chars.peek() {
            if !is_terminator(next) && !is_closer(next) {
                break;
            }
            end = next_at + next.len_utf8();
            chars.next();
        }
        let sentence = text.get(start..end).unwrap_or_default();
        if is_edge(sentence, c, text.get(end..).unwrap_or_default()) {
            push(sentence, &mut out);
            start = end;
        }
    }
    push(text.get(start..).unwrap_or_default(), &mut out);
    out
}

fn push<'a>(sentence: &'a str, out: &mut Vec<&'a str>) {
    let sentence = sentence.trim();
    if !sentence.is_empty() {
        out.push(sentence);
    }
}

fn is_edge(sentence: &str, terminator: char, rest: &str) -> bool {
    if is_full_terminator(terminator) {
        // “……。”他说: inside a quotation that goes on, the sentence goes on.
        return true;
    }
    if !rest.starts_with(char::is_whitespace) {
        return rest.is_empty() || rest.starts_with(super::is_han) && terminator != '.';
    }
    let next = rest
        .trim_start()
        .trim_start_matches(['"', '“', '\'', '‘', '(', '[', '«', '¿', '¡'])
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
