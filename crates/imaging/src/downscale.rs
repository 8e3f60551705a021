//! Longest edge to a bound, with Lanczos3.
//!
//! The filter works on the stored sRGB values, as the reference of the picture comparison does; what is transparent
//! weighs nothing.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8x3, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::Error;
use crate::decode::{Channels, Raw};

/// Gives `raw` itself when it is small enough: nothing is ever made larger.
pub(crate) fn to_longest_edge(raw: Raw, longest_edge: u32) -> Result<Raw, Error> {
    let (width, height) = fit(raw.width, raw.height, longest_edge);
    if (width, height) == (raw.width, raw.height) {
        return Ok(raw);
    }
    let pixels = match raw.channels {
        Channels::Rgb => lanczos3::<U8x3>(&raw, width, height),
        Channels::Rgba => lanczos3::<U8x4>(&raw, width, height),
    };
    Ok(Raw {
        pixels: pixels?,
        width,
        height,
        channels: raw.channels,
    })
}

// Typed, so that the filters of the twelve other kinds of pixel and their tables stay out of the browser's module.
fn lanczos3<P: PixelTrait>(raw: &Raw, width: u32, height: u32) -> Result<Vec<u8>, Error> {
    let from = TypedImageRef::<P>::from_buffer(raw.width, raw.height, &raw.pixels)
        .map_err(Error::from_decoder)?;
    let mut pixels = vec![0; width as usize * height as usize * P::size()];
    let mut to =
        TypedImage::<P>::from_buffer(width, height, &mut pixels).map_err(Error::from_decoder)?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(raw.channels == Channels::Rgba);
    Resizer::new()
        .resize_typed(&from, &mut to, &options)
        .map_err(Error::from_decoder)?;
    Ok(pixels)
}

/// The size with the same shape whose longest edge is at most `longest_edge`; each edge is at least 1.
fn fit(width: u32, height: u32, longest_edge: u32) -> (u32, u32) {
    let longest = width.max(height);
    let longest_edge = longest_edge.max(1);
    if longest <= longest_edge {
        return (width, height);
    }
    let scaled = |edge: u32| {
        let rounded = (u64::from(edge) * u64::from(longest_edge) + u64::from(longest) / 2)
            / u64::from(longest);
        u32::try_from(rounded).unwrap_or(longest_edge).max(1)
    };
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: (u32, u32), to: (u32, u32)) {
        assert_eq!(fit(from.0, from.1, 1024), to);
    }

    #[test]
    fn the_longest_edge_is_met_exactly() {
        check((4288, 2848), (1024, 680));
        check((2848, 4288), (680, 1024));
        check((1025, 1025), (1024, 1024));
    }

    #[test]
    fn nothing_is_made_larger() {
        check((1024, 1024), (1024, 1024));
        check((1, 1), (1, 1));
    }

    #[test]
    fn a_thin_line_keeps_one_pixel() {
        check((40_000, 3), (1024, 1));
    }
}
