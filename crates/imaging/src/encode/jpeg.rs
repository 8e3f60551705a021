//! JPEG out.

use jpeg_encoder::{
    ChromaSubsamplingMethod, Encoder, ImageBuffer, JpegColorType, SamplingFactor, rgb_to_ycbcr,
};

use crate::Error;
#[cfg(feature = "decoders")]
use crate::pixels::Channels;
use crate::pixels::Pixels;

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
    let rows = Rows {
        pixels,
        width,
        height,
    };
    // It writes to memory and has no other reason to refuse; its own words would bring their formatting with them.
    encoder
        .encode_image(rows)
        .map_err(|_| Error::broken("it cannot be written as a JPEG"))?;
    Ok(bytes)
}

/// Pixels as the encoder takes them. It has such types of its own for nine kinds of pixel, and a browser would load the
/// code of all.
struct Rows<'a> {
    pixels: &'a Pixels,
    width: u16,
    height: u16,
}

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let stride = usize::from(self.width) * self.pixels.channels.count();
        let row = self.pixels.data.chunks_exact(stride).nth(usize::from(y));
        let row = row.unwrap_or_default();
        #[cfg(feature = "decoders")]
        if self.pixels.channels == Channels::Rgb {
            return fill::<3>(row, buffers);
        }
        fill::<4>(row, buffers);
    }
}

/// Sixteen pixels at a time, which become vector instructions.
fn fill<const N: usize>(row: &[u8], [luma, blue, red, _]: &mut [Vec<u8>; 4]) {
    const LANES: usize = 16;
    let pixels = row.as_chunks::<N>().0;
    for chunk in pixels.chunks(LANES) {
        let (mut ys, mut cbs, mut crs) = ([0; LANES], [0; LANES], [0; LANES]);
        let places = ys.iter_mut().zip(cbs.iter_mut().zip(crs.iter_mut()));
        for (pixel, (y, (cb, cr))) in chunk.iter().zip(places) {
            if let [r, g, b, ..] = pixel.as_slice() {
                (*y, *cb, *cr) = rgb_to_ycbcr(*r, *g, *b);
            }
        }
        luma.extend(ys.iter().take(chunk.len()));
        blue.extend(cbs.iter().take(chunk.len()));
        red.extend(crs.iter().take(chunk.len()));
    }
}
