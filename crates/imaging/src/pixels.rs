//! Pixels in memory, as a decoder of ours or of a browser gives them.

use crate::Error;

/// How many bytes make a pixel, and what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue and straight (not premultiplied) alpha.
    Rgba,
    /// Red, green, blue and a byte without a meaning, as a browser hands out opaque pictures.
    Rgbx,
    /// Cyan, magenta, yellow and black as light that they leave: 255 is no ink.
    Inks,
}

impl Channels {
    /// Bytes per pixel.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba | Self::Rgbx | Self::Inks => 4,
        }
    }
}

/// Pixels on their way from a decoder to [`crate::finish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Rows from the top, without padding: `width * height * channels.count()` bytes.
    pub data: Vec<u8>,
    /// Width in pixels. It may be that of the header or less: a JPEG may be decoded at n/8 of its size.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How many bytes make a pixel.
    pub channels: Channels,
    /// Whether the EXIF orientation has been applied. If not, the pixels lie as they are stored.
    pub upright: bool,
    /// Whether the values are sRGB whatever the file's profile says, because the decoder has converted them.
    pub srgb: bool,
}

impl Pixels {
    /// Checks the length that all later steps rely on.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let expected = (self.width as usize)
            .checked_mul(self.height as usize)
            .and_then(|count| count.checked_mul(self.channels.count()));
        if expected != Some(self.data.len()) || self.data.is_empty() {
            return Err(Error::broken(
                "it does not have the size that its header declares",
            ));
        }
        Ok(())
    }

    /// Whether any pixel lets something shine through.
    pub(crate) fn is_transparent(&self) -> bool {
        // By blocks, so that the loop within has no exit and becomes vector instructions.
        self.channels == Channels::Rgba
            && self.data.chunks(4096).any(|block| {
                block
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .fold(255, |all, [.., alpha]| all & alpha)
                    != 255
            })
    }

    /// Lays transparent pixels onto white, in place; the fourth byte has no meaning any more.
    pub(crate) fn onto_white(&mut self) {
        if self.channels != Channels::Rgba {
            return;
        }
        for [r, g, b, a] in self.data.as_chunks_mut::<4>().0 {
            let alpha = *a;
            if alpha != 255 {
                *r = over_white(*r, alpha);
                *g = over_white(*g, alpha);
                *b = over_white(*b, alpha);
                *a = 255;
            }
        }
        self.channels = Channels::Rgbx;
    }

    /// Four inks to the light that a reader sees, in place.
    #[cfg(feature = "decoders")]
    pub(crate) fn ink_to_light(&mut self) {
        for pixel in self.data.as_chunks_mut::<4>().0 {
            let [r, g, b] = crate::inks::look(pixel.map(|light| 255 - light));
            *pixel = [r, g, b, 255];
        }
        self.channels = Channels::Rgbx;
    }

    /// RGBX to RGB, in place.
    #[cfg(feature = "decoders")]
    pub(crate) fn drop_unused(&mut self) {
        if self.channels == Channels::Rgbx {
            shrink::<4, 3>(&mut self.data, |[r, g, b, _]| [r, g, b]);
            self.channels = Channels::Rgb;
        }
    }

    /// The first three bytes of each pixel.
    pub(crate) fn rgb(&self) -> impl Iterator<Item = [u8; 3]> {
        rgb(&self.data, self.channels)
    }
}

/// The first three bytes of each pixel.
pub(crate) fn rgb(data: &[u8], channels: Channels) -> impl Iterator<Item = [u8; 3]> {
    data.chunks_exact(channels.count())
        .map(|pixel| match pixel {
            [r, g, b, ..] => [*r, *g, *b],
            _ => [0; 3],
        })
}

/// `value` with opacity `alpha` over white, rounded.
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Rewrites pixels of `N` bytes as pixels of `M < N` bytes in the same allocation.
#[cfg(feature = "decoders")]
pub(crate) fn shrink<const N: usize, const M: usize>(
    pixels: &mut Vec<u8>,
    convert: impl Fn([u8; N]) -> [u8; M],
) {
    let count = pixels.len() / N;
    for index in 0..count {
        rewrite(pixels, index, &convert);
    }
    pixels.truncate(count * M);
}

/// Puts the pixel at `index`, of `N` bytes, where it lies when pixels have `M`.
#[cfg(feature = "decoders")]
fn rewrite<const N: usize, const M: usize>(
    pixels: &mut [u8],
    index: usize,
    convert: impl Fn([u8; N]) -> [u8; M],
) {
    let from = pixels
        .get(index * N..)
        .and_then(|rest| rest.first_chunk::<N>());
    let Some(to) = from.map(|from| convert(*from)) else {
        return;
    };
    if let Some(place) = pixels
        .get_mut(index * M..)
        .and_then(|rest| rest.first_chunk_mut::<M>())
    {
        *place = to;
    }
}

/// Rewrites the first `count` pixels of `N` bytes as pixels of `M >= N` bytes, in a buffer that has the room.
#[cfg(feature = "decoders")]
pub(crate) fn grow<const N: usize, const M: usize>(
    pixels: &mut [u8],
    count: usize,
    convert: impl Fn([u8; N]) -> [u8; M],
) {
    // From the end, so that no pixel is overwritten before it has been read.
    for index in (0..count).rev() {
        rewrite(pixels, index, &convert);
    }
}
