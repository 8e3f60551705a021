//! Plain text: one line, no markup, no address that the article does not have.

/// Elements whose content is not text. A model's thoughts are for nobody but the model.
const HIDDEN: [&str; 4] = ["script", "style", "thinking", "think"];

/// Cleans a generated text. `source` is what addresses may be taken from.
pub(super) fn clean(text: &str, source: &str) -> String {
    let text = without_markup(text);
    let words = text
        .split_whitespace()
        .map(|word| without_addresses(word, source));
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a character is of a script that is written without spaces, or such a script's punctuation.
pub(super) fn is_wide(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{FF00}'..='\u{FFEF}' | '\u{20000}'..='\u{3FFFF}')
}

/// A word without the addresses that `source` does not hold; between wide characters an address has no spaces.
fn without_addresses(word: &str, source: &str) -> String {
    let foreign = |run: &str| is_address(run) && !source.contains(trimmed(run));
    if !foreign(word) && !word.contains(is_wide) {
        return word.to_owned();
    }
    let mut out = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c| is_wide(c) != is_wide(first))
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if is_wide(first) || !foreign(run) {
            out.push_str(run);
        }
        rest = after;
    }
    out
}

fn without_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        // `<` before a digit or a space is a sign, not a tag.
        if !opens_tag(after) {
            out.push('<');
            rest = after;
            continue;
        }
        // A thought whose beginning was not written: all before its end is thought.
        if named(after, "/think") || named(after, "/thinking") {
            out.clear();
        }
        out.push(' ');
        rest = match hidden(after) {
            Some(rest) => rest,
            None => after.split_once('>').map_or("", |(_, rest)| rest),
        };
    }
    out.push_str(rest);
    // A tag removed between two halves may have joined them into another one.
    if out.len() < text.len() && has_tag(&out) {
        without_markup(&out)
    } else {
        out
    }
}

/// The text behind a hidden element that opens here; none is left when it is never closed.
fn hidden(after: &str) -> Option<&str> {
    let name = HIDDEN.into_iter().find(|name| named(after, name))?;
    let lower = after.to_ascii_lowercase();
    let Some((_, end)) = lower.split_once(&format!("</{name}")) else {
        return Some("");
    };
    let rest = after.get(after.len() - end.len()..)?;
    Some(rest.split_once('>').map_or("", |(_, rest)| rest))
}

/// Whether the tag behind a `<` has this name.
fn named(after: &str, name: &str) -> bool {
    let start = after.get(..name.len());
    let rest = after.get(name.len()..).unwrap_or_default();
    start.is_some_and(|start| start.eq_ignore_ascii_case(name))
        && !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Whether a `<` before `after` begins a tag, or a mark such as `<|end|>`.
fn opens_tag(after: &str) -> bool {
    after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?' | '|'))
}

fn has_tag(text: &str) -> bool {
    text.split('<').skip(1).any(opens_tag)
}

fn is_address(word: &str) -> bool {
    let word = trimmed(word).to_ascii_lowercase();
    word.contains("://")
        || ["www.", "javascript:", "data:", "mailto:", "vbscript:"]
            .iter()
            .any(|start| word.starts_with(start))
}

fn trimmed(word: &str) -> &str {
    let edge = |c: char| {
        matches!(
            c,
            '(' | ')'
                | '['
                | ']'
                | '"'
                | '\''
                | '“'
                | '”'
                | ','
                | '.'
                | ';'
                | '。'
                | '，'
                | '（'
                | '）'
        )
    };
    word.trim_matches(edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(
            clean(text, "see https://a.example/x for more"),
            expect,
            "{text}"
        );
    }

    #[test]
    fn what_is_no_markup_stays() {
        check("a < b and 3 <4", "a < b and 3 <4");
        check("如何烤黑麦面包", "如何烤黑麦面包");
        check("one\n two", "one two");
    }

    #[test]
    fn tags_go_and_scripts_go_whole() {
        check("<p>One</p><br/>two", "One two");
        check("One <SCRIPT type=x>alert('x')</SCRIPT > two", "One two");
        check("One <img src=x onerror=alert(1)", "One");
        check("One <script>two", "One");
        check("One <scripted>two", "One two");
        check("<scr<b>ipt>x", "ipt>x");
        // A sign before a space is no tag any more.
        check("<<b>script>x</script>", "< script>x");
    }

    #[test]
    fn thoughts_and_marks_go() {
        check("<think>secret</think>Rye", "Rye");
        check("Rye <Thinking>secret</thinking> bread", "Rye bread");
        check("Rye <think>secret", "Rye");
        check("secret</think>Rye", "Rye");
        check("<|begin_of_box|>Rye<|end_of_box|>", "Rye");
    }

    #[test]
    fn only_the_articles_own_addresses_stay() {
        check("see (https://a.example/x).", "see (https://a.example/x).");
        check(
            "see https://b.example/x and www.b.example now",
            "see and now",
        );
        check("go JavaScript:alert(1) now", "go now");
        check("请看https://b.example/x，然后烤面包", "请看，然后烤面包");
        check(
            "请看https://a.example/x，然后",
            "请看https://a.example/x，然后",
        );
    }
}
