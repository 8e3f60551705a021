//! WebP: chunks, header and taking metadata out. Source: RFC 9649.

use crate::metadata::{Found, MAX_PROFILE, Metadata};
use crate::{Error, Format, Header};

const RIFF_HEADER: usize = 12;
const ANIMATION: u8 = 0b0000_0010;
const ALPHA: u8 = 0b0001_0000;

/// The canvas, checked against the bitstream: a decoder allocates what the bitstream says, so both must be bounded.
pub(crate) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let mut found = Found::default();
    let mut canvas = None;
    let mut stored = None;
    let mut animated = false;
    for chunk in Chunks::of(bytes) {
        match chunk.kind {
            b"VP8X" => {
                animated = chunk
                    .payload
                    .first()
                    .is_some_and(|flags| flags & ANIMATION != 0);
                canvas = Some(
                    chunk
                        .payload
                        .get(4..10)
                        .and_then(size24)
                        .ok_or_else(short)?,
                );
            }
            b"VP8 " | b"VP8L" if stored.is_none() => {
                stored = Some(bitstream_size(&chunk).ok_or_else(short)?);
            }
            b"ANMF" if stored.is_none() => {
                check_frame(chunk.payload, canvas)?;
                stored = canvas;
            }
            b"EXIF" => found.exif(chunk.payload),
            _ => {}
        }
    }
    let (width, height) = stored.ok_or_else(short)?;
    if canvas.is_some_and(|canvas| canvas != (width, height)) {
        return Err(Error::broken(
            "its canvas and its picture have different sizes",
        ));
    }
    Ok(Header {
        format: Format::WebP,
        width,
        height,
        animated,
        orientation: found.orientation,
    })
}

fn short() -> Error {
    Error::broken("it ends before its size is declared")
}

/// Two 24-bit numbers, each one less than the size.
fn size24(bytes: &[u8]) -> Option<(u32, u32)> {
    let [w0, w1, w2, h0, h1, h2] = *bytes.first_chunk()?;
    Some((
        u32::from_le_bytes([w0, w1, w2, 0]) + 1,
        u32::from_le_bytes([h0, h1, h2, 0]) + 1,
    ))
}

/// The first frame lies on the canvas and its bitstream has the frame's size.
fn check_frame(frame: &[u8], canvas: Option<(u32, u32)>) -> Result<(), Error> {
    let (width, height) = canvas.ok_or_else(short)?;
    let declared = frame.get(6..12).and_then(size24).ok_or_else(short)?;
    let parts = Chunks {
        rest: frame.get(16..).unwrap_or_default(),
    };
    let mut bitstreams = parts.filter(|chunk| matches!(chunk.kind, b"VP8 " | b"VP8L"));
    let stored = bitstreams
        .next()
        .as_ref()
        .and_then(bitstream_size)
        .ok_or_else(short)?;
    if stored != declared
        || declared.0 > width
        || declared.1 > height
        || bitstreams.next().is_some()
    {
        return Err(Error::broken(
            "its first frame and its canvas have different sizes",
        ));
    }
    Ok(())
}

/// Width and height of a VP8 key frame (RFC 6386, 9.1) or a VP8L image (RFC 9649, 3.4).
fn bitstream_size(chunk: &Chunk<'_>) -> Option<(u32, u32)> {
    if chunk.kind == b"VP8 " {
        let [_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] = *chunk.payload.first_chunk()? else {
            return None;
        };
        let edge = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
        return Some((edge(w0, w1), edge(h0, h1)));
    }
    let [0x2F, b0, b1, b2, b3] = *chunk.payload.first_chunk()? else {
        return None;
    };
    let bits = u32::from_le_bytes([b0, b1, b2, b3]);
    Some(((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1))
}

pub(crate) fn metadata(bytes: &[u8]) -> Found {
    let mut found = Found {
        bits: 8,
        ..Found::default()
    };
    let mut chunks = Chunks::of(bytes);
    for chunk in chunks.by_ref() {
        match chunk.kind {
            b"EXIF" => found.exif(chunk.payload),
            b"XMP " => found.xmp(chunk.payload),
            b"ICCP" => {
                found.note(Metadata::ColorProfile);
                found.icc = (chunk.payload.len() <= MAX_PROFILE).then(|| chunk.payload.to_vec());
            }
            b"VP8X" => {
                let flags = chunk.payload.first().copied().unwrap_or_default();
                found.alpha |= flags & ALPHA != 0;
            }
            // One bit after twice fourteen of size.
            b"VP8L" => {
                found.alpha |= chunk
                    .payload
                    .get(4)
                    .is_some_and(|bits| bits & 0b0001_0000 != 0);
            }
            b"ALPH" => found.alpha = true,
            b"VP8 " | b"ANIM" | b"ANMF" => {}
            _ => found.note(Metadata::Other),
        }
    }
    found.truncated = !chunks.rest.is_empty();
    if riff(bytes).is_some_and(|(_, after)| !after.is_empty()) {
        found.note(Metadata::Trailer);
    }
    found
}

/// The same still picture without metadata: bitstream and alpha are copied byte for byte.
pub(crate) fn strip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    out.extend(bytes.get(..RIFF_HEADER).unwrap_or_default());
    for chunk in Chunks::of(bytes) {
        match chunk.kind {
            b"VP8X" => {
                let flags = out.len() + 8;
                out.extend(chunk.whole);
                // No profile, EXIF, XMP or animation is announced any more.
                if let Some(flags) = out.get_mut(flags) {
                    *flags &= ALPHA;
                }
            }
            b"VP8 " | b"VP8L" | b"ALPH" => out.extend(chunk.whole),
            _ => {}
        }
    }
    let length = u32::try_from(out.len().saturating_sub(8)).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(4..8) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    out
}

struct Chunk<'a> {
    kind: &'a [u8; 4],
    payload: &'a [u8],
    /// With type, length and padding.
    whole: &'a [u8],
}

/// The chunks within the RIFF header's length, up to where the file ends.
struct Chunks<'a> {
    rest: &'a [u8],
}

/// The body that the RIFF header announces, and what follows it.
fn riff(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
    let end = length
        .checked_add(8)?
        .checked_next_multiple_of(2)?
        .min(bytes.len());
    let (all, after) = bytes.split_at_checked(end)?;
    Some((all.get(RIFF_HEADER..)?, after))
}

impl<'a> Chunks<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            rest: riff(bytes).map(|(body, _)| body).unwrap_or_default(),
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let kind = self.rest.first_chunk()?;
        let length = u32::from_le_bytes(*self.rest.get(4..)?.first_chunk()?) as usize;
        let payload = self.rest.get(8..length.checked_add(8)?)?;
        // The padding byte of the last chunk is missing in some files.
        let end = length
            .checked_next_multiple_of(2)?
            .checked_add(8)?
            .min(self.rest.len());
        let (whole, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(Chunk {
            kind,
            payload,
            whole,
        })
    }
}
