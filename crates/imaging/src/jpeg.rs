//! JPEG: segments, header and taking metadata out. Source: ITU-T T.81 annex B.

use crate::inspect::Stored;
use crate::metadata::{Found, MAX_PROFILE, Metadata};
use crate::{Error, Format, Header};

/// Scans of a progressive file. A real encoder writes about ten; each costs a pass over all coefficients, so a small
/// file with very many of them would keep a core busy for minutes.
pub(crate) const MAX_SCANS: usize = 100;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
const APP13: u8 = 0xED;
const APP14: u8 = 0xEE;
const APP15: u8 = 0xEF;
const COM: u8 = 0xFE;

/// Reads the first frame header, and the orientation from the EXIF before it.
pub(crate) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let mut found = Found::default();
    let mut size = None;
    for segment in Segments::of(bytes).take_while(|segment| segment.marker != SOS) {
        match segment.marker {
            APP1 if segment.payload.starts_with(b"Exif\0\0") => found.exif(segment.payload),
            0xC0..=0xC2 if size.is_none() => size = Some(frame_size(segment.payload)?),
            // Differential, lossless and arithmetic frames; C4, C8 and CC are not frames.
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(Error::Unsupported {
                    found: "A lossless or arithmetic-coded JPEG",
                });
            }
            _ => {}
        }
    }
    let (width, height) =
        size.ok_or_else(|| Error::broken("it ends before its size is declared"))?;
    Ok(Header {
        format: Format::Jpeg,
        width,
        height,
        animated: false,
        orientation: found.orientation,
    })
}

/// Frame header: precision, lines, samples per line, components.
fn frame_size(payload: &[u8]) -> Result<(u32, u32), Error> {
    let [precision, h0, h1, w0, w1, ..] = payload else {
        return Err(Error::broken("its frame header is too short"));
    };
    if *precision != 8 {
        return Err(Error::Unsupported {
            found: "A JPEG with more than 8 bits per colour",
        });
    }
    Ok((
        u32::from(u16::from_be_bytes([*w0, *w1])),
        u32::from(u16::from_be_bytes([*h0, *h1])),
    ))
}

/// Walks all segments. Refuses a file with an unreasonable number of scans.
pub(crate) fn metadata(bytes: &[u8]) -> Result<Found, Error> {
    let mut found = Found {
        truncated: true,
        bits: 8,
        ..Found::default()
    };
    let mut scans = 0;
    let mut profile = Vec::new();
    for segment in Segments::of(bytes) {
        note(&segment, &mut found);
        match segment.marker {
            SOS => scans += 1,
            0xC0..=0xC2 => found.stored = stored(segment.payload),
            APP2 => profile.extend(profile_part(segment.payload)),
            EOI => {
                found.truncated = false;
                if !segment.rest.is_empty() {
                    found.note(Metadata::Trailer);
                }
            }
            _ => {}
        }
        if scans > MAX_SCANS {
            return Err(Error::broken("it has too many scans"));
        }
    }
    if scans == 0 {
        return Err(Error::broken("it ends before its picture begins"));
    }
    found.icc = joined(&profile);
    Ok(found)
}

/// What the number of components in a frame header means.
fn stored(frame: &[u8]) -> Stored {
    match frame.get(5) {
        Some(1) => Stored::Gray,
        Some(4) => Stored::Cmyk,
        _ => Stored::Rgb,
    }
}

/// The number and the bytes of one part of an ICC profile. Source: ICC.1:2022, annex B.4.
fn profile_part(payload: &[u8]) -> Option<(u8, &[u8])> {
    match payload.strip_prefix(b"ICC_PROFILE\0")? {
        [number, _count, part @ ..] => Some((*number, part)),
        _ => None,
    }
}

/// A part's number is one byte and begins at 1.
const MAX_PARTS: usize = 255;

/// The parts in their order. Each number is looked for: a sort would be 4 kB of a module.
fn joined(parts: &[(u8, &[u8])]) -> Option<Vec<u8>> {
    let length: usize = parts.iter().map(|(_, part)| part.len()).sum();
    if parts.len() > MAX_PARTS || !(1..=MAX_PROFILE).contains(&length) {
        return None;
    }
    let mut icc = Vec::with_capacity(length);
    for number in 0..=u8::MAX {
        for (_, part) in parts.iter().filter(|(has, _)| *has == number) {
            icc.extend_from_slice(part);
        }
    }
    Some(icc)
}

/// Whether the colours of a picture that is not progressive lie one after the other, each in a scan of its own.
#[cfg(feature = "decoders")]
pub(crate) fn is_planar(bytes: &[u8]) -> bool {
    let mut components = None;
    for segment in Segments::of(bytes) {
        match segment.marker {
            0xC0 | 0xC1 => components = segment.payload.get(5),
            SOS => return components.is_some_and(|all| segment.payload.first() < Some(all)),
            _ => {}
        }
    }
    false
}

/// Whether Adobe's marker says how the colours are stored.
#[cfg(feature = "decoders")]
pub(crate) fn is_adobe(bytes: &[u8]) -> bool {
    Segments::of(bytes)
        .take_while(|segment| segment.marker != SOS)
        .any(|segment| segment.marker == APP14 && segment.payload.starts_with(b"Adobe"))
}

fn note(segment: &Segment<'_>, found: &mut Found) {
    let payload = segment.payload;
    match segment.marker {
        APP0 if payload.starts_with(b"JFIF\0") && payload.len() <= 14 => {}
        APP0 if payload.starts_with(b"JF") => found.note(Metadata::Thumbnail),
        APP1 if payload.starts_with(b"Exif\0\0") => found.exif(payload),
        APP1 if payload.starts_with(b"http://ns.adobe.com/") => found.xmp(payload),
        APP2 if payload.starts_with(b"ICC_PROFILE\0") => found.note(Metadata::ColorProfile),
        APP13 => found.note(Metadata::Iptc),
        // Tells how the colours are stored; without it they would be read wrongly.
        APP14 if payload.starts_with(b"Adobe") => {}
        COM => found.note(Metadata::Comment),
        APP0..=APP15 => found.note(Metadata::Other),
        _ => {}
    }
}

/// The same picture without metadata: image data are copied byte for byte.
pub(crate) fn strip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    out.extend([0xFF, SOI]);
    for segment in Segments::of(bytes) {
        match segment.marker {
            // Says that the colours are YCbCr; its thumbnail, if any, is cut off.
            APP0 if segment.payload.starts_with(b"JFIF\0") => {
                let Some(fixed) = segment.payload.get(..12) else {
                    continue;
                };
                out.extend([0xFF, APP0, 0, 16]);
                out.extend(fixed);
                out.extend([0, 0]);
            }
            APP14 if segment.payload.starts_with(b"Adobe") => out.extend(segment.whole),
            APP0..=APP15 | COM => {}
            _ => out.extend(segment.whole),
        }
    }
    out
}

/// One marker segment; for SOS, the entropy-coded data belong to it.
struct Segment<'a> {
    marker: u8,
    /// Without marker and length.
    payload: &'a [u8],
    /// With marker, length and, for SOS, the entropy-coded data.
    whole: &'a [u8],
    /// What follows.
    rest: &'a [u8],
}

/// The segments after SOI, up to EOI or to where the file ends.
struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes.get(2..).unwrap_or_default(),
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        // Bytes that are not a marker are skipped, as every decoder does; a marker may be filled up with FF.
        let start = marker(self.rest, |code| (0x01..=0xFE).contains(&code))?;
        let from = self.rest.get(start..)?;
        let marker = *from.get(1)?;
        let payload = match marker {
            EOI | SOI | 0x01 | 0xD0..=0xD7 => &[][..],
            _ => {
                let length = usize::from(u16::from_be_bytes(*from.get(2..)?.first_chunk()?));
                from.get(4..length.checked_add(2)?)?
            }
        };
        let head = match marker {
            EOI | SOI | 0x01 | 0xD0..=0xD7 => 2,
            _ => payload.len().checked_add(4)?,
        };
        let data = if marker == SOS {
            entropy_coded(from.get(head..)?)
        } else {
            0
        };
        let (whole, rest) = from.split_at_checked(head.checked_add(data)?)?;
        self.rest = if marker == EOI { &[] } else { rest };
        Some(Segment {
            marker,
            payload,
            whole,
            rest,
        })
    }
}

/// Length of the entropy-coded data at the start of `bytes`: up to a marker other than a restart.
fn entropy_coded(bytes: &[u8]) -> usize {
    marker(bytes, |code| matches!(code, 0x01..=0xCF | 0xD8..=0xFE)).unwrap_or(bytes.len())
}

/// Where the first FF lies that is followed by one of `codes`.
fn marker(bytes: &[u8], codes: impl Fn(u8) -> bool) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = from + first_ff(rest)?;
        if codes(*bytes.get(at + 1)?) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Where the first FF lies. Megabytes are searched for it, so blocks without one are passed by vector instructions.
fn first_ff(bytes: &[u8]) -> Option<usize> {
    let without = bytes
        .chunks(64)
        .take_while(|block| !block.iter().fold(false, |any, byte| any | (*byte == 0xFF)))
        .count();
    let from = without * 64;
    Some(from + bytes.get(from..)?.iter().position(|byte| *byte == 0xFF)?)
}
