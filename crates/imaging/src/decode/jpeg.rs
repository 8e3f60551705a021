//! JPEG pixels: at n/8 of the size where that is enough, else all of them.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::stored;
use crate::inspect::{Inspected, Stored};
use crate::jpeg::{MAX_SCANS, is_adobe};
use crate::pixels::{Channels, Pixels, grow, shrink};
use crate::{Error, Header};

/// How much larger than the result a picture is decoded at least, in quarters.
///
/// From 5/4 on the filter has what it needs: against a filter over all pixels a picture decoded at 1.0 of the result has
/// lost up to 3 dB.
const SPARE_QUARTERS: u32 = 5;

/// Decodes as stored. What the scaling decoder cannot do, the full decoder does.
pub(super) fn decode(
    bytes: &[u8],
    inspected: &Inspected,
    longest_edge: u32,
) -> Result<Pixels, Error> {
    let header = &inspected.header;
    // The scaling decoder refuses what ends early and does not know both kinds of CMYK.
    if inspected.stored == Stored::Cmyk || inspected.truncated {
        return full(bytes, header);
    }
    match scaled(bytes, header, longest_edge) {
        Some(pixels) => Ok(pixels),
        None => full(bytes, header),
    }
}

/// The size to decode at, or none if that is the whole.
fn wanted(header: &Header, longest_edge: u32) -> Option<(u16, u16)> {
    let longest = header.width.max(header.height);
    let enough = longest_edge.checked_mul(SPARE_QUARTERS)?.div_ceil(4);
    // The halves are the largest scale below one.
    if enough > longest.div_ceil(2) {
        return None;
    }
    let part = |edge: u32| {
        let part = (u64::from(edge) * u64::from(enough)).div_ceil(u64::from(longest));
        u16::try_from(part.max(1)).ok()
    };
    Some((part(header.width)?, part(header.height)?))
}

/// With the inverse transform at 1/8, 1/4 or 1/2 of the size; none when that is not enough or cannot be done.
fn scaled(bytes: &[u8], header: &Header, longest_edge: u32) -> Option<Pixels> {
    let (width, height) = wanted(header, longest_edge)?;
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(usize::try_from(header.pixels()).ok()?.checked_mul(4)?);
    let (width, height) = decoder.scale(width, height).ok()?;
    let mut data = decoder.decode().ok()?;
    let format = decoder.info()?.pixel_format;
    match format {
        jpeg_decoder::PixelFormat::RGB24 => {}
        jpeg_decoder::PixelFormat::L8 => {
            let count = data.len();
            data.resize(count * 3, 0);
            grow::<1, 3>(&mut data, count, |[y]| [y, y, y]);
        }
        _ => return None,
    }
    Some(Pixels {
        data,
        width: u32::from(width),
        height: u32::from(height),
        channels: Channels::Rgb,
        upright: false,
        srgb: false,
    })
}

/// At full size, also what is broken as far as it goes, and inks as the red, green and blue that they look like.
fn full(bytes: &[u8], header: &Header) -> Result<Pixels, Error> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(header.width as usize)
        .set_max_height(header.height as usize)
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(Error::from_decoder)?;
    // The decoder takes CMYK as Adobe writes it, inverted. Without Adobe's marker the values are plain ink.
    let plain_ink = decoder.input_colorspace() == Some(ColorSpace::CMYK) && !is_adobe(bytes);
    if plain_ink {
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::CMYK));
    }
    let mut pixels = decoder.decode().map_err(Error::from_decoder)?;
    if plain_ink {
        ink_to_rgb(&mut pixels);
    }
    Ok(stored(pixels, header, Channels::Rgb))
}

/// Plain CMYK to RGB, in place: four bytes become three.
fn ink_to_rgb(pixels: &mut Vec<u8>) {
    let light = |ink: u8, black: u8| {
        let product = u32::from(255 - ink) * u32::from(255 - black);
        ((product + 127) / 255) as u8
    };
    shrink::<4, 3>(pixels, |[c, m, y, k]| {
        [light(c, k), light(m, k), light(y, k)]
    });
}
