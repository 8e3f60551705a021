//! Bounded decoding to upright sRGB pixels.

use crate::metadata::Found;
use crate::{
    Error, Format, Header, Options, Warning, color, downscale, gif, jpeg, orient, png, webp,
};

/// How many bytes make a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue and straight (not premultiplied) alpha.
    Rgba,
}

impl Channels {
    /// Bytes per pixel.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// Upright sRGB pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded {
    /// Rows from the top, without padding: `width * height * channels.count()` bytes.
    pub pixels: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How many bytes make a pixel.
    pub channels: Channels,
    /// What a person may want to know.
    pub warnings: Vec<Warning>,
    /// Whether the file's own image data mean these very pixels to anyone who decodes them.
    pub(crate) verbatim: bool,
}

/// Pixels as stored: not upright, in the file's own colours.
pub(crate) struct Raw {
    pub(crate) pixels: Vec<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: Channels,
}

/// [`Raw`] with what is needed to understand its colours.
pub(crate) struct Profiled {
    pub(crate) raw: Raw,
    pub(crate) icc: Option<Vec<u8>>,
    /// Whether the stored values are RGB or grey, as every reader expects.
    pub(crate) usual_colors: bool,
}

impl Raw {
    /// Checks the length that all later steps rely on.
    pub(crate) fn with_profile(
        self,
        icc: Option<Vec<u8>>,
        usual_colors: bool,
    ) -> Result<Profiled, Error> {
        let expected = self.width as usize * self.height as usize * self.channels.count();
        if self.pixels.len() != expected {
            return Err(Error::broken(
                "it does not have the size that its header declares",
            ));
        }
        Ok(Profiled {
            raw: self,
            icc,
            usual_colors,
        })
    }
}

/// Decodes, then downscales, converts and turns. The bounds have been checked on `header`.
pub(crate) fn upright(
    bytes: &[u8],
    header: &Header,
    found: &Found,
    options: &Options,
    longest_edge: u32,
) -> Result<Decoded, Error> {
    let Profiled {
        mut raw,
        icc,
        usual_colors,
    } = match header.format {
        Format::Jpeg => jpeg::decode(bytes, header)?,
        Format::Png => png::decode(bytes, header)?,
        Format::WebP => webp::decode(bytes, header)?,
        Format::Gif => gif::decode(bytes, header)?,
    };
    let transparent = raw.is_transparent();
    if !(transparent && options.keep_alpha) {
        // Laying onto white commutes with the filter, so it is done before: a third less to filter, and no colour of an
        // invisible pixel can bleed into a visible one.
        raw.onto_white();
    }
    let mut small = downscale::to_longest_edge(raw, longest_edge)?;
    let profile = color::to_srgb(&mut small, icc.as_deref(), usual_colors);
    let orientation = header.orientation.unwrap_or(1);
    let Raw {
        pixels,
        width,
        height,
        channels,
    } = orient::upright(small, orientation);
    let verbatim = usual_colors
        && icc.is_none()
        && orientation == 1
        && (!transparent || options.keep_alpha)
        && (width, height) == (header.width, header.height);
    let mut warnings = Vec::new();
    warnings.extend(header.animated.then_some(Warning::FirstFrameOnly));
    warnings.extend(found.truncated.then_some(Warning::Truncated));
    warnings.extend((profile == color::Profile::Ignored).then_some(Warning::ProfileIgnored));
    Ok(Decoded {
        pixels,
        width,
        height,
        channels,
        warnings,
        verbatim,
    })
}

impl Raw {
    fn is_transparent(&self) -> bool {
        self.channels == Channels::Rgba
            && self
                .pixels
                .as_chunks::<4>()
                .0
                .iter()
                .any(|[.., alpha]| *alpha != 255)
    }

    /// RGBA to RGB over white, in place.
    fn onto_white(&mut self) {
        if self.channels == Channels::Rgba {
            shrink::<4, 3>(&mut self.pixels, |[r, g, b, a]| {
                [over_white(r, a), over_white(g, a), over_white(b, a)]
            });
            self.channels = Channels::Rgb;
        }
    }
}

/// `value` with opacity `alpha` over white, rounded.
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Rewrites pixels of `N` bytes as pixels of `M < N` bytes in the same allocation.
pub(crate) fn shrink<const N: usize, const M: usize>(
    pixels: &mut Vec<u8>,
    convert: impl Fn([u8; N]) -> [u8; M],
) {
    let count = pixels.len() / N;
    for index in 0..count {
        let Some(from) = pixels
            .get(index * N..)
            .and_then(|rest| rest.first_chunk::<N>())
        else {
            break;
        };
        let to = convert(*from);
        if let Some(place) = pixels
            .get_mut(index * M..)
            .and_then(|rest| rest.first_chunk_mut::<M>())
        {
            *place = to;
        }
    }
    pixels.truncate(count * M);
}

/// Rewrites the first `count` pixels of `N` bytes as pixels of `M >= N` bytes, in a buffer that has the room.
pub(crate) fn grow<const N: usize, const M: usize>(
    pixels: &mut [u8],
    count: usize,
    convert: impl Fn([u8; N]) -> [u8; M],
) {
    // From the end, so that no pixel is overwritten before it has been read.
    for index in (0..count).rev() {
        let Some(from) = pixels
            .get(index * N..)
            .and_then(|rest| rest.first_chunk::<N>())
        else {
            break;
        };
        let to = convert(*from);
        if let Some(place) = pixels
            .get_mut(index * M..)
            .and_then(|rest| rest.first_chunk_mut::<M>())
        {
            *place = to;
        }
    }
}
