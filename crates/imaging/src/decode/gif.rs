//! GIF pixels: the first frame on the transparent canvas.

use std::io::Cursor;

use image::codecs::gif::GifDecoder;

use super::read_pixels;
use crate::pixels::Pixels;
use crate::{Error, Header};

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Pixels, Error> {
    let decoder = GifDecoder::new(Cursor::new(bytes)).map_err(Error::from_decoder)?;
    read_pixels(decoder, header)
}
