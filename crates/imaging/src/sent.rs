//! The picture that is sent, in the two ways in which judges and encoders want it.

#[cfg(feature = "drawings")]
use std::borrow::Cow;

use crate::pixels::Pixels;
use crate::planes::Planes;

/// A small, upright picture in sRGB.
pub(crate) struct Sent {
    planes: Planes,
    pixels: Option<Pixels>,
}

impl Sent {
    pub(crate) fn of_pixels(pixels: Pixels) -> Self {
        Self {
            planes: Planes::of(&pixels),
            pixels: Some(pixels),
        }
    }

    pub(crate) fn of_planes(planes: Planes) -> Self {
        Self {
            planes,
            pixels: None,
        }
    }

    /// Luma and chroma; transparency is not in them.
    pub(crate) fn planes(&self) -> &Planes {
        &self.planes
    }

    /// The pixels, if the planes were made from them.
    pub(crate) fn pixels(&self) -> Option<&Pixels> {
        self.pixels.as_ref()
    }

    /// The pixels, made from the planes if need be.
    #[cfg(feature = "drawings")]
    pub(crate) fn as_pixels(&self) -> Cow<'_, Pixels> {
        match &self.pixels {
            Some(pixels) => Cow::Borrowed(pixels),
            None => Cow::Owned(self.planes.to_pixels(true)),
        }
    }
}
