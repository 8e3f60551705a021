//! Content -> blocks of prose and the places of its images.
//!
//! What is not prose is left out here and nowhere else: scripts, styles, code, tables, navigation, forms, comments,
//! front matter, shortcodes. Nothing in this module is recursive, so nesting costs no stack.

mod builder;
mod html;
mod link;
mod markdown;
mod mask;
mod plain;

use crate::ContentFormat;
pub(crate) use builder::tidy;
pub use link::leads_to;

/// How many blocks of one article are kept. Two hundred thousand characters of one-letter paragraphs would be 60,000.
pub(crate) const MAX_BLOCKS: usize = 5_000;
/// How many characters of content are read; the contract's limit is 200,000.
const MAX_CHARS: usize = 1_000_000;
/// How many images are remembered with their place.
const MAX_IMAGES: usize = 500;

/// An article as a list of blocks, in reading order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// A title that the content itself carries: front matter `title:` or HTML `<title>`.
    pub title: Option<String>,
    /// Prose, without markup, in reading order.
    pub blocks: Vec<Block>,
    /// Images, in reading order.
    pub images: Vec<ImagePlace>,
}

/// One paragraph, heading, list item, quotation or caption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What the block is.
    pub kind: BlockKind,
    /// Its text: one line, white space folded, invisible characters removed.
    pub text: String,
    /// The index in [`Document::blocks`] of the heading above it.
    pub heading: Option<usize>,
}

/// What a [`Block`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// Running text.
    Paragraph,
    /// A heading and its level, 1 to 6.
    Heading(u8),
    /// One item of a list.
    ListItem,
    /// A quotation or a note set apart.
    Quote,
    /// The visible caption of an image.
    Caption,
}

/// Where an image stands in the article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePlace {
    /// Its address as written.
    pub src: String,
    /// Its visible caption (`<figcaption>`), when it has one.
    pub caption: Option<String>,
    /// How many blocks stand before it; the block with this index is the one after it, or the one that holds it.
    pub block: usize,
    /// The index of the heading above it.
    pub heading: Option<usize>,
    /// Where it leads, as [`leads_to`] has it, when it is all that a link holds: words beside it in the same link would
    /// say so themselves.
    pub link: Option<String>,
}

impl Document {
    /// All text of the document, one block a line.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut all = String::new();
        for block in &self.blocks {
            all.push_str(&block.text);
            all.push('\n');
        }
        all
    }

    /// The text of the heading with this index, when it is one.
    #[must_use]
    pub fn heading_text(&self, index: Option<usize>) -> Option<&str> {
        let block = self.blocks.get(index?)?;
        matches!(block.kind, BlockKind::Heading(_)).then_some(block.text.as_str())
    }

    /// The place of the image with this address or file name: the whole address first, then the last path segment.
    #[must_use]
    pub fn image(&self, src: &str) -> Option<&ImagePlace> {
        let name = file_name(src);
        let same = |place: &&ImagePlace| place.src == src;
        let alike = |place: &&ImagePlace| {
            !name.is_empty() && file_name(&place.src).eq_ignore_ascii_case(&name)
        };
        self.images
            .iter()
            .find(same)
            .or_else(|| self.images.iter().find(alike))
    }
}

/// Reads an article's prose.
///
/// `content` may be anything: it is read in one pass, up to a million characters.
#[must_use]
pub fn blocks(content: &str, format: ContentFormat) -> Document {
    let content = first_chars(content, MAX_CHARS);
    match format {
        ContentFormat::Html => html::read(content),
        ContentFormat::Markdown => markdown::read(content),
        ContentFormat::Text => plain::read(content),
    }
}

/// The last path segment of an address, percent-decoded, without query and fragment.
pub(crate) fn file_name(src: &str) -> String {
    if src.starts_with("data:") {
        return String::new();
    }
    let path = src.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit(['/', '\\']).next().unwrap_or_default();
    percent_decode(last)
}

/// Bytes written as `%20`, as text.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let pair = rest
            .clone()
            .take(2)
            .map(|b| (b as char).to_digit(16))
            .collect::<Option<Vec<_>>>();
        match (byte, pair.as_deref()) {
            (b'%', Some([high, low])) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest.nth(1);
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn first_chars(text: &str, chars: usize) -> &str {
    match text.char_indices().nth(chars) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, format: ContentFormat, expect: &[&str]) {
        let document = blocks(content, format);
        let texts: Vec<&str> = document
            .blocks
            .iter()
            .map(|block| block.text.as_str())
            .collect();
        assert_eq!(texts, expect);
    }

    #[track_caller]
    fn html(content: &str, expect: &[&str]) {
        check(content, ContentFormat::Html, expect);
    }

    #[track_caller]
    fn markdown(content: &str, expect: &[&str]) {
        check(content, ContentFormat::Markdown, expect);
    }

    #[test]
    fn a_script_is_not_text() {
        html(
            "<p>One</p><script>x(\"<p>no</p>\")</script><style>p{}</style><p>Two",
            &["One", "Two"],
        );
    }

    #[test]
    fn code_tables_and_navigation_are_left_out() {
        html(
            "<nav><a>Home</a></nav><p>One</p><pre>code</pre><table><tr><td>1</td></tr></table>",
            &["One"],
        );
    }

    #[test]
    fn an_element_that_is_never_closed_swallows_nothing() {
        html("<nav><p>One</p><script>two", &["One", "two"]);
    }

    #[test]
    fn entities_and_white_space_are_read() {
        html(
            "<p>Salt &amp;\n  pepper&nbsp;&#x4e2d;</p>",
            &["Salt & pepper 中"],
        );
    }

    #[test]
    fn hidden_text_is_left_out() {
        html(
            "<p>One</p><div hidden>no</div><div style='display:none'>no</div>",
            &["One"],
        );
    }

    #[test]
    fn inline_elements_do_not_split_words() {
        html("<p>un<b>believ</b>able<br>line</p>", &["unbelievable line"]);
    }

    #[test]
    fn a_caption_stays_with_its_figure() {
        let document = blocks(
            "<h2>Birds</h2><figure><img src=/a/owl.jpg?w=2><figcaption>An owl</figcaption></figure>",
            ContentFormat::Html,
        );
        let place = document.image("owl.jpg").unwrap();
        assert_eq!(place.caption.as_deref(), Some("An owl"));
        assert_eq!(document.heading_text(place.heading), Some("Birds"));
        assert_eq!(document.blocks[1].kind, BlockKind::Caption);
    }

    #[track_caller]
    fn links(content: &str, format: ContentFormat, expect: &[Option<&str>]) {
        let document = blocks(content, format);
        let found: Vec<Option<&str>> = document
            .images
            .iter()
            .map(|place| place.link.as_deref())
            .collect();
        assert_eq!(found, expect, "{content}");
    }

    #[test]
    fn a_picture_that_is_a_link_leads_somewhere() {
        let html =
            |content: &str, expect: &[Option<&str>]| links(content, ContentFormat::Html, expect);
        html(
            "<p><a href='/about?x=1'><img src=a.png></a> <img src=b.png>",
            &[Some("/about"), None],
        );
        html(
            "<a href=/shop><figure><img src=a.png></figure></a>",
            &[Some("/shop")],
        );
        html(
            "<a href=/one><img src=a.png> <img src=b.png></a>",
            &[Some("/one"), Some("/one")],
        );
        // Words in the same link say where it leads; a link that a second one cuts off ends there.
        html("<a href=/one><img src=a.png> Our shop</a>", &[None]);
        html(
            "<a href=/one><img src=a.png><a href=/two><img src=b.png></a>",
            &[Some("/one"), Some("/two")],
        );
        // To a larger picture, to nowhere, never closed, an anchor without an address.
        html(
            "<a href=large.JPG?w=9><img src=a.png></a><a href=#><img src=b.png></a><a href=/x><img src=c.png>",
            &[None, None, None],
        );
        html("<a name=top><img src=a.png></a>", &[None]);
        let markdown = |content: &str, expect: &[Option<&str>]| {
            links(content, ContentFormat::Markdown, expect);
        };
        markdown(
            "[![Logo](logo.png)](https://example.org/docs) ![b](b.png)",
            &[Some("https://example.org/docs"), None],
        );
        markdown(
            "[![Logo](logo.png) The docs](https://example.org/docs)",
            &[None],
        );
        markdown(
            "<a href=\"/docs\"><img src=\"a.png\"></a>",
            &[Some("/docs")],
        );
    }

    #[test]
    fn markdown_becomes_prose() {
        markdown(
            "# A *title*\n\nSome [link](http://x.y) and `code`\nnext line.\n\n- one\n- two\n",
            &["A title", "Some link and code next line.", "one", "two"],
        );
    }

    #[test]
    fn front_matter_is_left_out_and_gives_the_title() {
        let content = "---\ntitle: \"Hello\"\ntags: [a]\n---\n\nText.\n";
        markdown(content, &["Text."]);
        assert_eq!(
            blocks(content, ContentFormat::Markdown).title.as_deref(),
            Some("Hello")
        );
        markdown("+++\ntitle = 'Hi'\n+++\nText.\n", &["Text."]);
    }

    #[test]
    fn markdown_tables_code_footnotes_and_shortcodes_are_left_out() {
        markdown(
            "One[^1] {{< figure src=\"a\" >}}two.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```rust\nlet x;\n```\n\n    code()\n\n[^1]: Note.\n\n{% include x %}\n\n[gallery ids=\"1\"]\n",
            &["One two."],
        );
    }

    #[test]
    fn raw_html_inside_markdown_is_read_as_html() {
        markdown(
            "<div class=\"a\">\n\nOne <b>bold</b>\n\n</div>\n\n<script>\nno()\n</script>\n\n<p>Two &amp; three</p>\n",
            &["One bold", "Two & three"],
        );
    }

    #[test]
    fn a_placeholder_in_prose_does_not_end_the_article() {
        markdown(
            "Replace <style> with your <object>.\n\nNext.\n",
            &["Replace with your .", "Next."],
        );
    }

    #[test]
    fn alerts_and_directives_lose_their_markers() {
        markdown(
            "> [!NOTE]\n> Mind the gap.\n\n:::row:::\n\nText.\n",
            &["Mind the gap.", "Text."],
        );
    }

    #[test]
    fn markdown_images_are_placed() {
        let document = blocks(
            "# H\n\nBefore.\n\n![x](img/a%20b.png)\n\nAfter.\n",
            ContentFormat::Markdown,
        );
        let place = document.image("a b.png").unwrap();
        assert_eq!((place.block, place.heading), (2, Some(0)));
        assert_eq!(document.blocks.len(), 3);
    }

    #[test]
    fn plain_text_is_split_at_empty_lines() {
        check(
            "One\nstill one.\n\n\nTwo.\r\n\r\nThree",
            ContentFormat::Text,
            &["One still one.", "Two.", "Three"],
        );
    }

    #[test]
    fn chinese_lines_join_without_a_space() {
        markdown("中文\n文章，\n好 Rust\n", &["中文文章，好 Rust"]);
    }

    #[test]
    fn invisible_characters_are_removed() {
        html("<p>a\u{200b}b\u{202e}c\0d\u{feff}e\u{ad}f</p>", &["abcdef"]);
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        html(&format!("{}deep", "<div>".repeat(100_000)), &["deep"]);
        html(&format!("{}<p>deep", "<ul><li>".repeat(50_000)), &["deep"]);
        let quotes = blocks(
            &format!("{} deep", ">".repeat(100_000)),
            ContentFormat::Markdown,
        );
        assert!(quotes.blocks.len() <= 1);
        let brackets = blocks(&"[".repeat(200_000), ContentFormat::Markdown);
        assert!(brackets.blocks.len() <= 1);
    }
}
