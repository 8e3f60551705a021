//! What publishing systems write between the words: front matter, template tags, directives, shortcodes.

use std::borrow::Cow;

/// Bracketed words that are shortcodes even without an attribute.
const BARE_SHORTCODES: &[&str] = &[
    "toc",
    "gallery",
    "more",
    "caption",
    "embed",
    "contact-form",
    "video",
    "audio",
    "playlist",
];

/// Splits front matter (`---` YAML or `+++` TOML) off; gives its title, when it has one, and the rest.
pub(super) fn front_matter(content: &str) -> (Option<String>, &str) {
    let start = content
        .trim_start_matches('\u{feff}')
        .trim_start_matches(['\n', '\r']);
    for fence in ["---", "+++"] {
        if let Some(split) = split_fence(start, fence) {
            return split;
        }
    }
    (None, start)
}

fn split_fence<'a>(start: &'a str, fence: &str) -> Option<(Option<String>, &'a str)> {
    let first = start.lines().next()?;
    // A rule above the first paragraph is no front matter: that begins with a key.
    let key = start.lines().nth(1)?;
    if first.trim_end() != fence || !key.contains([':', '=', '#']) {
        return None;
    }
    let mut at = first.len();
    let mut title = None;
    for line in start.get(at..)?.split_inclusive('\n').skip(1) {
        if at == first.len() {
            at = start.find('\n')? + 1;
        }
        at += line.len();
        if line.trim_end() == fence {
            return Some((title, start.get(at..)?));
        }
        title = title.or_else(|| title_of(line));
    }
    None
}

fn title_of(line: &str) -> Option<String> {
    let rest = line.strip_prefix("title")?.trim_start();
    let value = rest.strip_prefix([':', '='])?.trim();
    let value = value.trim_matches(['"', '\'']);
    (!value.is_empty() && value.len() < 400).then(|| value.to_owned())
}

/// Blanks `{{ }}`, `{% %}`, `{{< >}}` and `{: }` marks; the length stays, so that offsets do.
pub(super) fn without_templates(content: &str) -> Cow<'_, str> {
    if !content.contains("{{") && !content.contains("{%") && !content.contains("{:") {
        return Cow::Borrowed(content);
    }
    let mut out = content.to_owned();
    for (open, close) in [("{{", "}}"), ("{%", "%}"), ("{:", "}")] {
        out = blank(&out, open, close);
    }
    Cow::Owned(out)
}

fn blank(content: &str, open: &str, close: &str) -> String {
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some((before, after)) = rest.split_once(open) {
        out.push_str(before);
        // A mark ends on its own line or a few lines below; a brace that stands alone is text.
        let window = super::first_chars(after, 400);
        match window.find(close) {
            Some(end) => {
                let inside = after.get(..end).unwrap_or_default();
                out.extend(inside.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
                rest = after.get(end + close.len()..).unwrap_or_default();
            }
            None => {
                out.push_str(open);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Leaves out lines that only steer a site generator: `:::name`, `[!INCLUDE …]`, `[[toc]]`.
pub(super) fn without_directives(content: &str) -> String {
    let mut out = String::with_capacity(content.len());
    for line in content.split_inclusive('\n') {
        let bare = line.trim_start_matches([' ', '>']).trim_end();
        let directive = bare.starts_with(":::")
            || bare.starts_with("[!") && bare.ends_with(']')
            || bare.starts_with("[[") && bare.ends_with("]]");
        if directive {
            let quoted = line.trim_start().starts_with('>');
            out.push_str(if quoted { ">\n" } else { "\n" });
        } else {
            out.push_str(line);
        }
    }
    out
}

/// Removes `[name attribute="…"]`, `[/name]` and the few shortcodes that stand bare.
pub(super) fn without_shortcodes(text: &str) -> Cow<'_, str> {
    if !text.contains('[') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        let window = super::first_chars(after, 300);
        match window
            .find(']')
            .filter(|end| is_shortcode(after.get(..*end).unwrap_or_default()))
        {
            Some(end) => rest = after.get(end + 1..).unwrap_or_default(),
            None => {
                out.push('[');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn is_shortcode(inside: &str) -> bool {
    if let Some(name) = inside.strip_prefix('/') {
        return !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    }
    let name: String = inside
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    let attributes = inside.get(name.len()..).unwrap_or_default();
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && (attributes.starts_with(' ') && attributes.contains('=')
            || attributes.trim().is_empty() && BARE_SHORTCODES.contains(&name.as_str()))
}
