//! JPEG out.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use crate::Error;
use crate::pixels::{Channels, Pixels};

/// How finely the colours are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chroma {
    /// One colour for four pixels: a photograph does not show it.
    Quarter,
    /// One colour for each pixel: coloured text stays readable.
    Full,
}

/// Baseline, with Huffman tables made for the picture; a fourth byte of the pixels has no meaning.
pub(super) fn write(pixels: &Pixels, quality: u8, chroma: Chroma) -> Result<Vec<u8>, Error> {
    let edge = |edge: u32| {
        u16::try_from(edge)
            .map_err(|_| Error::broken("a JPEG has at most 65535 pixels on an edge, ask for fewer"))
    };
    let (width, height) = (edge(pixels.width)?, edge(pixels.height)?);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality.clamp(1, 100));
    encoder.set_sampling_factor(match chroma {
        Chroma::Quarter => SamplingFactor::F_2_2,
        Chroma::Full => SamplingFactor::F_1_1,
    });
    // The default takes one pixel of four and costs up to 1 dB.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.set_optimized_huffman_tables(true);
    let color = match pixels.channels {
        Channels::Rgb => ColorType::Rgb,
        Channels::Rgba | Channels::Rgbx => ColorType::Rgba,
    };
    encoder
        .encode(&pixels.data, width, height, color)
        .map_err(Error::from_decoder)?;
    Ok(bytes)
}
