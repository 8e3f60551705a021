//! Collects the blocks; both the HTML and the Markdown reader drive it.

use super::{Block, BlockKind, Document, ImagePlace, MAX_BLOCKS, MAX_IMAGES, leads_to, mask};
use crate::segment::is_han;

/// The document so far, and the block that is being written.
#[derive(Debug, Default)]
pub(super) struct Builder {
    document: Document,
    text: String,
    heading: Option<u8>,
    above: Option<usize>,
    caption: bool,
    list_depth: usize,
    quote_depth: usize,
    pending_images: Vec<Image>,
    link: Option<Link>,
}

/// An image whose block is not complete.
#[derive(Debug)]
struct Image {
    src: String,
    link: Option<String>,
}

/// A link that is open.
#[derive(Debug)]
struct Link {
    address: String,
    /// Images before it.
    images: usize,
    /// Whether it holds words.
    says: bool,
}

impl Builder {
    /// Adds text to the block that is being written.
    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(text);
        if let Some(link) = &mut self.link {
            link.says |= text.chars().any(char::is_alphanumeric);
        }
    }

    /// A link begins; one that is open ends here (HTML, 13.2.6.4.7).
    pub(super) fn open_link(&mut self, address: &str) {
        self.close_link();
        self.link = Some(Link {
            address: address.to_owned(),
            images: self.images(),
            says: false,
        });
    }

    /// The open link ends: the images in it lead where it leads, unless it has words for that.
    pub(super) fn close_link(&mut self) {
        let Some(link) = self.link.take().filter(|link| !link.says) else {
            return;
        };
        let done = self.document.images.iter_mut();
        let places = done.map(|place| &mut place.link);
        let places = places.chain(self.pending_images.iter_mut().map(|image| &mut image.link));
        let inside: Vec<&mut Option<String>> = places.skip(link.images).collect();
        if inside.is_empty() {
            return;
        }
        let end = leads_to(&link.address);
        for place in inside {
            place.clone_from(&end);
        }
    }

    fn images(&self) -> usize {
        self.document.images.len() + self.pending_images.len()
    }

    /// Ends the block that is being written and starts one whose kind is told by what is open.
    pub(super) fn break_block(&mut self) {
        self.flush();
        self.heading = None;
    }

    pub(super) fn open_heading(&mut self, level: u8) {
        self.flush();
        self.heading = Some(level.clamp(1, 6));
    }

    pub(super) fn open_list(&mut self) {
        self.break_block();
        self.list_depth += 1;
    }

    pub(super) fn close_list(&mut self) {
        self.break_block();
        self.list_depth = self.list_depth.saturating_sub(1);
    }

    pub(super) fn open_quote(&mut self) {
        self.break_block();
        self.quote_depth += 1;
    }

    pub(super) fn close_quote(&mut self) {
        self.break_block();
        self.quote_depth = self.quote_depth.saturating_sub(1);
    }

    pub(super) fn open_caption(&mut self) {
        self.break_block();
        self.caption = true;
    }

    pub(super) fn close_caption(&mut self) {
        self.break_block();
        self.caption = false;
    }

    /// An image at this place; it belongs to the block that is being written.
    pub(super) fn image(&mut self, src: &str) {
        if self.images() < MAX_IMAGES {
            self.pending_images.push(Image {
                src: src.trim().to_owned(),
                link: None,
            });
        }
    }

    pub(super) fn title(&mut self, title: &str) {
        let title = tidy(title);
        if self.document.title.is_none() && !title.is_empty() {
            self.document.title = Some(title);
        }
    }

    pub(super) fn finish(mut self) -> Document {
        self.flush();
        self.document
    }

    fn flush(&mut self) {
        let text = tidy(&mask::without_shortcodes(&self.text));
        self.text.clear();
        let index = self.document.blocks.len();
        for Image { src, link } in std::mem::take(&mut self.pending_images) {
            self.document.images.push(ImagePlace {
                src,
                link,
                caption: None,
                block: index,
                heading: self.above,
            });
        }
        if !text.chars().any(char::is_alphanumeric) || index >= MAX_BLOCKS {
            return;
        }
        let kind = self.kind();
        if kind == BlockKind::Caption {
            self.caption_of_last_image(&text);
        }
        self.document.blocks.push(Block {
            kind,
            text,
            heading: self.above,
        });
        if matches!(kind, BlockKind::Heading(_)) {
            self.above = Some(index);
        }
    }

    fn kind(&self) -> BlockKind {
        match self.heading {
            Some(level) => BlockKind::Heading(level),
            None if self.caption => BlockKind::Caption,
            None if self.quote_depth > 0 => BlockKind::Quote,
            None if self.list_depth > 0 => BlockKind::ListItem,
            None => BlockKind::Paragraph,
        }
    }

    fn caption_of_last_image(&mut self, text: &str) {
        let next = self.document.blocks.len();
        if let Some(place) = self
            .document
            .images
            .last_mut()
            .filter(|place| place.block == next)
        {
            place.caption.get_or_insert_with(|| text.to_owned());
        }
    }
}

/// Characters that show nothing and only hide or reorder text. The joiners of Persian and of emoji are kept.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}')
}

/// One line: white space folded, invisible and control characters removed, no space between two Han characters.
pub(crate) fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = true;
        } else if !c.is_control() && !is_invisible(c) {
            if space && needs_space(&out, c) {
                out.push(' ');
            }
            space = false;
            out.push(c);
        }
    }
    out
}

fn needs_space(before: &str, next: char) -> bool {
    let Some(last) = before.chars().next_back() else {
        return false;
    };
    let full = |c: char| {
        is_han(c)
            || matches!(c, '\u{3000}'..='\u{303f}' | '\u{3040}'..='\u{30ff}' | '\u{ff00}'..='\u{ffef}')
    };
    !(full(last) && full(next))
}
