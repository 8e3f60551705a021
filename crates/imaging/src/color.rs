//! ICC profiles with look-up tables to sRGB, by a whole colour engine.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::pixels::{Channels, Pixels};

/// Converts pixels in place; none if the profile is broken or of a kind that is not converted.
pub(crate) fn apply(pixels: &mut Pixels, icc: &[u8]) -> Option<()> {
    let profile = ColorProfile::new_from_slice(icc).ok()?;
    if profile.color_space != DataColorSpace::Rgb {
        return None;
    }
    let layout = match pixels.channels {
        Channels::Rgb => Layout::Rgb,
        Channels::Rgba | Channels::Rgbx => Layout::Rgba,
        Channels::Inks => return None,
    };
    let transform = profile
        .create_transform_8bit(
            layout,
            &ColorProfile::new_srgb(),
            layout,
            TransformOptions::default(),
        )
        .ok()?;
    let mut out = vec![0; pixels.data.len()];
    transform.transform(&pixels.data, &mut out).ok()?;
    pixels.data = out;
    Some(())
}
