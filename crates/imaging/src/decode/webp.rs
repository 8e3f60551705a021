//! WebP pixels, or those of the first frame of several.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;

use super::read_pixels;
use crate::pixels::Pixels;
use crate::{Error, Header};

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Pixels, Error> {
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(Error::from_decoder)?;
    read_pixels(decoder, header)
}
