//! ICC profiles to sRGB.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::decode::{Channels, Raw};

/// What became of a file's profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// There is none, or the colours have been converted.
    Applied,
    /// It is broken or of a kind that is not converted.
    Ignored,
}

/// Converts pixels in place from the colours of `icc`, if any.
///
/// `usual_colors` is false for CMYK, whose profile does not describe the RGB that the decoder has made of it.
pub(crate) fn to_srgb(raw: &mut Raw, icc: Option<&[u8]>, usual_colors: bool) -> Profile {
    match icc {
        None => Profile::Applied,
        Some(icc) if usual_colors && convert(raw, icc).is_some() => Profile::Applied,
        Some(_) => Profile::Ignored,
    }
}

fn convert(raw: &mut Raw, icc: &[u8]) -> Option<()> {
    let profile = ColorProfile::new_from_slice(icc).ok()?;
    match profile.color_space {
        DataColorSpace::Rgb => convert_rgb(raw, &profile),
        DataColorSpace::Gray => convert_gray(raw, &profile),
        _ => None,
    }
}

fn convert_rgb(raw: &mut Raw, profile: &ColorProfile) -> Option<()> {
    let layout = match raw.channels {
        Channels::Rgb => Layout::Rgb,
        Channels::Rgba => Layout::Rgba,
    };
    let srgb = ColorProfile::new_srgb();
    let transform = profile
        .create_transform_8bit(layout, &srgb, layout, TransformOptions::default())
        .ok()?;
    let mut out = vec![0; raw.pixels.len()];
    transform.transform(&raw.pixels, &mut out).ok()?;
    raw.pixels = out;
    Some(())
}

/// A grey profile is a curve: 256 values tell it all.
fn convert_gray(raw: &mut Raw, profile: &ColorProfile) -> Option<()> {
    let srgb = ColorProfile::new_srgb();
    let transform = profile
        .create_transform_8bit(
            Layout::Gray,
            &srgb,
            Layout::Rgb,
            TransformOptions::default(),
        )
        .ok()?;
    let grays: Vec<u8> = (0..=255).collect();
    let mut curve = vec![0; 256 * 3];
    transform.transform(&grays, &mut curve).ok()?;
    for pixel in raw.pixels.chunks_exact_mut(raw.channels.count()) {
        for value in pixel.iter_mut().take(3) {
            *value = *curve.get(usize::from(*value) * 3)?;
        }
    }
    Some(())
}
