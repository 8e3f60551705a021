//! A picture, prepared in the worker: the crate `imaging`, and what the page is told about the result.

use crate::error::SmartSummaryError;
use crate::options::PictureOptions;
use imaging::{Format, Prepared};
use serde::Serialize;

/// What the page is told about a picture that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    width: u32,
    height: u32,
    format: &'static str,
    mime: &'static str,
    bytes_before: usize,
    bytes_after: usize,
    original: Original,
    removed: Vec<&'static str>,
    sharpness: f32,
    too_soft: bool,
    warnings: Vec<&'static str>,
}

/// What came in.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Original {
    format: &'static str,
    width: u32,
    height: u32,
}

/// Sniffs, decodes within bounds, turns upright, downscales, encodes; all metadata stay behind.
///
/// # Errors
/// The code that the server would give for this picture.
pub fn prepare(
    bytes: &[u8],
    options: &PictureOptions,
) -> Result<(Vec<u8>, Facts), SmartSummaryError> {
    let options = imaging::Options {
        longest_edge: options.longest_edge.max(1),
        quality: options.quality.clamp(1, 100),
        max_pixels: api::limits::MAX_PIXELS,
        ..imaging::Options::default()
    };
    let prepared = imaging::prepare(bytes, &options)?;
    let facts = Facts::of(&prepared);
    Ok((prepared.bytes, facts))
}

/// Refuses a file by its length alone, so that a film is not read into memory first.
///
/// # Errors
/// `image_too_large`, with the numbers.
pub fn admit(bytes: f64) -> Result<(), SmartSummaryError> {
    let max = imaging::Options::default().max_bytes;
    let bytes = bytes as usize;
    if bytes <= max {
        return Ok(());
    }
    let exceeded = imaging::Exceeded::Bytes { bytes, max };
    Err(imaging::Error::TooLarge { exceeded }.into())
}

impl Facts {
    fn of(prepared: &Prepared) -> Self {
        Self {
            width: prepared.width,
            height: prepared.height,
            format: short_name(prepared.format),
            mime: prepared.format.mime(),
            bytes_before: prepared.original_bytes,
            bytes_after: prepared.bytes.len(),
            original: Original {
                format: short_name(prepared.original.format),
                width: prepared.original.width,
                height: prepared.original.height,
            },
            removed: prepared.removed.iter().map(|kind| kind.name()).collect(),
            sharpness: prepared.sharpness,
            too_soft: prepared.too_soft,
            warnings: prepared
                .warnings
                .iter()
                .map(|warning| warning.name())
                .collect(),
        }
    }
}

/// `jpeg` for `image/jpeg`.
fn short_name(format: Format) -> &'static str {
    format.mime().trim_start_matches("image/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored as 48 x 24 pixels with orientation 6 and a place.
    const TURNED: &[u8] = include_bytes!("../tests/fixtures/turned.jpg");

    #[test]
    fn the_facts_are_those_of_the_bytes() {
        let (bytes, facts) = prepare(TURNED, &PictureOptions::default()).unwrap();
        assert_eq!(facts.bytes_before, TURNED.len());
        assert_eq!(facts.bytes_after, bytes.len());
        assert_eq!(facts.format, "jpeg");
        assert_eq!(
            (facts.width, facts.height),
            (facts.original.height, facts.original.width),
            "it was turned"
        );
        assert!(facts.removed.contains(&"gps"), "{:?}", facts.removed);
    }

    #[test]
    fn the_longest_edge_is_the_callers() {
        let (_, facts) = prepare(
            TURNED,
            &PictureOptions {
                longest_edge: 10,
                ..PictureOptions::default()
            },
        )
        .unwrap();
        assert_eq!(facts.width.max(facts.height), 10);
    }

    #[test]
    fn a_film_is_refused_by_its_length() {
        assert_eq!(admit(5e6), Ok(()));
        assert_eq!(
            admit(5e9).unwrap_err().code,
            crate::error::ErrorCode::Server(api::Code::ImageTooLarge)
        );
    }

    #[test]
    fn a_quality_beyond_the_scale_is_bounded() {
        assert!(
            prepare(
                TURNED,
                &PictureOptions {
                    quality: 255,
                    longest_edge: 0
                }
            )
            .is_ok()
        );
    }
}
