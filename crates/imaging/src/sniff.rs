//! Format and declared size, from the first bytes alone.
//!
//! Names and declared media types are never looked at: they are wrong too often, and an attacker chooses them.

use crate::{Error, jpeg};
#[cfg(feature = "drawings")]
use crate::{gif, png, webp};

/// A format that is read and, but for GIF, written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG; of an animated one the default picture.
    Png,
    /// WebP, lossy or lossless; of an animated one the first frame.
    WebP,
    /// GIF, first frame.
    Gif,
}

impl Format {
    /// The media type.
    #[must_use]
    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
        }
    }

    /// The usual file name extension, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
        })
    }
}

/// What a file declares about its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The format, by the magic bytes.
    pub format: Format,
    /// Declared width as stored, before orientation, in pixels; never 0.
    pub width: u32,
    /// Declared height as stored, before orientation, in pixels; never 0.
    pub height: u32,
    /// Whether there is more than one frame.
    pub animated: bool,
    /// The EXIF orientation, 1 to 8, where one is written.
    pub orientation: Option<u8>,
}

impl Header {
    /// Declared pixels.
    #[must_use]
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// Reads the format, the declared size and the orientation. Allocates no pixel and does not bound the size.
///
/// # Errors
/// [`Error::NotAnImage`], [`Error::Unsupported`] for a format that is recognised and not read, [`Error::Broken`] when
/// the header is incomplete or declares no pixel.
pub fn sniff(bytes: &[u8]) -> Result<Header, Error> {
    let header = match bytes {
        [0xFF, 0xD8, 0xFF, ..] => jpeg::header(bytes)?,
        // Not how a JPEG starts, but some readers find the picture in it all the same; so its size is bounded, too.
        [0xFF, 0xD8, ..] => jpeg::header(bytes).map_err(|_| Error::NotAnImage)?,
        _ => other(bytes)?,
    };
    match header {
        Header { width: 0, .. } | Header { height: 0, .. } => {
            Err(Error::broken("its header declares no pixels"))
        }
        header => Ok(header),
    }
}

/// Everything that is no JPEG.
#[cfg(feature = "drawings")]
fn other(bytes: &[u8]) -> Result<Header, Error> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => png::header(bytes),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => webp::header(bytes),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => gif::header(bytes),
        _ => Err(unreadable(bytes)),
    }
}

/// A browser loads the module that knows the rest with the first file that is no JPEG.
#[cfg(not(feature = "drawings"))]
fn other(_bytes: &[u8]) -> Result<Header, Error> {
    Err(Error::NotAnImage)
}

/// Names what is recognised, so that a person learns what to convert.
#[cfg(feature = "drawings")]
fn unreadable(bytes: &[u8]) -> Error {
    let found = match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => return iso_media(brand),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => "BMP",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "TIFF or a camera's raw file",
        [0, 0, 1, 0, count, 0, ..] if *count > 0 => "ICO",
        [b'%', b'P', b'D', b'F', b'-', ..] => "PDF",
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => "JPEG XL",
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => "JPEG 2000",
        [b'8', b'B', b'P', b'S', ..] => "PSD",
        _ if is_svg(bytes) => "SVG",
        _ => return Error::NotAnImage,
    };
    Error::Unsupported { found }
}

/// The ISO base media family is told apart by its brand: major brand, minor version, then compatible brands.
#[cfg(feature = "drawings")]
fn iso_media(brand: &[u8]) -> Error {
    let found = match brand {
        [b'a', b'v', b'i', b'f' | b's', ..] => "AVIF",
        [b'h', b'e', b'i' | b'v', b'c' | b'x' | b'm' | b's', ..] => "HEIC",
        [b'm', b'i', b'f' | b's', b'1', ..]
            if contains(brand.get(..64).unwrap_or(brand), b"avif") =>
        {
            "AVIF"
        }
        [b'm', b'i', b'f' | b's', b'1', ..] => "HEIC",
        _ => "A video",
    };
    Error::Unsupported { found }
}

/// Whether the first kilobyte of a text opens an `<svg` element.
#[cfg(feature = "drawings")]
fn is_svg(bytes: &[u8]) -> bool {
    let start = bytes.get(..1024).unwrap_or(bytes);
    let text = start
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(start)
        .trim_ascii_start();
    text.starts_with(b"<") && contains(text, b"<svg")
}

/// Whether `needle` occurs in `haystack`.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
