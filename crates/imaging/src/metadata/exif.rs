//! The few EXIF tags that matter here, out of TIFF image file directories.
//!
//! Source: CIPA DC-008 (Exif 2.32) section 4.6 and TIFF 6.0 section 2. Every offset is checked; directories are visited
//! at most once each along a fixed path, so a file cannot make this loop.

use super::{Found, Metadata};

const ORIENTATION: u16 = 0x0112;
const EXIF_POINTER: u16 = 0x8769;
const GPS_POINTER: u16 = 0x8825;

/// Notes what the TIFF block `tiff` holds.
pub(super) fn read(tiff: &[u8], found: &mut Found) {
    let Some(block) = Block::open(tiff) else {
        return;
    };
    let Some(first) = block.u32(4) else { return };
    let (mut exif, mut gps) = (None, None);
    let next = block.directory(first, |entry| match entry.tag {
        EXIF_POINTER => exif = entry.long(),
        GPS_POINTER => gps = entry.long(),
        ORIENTATION if found.orientation.is_none() => found.orientation = entry.orientation(),
        tag => note(tag, found),
    });
    if let Some(offset) = exif {
        block.directory(offset, |entry| note(entry.tag, found));
    }
    if let Some(offset) = gps {
        // Tags 1 to 4 are latitude and longitude; a directory that only holds its version tells no place.
        block.directory(offset, |entry| {
            if (1..=4).contains(&entry.tag) {
                found.note(Metadata::Gps);
            }
        });
    }
    // The second directory in the chain describes the thumbnail.
    if let Some(offset) = next.filter(|offset| *offset != 0) {
        block.directory(offset, |entry| {
            if matches!(entry.tag, 0x0201 | 0x0111) {
                found.note(Metadata::Thumbnail);
            }
        });
    }
}

/// Tags by what they tell about a person or a device.
fn note(tag: u16, found: &mut Found) {
    let kind = match tag {
        0x010F | 0x0110 | 0xA433 | 0xA434 => Metadata::Camera,
        0xA431 | 0xA435 | 0xC62F | 0xA420 => Metadata::SerialNumber,
        0x013B | 0x8298 | 0xA430 | 0x9C9D => Metadata::Person,
        0x0132 | 0x9003 | 0x9004 => Metadata::Date,
        0x010E | 0x9286 | 0x9C9B | 0x9C9C => Metadata::Comment,
        0x927C => Metadata::MakerNote,
        _ => return,
    };
    found.note(kind);
}

struct Block<'a> {
    tiff: &'a [u8],
    big_endian: bool,
}

struct Entry {
    tag: u16,
    kind: u16,
    /// The value field, read as the block's byte order says: as one LONG, and as the SHORT at its start.
    as_long: u32,
    as_short: u16,
}

impl Entry {
    fn long(&self) -> Option<u32> {
        // LONG or IFD.
        matches!(self.kind, 4 | 13).then_some(self.as_long)
    }

    fn orientation(&self) -> Option<u8> {
        let value = match self.kind {
            1 => self
                .as_short
                .to_be_bytes()
                .into_iter()
                .find(|byte| *byte != 0)?,
            3 => u8::try_from(self.as_short).ok()?,
            4 => u8::try_from(self.as_long).ok()?,
            _ => return None,
        };
        (1..=8).contains(&value).then_some(value)
    }
}

impl<'a> Block<'a> {
    fn open(tiff: &'a [u8]) -> Option<Self> {
        let big_endian = match tiff.get(..4)? {
            [b'I', b'I', 42, 0] => false,
            [b'M', b'M', 0, 42] => true,
            _ => return None,
        };
        Some(Self { tiff, big_endian })
    }

    fn u16(&self, at: u32) -> Option<u16> {
        let bytes = self.tiff.get(at as usize..)?.first_chunk()?;
        Some(if self.big_endian {
            u16::from_be_bytes(*bytes)
        } else {
            u16::from_le_bytes(*bytes)
        })
    }

    fn u32(&self, at: u32) -> Option<u32> {
        let bytes = self.tiff.get(at as usize..)?.first_chunk()?;
        Some(if self.big_endian {
            u32::from_be_bytes(*bytes)
        } else {
            u32::from_le_bytes(*bytes)
        })
    }

    /// Visits the entries of the directory at `offset`, and gives the offset of the next directory.
    fn directory(&self, offset: u32, mut visit: impl FnMut(Entry)) -> Option<u32> {
        let count = u32::from(self.u16(offset)?);
        let entries = offset.checked_add(2)?;
        let end = entries.checked_add(count.checked_mul(12)?)?;
        for at in (entries..end).step_by(12) {
            visit(self.entry(at)?);
        }
        self.u32(end)
    }

    fn entry(&self, at: u32) -> Option<Entry> {
        let value = at.checked_add(8)?;
        let kind = self.u16(at.checked_add(2)?)?;
        Some(Entry {
            tag: self.u16(at)?,
            kind,
            as_long: self.u32(value)?,
            as_short: self.u16(value)?,
        })
    }
}
