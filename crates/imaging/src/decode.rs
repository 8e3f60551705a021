//! Bounded decoding to upright sRGB pixels.

use image::{ColorType, ImageDecoder, Limits};

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

/// What a decoder may allocate at `header`'s size: the picture at up to 8 bytes a pixel, its rows and its profile.
pub(crate) fn limits(header: &Header) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(header.width);
    limits.max_image_height = Some(header.height);
    limits.max_alloc = Some(header.pixels().saturating_mul(8).saturating_add(16 << 20));
    limits
}

/// Reads all pixels and makes them RGB or RGBA of 8 bits.
pub(crate) fn read_pixels(mut decoder: impl ImageDecoder, header: &Header) -> Result<Raw, Error> {
    decoder
        .set_limits(limits(header))
        .map_err(Error::from_decoder)?;
    if decoder.dimensions() != (header.width, header.height) {
        return Err(Error::broken(
            "it does not have the size that its header declares",
        ));
    }
    let color = decoder.color_type();
    let count = header.pixels() as usize;
    let stored = usize::from(color.bytes_per_pixel());
    // Grey grows to three bytes a pixel in the same allocation.
    let mut pixels = vec![0; count * stored.max(3)];
    let Some(place) = pixels.get_mut(..count * stored) else {
        return Err(Error::broken("it has no size, which is a bug"));
    };
    decoder.read_image(place).map_err(Error::from_decoder)?;
    let channels = to_8_bits(&mut pixels, count, color)?;
    pixels.truncate(count * channels.count());
    Ok(Raw {
        pixels,
        width: header.width,
        height: header.height,
        channels,
    })
}

/// Rewrites `count` pixels of `color` in place.
fn to_8_bits(pixels: &mut Vec<u8>, count: usize, color: ColorType) -> Result<Channels, Error> {
    match color {
        ColorType::L8 => grow::<1, 3>(pixels, count, |[y]| [y, y, y]),
        ColorType::La8 => {
            pixels.resize(count * 4, 0);
            grow::<2, 4>(pixels, count, |[y, a]| [y, y, y, a]);
            return Ok(Channels::Rgba);
        }
        ColorType::Rgb8 => {}
        ColorType::Rgba8 => return Ok(Channels::Rgba),
        ColorType::L16 => grow::<2, 3>(pixels, count, |[y0, y1]| [high(y0, y1); 3]),
        ColorType::La16 => {
            shrink::<4, 2>(pixels, |[y0, y1, a0, a1]| [high(y0, y1), high(a0, a1)]);
            return to_8_bits(pixels, count, ColorType::La8);
        }
        ColorType::Rgb16 => shrink::<6, 3>(pixels, |[r0, r1, g0, g1, b0, b1]| {
            [high(r0, r1), high(g0, g1), high(b0, b1)]
        }),
        ColorType::Rgba16 => {
            shrink::<8, 4>(pixels, |[r0, r1, g0, g1, b0, b1, a0, a1]| {
                [high(r0, r1), high(g0, g1), high(b0, b1), high(a0, a1)]
            });
            return Ok(Channels::Rgba);
        }
        _ => return Err(Error::broken("its pixels are of a kind that is not read")),
    }
    Ok(Channels::Rgb)
}

/// 16 bits in native order to 8, rounded.
fn high(first: u8, second: u8) -> u8 {
    let value = u32::from(u16::from_ne_bytes([first, second]));
    ((value * 255 + 32_895) >> 16) as u8
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
