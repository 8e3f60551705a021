//! JPEG pixels: at n/8 of the size where that is enough, else all of them.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::stored;
use crate::inspect::{Inspected, Stored};
use crate::jpeg::{MAX_SCANS, is_adobe, is_planar};
use crate::pixels::{Channels, Pixels, grow};
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
    if is_planar(bytes) {
        // The full decoder reads the first scan and makes the rest of them green. Our own encoder writes such files.
        let size = wanted(header, longest_edge).unwrap_or((u16::MAX, u16::MAX));
        return scaled(bytes, header, size)
            .ok_or_else(|| Error::broken("its colours end too early or are inks"));
    }
    // The scaling decoder refuses what ends early and does not know both kinds of CMYK.
    if inspected.stored == Stored::Cmyk || inspected.truncated {
        return full(bytes, header);
    }
    match wanted(header, longest_edge).and_then(|size| scaled(bytes, header, size)) {
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

/// With the inverse transform at 1/8, 1/4, 1/2 or all of the size; none when that cannot be done.
fn scaled(bytes: &[u8], header: &Header, (width, height): (u16, u16)) -> Option<Pixels> {
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

/// At full size, also what is broken as far as it goes; inks as inks.
fn full(bytes: &[u8], header: &Header) -> Result<Pixels, Error> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(header.width as usize)
        .set_max_height(header.height as usize)
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(Error::from_decoder)?;
    let space = decoder.input_colorspace();
    let inks = space.filter(|space| matches!(space, ColorSpace::CMYK | ColorSpace::YCCK));
    if let Some(space) = inks {
        decoder.set_options(options.jpeg_set_out_colorspace(space));
    }
    let mut data = decoder.decode().map_err(Error::from_decoder)?;
    let Some(space) = inks else {
        return Ok(stored(data, header, Channels::Rgb));
    };
    // Adobe's programs write the light that an ink leaves; without their marker it is the ink.
    match (space, is_adobe(bytes)) {
        (ColorSpace::YCCK, _) => unmix(&mut data),
        (_, false) => data.iter_mut().for_each(|value| *value = 255 - *value),
        (_, true) => {}
    }
    Ok(stored(data, header, Channels::Inks))
}

/// YCCK to the light that cyan, magenta, yellow and black leave, in place.
///
/// The first three are the ink's complement as YCbCr (Adobe technical note 5116, section 18), and Adobe's programs store
/// inks as light: so the light of an ink is what the colour lacks. Conversion: ITU-T T.871, section 7.
fn unmix(data: &mut [u8]) {
    for [y, cb, cr, _] in data.as_chunks_mut::<4>().0 {
        let (luma, blue, red) = (
            f32::from(*y),
            f32::from(*cb) - 128.0,
            f32::from(*cr) - 128.0,
        );
        let round = |value: f32| 255 - (value + 0.5) as u8;
        *y = round(luma + 1.402 * red);
        *cb = round(luma - 0.344_136 * blue - 0.714_136 * red);
        *cr = round(luma + 1.772 * blue);
    }
}
