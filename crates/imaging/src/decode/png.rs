//! PNG pixels: palettes and bits expanded, `tRNS` applied; of an animation the default picture.

use std::io::Cursor;

use image::codecs::png::PngDecoder;

use super::{limits, read_pixels};
use crate::pixels::Pixels;
use crate::{Error, Header};

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Pixels, Error> {
    let decoder =
        PngDecoder::with_limits(Cursor::new(bytes), limits(header)).map_err(Error::from_decoder)?;
    read_pixels(decoder, header)
}
