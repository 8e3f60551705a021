//! Image bytes to safe, small, upright image bytes; the same on a server and in a browser.
//!
//! A picture comes in as a person has it: from any camera, of any size, with the place where it was taken written into
//! it, perhaps broken, perhaps hostile. [`prepare`] gives back what a summary needs and nothing more: at most 1024 pixels
//! on the longest edge, upright, in sRGB, without metadata; or one [`Error`] that says what to do.
//!
//! No pixel is allocated before the size declared in the header has passed the bounds in [`Options`].
//!
//! The modules stand in the order in which the bytes meet them.

mod color;
mod decode;
mod downscale;
mod encode;
mod error;
mod gif;
mod jpeg;
mod metadata;
mod options;
mod orient;
mod png;
mod sharpness;
mod sniff;
mod webp;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use crate::decode::{Channels, Decoded};
pub use crate::error::{Error, Exceeded};
pub use crate::metadata::Metadata;
pub use crate::options::Options;
pub use crate::sharpness::{TOO_SOFT, sharpness};
pub use crate::sniff::{Format, Header, sniff};

/// A picture that is ready to be sent: small, upright, sRGB, without metadata.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Prepared {
    /// The encoded picture.
    pub bytes: Vec<u8>,
    /// The format of `bytes`.
    pub format: Format,
    /// Width of the picture in `bytes`, in pixels.
    pub width: u32,
    /// Height of the picture in `bytes`, in pixels.
    pub height: u32,
    /// What came in: its format, its stored size and its orientation.
    pub original: Header,
    /// Length of what came in, in bytes.
    pub original_bytes: usize,
    /// The metadata that came in and is not in `bytes`.
    pub removed: Vec<Metadata>,
    /// How sharp the picture is, as [`sharpness()`] measures it on the pixels that are sent.
    pub sharpness: f32,
    /// Whether the picture is too blurred to be described well: `sharpness` is below [`TOO_SOFT`].
    pub too_soft: bool,
    /// What a person may want to know about the way from the original to `bytes`.
    pub warnings: Vec<Warning>,
    /// Whether the image data are those of the original, byte for byte; metadata are removed all the same.
    pub passed_through: bool,
}

/// Something that a person may want to know about a picture that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Warning {
    /// The picture moves; only its first frame is used.
    FirstFrameOnly,
    /// The file ends too early; what could be read is used and the rest is grey.
    Truncated,
    /// The colour profile is not one that can be converted; the colours may be slightly off.
    ProfileIgnored,
}

impl Warning {
    /// A stable name in snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstFrameOnly => "first_frame_only",
            Self::Truncated => "truncated",
            Self::ProfileIgnored => "profile_ignored",
        }
    }
}

/// Makes a picture ready to be sent: sniffs, decodes within bounds, downscales, turns upright, encodes.
///
/// A picture that is small enough already and needs no other change keeps its image data and only loses its metadata, so
/// the result is never larger than such an original. A picture is never made larger.
///
/// # Errors
/// [`Error::NotAnImage`], [`Error::Unsupported`], [`Error::TooLarge`] or [`Error::Broken`]; never a panic where
/// panics unwind. In a browser a panic traps, and the owner of the instance makes a new one.
///
/// # Examples
/// ```
/// # fn main() -> Result<(), imaging::Error> {
/// let photo = include_bytes!("../tests/fixtures/turned.jpg");
/// let prepared = imaging::prepare(photo, &imaging::Options::default())?;
/// assert!(prepared.width <= 1024 && prepared.height <= 1024);
/// # Ok(())
/// # }
/// ```
pub fn prepare(bytes: &[u8], options: &Options) -> Result<Prepared, Error> {
    unwind_safe(|| {
        let header = sniff::admit(bytes, options)?;
        let found = metadata::read(bytes, &header)?;
        let decoded = decode::upright(bytes, &header, &found, options, options.longest_edge)?;
        let sharpness = sharpness::sharpness(&decoded);
        let encoded = encode::smallest(bytes, &header, &found, &decoded, options)?;
        Ok(encoded.into_prepared(bytes.len(), header, found, decoded, sharpness))
    })
}

/// Decodes a picture to upright sRGB pixels at its full size, onto white unless `options.keep_alpha`.
///
/// `options.longest_edge` and `options.quality` have no effect here.
///
/// # Errors
/// As [`prepare`].
pub fn decode(bytes: &[u8], options: &Options) -> Result<Decoded, Error> {
    unwind_safe(|| {
        let header = sniff::admit(bytes, options)?;
        let found = metadata::read(bytes, &header)?;
        decode::upright(bytes, &header, &found, options, u32::MAX)
    })
}

/// Lists the metadata that a picture carries, without decoding it.
///
/// # Errors
/// As [`sniff`], and [`Error::Broken`] when the parts of the file cannot be walked.
pub fn inspect(bytes: &[u8]) -> Result<Vec<Metadata>, Error> {
    let header = sniff(bytes)?;
    Ok(metadata::read(bytes, &header)?.list)
}

/// Turns a panic of a decoder into an error. Decoders are known to panic on hostile files.
fn unwind_safe<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // Nothing outside `work` is changed by it, so nothing can be left half-changed.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::broken("the decoder gave up on it")))
}
