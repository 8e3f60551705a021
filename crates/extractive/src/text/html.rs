//! HTML -> blocks, from the tokenizer alone.
//!
//! No tree is built: prose needs no tree, and a tree builder walks its open elements for every tag, which makes deep
//! nesting quadratic.

use super::builder::Builder;
use super::{Document, mask};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use std::cell::RefCell;
use std::collections::HashMap;

/// Elements whose text is not prose.
const SKIPPED: &[&str] = &[
    "script", "style", "noscript", "template", "svg", "math", "pre", "table", "iframe", "object",
    "canvas", "audio", "video", "select", "textarea", "button", "form", "nav", "footer", "aside",
    "noembed", "noframes", "xmp", "dialog", "menu", "rp", "rt", "head",
];
/// Elements that begin and end a block.
const BLOCKS: &[&str] = &[
    "p", "div", "section", "article", "main", "li", "dt", "dd", "header", "hr", "address",
    "center", "figure", "details", "summary", "body", "html", "hgroup", "fieldset", "legend", "tr",
    "td", "th", "caption",
];
/// Elements that never hold anything, so that hiding one hides nothing else.
const VOID: &[&str] = &[
    "img", "br", "hr", "input", "meta", "link", "source", "wbr", "area", "col", "embed", "track",
    "base",
];

pub(super) fn read(content: &str) -> Document {
    let content = mask::without_templates(content);
    let mut reader = Reader::new(&content);
    reader.html(&content);
    reader.finish()
}

/// The tokenizer and what it writes into.
pub(super) struct Reader {
    tokenizer: Tokenizer<Sink>,
    queue: BufferQueue,
}

impl Reader {
    /// `whole`: the content that will come, in which closing tags are counted.
    pub(super) fn new(whole: &str) -> Self {
        let sink = Sink(RefCell::new(State {
            closers: count_closers(whole),
            ..State::default()
        }));
        Self {
            tokenizer: Tokenizer::new(sink, TokenizerOpts::default()),
            queue: BufferQueue::default(),
        }
    }

    /// Reads a piece of HTML; pieces follow each other as one stream.
    pub(super) fn html(&mut self, piece: &str) {
        // html5ever keeps NUL as a token of its own, which would split words.
        let piece = piece.replace('\0', "");
        self.queue.push_back(StrTendril::from(piece.as_str()));
        // A pause comes only from scripts, which this sink never asks for; the loop guards the contract.
        let _ = self.tokenizer.feed(&self.queue);
    }

    /// Writes text or structure that another parser found, unless an open HTML element hides it.
    pub(super) fn write(&mut self, change: impl FnOnce(&mut Builder)) {
        let mut state = self.tokenizer.sink.0.borrow_mut();
        if state.hidden.is_none() {
            change(&mut state.builder);
        }
    }

    pub(super) fn finish(self) -> Document {
        self.tokenizer.end();
        self.tokenizer.sink.0.into_inner().builder.finish()
    }
}

/// Counts `</name` for every skipped name, so that an element that is never closed is not skipped to the end.
fn count_closers(whole: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for (at, _) in whole.match_indices("</") {
        let rest = whole.get(at + 2..).unwrap_or_default();
        let name: String = rest
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .take(12)
            .collect();
        *counts.entry(name.to_ascii_lowercase()).or_insert(0) += 1;
    }
    counts
}

#[derive(Default)]
struct State {
    builder: Builder,
    closers: HashMap<String, usize>,
    /// The element that hides text now, and how many of its name are open.
    hidden: Option<(String, usize)>,
    title: Option<String>,
}

struct Sink(RefCell<State>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) => state.text(&text),
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return state.open(&tag),
            Token::TagToken(tag) => state.close(&tag.name),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn text(&mut self, text: &str) {
        if let Some(title) = &mut self.title {
            title.push_str(text);
        } else if self.hidden.is_none() {
            self.builder.text(text);
        }
    }

    fn open(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        let closes = self.closers.get(name).copied().unwrap_or(0) > 0;
        if name == "title"
            && closes
            && self
                .hidden
                .as_ref()
                .is_none_or(|(hidden, _)| hidden == "head")
        {
            self.title = Some(String::new());
            return TokenSinkResult::RawData(RawKind::Rcdata);
        }
        if let Some((hidden, depth)) = &mut self.hidden {
            if hidden == name {
                *depth += 1;
            }
            if name == "img" && hidden == "table" {
                self.image(tag);
            }
            return raw_text(name, closes);
        }
        if closes
            && (SKIPPED.contains(&name) || is_hidden(tag))
            && !tag.self_closing
            && !VOID.contains(&name)
        {
            if !matches!(name, "button" | "rp" | "rt") {
                self.builder.break_block();
            }
            self.hidden = Some((name.to_owned(), 1));
            return raw_text(name, closes);
        }
        self.open_visible(name, tag);
        TokenSinkResult::Continue
    }

    fn open_visible(&mut self, name: &str, tag: &Tag) {
        match name {
            "img" => self.image(tag),
            "a" => {
                self.builder
                    .open_link(attribute(tag, "href").unwrap_or_default());
            }
            "br" => self.builder.text("\n"),
            "ul" | "ol" | "dl" => self.builder.open_list(),
            "blockquote" => self.builder.open_quote(),
            "figcaption" => self.builder.open_caption(),
            _ if heading_level(name).is_some() => {
                self.builder.open_heading(heading_level(name).unwrap_or(1));
            }
            _ if attribute(tag, "class").is_some_and(|class| class.contains("wp-caption-text")) => {
                self.builder.open_caption();
            }
            _ if BLOCKS.contains(&name) => self.builder.break_block(),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if let Some(count) = self.closers.get_mut(name) {
            *count = count.saturating_sub(1);
        }
        if name == "title"
            && let Some(title) = self.title.take()
        {
            return self.builder.title(&title);
        }
        if let Some((hidden, depth)) = &mut self.hidden {
            if hidden == name {
                *depth -= 1;
                if *depth == 0 {
                    self.hidden = None;
                }
            }
            return;
        }
        match name {
            "a" => self.builder.close_link(),
            "ul" | "ol" | "dl" => self.builder.close_list(),
            "blockquote" => self.builder.close_quote(),
            "figcaption" => self.builder.close_caption(),
            "p" => self.builder.close_caption(),
            _ if heading_level(name).is_some() || BLOCKS.contains(&name) => {
                self.builder.break_block();
            }
            _ => {}
        }
    }

    fn image(&mut self, tag: &Tag) {
        let lazy = attribute(tag, "data-src").or_else(|| attribute(tag, "data-lazy-src"));
        if let Some(src) = lazy.or_else(|| attribute(tag, "src")) {
            self.builder.image(src);
        }
    }
}

/// Tells the tokenizer which elements hold no tags (HTML, 13.2.6.4.4 and following).
fn raw_text(name: &str, closes: bool) -> TokenSinkResult<()> {
    match name {
        "script" if closes => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" if closes => {
            TokenSinkResult::RawData(RawKind::Rawtext)
        }
        "textarea" | "title" if closes => TokenSinkResult::RawData(RawKind::Rcdata),
        _ => TokenSinkResult::Continue,
    }
}

fn heading_level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}

fn is_hidden(tag: &Tag) -> bool {
    let style = attribute(tag, "style")
        .unwrap_or_default()
        .replace(' ', "")
        .to_ascii_lowercase();
    attribute(tag, "hidden").is_some()
        || attribute(tag, "aria-hidden") == Some("true")
        || matches!(
            attribute(tag, "role"),
            Some("navigation" | "search" | "menu")
        )
        || style.contains("display:none")
}

fn attribute<'a>(tag: &'a Tag, name: &str) -> Option<&'a str> {
    tag.attrs
        .iter()
        .find(|attribute| &*attribute.name.local == name)
        .map(|attribute| &*attribute.value)
}
