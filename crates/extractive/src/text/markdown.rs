//! Markdown (CommonMark with tables, footnotes and front matter) -> blocks; raw HTML inside goes to the HTML reader.

use super::html::Reader;
use super::{Document, mask};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

pub(super) fn read(content: &str) -> Document {
    let (front, body) = mask::front_matter(content);
    let body = mask::without_directives(body);
    let body = mask::without_templates(&body);
    let mut reader = Reader::new(&body);
    let mut walk = Walk::default();
    for event in Parser::new_ext(&body, options()) {
        walk.step(&mut reader, event);
    }
    let mut document = reader.finish();
    document.title = front.or(document.title);
    document
}

fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_GFM
}

/// How deep the walk is inside parts that are left out.
#[derive(Default)]
struct Walk {
    left_out: usize,
    image: usize,
}

impl Walk {
    fn step(&mut self, reader: &mut Reader, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open(reader, tag),
            Event::End(tag) => self.close(reader, tag),
            _ if self.left_out > 0 || self.image > 0 => {}
            Event::Text(text) | Event::Code(text) => reader.write(|builder| builder.text(&text)),
            Event::Html(html) | Event::InlineHtml(html) => reader.html(&html),
            Event::SoftBreak | Event::HardBreak => reader.write(|builder| builder.text("\n")),
            Event::Rule => reader.write(super::builder::Builder::break_block),
            _ => {}
        }
    }

    fn open(&mut self, reader: &mut Reader, tag: Tag<'_>) {
        match tag {
            Tag::CodeBlock(_)
            | Tag::Table(_)
            | Tag::FootnoteDefinition(_)
            | Tag::MetadataBlock(_) => {
                self.left_out += 1;
                reader.write(super::builder::Builder::break_block);
            }
            Tag::Image { dest_url, .. } => {
                self.image += 1;
                reader.write(|builder| builder.image(&dest_url));
            }
            _ if self.left_out > 0 => {}
            Tag::Link { dest_url, .. } => reader.write(|builder| builder.open_link(&dest_url)),
            Tag::Heading { level, .. } => {
                reader.write(|builder| builder.open_heading(level_number(level)));
            }
            Tag::List(_) => reader.write(super::builder::Builder::open_list),
            Tag::BlockQuote(_) => reader.write(super::builder::Builder::open_quote),
            Tag::Item | Tag::Paragraph | Tag::HtmlBlock => {
                reader.write(super::builder::Builder::break_block);
            }
            _ => {}
        }
    }

    fn close(&mut self, reader: &mut Reader, tag: TagEnd) {
        match tag {
            TagEnd::CodeBlock
            | TagEnd::Table
            | TagEnd::FootnoteDefinition
            | TagEnd::MetadataBlock(_) => {
                self.left_out = self.left_out.saturating_sub(1);
            }
            TagEnd::Image => self.image = self.image.saturating_sub(1),
            _ if self.left_out > 0 => {}
            TagEnd::Link => reader.write(super::builder::Builder::close_link),
            TagEnd::List(_) => reader.write(super::builder::Builder::close_list),
            TagEnd::BlockQuote(_) => reader.write(super::builder::Builder::close_quote),
            TagEnd::Heading(_) | TagEnd::Paragraph | TagEnd::Item => {
                reader.write(super::builder::Builder::break_block);
            }
            _ => {}
        }
    }
}

fn level_number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
