//! Pixels to the smallest bytes that show them well.

use std::collections::HashMap;

use ::png::{BitDepth, ColorType, Compression, Filter};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use jpeg_encoder::SamplingFactor;

use crate::decode::Channels;
use crate::metadata::Found;
use crate::sharpness::TOO_SOFT;
use crate::{Decoded, Error, Format, Header, Options, Prepared, jpeg, png, webp};

/// A palette PNG has at most as many colours.
const PALETTE: usize = 256;

/// An original of at most so many bytes is never worth a second encoding.
const SMALL_FILE: usize = 64 << 10;

/// Encoded pixels, or the original's image data without its metadata.
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    format: Format,
    passed_through: bool,
}

/// Chooses between the original's own image data, a JPEG and a palette PNG.
pub(crate) fn smallest(
    original: &[u8],
    header: &Header,
    found: &Found,
    decoded: &Decoded,
    options: &Options,
) -> Result<Encoded, Error> {
    let kept = keep(original, header, found, decoded);
    // At four bits a pixel a picture is as small as a good JPEG; encoding it again would only lose quality.
    let good_size = SMALL_FILE.max(decoded.width as usize * decoded.height as usize / 2);
    match kept {
        Some(kept) if kept.bytes.len() <= good_size => Ok(kept),
        None => encode(decoded, options),
        Some(kept) => {
            let encoded = encode(decoded, options)?;
            Ok(if encoded.bytes.len() < kept.bytes.len() {
                encoded
            } else {
                kept
            })
        }
    }
}

/// The original without metadata, if its image data already are what shall be sent.
fn keep(original: &[u8], header: &Header, found: &Found, decoded: &Decoded) -> Option<Encoded> {
    if !decoded.verbatim || found.truncated || header.animated {
        return None;
    }
    let bytes = match header.format {
        Format::Jpeg => jpeg::strip(original),
        Format::Png => png::strip(original),
        Format::WebP => webp::strip(original),
        Format::Gif => return None,
    };
    Some(Encoded {
        bytes,
        format: header.format,
        passed_through: true,
    })
}

fn encode(decoded: &Decoded, options: &Options) -> Result<Encoded, Error> {
    if decoded.channels == Channels::Rgba {
        return Ok(Encoded {
            bytes: rgba_png(decoded)?,
            format: Format::Png,
            passed_through: false,
        });
    }
    let jpeg = to_jpeg(decoded, options.quality)?;
    if let Some(flat) = Flat::of(decoded) {
        let bytes = flat.png(decoded)?;
        if bytes.len() <= jpeg.len() {
            return Ok(Encoded {
                bytes,
                format: Format::Png,
                passed_through: false,
            });
        }
    }
    Ok(Encoded {
        bytes: jpeg,
        format: Format::Jpeg,
        passed_through: false,
    })
}

fn to_jpeg(decoded: &Decoded, quality: u8) -> Result<Vec<u8>, Error> {
    let edge = |edge: u32| {
        u16::try_from(edge)
            .map_err(|_| Error::broken("a JPEG has at most 65535 pixels on an edge, ask for fewer"))
    };
    let (width, height) = (edge(decoded.width)?, edge(decoded.height)?);
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, quality.clamp(1, 100));
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_optimized_huffman_tables(true);
    encoder
        .encode(&decoded.pixels, width, height, jpeg_encoder::ColorType::Rgb)
        .map_err(Error::from_decoder)?;
    Ok(bytes)
}

fn rgba_png(decoded: &Decoded) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(
            &decoded.pixels,
            decoded.width,
            decoded.height,
            ExtendedColorType::Rgba8,
        )
        .map_err(Error::from_decoder)?;
    Ok(bytes)
}

fn write_png(encoder: ::png::Encoder<'_, &mut Vec<u8>>, rows: &[u8]) -> Result<(), Error> {
    let mut writer = encoder.write_header().map_err(Error::from_decoder)?;
    writer.write_image_data(rows).map_err(Error::from_decoder)?;
    writer.finish().map_err(Error::from_decoder)
}

/// A picture of few colours, as drawings and screenshots are.
struct Flat {
    palette: Vec<[u8; 3]>,
    indices: Vec<u8>,
}

impl Flat {
    /// None as soon as a colour too many is met; in a photograph that is within the first rows.
    fn of(decoded: &Decoded) -> Option<Self> {
        let pixels = decoded.pixels.as_chunks::<3>().0;
        let mut known: HashMap<[u8; 3], u8> = HashMap::new();
        let mut palette = Vec::new();
        let mut indices = Vec::new();
        let mut last = None;
        for pixel in pixels {
            let index = match last {
                Some((color, index)) if color == *pixel => index,
                _ => match known.get(pixel) {
                    Some(index) => *index,
                    None if palette.len() < PALETTE => {
                        let index = u8::try_from(palette.len()).ok()?;
                        palette.push(*pixel);
                        known.insert(*pixel, index);
                        index
                    }
                    None => return None,
                },
            };
            last = Some((*pixel, index));
            indices.push(index);
        }
        Some(Self { palette, indices })
    }

    // With `png` itself: `image` writes no palettes.
    fn png(&self, decoded: &Decoded) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut encoder = ::png::Encoder::new(&mut bytes, decoded.width, decoded.height);
        encoder.set_color(ColorType::Indexed);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_palette(self.palette.concat());
        encoder.set_compression(Compression::Balanced);
        // Neighbouring indices have nothing to do with each other.
        encoder.set_filter(Filter::NoFilter);
        write_png(encoder, &self.indices)?;
        Ok(bytes)
    }
}

impl Encoded {
    pub(crate) fn into_prepared(
        self,
        original_bytes: usize,
        original: Header,
        found: Found,
        decoded: Decoded,
        sharpness: f32,
    ) -> Prepared {
        Prepared {
            bytes: self.bytes,
            format: self.format,
            width: decoded.width,
            height: decoded.height,
            original,
            original_bytes,
            removed: found.list,
            sharpness,
            too_soft: sharpness < TOO_SOFT,
            warnings: decoded.warnings,
            passed_through: self.passed_through,
        }
    }
}
