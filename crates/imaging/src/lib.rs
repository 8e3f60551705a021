//! Image bytes to safe, small, upright image bytes; the same on a server and in a browser.
//!
//! A picture comes in as a person has it: from any camera, of any size, with the place where it was taken written into
//! it, perhaps broken, perhaps hostile. [`prepare`] gives back what a summary needs and nothing more: at most 1024 pixels
//! on the longest edge, upright, in sRGB, without metadata; or one [`Error`] that says what to do.
//!
//! No pixel is allocated before the size declared in the header has passed the bounds in [`Options`].
//!
//! The modules stand in the order in which the bytes meet them.

#[cfg(feature = "decoders")]
mod color;
#[cfg(feature = "decoders")]
mod decode;
mod downscale;
mod encode;
mod error;
#[cfg(feature = "drawings")]
mod gif;
#[cfg(feature = "decoders")]
mod inks;
mod inspect;
mod jpeg;
mod judge;
mod metadata;
mod options;
mod orient;
mod pixels;
mod planes;
#[cfg(feature = "drawings")]
mod png;
mod profile;
mod sent;
mod sniff;
#[cfg(feature = "drawings")]
mod webp;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sent::Sent;

#[cfg(feature = "decoders")]
pub use crate::decode::Decoded;
pub use crate::downscale::{Samples, extent, resample};
pub use crate::error::{Error, Exceeded};
pub use crate::inspect::{Inspected, Stored, admit, inspect};
pub use crate::judge::{Class, Exposure, Looks, TOO_SOFT, looks_drawn};
pub use crate::metadata::Metadata;
pub use crate::options::Options;
pub use crate::pixels::{Channels, Pixels};
pub use crate::planes::Planes;
pub use crate::profile::{Gray, Matrix, Profile};
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
    /// What can be said about the pixels that are sent: sharpness, exposure, kind, text.
    pub looks: Looks,
    /// [`Looks::sharpness`].
    pub sharpness: f32,
    /// [`Looks::too_soft`].
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

/// Makes a picture ready to be sent: inspects, decodes within bounds, then [`finish`].
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
#[cfg(feature = "decoders")]
pub fn prepare(bytes: &[u8], options: &Options) -> Result<Prepared, Error> {
    unwind_safe(|| {
        let inspected = admit(bytes, options)?;
        let pixels = decode::pixels(bytes, &inspected, options.longest_edge)?;
        finished(pixels, &inspected, bytes, options)
    })
}

/// Makes decoded pixels ready to be sent: downscales, converts to sRGB, turns upright, judges, encodes.
///
/// For a caller that has a decoder of its own, as a browser has. `inspected` is what [`admit`] said about `original`;
/// the pixels are of the whole picture, at its size or smaller but not below `options.longest_edge`, and say themselves
/// what the decoder has done about orientation and profile.
///
/// # Errors
/// [`Error::Broken`] when the pixels do not have the length that they say, [`Error::Unsupported`] for a transparent
/// result without the feature `drawings`.
pub fn finish(
    pixels: Pixels,
    inspected: &Inspected,
    original: &[u8],
    options: &Options,
) -> Result<Prepared, Error> {
    unwind_safe(|| finished(pixels, inspected, original, options))
}

/// As [`finish`], for a caller who has filtered planes as a JPEG stores them: of the size that is sent, not upright, and with
/// the colours that the file's profile says.
///
/// # Errors
/// [`Error::Broken`] when the planes do not have the size that is sent.
pub fn finish_planes(
    planes: Planes,
    inspected: &Inspected,
    original: &[u8],
    options: &Options,
) -> Result<Prepared, Error> {
    unwind_safe(|| {
        planes.check()?;
        if inspected.profile != Profile::Srgb {
            return finished(planes.to_pixels(false), inspected, original, options);
        }
        let planes = orient::upright_planes(planes, inspected.turn());
        if (planes.width, planes.height) != inspected.target_size(options.longest_edge) {
            return Err(Error::broken(
                "its planes are not of the size that is sent, a bug",
            ));
        }
        let changed = encode::Changed {
            verbatim: false,
            transparent: false,
        };
        let picture = Sent::of_planes(planes);
        encoded(
            &picture,
            changed,
            Applied::Yes,
            inspected,
            original,
            options,
        )
    })
}

/// Decodes at most once and encodes at most once, in this order.
fn finished(
    pixels: Pixels,
    inspected: &Inspected,
    original: &[u8],
    options: &Options,
) -> Result<Prepared, Error> {
    let (pixels, changed, profile) = upright(pixels, inspected, options.longest_edge, options)?;
    let picture = Sent::of_pixels(pixels);
    encoded(&picture, changed, profile, inspected, original, options)
}

/// Judges, then encodes.
fn encoded(
    picture: &Sent,
    changed: encode::Changed,
    profile: Applied,
    inspected: &Inspected,
    original: &[u8],
    options: &Options,
) -> Result<Prepared, Error> {
    let looks = judge::looks(picture);
    let encoded = encode::smallest(original, inspected, picture, &looks, changed, options)?;
    Ok(Prepared {
        bytes: encoded.bytes,
        format: encoded.format,
        width: picture.planes().width,
        height: picture.planes().height,
        original: inspected.header,
        original_bytes: original.len(),
        removed: inspected.metadata.clone(),
        sharpness: looks.sharpness,
        too_soft: looks.too_soft,
        looks,
        warnings: warnings(inspected, profile),
        passed_through: encoded.passed_through,
    })
}

/// Small, in sRGB and the right way up; on white, unless transparency is there and is kept.
fn upright(
    mut pixels: Pixels,
    inspected: &Inspected,
    longest_edge: u32,
    options: &Options,
) -> Result<(Pixels, encode::Changed, Applied), Error> {
    pixels.check()?;
    let stored = (pixels.width, pixels.height);
    let transparent = pixels.is_transparent();
    let keep_alpha = transparent && options.keep_alpha;
    if !keep_alpha {
        // Laying onto white commutes with the filter, so it is done before: a third less to filter, and no colour of an
        // invisible pixel can bleed into a visible one.
        pixels.onto_white();
    }
    let (width, height) = inspected.target_size(longest_edge);
    let turned = inspected.turn() >= 5 && !pixels.upright;
    let to = if turned {
        (height, width)
    } else {
        (width, height)
    };
    let Header { width, height, .. } = inspected.header;
    let full = if pixels.upright {
        inspected.upright_size()
    } else {
        (width, height)
    };
    let small = downscale::to_size(pixels, full, to)?;
    let (small, profile) = to_srgb(small, &inspected.profile);
    let small = orient::upright(small, inspected.turn());
    let changed = encode::Changed {
        verbatim: encode::is_clean(inspected, longest_edge)
            && stored == (width, height)
            && (!transparent || keep_alpha),
        transparent: keep_alpha,
    };
    Ok((small, changed, profile))
}

/// What became of a file's profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applied {
    Yes,
    No,
}

fn to_srgb(mut pixels: Pixels, profile: &Profile) -> (Pixels, Applied) {
    #[cfg(feature = "decoders")]
    if pixels.channels == Channels::Inks {
        pixels.ink_to_light();
    }
    let applied = match profile {
        _ if pixels.srgb => Applied::Yes,
        Profile::Srgb => Applied::Yes,
        Profile::Matrix(matrix) => {
            matrix.apply(&mut pixels);
            Applied::Yes
        }
        Profile::Gray(gray) => {
            gray.apply(&mut pixels);
            Applied::Yes
        }
        #[cfg(feature = "decoders")]
        Profile::Table(icc) => {
            color::apply(&mut pixels, icc).map_or(Applied::No, |()| Applied::Yes)
        }
        #[cfg(not(feature = "decoders"))]
        Profile::Table(_) => Applied::No,
        Profile::Ignored => Applied::No,
    };
    pixels.srgb = true;
    (pixels, applied)
}

fn warnings(inspected: &Inspected, profile: Applied) -> Vec<Warning> {
    let mut warnings = Vec::new();
    warnings.extend(inspected.header.animated.then_some(Warning::FirstFrameOnly));
    warnings.extend(inspected.truncated.then_some(Warning::Truncated));
    warnings.extend((profile == Applied::No).then_some(Warning::ProfileIgnored));
    warnings
}

/// Decodes a picture to upright sRGB pixels at its full size, onto white unless `options.keep_alpha`.
///
/// `options.longest_edge` and `options.quality` have no effect here.
///
/// # Errors
/// As [`prepare`].
#[cfg(feature = "decoders")]
pub fn decode(bytes: &[u8], options: &Options) -> Result<Decoded, Error> {
    unwind_safe(|| {
        let inspected = admit(bytes, options)?;
        let pixels = decode::pixels(bytes, &inspected, u32::MAX)?;
        let (mut pixels, _, profile) = upright(pixels, &inspected, u32::MAX, options)?;
        pixels.drop_unused();
        Ok(Decoded {
            pixels: pixels.data,
            width: pixels.width,
            height: pixels.height,
            channels: pixels.channels,
            warnings: warnings(&inspected, profile),
        })
    })
}

/// How sharp a picture is, as in [`Looks::sharpness`].
#[cfg(feature = "decoders")]
#[must_use]
pub fn sharpness(picture: &Decoded) -> f32 {
    judge::sharpness_of(&Pixels {
        data: picture.pixels.clone(),
        width: picture.width,
        height: picture.height,
        channels: picture.channels,
        upright: true,
        srgb: true,
    })
}

/// The same picture without metadata: its image data are copied byte for byte. None for a GIF.
///
/// The orientation and the profile go with the rest, so it is the same picture only if [`is_clean`] says so.
#[must_use]
pub fn strip(bytes: &[u8], inspected: &Inspected) -> Option<Vec<u8>> {
    match inspected.header.format {
        Format::Jpeg => Some(jpeg::strip(bytes)),
        #[cfg(feature = "drawings")]
        Format::Png => Some(png::strip(bytes)),
        #[cfg(feature = "drawings")]
        Format::WebP => Some(webp::strip(bytes)),
        _ => None,
    }
}

/// Whether the file's own image data mean the very picture that is sent: small, upright, sRGB, whole, not moving.
#[must_use]
pub fn is_clean(inspected: &Inspected, options: &Options) -> bool {
    encode::is_clean(inspected, options.longest_edge)
}

/// Turns a panic of a decoder into an error. Decoders are known to panic on hostile files.
fn unwind_safe<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // Nothing outside `work` is changed by it, so nothing can be left half-changed.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::broken("the decoder gave up on it")))
}
