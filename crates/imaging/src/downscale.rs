//! Longest edge to a bound, with Lanczos3.
//!
//! The filter works on the stored sRGB values, as the reference of the picture comparison does; what is transparent
//! weighs nothing.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::Error;
use crate::decode::{Channels, Raw};

/// Gives `raw` itself when it is small enough: nothing is ever made larger.
pub(crate) fn to_longest_edge(raw: Raw, longest_edge: u32) -> Result<Raw, Error> {
    let (width, height) = fit(raw.width, raw.height, longest_edge);
    if (width, height) == (raw.width, raw.height) {
        return Ok(raw);
    }
    let kind = match raw.channels {
        Channels::Rgb => PixelType::U8x3,
        Channels::Rgba => PixelType::U8x4,
    };
    let from =
        ImageRef::new(raw.width, raw.height, &raw.pixels, kind).map_err(Error::from_decoder)?;
    let mut to = Image::new(width, height, kind);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(raw.channels == Channels::Rgba);
    Resizer::new()
        .resize(&from, &mut to, &options)
        .map_err(Error::from_decoder)?;
    Ok(Raw {
        pixels: to.into_vec(),
        width,
        height,
        channels: raw.channels,
    })
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
