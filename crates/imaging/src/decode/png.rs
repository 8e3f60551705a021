//! PNG pixels: palettes and bits expanded, `tRNS` applied; of an animation the first frame.

use std::io::Cursor;

use image::AnimationDecoder;
use image::codecs::png::PngDecoder;

use super::{limits, read_pixels, stored};
use crate::pixels::{Channels, Pixels};
use crate::png::has_cover;
use crate::{Error, Header};

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Pixels, Error> {
    let decoder =
        PngDecoder::with_limits(Cursor::new(bytes), limits(header)).map_err(Error::from_decoder)?;
    if !has_cover(bytes) {
        return read_pixels(decoder, header);
    }
    let frames = decoder.apng().map_err(Error::from_decoder)?.into_frames();
    let frame = frames.into_iter().next();
    let frame = frame.ok_or_else(|| Error::broken("its animation has no frame"))?;
    let frame = frame.map_err(Error::from_decoder)?.into_buffer();
    if frame.dimensions() != (header.width, header.height) {
        return Err(Error::broken(
            "it does not have the size that its header declares",
        ));
    }
    Ok(stored(frame.into_raw(), header, Channels::Rgba))
}
