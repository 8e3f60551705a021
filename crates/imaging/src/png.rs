//! PNG: chunks, header and taking metadata out. Source: PNG (third edition), sections 5 and 11.

use crate::inspect::Stored;
use crate::metadata::{Found, Metadata};
use crate::profile::{self, Profile, measured};
use crate::{Error, Format, Header};

const SIGNATURE: usize = 8;

/// IHDR, and whether `acTL` announces an animation or `eXIf` an orientation.
pub(crate) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let mut chunks = Chunks::of(bytes);
    let size = match chunks.next() {
        Some(Chunk {
            kind: b"IHDR",
            payload,
            ..
        }) => payload.first_chunk::<8>(),
        _ => None,
    };
    let Some([w0, w1, w2, w3, h0, h1, h2, h3]) = size.copied() else {
        return Err(Error::broken("it ends before its size is declared"));
    };
    let mut found = Found::default();
    let mut animated = false;
    for chunk in chunks {
        match chunk.kind {
            b"acTL" => animated = true,
            b"eXIf" => found.exif(chunk.payload),
            _ => {}
        }
    }
    let (width, height) = (
        u32::from_be_bytes([w0, w1, w2, w3]),
        u32::from_be_bytes([h0, h1, h2, h3]),
    );
    Ok(Header {
        format: Format::Png,
        width,
        height,
        animated,
        orientation: found.orientation,
    })
}

pub(crate) fn metadata(bytes: &[u8]) -> Found {
    let mut found = Found {
        truncated: true,
        ..Found::default()
    };
    let mut numbers = Numbers::default();
    for chunk in Chunks::of(bytes) {
        match chunk.kind {
            b"IHDR" => layout(chunk.payload, &mut found),
            b"tRNS" => found.alpha = true,
            b"eXIf" => found.exif(chunk.payload),
            b"iTXt" if chunk.payload.starts_with(b"XML:com.adobe.xmp\0") => {
                found.xmp(chunk.payload);
            }
            b"tEXt" | b"zTXt" | b"iTXt" => found.note(Metadata::Comment),
            b"iCCP" => {
                found.note(Metadata::ColorProfile);
                unpack_profile(chunk.payload, &mut found);
            }
            b"cICP" => coded(chunk.payload, &mut found),
            b"tIME" => found.note(Metadata::Date),
            b"IEND" => {
                found.truncated = false;
                if !chunk.rest.is_empty() {
                    found.note(Metadata::Trailer);
                }
            }
            b"gAMA" => numbers.gamma = chunk.payload.first_chunk().map(fraction),
            b"cHRM" => numbers.chromaticities = chromaticities(chunk.payload),
            b"sRGB" => numbers.is_srgb = true,
            // What every encoder writes about colour and density tells nothing about a person.
            b"pHYs" | b"bKGD" | b"sBIT" | b"hIST" | b"sPLT" | b"acTL" | b"fcTL" | b"fdAT" => {}
            kind if is_ancillary(kind) => found.note(Metadata::Other),
            _ => {}
        }
    }
    numbers.read(&mut found);
    found
}

/// What a file says about its colours without a profile and without codes.
#[derive(Default)]
struct Numbers {
    is_srgb: bool,
    gamma: Option<f64>,
    chromaticities: Option<[f64; 8]>,
}

impl Numbers {
    /// They count where nothing better is said, section 4.3; without an exponent browsers leave them alone.
    fn read(self, found: &mut Found) {
        if self.is_srgb || found.named.is_some() || found.icc.is_some() {
            return;
        }
        // Grey has no chromaticities.
        let wanted = found.stored != Stored::Gray;
        let chromaticities = self.chromaticities.filter(|_| wanted);
        if let Some(gamma) = self.gamma {
            name(measured(gamma, chromaticities), found);
        }
    }
}

/// The colours of a file that has no profile.
fn name(profile: Profile, found: &mut Found) {
    if profile != Profile::Srgb {
        found.note(Metadata::ColorProfile);
    }
    found.named = Some(profile);
}

/// Hundred-thousandths.
fn fraction(bytes: &[u8; 4]) -> f64 {
    f64::from(u32::from_be_bytes(*bytes)) / 100_000.0
}

/// White, red, green and blue, each by x and y, section 11.3.2.1.
fn chromaticities(payload: &[u8]) -> Option<[f64; 8]> {
    let numbers: &[[u8; 4]; 8] = payload.as_chunks().0.first_chunk()?;
    Some(numbers.each_ref().map(fraction))
}

/// Whether the picture that those see who know no animations is none of its frames. Nobody sees it in a browser.
#[cfg(feature = "decoders")]
pub(crate) fn has_cover(bytes: &[u8]) -> bool {
    let mut kinds = Chunks::of(bytes).map(|chunk| chunk.kind);
    kinds.any(|kind| kind == b"acTL")
        && kinds.find(|kind| matches!(*kind, b"fcTL" | b"IDAT")) == Some(b"IDAT")
}

/// Bit depth and colour type, section 11.2.1.
fn layout(ihdr: &[u8], found: &mut Found) {
    let [.., bits, color, _, _, _] = ihdr else {
        return;
    };
    found.bits = *bits;
    found.alpha |= matches!(color, 4 | 6);
    if matches!(color, 0 | 4) {
        found.stored = Stored::Gray;
    }
}

/// A name, a method, and the profile in a zlib stream, section 11.3.2.3.
fn unpack_profile(payload: &[u8], found: &mut Found) {
    let mut parts = payload.splitn(2, |byte| *byte == 0);
    let Some([0, stream @ ..]) = parts.nth(1) else {
        return;
    };
    // A broken one is an empty one: the person is told that the colours may be off.
    let icc = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(
        stream,
        crate::metadata::MAX_PROFILE,
    );
    found.icc = Some(icc.unwrap_or_default());
}

/// Primaries and transfer, section 11.3.2.6.
fn coded(payload: &[u8], found: &mut Found) {
    if let [primaries, transfer, ..] = *payload {
        name(profile::coded(primaries, transfer), found);
    }
}

/// The case of the first letter says whether a reader may leave a chunk out.
fn is_ancillary(kind: &[u8; 4]) -> bool {
    kind.first().is_some_and(u8::is_ascii_lowercase)
}

/// The same picture with the chunks that make pixels, and no other.
pub(crate) fn strip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    out.extend(bytes.get(..SIGNATURE).unwrap_or_default());
    for chunk in Chunks::of(bytes) {
        if !is_ancillary(chunk.kind) || chunk.kind == b"tRNS" {
            out.extend(chunk.whole);
        }
    }
    out
}

struct Chunk<'a> {
    kind: &'a [u8; 4],
    payload: &'a [u8],
    /// With length, type and checksum.
    whole: &'a [u8],
    /// What follows.
    rest: &'a [u8],
}

/// The chunks after the signature, up to IEND or to where the file ends.
struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes.get(SIGNATURE..).unwrap_or_default(),
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let length = u32::from_be_bytes(*self.rest.first_chunk()?) as usize;
        let (whole, rest) = self.rest.split_at_checked(length.checked_add(12)?)?;
        let kind = whole.get(4..)?.first_chunk()?;
        let payload = whole.get(8..length.checked_add(8)?)?;
        self.rest = if kind == b"IEND" { &[] } else { rest };
        Some(Chunk {
            kind,
            payload,
            whole,
            rest,
        })
    }
}
