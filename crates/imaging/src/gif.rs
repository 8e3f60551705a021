//! GIF: blocks, header and the first frame. Source: GIF89a specification, sections 18 to 27.

use crate::metadata::{Found, Metadata};
use crate::{Error, Format, Header};

/// The logical screen, and whether a second image follows the first.
pub(crate) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let Some([w0, w1, h0, h1]) = bytes.get(6..).and_then(|rest| rest.first_chunk()).copied() else {
        return Err(Error::broken("it ends before its size is declared"));
    };
    Ok(Header {
        format: Format::Gif,
        width: u32::from(u16::from_le_bytes([w0, w1])),
        height: u32::from(u16::from_le_bytes([h0, h1])),
        animated: Blocks::of(bytes)
            .filter(|block| matches!(block, Block::Image))
            .nth(1)
            .is_some(),
        orientation: None,
    })
}

pub(crate) fn metadata(bytes: &[u8]) -> Found {
    let mut found = Found {
        truncated: true,
        bits: 8,
        ..Found::default()
    };
    for block in Blocks::of(bytes) {
        match block {
            Block::Image => {}
            Block::End { rest } => {
                found.truncated = false;
                if !rest.is_empty() {
                    found.note(Metadata::Trailer);
                }
            }
            // Graphic control: length, flags, of which one is for transparency.
            Block::Extension {
                label: 0xF9, data, ..
            } => {
                found.alpha |= data.get(1).is_some_and(|flags| flags & 1 != 0);
            }
            // The loop count of an animation.
            Block::Extension {
                data: [11, b'N', b'E', b'T', b'S', ..] | [11, b'A', b'N', b'I', b'M', ..],
                ..
            } => {}
            Block::Extension {
                data: [11, b'X', b'M', b'P', ..],
                ..
            } => found.note(Metadata::Xmp),
            Block::Extension {
                data: [11, b'I', b'C', b'C', ..],
                ..
            } => found.note(Metadata::ColorProfile),
            Block::Extension {
                label: 0xFE | 0x01, ..
            } => found.note(Metadata::Comment),
            Block::Extension { .. } => found.note(Metadata::Other),
        }
    }
    found
}

enum Block<'a> {
    Image,
    /// `data` starts with the length of the first sub-block.
    Extension {
        label: u8,
        data: &'a [u8],
    },
    End {
        rest: &'a [u8],
    },
}

/// The blocks after the logical screen, up to the trailer or to where the file ends.
struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Blocks<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let flags = bytes.get(10).copied().unwrap_or_default();
        Self {
            rest: bytes.get(13 + color_table(flags)..).unwrap_or_default(),
        }
    }

    /// Moves past sub-blocks to after their terminator.
    fn skip_sub_blocks(&mut self) -> Option<()> {
        loop {
            let length = usize::from(*self.rest.first()?);
            self.rest = self.rest.get(length + 1..)?;
            if length == 0 {
                return Some(());
            }
        }
    }
}

/// Length of the colour table that the flags of a screen or an image announce.
fn color_table(flags: u8) -> usize {
    if flags & 0x80 == 0 {
        0
    } else {
        3 << ((flags & 7) + 1)
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        match self.rest {
            [0x2C, rest @ ..] => {
                let flags = *rest.get(8)?;
                self.rest = rest.get(9 + color_table(flags) + 1..)?;
                self.skip_sub_blocks()?;
                Some(Block::Image)
            }
            [0x21, label, data @ ..] => {
                self.rest = data;
                self.skip_sub_blocks()?;
                Some(Block::Extension {
                    label: *label,
                    data,
                })
            }
            [0x3B, rest @ ..] => {
                self.rest = &[];
                Some(Block::End { rest })
            }
            _ => None,
        }
    }
}
