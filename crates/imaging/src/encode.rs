//! Pixels to the fewest bytes that show them well.
//!
//! A photograph becomes a JPEG with its colours sampled at a quarter. What a program drew becomes a PNG of at most 256
//! colours, which for such a picture is smaller than a JPEG and leaves text its edges; if its colours are too many, a
//! JPEG of higher quality with all colours. Nothing is ever larger than what came in, but where no encoding is.

mod jpeg;
#[cfg(feature = "drawings")]
mod palette;
#[cfg(feature = "drawings")]
mod png;

use self::jpeg::Chroma;
use crate::inspect::Inspected;
use crate::judge::{Class, Looks};
use crate::profile::Profile;
use crate::sent::Sent;
use crate::{Error, Format, Options};

/// An original of at most so many bytes is never worth a second encoding.
const SMALL_FILE: usize = 64 << 10;

/// JPEG quality for what a program drew: with all colours from here on small print is readable (40 dB and more).
const DRAWN_QUALITY: u8 = 90;

/// Added to the asked quality for what a program drew.
const DRAWN_MORE: u8 = 5;

/// The mean squared error that a palette may cost: 41 dB.
#[cfg(feature = "drawings")]
const PALETTE_ERROR: f64 = 5.2;

/// How the quality is lowered, step by step, until a result is no larger than the original.
const STEPS_DOWN: [u8; 4] = [10, 25, 40, 55];

/// Encoded pixels, or the original's image data without its metadata.
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) format: Format,
    pub(crate) passed_through: bool,
}

/// What became of the pixels on the way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    /// Whether they are still what the file means to anyone who decodes it, but for what a lossy encoding costs.
    pub(crate) verbatim: bool,
    /// Whether some let the ground shine through, and are to.
    pub(crate) transparent: bool,
}

/// Whether the file's own image data mean the very picture that is sent.
pub(crate) fn is_clean(inspected: &Inspected, longest_edge: u32) -> bool {
    let (width, height) = inspected.upright_size();
    width.max(height) <= longest_edge
        && inspected.turn() == 1
        && inspected.profile == Profile::Srgb
        && !inspected.truncated
        && !inspected.header.animated
        && inspected.stored != crate::Stored::Cmyk
        && inspected.bits <= 8
}

/// Chooses between the original's own image data, a JPEG and a PNG.
pub(crate) fn smallest(
    original: &[u8],
    inspected: &Inspected,
    picture: &Sent,
    looks: &Looks,
    changed: Changed,
    options: &Options,
) -> Result<Encoded, Error> {
    let kept = changed
        .verbatim
        .then(|| keep(original, inspected))
        .flatten();
    let fair = fair_size(picture);
    if let Some(kept) = kept {
        // At four bits a pixel a picture is as small as a good JPEG; encoding it again would only lose quality.
        if kept.bytes.len() <= fair {
            return Ok(kept);
        }
        let encoded = encode(original.len(), picture, looks, changed, options)?;
        return Ok(if encoded.bytes.len() < kept.bytes.len() {
            encoded
        } else {
            kept
        });
    }
    encode(original.len(), picture, looks, changed, options)
}

/// Four bits a pixel, or what is small for any picture.
fn fair_size(picture: &Sent) -> usize {
    SMALL_FILE.max(picture.planes().luma.len() / 2)
}

/// The original without metadata.
fn keep(original: &[u8], inspected: &Inspected) -> Option<Encoded> {
    Some(Encoded {
        bytes: crate::strip(original, inspected)?,
        format: inspected.header.format,
        passed_through: true,
    })
}

fn encode(
    original: usize,
    picture: &Sent,
    looks: &Looks,
    changed: Changed,
    options: &Options,
) -> Result<Encoded, Error> {
    if changed.transparent {
        return exact(picture);
    }
    if looks.class != Class::Photo {
        let budget = original.min(fair_size(picture));
        if let Some(drawn) = drawn(picture, budget, options)? {
            return Ok(drawn);
        }
    }
    let mut smallest = jpeg::write(picture.planes(), options.quality, Chroma::Quarter)?;
    for step in STEPS_DOWN {
        if smallest.len() <= original {
            break;
        }
        let quality = options.quality.saturating_sub(step).max(20);
        let smaller = jpeg::write(picture.planes(), quality, Chroma::Quarter)?;
        if smaller.len() < smallest.len() {
            smallest = smaller;
        }
    }
    let jpeg = of_jpeg(smallest);
    // A tiny picture is mostly tables as a JPEG.
    if jpeg.bytes.len() > original
        && let Ok(exact) = exact(picture)
        && exact.bytes.len() < jpeg.bytes.len()
    {
        return Ok(exact);
    }
    Ok(jpeg)
}

/// What a program drew, within `budget` bytes; none if that cannot be.
fn drawn(picture: &Sent, budget: usize, options: &Options) -> Result<Option<Encoded>, Error> {
    if let Some(png) = indexed(picture)
        && png.bytes.len() <= budget
    {
        return Ok(Some(png));
    }
    let quality = options
        .quality
        .saturating_add(DRAWN_MORE)
        .clamp(DRAWN_QUALITY, 100);
    let jpeg = jpeg::write(picture.planes(), quality, Chroma::Full)?;
    Ok((jpeg.len() <= budget).then(|| of_jpeg(jpeg)))
}

fn of_jpeg(bytes: Vec<u8>) -> Encoded {
    Encoded {
        bytes,
        format: Format::Jpeg,
        passed_through: false,
    }
}

/// A PNG of at most 256 colours, if these are near enough.
#[cfg(feature = "drawings")]
fn indexed(picture: &Sent) -> Option<Encoded> {
    let pixels = picture.as_pixels();
    let indexed = palette::reduce(&pixels).filter(|indexed| indexed.error <= PALETTE_ERROR)?;
    Some(Encoded {
        bytes: png::write_indexed(&indexed, pixels.width),
        format: Format::Png,
        passed_through: false,
    })
}

#[cfg(not(feature = "drawings"))]
fn indexed(_: &Sent) -> Option<Encoded> {
    None
}

/// A PNG without loss.
#[cfg(feature = "drawings")]
fn exact(picture: &Sent) -> Result<Encoded, Error> {
    Ok(Encoded {
        bytes: png::write_exact(&picture.as_pixels()),
        format: Format::Png,
        passed_through: false,
    })
}

#[cfg(not(feature = "drawings"))]
fn exact(_: &Sent) -> Result<Encoded, Error> {
    Err(Error::Unsupported {
        found: "A transparent picture without the feature `drawings`",
    })
}
