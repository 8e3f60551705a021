//! Longest edge to a bound, with Lanczos3.
//!
//! The filter works on the stored values, as the reference of the picture comparison does; what is transparent weighs
//! nothing.

use fast_image_resize::images::{TypedImage, TypedImageRef};
#[cfg(feature = "decoders")]
use fast_image_resize::pixels::U8x3;
use fast_image_resize::pixels::{U8, U8x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::Error;
#[cfg(feature = "decoders")]
use crate::pixels::Channels;
use crate::pixels::Pixels;

/// Gives pixels of the size `to`.
///
/// `full` is the size that the file declares, turned as `pixels` are. It tells which part of the last column and row of
/// a picture decoded at n/8 is picture: a decoder rounds up.
pub(crate) fn to_size(pixels: Pixels, full: (u32, u32), to: (u32, u32)) -> Result<Pixels, Error> {
    let from = (pixels.width, pixels.height);
    if from == to {
        return Ok(pixels);
    }
    filtered(&pixels, extent(from, full), to)
}

/// A browser has filtered its pixels by [`resample`], and needs no second copy of the filter here.
#[cfg(not(feature = "decoders"))]
fn filtered(_: &Pixels, _: (f64, f64), _: (u32, u32)) -> Result<Pixels, Error> {
    Err(Error::broken(
        "its pixels are not of the size that is sent, a bug",
    ))
}

#[cfg(feature = "decoders")]
fn filtered(pixels: &Pixels, exact: (f64, f64), to: (u32, u32)) -> Result<Pixels, Error> {
    let from = (pixels.width, pixels.height);
    let data = match pixels.channels {
        Channels::Rgb => lanczos3::<U8x3>(&pixels.data, from, exact, to, false)?,
        Channels::Rgba => lanczos3::<U8x4>(&pixels.data, from, exact, to, true)?,
        Channels::Rgbx | Channels::Inks => lanczos3::<U8x4>(&pixels.data, from, exact, to, false)?,
    };
    let (width, height) = to;
    Ok(Pixels {
        data,
        width,
        height,
        ..*pixels
    })
}

/// How many bytes stand side by side and are filtered each for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// A plane.
    One,
    /// A pixel of four bytes.
    Four,
}

/// Filters rows of `samples` with Lanczos3: the part from the corner to `seen` of a picture of the size `from`, to the size
/// `to`. For a caller whose pixels come in bands or planes; an edge that stays as it is is not filtered.
///
/// # Errors
/// [`Error::Broken`] when the sizes do not fit the data, which is a bug.
pub fn resample(
    data: &[u8],
    samples: Samples,
    from: (u32, u32),
    seen: (f64, f64),
    to: (u32, u32),
) -> Result<Vec<u8>, Error> {
    match samples {
        Samples::One => lanczos3::<U8>(data, from, seen, to, false),
        Samples::Four => lanczos3::<U8x4>(data, from, seen, to, false),
    }
}

// Typed, so that the filters of the twelve other kinds of pixel and their tables stay out of the browser's module.
fn lanczos3<P: PixelTrait>(
    data: &[u8],
    from: (u32, u32),
    seen: (f64, f64),
    (width, height): (u32, u32),
    use_alpha: bool,
) -> Result<Vec<u8>, Error> {
    let from =
        TypedImageRef::<P>::from_buffer(from.0, from.1, data).map_err(Error::from_decoder)?;
    let mut data = vec![0; width as usize * height as usize * P::size()];
    let mut to =
        TypedImage::<P>::from_buffer(width, height, &mut data).map_err(Error::from_decoder)?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .crop(0.0, 0.0, seen.0, seen.1)
        .use_alpha(use_alpha);
    Resizer::new()
        .resize_typed(&from, &mut to, &options)
        .map_err(Error::from_decoder)?;
    Ok(data)
}

/// How much of a picture of the size `has` is picture, when it was decoded from `full` at n/8.
pub fn extent(has: (u32, u32), full: (u32, u32)) -> (f64, f64) {
    let whole = (f64::from(has.0), f64::from(has.1));
    if has == full {
        return whole;
    }
    for eighths in 1..8_u32 {
        let rounded = |edge: u32| edge.saturating_mul(eighths).div_ceil(8);
        if (rounded(full.0), rounded(full.1)) == has {
            let part = f64::from(eighths) / 8.0;
            return (f64::from(full.0) * part, f64::from(full.1) * part);
        }
    }
    whole
}

/// The size with the same shape whose longest edge is at most `longest_edge`; each edge is at least 1.
pub(crate) fn fit(width: u32, height: u32, longest_edge: u32) -> (u32, u32) {
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
    fn a_picture_decoded_at_a_part_of_its_size_may_end_within_a_pixel() {
        assert_eq!(extent((2145, 1424), (4289, 2848)), (2144.5, 1424.0));
        assert_eq!(extent((4289, 2848), (4289, 2848)), (4289.0, 2848.0));
        // No eighth of it: taken as it is.
        assert_eq!(extent((1000, 700), (4289, 2848)), (1000.0, 700.0));
    }

    #[test]
    fn a_thin_line_keeps_one_pixel() {
        check((40_000, 3), (1024, 1));
    }
}
