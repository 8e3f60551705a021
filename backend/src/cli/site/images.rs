//! The pictures of a page's body: Markdown, HTML and JSX tags, Hugo's figures; never those in code.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::edit::Edit;
use super::mask;

/// A picture where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    /// Its address, as far as the page tells it: templates and expressions are read for a path.
    pub(super) src: String,
    pub(super) alt: Alt,
    /// The whole mark, in bytes of the file.
    pub(super) span: Range<usize>,
    /// The caption that a figure shows.
    pub(super) caption: Option<String>,
    form: Form,
    /// Where an alt text goes.
    place: usize,
    /// The attribute that holds one already, whole.
    old: Option<Range<usize>>,
}

/// What a picture says to somebody who cannot see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Alt {
    Missing,
    /// Said to be an ornament: `alt=""`. Markdown cannot say so.
    Decorative,
    Text(String),
    /// An expression of the page's language.
    Computed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Markdown,
    Tag,
    Shortcode,
}

/// All pictures in the order of their places.
pub(super) fn find(text: &str, body: usize) -> Vec<Image> {
    let bare = mask::verbatim(text, body);
    let (mut images, code) = in_markdown(text, &bare);
    let mut tags = bare;
    mask::blank(&mut tags, &code, b' ');
    images.extend(in_tags(text, &tags));
    images.extend(in_shortcodes(text, &tags));
    images.sort_by_key(|image| image.span.start);
    images
}

/// Markdown's own, and where code is.
fn in_markdown(text: &str, bare: &str) -> (Vec<Image>, Vec<Range<usize>>) {
    let masked = mask::templates(bare);
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_GFM;
    let mut images: Vec<Image> = Vec::new();
    let mut code = Vec::new();
    let mut open: Vec<(Range<usize>, String, String)> = Vec::new();
    for (event, range) in Parser::new_ext(&masked, options).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(_)) => code.push(range),
            Event::Code(ref inner) => {
                code.push(range);
                for (.., alt) in &mut open {
                    alt.push_str(inner);
                }
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                open.push((range, dest_url.into_string(), String::new()));
            }
            Event::Text(inner) => {
                for (.., alt) in &mut open {
                    alt.push_str(&inner);
                }
            }
            Event::End(TagEnd::Image) => {
                let Some((span, dest, alt)) = open.pop() else {
                    continue;
                };
                images.extend(markdown(text, span, &dest, &alt));
            }
            _ => {}
        }
    }
    (images, code)
}

fn markdown(text: &str, span: Range<usize>, dest: &str, alt: &str) -> Option<Image> {
    let mark = text.get(span.clone())?;
    let inside = mark.strip_prefix("![")?;
    let written = inside.get(..inside.find(']')?)?;
    let empty = alt.trim().is_empty() && written.trim().is_empty();
    let raw = mark
        .rfind("](")
        .map(|at| mark.get(at + 2..).unwrap_or_default());
    // Templates were masked for the parser; the address is the text's own.
    let src = match raw {
        Some(raw) if raw.contains("{{") || raw.contains("{%") => path_in(raw.trim_end_matches(')')),
        _ => dest.to_owned(),
    };
    Some(Image {
        src,
        alt: if empty {
            Alt::Missing
        } else {
            Alt::Text(alt.trim().to_owned())
        },
        place: span.start + 2,
        span,
        caption: None,
        form: Form::Markdown,
        old: None,
    })
}

/// `<img …>` and the components that stand for it.
fn in_tags(text: &str, tags: &str) -> Vec<Image> {
    let mut images = Vec::new();
    for name in ["<img", "<Image", "<Img"] {
        for (start, _) in tags.match_indices(name) {
            let from = start + name.len();
            let follows = tags.get(from..).and_then(|rest| rest.chars().next());
            if !follows.is_some_and(|c| c.is_whitespace() || c == '/') {
                continue;
            }
            if let Some((attributes, end)) = attributes(text, from, &['>']) {
                images.extend(tag(text, start..end, from, &attributes));
            }
        }
    }
    images
}

fn tag(text: &str, span: Range<usize>, place: usize, attributes: &[Attribute]) -> Option<Image> {
    let get = |name: &str| {
        attributes
            .iter()
            .find(|one| one.name.eq_ignore_ascii_case(name))
    };
    let src = get("src").or_else(|| get("data-src"))?;
    let alt = match get("alt").map(|alt| &alt.value) {
        Some(Written::Text(alt)) if alt.trim().is_empty() => Alt::Decorative,
        Some(Written::Text(alt)) => Alt::Text(entities(alt)),
        // `alt` without a value is an empty one.
        Some(Written::None) => Alt::Decorative,
        Some(Written::Expression(_)) => Alt::Computed,
        None if attributes.iter().any(|one| one.name.starts_with('{')) => Alt::Computed,
        None => Alt::Missing,
    };
    let hidden = |name: &str, value: &str| matches!(get(name).map(|one| &one.value), Some(Written::Text(text)) if text == value);
    let ornament =
        hidden("aria-hidden", "true") || hidden("role", "presentation") || hidden("role", "none");
    Some(Image {
        src: match &src.value {
            Written::Text(src) => path_in(&entities(src)),
            Written::Expression(code) => expression(text, code),
            Written::None => return None,
        },
        alt: if ornament && alt == Alt::Missing {
            Alt::Decorative
        } else {
            alt
        },
        span,
        caption: None,
        form: Form::Tag,
        place,
        old: get("alt").map(|alt| alt.span.clone()),
    })
}

/// Hugo's `{{< figure src="…" >}}`, whose alt text is its caption where it has none.
fn in_shortcodes(text: &str, tags: &str) -> Vec<Image> {
    let mut images = Vec::new();
    for (start, _) in tags.match_indices("{{") {
        let Some(mark) = tags.get(start + 2..).and_then(|rest| rest.chars().next()) else {
            continue;
        };
        if !matches!(mark, '<' | '%') {
            continue;
        }
        let inside = tags.get(start + 3..).unwrap_or_default();
        let name = inside.trim_start();
        let Some(rest) = ["figure", "img", "image"]
            .iter()
            .find_map(|known| name.strip_prefix(known))
        else {
            continue;
        };
        if !rest.starts_with(char::is_whitespace) {
            continue;
        }
        let from = tags.len() - rest.len();
        let Some((attributes, end)) = attributes(text, from, &['>', '%']) else {
            continue;
        };
        let get = |name: &str| {
            let one = attributes.iter().find(|one| one.name == name)?;
            match &one.value {
                Written::Text(text) => Some((text.clone(), one.span.clone())),
                _ => None,
            }
        };
        let Some((src, before)) = get("src") else {
            continue;
        };
        let caption = get("caption")
            .or_else(|| get("title"))
            .map(|(text, _)| text);
        let alt = match get("alt") {
            Some((alt, _)) if alt.is_empty() => Alt::Decorative,
            Some((alt, _)) => Alt::Text(alt),
            None => caption.clone().map_or(Alt::Missing, Alt::Text),
        };
        images.push(Image {
            src,
            alt,
            span: start..end + 2,
            caption,
            form: Form::Shortcode,
            place: before.end,
            old: get("alt").map(|(_, span)| span),
        });
    }
    images
}

struct Attribute {
    name: String,
    value: Written,
    /// From its name to past its value.
    span: Range<usize>,
}

enum Written {
    None,
    Text(String),
    /// What stands between braces.
    Expression(String),
}

/// The attributes from `at` on and where the mark ends; nothing when it never does.
fn attributes(text: &str, mut at: usize, ends: &[char]) -> Option<(Vec<Attribute>, usize)> {
    let mut found = Vec::new();
    // A tag is short: what goes on for pages is none.
    let limit = at + 10_000;
    loop {
        let rest = text.get(at..)?;
        let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        at += rest.len() - trimmed.len();
        let first = trimmed.chars().next()?;
        if ends.contains(&first) {
            return Some((found, at + first.len_utf8()));
        }
        if first == '<' || at > limit {
            return None;
        }
        if first == '{' {
            let code = braces(trimmed)?;
            let start = at;
            at += code.len();
            found.push(Attribute {
                name: code.to_owned(),
                value: Written::None,
                span: start..at,
            });
            continue;
        }
        let stops = |c: char| c.is_whitespace() || c == '=' || ends.contains(&c) || c == '/';
        let name = trimmed.get(..trimmed.find(stops)?)?;
        let start = at;
        at += name.len().max(1);
        let after = text.get(at..)?;
        let spaced = after.trim_start();
        let mut value = Written::None;
        if let Some(written) = spaced.strip_prefix('=').filter(|_| !name.is_empty()) {
            let written = written.trim_start();
            let begin = text.len() - written.len();
            let (read, length) = value_of(written, ends)?;
            value = read;
            at = begin + length;
        }
        found.push(Attribute {
            name: name.to_owned(),
            value,
            span: start..at,
        });
    }
}

fn value_of(written: &str, ends: &[char]) -> Option<(Written, usize)> {
    let first = written.chars().next()?;
    if matches!(first, '"' | '\'' | '`') {
        let inside = written.get(1..)?;
        let end = inside.find(first)?;
        return Some((Written::Text(inside.get(..end)?.to_owned()), end + 2));
    }
    if first == '{' {
        let code = braces(written)?;
        return Some((Written::Expression(code.to_owned()), code.len()));
    }
    let end = written.find(|c: char| c.is_whitespace() || ends.contains(&c))?;
    Some((Written::Text(written.get(..end)?.to_owned()), end))
}

/// `{…}` with what is balanced inside.
fn braces(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices().take(5_000) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(..=at);
        }
    }
    None
}

/// The path that an expression names: quoted in it, or imported under its name.
fn expression(text: &str, code: &str) -> String {
    if let Some(quoted) = quoted(code) {
        return quoted.to_owned();
    }
    let name = code
        .trim_matches(|c: char| "{} ".contains(c))
        .split('.')
        .next()
        .unwrap_or_default();
    let import = text.lines().find(|line| {
        line.strip_prefix("import ")
            .is_some_and(|rest| rest.split_whitespace().next() == Some(name))
    });
    import.and_then(quoted).unwrap_or_default().to_owned()
}

fn quoted(code: &str) -> Option<&str> {
    let start = code.find(['"', '\'', '`'])?;
    let quote = code.get(start..)?.chars().next()?;
    let inside = code.get(start + 1..)?;
    inside
        .get(..inside.find(quote)?)
        .filter(|path| !path.is_empty())
}

/// An address without its templates: the path that one quotes, else what stands around them.
fn path_in(raw: &str) -> String {
    if !raw.contains("{{") && !raw.contains("{%") {
        return raw.to_owned();
    }
    let mut out = String::new();
    let mut rest = raw;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        out.push_str(rest.get(..at).unwrap_or_default());
        let inside = rest.get(at..).unwrap_or_default();
        let end = inside
            .find("}}")
            .into_iter()
            .chain(inside.find("%}"))
            .min()
            .unwrap_or(inside.len().saturating_sub(2));
        let template = inside.get(..end).unwrap_or_default();
        out.push_str(quoted(template).unwrap_or_default());
        if let Some(link) = template.strip_prefix("{% link ") {
            out.push_str(link.trim());
        }
        rest = inside.get(end + 2..).unwrap_or_default();
    }
    out.push_str(rest);
    out.split_whitespace().next().unwrap_or_default().to_owned()
}

fn entities(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

impl Image {
    /// The name of its file, as the address has it.
    pub(super) fn name(&self) -> &str {
        self.src.rsplit('/').next().unwrap_or_default()
    }

    /// Written in a way that only the generator understands.
    pub(super) fn is_shortcode(&self) -> bool {
        self.form == Form::Shortcode
    }

    /// Its address is not the one that stands there.
    pub(super) fn has_template(&self, text: &str) -> bool {
        let mark = text.get(self.span.clone()).unwrap_or_default();
        !mark.contains(&self.src) || mark.contains("{{") || mark.contains("{%")
    }

    /// The change that gives it this alt text; an empty one says that it is an ornament, where that can be said.
    pub(super) fn with_alt(&self, text: &str, alt: &str) -> Option<Edit> {
        match self.form {
            Form::Markdown if alt.is_empty() => None,
            Form::Markdown => {
                let end = self.place + text.get(self.place..)?.find(']')?;
                Edit::replace(text, self.place..end, escape_markdown(alt))
            }
            Form::Tag => self.with_attribute(text, &escape_html(alt)),
            Form::Shortcode => self.with_attribute(text, &alt.replace('"', "'").replace('\\', "/")),
        }
    }
}

impl Image {
    fn with_attribute(&self, text: &str, alt: &str) -> Option<Edit> {
        match &self.old {
            Some(old) => Edit::replace(text, old.clone(), format!("alt=\"{alt}\"")),
            None => Some(Edit::insert(self.place, format!(" alt=\"{alt}\""))),
        }
    }
}

fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '[' | ']' | '<' | '>' | '*' | '_' | '`' | '{' | '}' | '&' | '~' | '$'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[(&str, &str)]) {
        let found = find(text, 0);
        let got: Vec<(&str, String)> = found
            .iter()
            .map(|image| {
                let alt = match &image.alt {
                    Alt::Missing => "-".to_owned(),
                    Alt::Decorative => String::new(),
                    Alt::Computed => "?".to_owned(),
                    Alt::Text(text) => text.clone(),
                };
                (image.src.as_str(), alt)
            })
            .collect();
        let expect: Vec<(&str, String)> = expect
            .iter()
            .map(|(src, alt)| (*src, (*alt).to_owned()))
            .collect();
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn markdown_pictures_are_found_but_not_in_code() {
        check(
            "![](a.png) ![A *b*](c.png \"t\") [![](d.png)](e)",
            &[("a.png", "-"), ("c.png", "A b"), ("d.png", "-")],
        );
        check(
            "`![](a.png)`\n\n```md\n![](b.png)\n<img src=c.png>\n```\n\n    ![](d.png)\n",
            &[],
        );
        check("<!-- ![](a.png) <img src=b.png> -->", &[]);
        check(
            "![][one] ![two][]\n\n[one]: a.png\n[two]: b.png\n",
            &[("a.png", "-"), ("b.png", "two")],
        );
        check("![](<a b.png>)", &[("a b.png", "-")]);
    }

    #[test]
    fn templates_are_read_for_a_path() {
        check("![]({{ site.baseurl }}/a.png)", &[("/a.png", "-")]);
        check("![]({{ \"/b.png\" | relative_url }})", &[("/b.png", "-")]);
        check("![]({% link assets/c.png %})", &[("assets/c.png", "-")]);
        check(
            "<img src=\"{{ '/d.png' | absolute_url }}\">",
            &[("/d.png", "-")],
        );
        check("{% highlight md %}\n![](e.png)\n{% endhighlight %}", &[]);
        check("{{< highlight md >}}\n![](f.png)\n{{< /highlight >}}", &[]);
    }

    #[test]
    fn tags_are_found_with_and_without_an_alt() {
        check("<img src=\"a.png\">", &[("a.png", "-")]);
        check(
            "<IMG SRC='a.png'> <img\n  src=b.png\n  alt='B &amp; b'\n/>",
            &[("b.png", "B & b")],
        );
        check(
            "<img alt=\"\" src=a.png> <img alt src=b.png>",
            &[("a.png", ""), ("b.png", "")],
        );
        check("<img src=a.png aria-hidden=\"true\">", &[("a.png", "")]);
        check("a < b <imgx src=a> <img src=\"never closed", &[]);
        check("<Image src={hero} alt={t('x')} />", &[("", "?")]);
        check(
            "import hero from './h.png';\n\n<Image src={hero} />",
            &[("./h.png", "-")],
        );
        check(
            "<img src={require('./a.png').default} />",
            &[("./a.png", "-")],
        );
        check("<img {...props} src=\"a.png\" />", &[("a.png", "?")]);
    }

    #[test]
    fn a_figure_says_its_caption() {
        check("{{< figure src=\"a.png\" >}}", &[("a.png", "-")]);
        check(
            "{{% figure src=\"a.png\" caption=\"Cap\" %}}",
            &[("a.png", "Cap")],
        );
        check(
            "{{< figures src=\"a.png\" >}} {{< figure src=\"b.png\" alt=\"\" >}}",
            &[("b.png", "")],
        );
    }

    #[track_caller]
    fn check_write(text: &str, alt: &str, expect: &str) {
        let image = find(text, 0).into_iter().next().unwrap();
        let edit = image.with_alt(text, alt).unwrap();
        let after = super::super::edit::apply(text, &[edit]).unwrap();
        assert_eq!(after, expect);
        let Alt::Text(read) = &find(&after, 0)[0].alt else {
            panic!("{after}")
        };
        assert_eq!(read, alt);
    }

    #[test]
    fn an_alt_text_is_written_so_that_it_is_read_again() {
        check_write("![](a.png)", "A [b] *c*", "![A \\[b\\] \\*c\\*](a.png)");
        check_write("![ ](a.png)", "中文 & <b>", "![中文 \\& \\<b\\>](a.png)");
        check_write(
            "<img src=a.png>",
            "A \"b\" & c",
            "<img alt=\"A &quot;b&quot; &amp; c\" src=a.png>",
        );
        check_write(
            "{{< figure src=\"a.png\" >}}",
            "A b",
            "{{< figure src=\"a.png\" alt=\"A b\" >}}",
        );
        check_write("![]({{ x }}/a.png)", "A b", "![A b]({{ x }}/a.png)");
    }

    #[test]
    fn an_alt_text_that_is_there_gives_way() {
        check_write(
            "a ![IMG_1](a.png \"t\") b",
            "A loaf",
            "a ![A loaf](a.png \"t\") b",
        );
        check_write(
            "<img alt='IMG_1' src=a.png width=3>",
            "A loaf",
            "<img alt=\"A loaf\" src=a.png width=3>",
        );
        check_write(
            "<img src=a.png alt=IMG_1/>",
            "面包",
            "<img src=a.png alt=\"面包\">",
        );
        check_write(
            "{{< figure src=\"a.png\" alt=\"IMG_1\" width=\"3\" >}}",
            "A loaf",
            "{{< figure src=\"a.png\" alt=\"A loaf\" width=\"3\" >}}",
        );
    }

    #[test]
    fn an_ornament_is_said_where_that_can_be_said() {
        let text = "<img src=line.gif>";
        let edit = find(text, 0)[0].with_alt(text, "").unwrap();
        assert_eq!(
            super::super::edit::apply(text, &[edit]).unwrap(),
            "<img alt=\"\" src=line.gif>"
        );
        let text = "![](line.gif)";
        assert_eq!(find(text, 0)[0].with_alt(text, ""), None);
    }
}
