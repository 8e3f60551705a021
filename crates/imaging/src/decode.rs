//! Bounded decoding: the pixels as they are stored. The bounds have been checked on the header.

mod gif;
mod jpeg;
mod png;
mod webp;

use image::{ColorType, ImageDecoder, Limits};

use crate::inspect::Inspected;
use crate::pixels::{Channels, Pixels, grow, shrink};
use crate::{Error, Format, Header, Warning};

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
}

/// The picture as it is stored, in the file's own colours; a JPEG perhaps at n/8 of its size.
///
/// `longest_edge` is that of the result; the pixels have at least five quarters of it, or all that there are.
pub(crate) fn pixels(
    bytes: &[u8],
    inspected: &Inspected,
    longest_edge: u32,
) -> Result<Pixels, Error> {
    let header = &inspected.header;
    let pixels = match header.format {
        Format::Jpeg => jpeg::decode(bytes, inspected, longest_edge)?,
        Format::Png => png::decode(bytes, header)?,
        Format::WebP => webp::decode(bytes, header)?,
        Format::Gif => gif::decode(bytes, header)?,
    };
    pixels.check()?;
    Ok(pixels)
}

/// Pixels of `header`'s size, as stored.
fn stored(data: Vec<u8>, header: &Header, channels: Channels) -> Pixels {
    Pixels {
        data,
        width: header.width,
        height: header.height,
        channels,
        upright: false,
        srgb: false,
    }
}

/// What a decoder may allocate at `header`'s size: the picture at up to 8 bytes a pixel, its rows and its profile.
fn limits(header: &Header) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(header.width);
    limits.max_image_height = Some(header.height);
    limits.max_alloc = Some(header.pixels().saturating_mul(8).saturating_add(16 << 20));
    limits
}

/// Reads all pixels and makes them RGB or RGBA of 8 bits.
fn read_pixels(mut decoder: impl ImageDecoder, header: &Header) -> Result<Pixels, Error> {
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
    let stored_bytes = usize::from(color.bytes_per_pixel());
    // Grey grows to three bytes a pixel in the same allocation.
    let mut data = vec![0; count * stored_bytes.max(3)];
    let Some(place) = data.get_mut(..count * stored_bytes) else {
        return Err(Error::broken("it has no size, which is a bug"));
    };
    decoder.read_image(place).map_err(Error::from_decoder)?;
    let channels = to_8_bits(&mut data, count, color)?;
    data.truncate(count * channels.count());
    Ok(stored(data, header, channels))
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
