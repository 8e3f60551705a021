//! What a file says about itself, before and without any decoding.

use crate::metadata::{self, Metadata};
use crate::profile::{self, Profile};
use crate::sniff::{self, Header};
use crate::{Error, Exceeded, Options};

/// How the colours of a file are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Stored {
    /// One channel of grey.
    Gray,
    /// Red, green and blue, or what every reader makes of them without asking: YCbCr, a palette.
    #[default]
    Rgb,
    /// Four inks. Only the decoders of this crate are known to read both ways of writing them.
    Cmyk,
}

/// What a file says about itself. Reading it costs no pixel and no time that grows with the picture's size.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Inspected {
    /// Format, stored size, orientation, animation.
    pub header: Header,
    /// The metadata that the file carries, each kind once.
    pub metadata: Vec<Metadata>,
    /// Whether the file ends before its picture does.
    pub truncated: bool,
    /// Whether the format says that pixels may be transparent.
    pub alpha: bool,
    /// Bits of one channel, or of a palette's index.
    pub bits: u8,
    /// How the colours are stored.
    pub stored: Stored,
    /// What the colours mean.
    pub profile: Profile,
}

impl Inspected {
    /// The size once upright, in pixels.
    #[must_use]
    pub fn upright_size(&self) -> (u32, u32) {
        let Header { width, height, .. } = self.header;
        if self.turn() >= 5 {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// The size of the result, upright, in pixels: longest edge bounded, nothing made larger.
    #[must_use]
    pub fn target_size(&self, longest_edge: u32) -> (u32, u32) {
        let (width, height) = self.upright_size();
        crate::downscale::fit(width, height, longest_edge)
    }

    /// The orientation, 1 where none is written.
    pub(crate) fn turn(&self) -> u8 {
        self.header.orientation.unwrap_or(1)
    }
}

/// Reads the format, the declared size and all that a file says about its picture and its maker. Decodes nothing.
///
/// The size is not bounded here; [`admit`] does both.
///
/// # Errors
/// As [`crate::sniff()`], and [`Error::Broken`] when the parts of the file cannot be walked.
pub fn inspect(bytes: &[u8]) -> Result<Inspected, Error> {
    with_header(bytes, sniff::sniff(bytes)?)
}

/// The bounds of `options` first, then [`inspect`]: a bomb is refused before its parts are walked.
///
/// # Errors
/// [`Error::TooLarge`] with the bound, and as [`inspect`].
pub fn admit(bytes: &[u8], options: &Options) -> Result<Inspected, Error> {
    if bytes.len() > options.max_bytes {
        let exceeded = Exceeded::Bytes {
            bytes: bytes.len(),
            max: options.max_bytes,
        };
        return Err(Error::TooLarge { exceeded });
    }
    let header = sniff::sniff(bytes)?;
    if header.pixels() > options.max_pixels {
        let Header { width, height, .. } = header;
        return Err(Error::TooLarge {
            exceeded: Exceeded::Pixels {
                width,
                height,
                max: options.max_pixels,
            },
        });
    }
    with_header(bytes, header)
}

fn with_header(bytes: &[u8], header: Header) -> Result<Inspected, Error> {
    let found = metadata::read(bytes, &header)?;
    let profile = match (found.icc, found.stored) {
        (None, _) => Profile::Srgb,
        // It describes the inks, not the red, green and blue that a decoder makes of them.
        (Some(_), Stored::Cmyk) => Profile::Ignored,
        (Some(icc), _) => profile::read(icc),
    };
    #[cfg(feature = "drawings")]
    let profile = found.named.unwrap_or(profile);
    Ok(Inspected {
        header,
        metadata: found.list,
        truncated: found.truncated,
        alpha: found.alpha,
        bits: found.bits,
        stored: found.stored,
        profile,
    })
}
