//! Plain text: one line, no markup, no address that the article does not have.

use serde_json::Value;

use crate::engines::is_invisible;

/// Elements whose content is not text. A model's thoughts are for nobody but the model.
const HIDDEN: [&str; 4] = ["script", "style", "thinking", "think"];

/// Schemes of addresses that do something when they are opened, and need no `//`.
const SCHEMES: [&str; 4] = ["javascript:", "vbscript:", "data:", "mailto:"];

/// Names that end like an address and are none: `Node.js/Deno`, `ASP.NET/C#`.
const NO_HOSTS: [&str; 1] = ["asp.net"];
const NO_DOMAINS: [&str; 5] = ["js", "ts", "html", "css", "json"];
/// Ends of addresses, however they are written; others are known by their case: `St.Gallen/Zürich` is none.
const DOMAINS: [&str; 8] = ["com", "net", "org", "info", "io", "cn", "ru", "example"];

/// Cleans a generated text. `source` is what addresses may be taken from.
pub(super) fn clean(text: &str, source: &str) -> String {
    line(&unwrapped(&without_markup(text)), source)
}

/// Cleans the answer to a question: it keeps its lines, and JSON stays JSON.
pub(in crate::service) fn clean_answer(text: &str, source: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(mut value @ (Value::Object(_) | Value::Array(_))) => {
            clean_json(&mut value, source);
            value.to_string()
        }
        _ => {
            let text = unwrapped(&without_markup(text));
            let lines = text.lines().map(|text| {
                let words = text.trim_start();
                let indent = text.get(..text.len() - words.len()).unwrap_or_default();
                format!("{indent}{}", line(words, source))
            });
            lines.collect::<Vec<_>>().join("\n").trim().to_owned()
        }
    }
}

fn clean_json(value: &mut Value, source: &str) {
    match value {
        Value::String(text) => *text = clean_answer(text, source),
        Value::Array(items) => items.iter_mut().for_each(|item| clean_json(item, source)),
        Value::Object(entries) => entries
            .values_mut()
            .for_each(|value| clean_json(value, source)),
        _ => {}
    }
}

fn line(text: &str, source: &str) -> String {
    let words = text
        .split_whitespace()
        .map(|word| without_addresses(word, source));
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The words of Markdown's links and pictures, without where they lead.
fn unwrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        out.push_str(before);
        let (Some(open), Some(end)) = (out.rfind('['), target_length(after)) else {
            out.push_str("](");
            rest = after;
            continue;
        };
        let words = out.split_off(open);
        if out.ends_with('!') {
            out.pop();
        }
        out.push_str(words.trim_start_matches('['));
        rest = after.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Where a link of Markdown begins that more text may close; the length of a text that has none.
pub(super) fn open_link(text: &str) -> usize {
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find(['[', ']'])) {
        at += found + 1;
        let rest = text.get(at..).unwrap_or_default();
        if text.get(at - 1..at) == Some("[") {
            open.push(at - 1);
        } else if rest.is_empty() {
            break;
        } else if let Some(target) = rest.strip_prefix('(') {
            let Some(length) = target_length(target) else {
                break;
            };
            at += 1 + length;
            open.pop();
        } else {
            open.pop();
        }
    }
    let first = open.first().copied().unwrap_or(text.len());
    text.get(..first)
        .map_or(first, |before| before.trim_end_matches('!').len())
}

/// Bytes up to and with the bracket that ends a link's target.
fn target_length(text: &str) -> Option<usize> {
    let mut open = 1;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at + 1);
        }
    }
    None
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

/// Whether a word holds an address, wherever in it.
fn is_address(word: &str) -> bool {
    let visible: String = word.chars().filter(|c| !is_invisible(*c)).collect();
    let lower = visible.to_ascii_lowercase();
    lower.contains("://")
        || places(&lower, "www.").any(|(before, after)| starts(before) && begins_name(after))
        || places(&lower, "//").any(|(_, after)| {
            let host = after.split(['/', '?', '#']).next().unwrap_or_default();
            begins_name(host) && host.contains('.')
        })
        || SCHEMES.iter().any(|scheme| {
            places(&lower, scheme).any(|(before, after)| starts(before) && leads(scheme, after))
        })
        || places(&visible, "/").any(|(before, _)| ends_in_host(before))
}

/// Text on both sides of each place of `part`.
fn places<'a>(text: &'a str, part: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.match_indices(part)
        .filter_map(move |(at, _)| Some((text.get(..at)?, text.get(at + part.len()..)?)))
}

/// Whether a name may start behind this text.
fn starts(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn begins_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric())
}

/// Whether what follows a scheme is an address: `data:` and `JavaScript:` may also be words before a colon.
fn leads(scheme: &str, after: &str) -> bool {
    match scheme {
        "data:" => after.contains([',', '/', ';']),
        _ => !after.is_empty(),
    }
}

/// Whether a text before a slash ends in a host's name, with or without a port.
fn ends_in_host(before: &str) -> bool {
    let before = match before.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => before,
    };
    let of_a_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let start = before.trim_end_matches(of_a_host).len();
    let host = before.get(start..).unwrap_or_default();
    let Some((names, domain)) = host.rsplit_once('.') else {
        return false;
    };
    let (low, host) = (domain.to_ascii_lowercase(), host.to_ascii_lowercase());
    let one_case = domain.bytes().all(|b| b.is_ascii_lowercase())
        || domain.bytes().all(|b| b.is_ascii_uppercase());
    domain.len() >= 2
        && begins_name(names)
        && !names.split('.').any(str::is_empty)
        && (one_case || DOMAINS.contains(&low.as_str()))
        && !NO_DOMAINS.contains(&low.as_str())
        && !NO_HOSTS.contains(&host.as_str())
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
    fn links_of_markdown_are_their_words() {
        check("[Buy](javascript:alert(1)) now", "Buy now");
        check("[Buy it](//evil.example/x) now", "Buy it now");
        check(
            "see [the loaf](https://a.example/x \"a title\").",
            "see the loaf.",
        );
        check(
            "[![A loaf](https://b.example/y)](/x) and ![crumb](y)",
            "A loaf and crumb",
        );
        check("[sic] and (this)", "[sic] and (this)");
        check("Buy [here](javascript:alert(1) now", "Buy now");
    }

    #[test]
    fn an_address_is_found_wherever_it_stands() {
        for address in [
            "evil.example/now",
            "see:www.evil.example",
            "(//evil.example/x)",
            "go:javascript:alert(1)",
            "java\u{200B}script:alert(1)",
            "Evil.COM/now",
            "a/evil.example/x",
            "evil.example:8080/x",
            "at@evil.example/x",
            "data:text/html,x",
            "mailto:a@evil.example",
        ] {
            check(&format!("One {address} two"), "One two");
        }
    }

    #[test]
    fn what_only_looks_like_an_address_stays() {
        for text in [
            "and/or TCP/IP 24/7 km/h",
            "Node.js/Deno and ASP.NET/C#",
            "e.g./i.e. U.S./China a.m./p.m.",
            "v1.2/v1.3 and 3.5/5",
            "St.Gallen/Zürich",
            "Data: five loaves. JavaScript: a language.",
            "metadata: none; awww. // a remark",
        ] {
            check(text, text);
        }
        check("see a.example/x", "see a.example/x");
    }

    #[test]
    fn an_answer_keeps_its_lines_and_its_json() {
        let source = "see https://a.example/x for more";
        let told = clean_answer(
            "The <b>whole</b> screen.\n- One: evil.example/x field\n  - [Two](x)\n",
            source,
        );
        assert_eq!(told, "The whole screen.\n- One: field\n  - Two");
        let told = clean_answer(
            r#"{"title":"Rye <i>bread</i> www.evil.example","n":[1]}"#,
            source,
        );
        assert_eq!(told, r#"{"title":"Rye bread","n":[1]}"#);
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
