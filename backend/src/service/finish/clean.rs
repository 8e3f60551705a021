//! Plain text: one line, no markup, no address that the article does not have.

/// Elements whose content is not text.
const HIDDEN: [&str; 2] = ["script", "style"];

/// Cleans a generated text. `source` is what addresses may be taken from.
pub(super) fn clean(text: &str, source: &str) -> String {
    let text = without_markup(text);
    let words = text
        .split_whitespace()
        .filter(|word| !is_address(word) || source.contains(trimmed(word)));
    words.collect::<Vec<_>>().join(" ")
}

fn without_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        // `<` before a digit or a space is a sign, not a tag.
        if !after.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            out.push('<');
            rest = after;
            continue;
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

/// The text behind a hidden element that opens here.
fn hidden(after: &str) -> Option<&str> {
    let lower = after.to_ascii_lowercase();
    let name = HIDDEN.into_iter().find(|name| lower.starts_with(name))?;
    let (_, end) = lower.split_once(&format!("</{name}"))?;
    let rest = after.get(after.len() - end.len()..)?;
    Some(rest.split_once('>').map_or("", |(_, rest)| rest))
}

fn has_tag(text: &str) -> bool {
    let mut after = text.split('<');
    after.next();
    after.any(|rest| {
        rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'))
    })
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
        check("<scr<b>ipt>x", "ipt>x");
        // A sign before a space is no tag any more.
        check("<<b>script>x</script>", "< script>x");
    }

    #[test]
    fn only_the_articles_own_addresses_stay() {
        check("see (https://a.example/x).", "see (https://a.example/x).");
        check(
            "see https://b.example/x and www.b.example now",
            "see and now",
        );
        check("go JavaScript:alert(1) now", "go now");
    }
}
