//! Where a file says that its picture is to be turned.
//!
//! Some browsers turn a picture by its EXIF and some do not, by format and by the way it is decoded. With the value set to
//! 1 in the file that a browser is given, none does, and the turning is ours. Source: CIPA DC-008 (Exif 2.32), tag 274.

use imaging::Format;

const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// The places in `file` of the low bytes of its orientations.
pub fn places(file: &[u8], format: Format) -> Vec<u32> {
    let blocks = match format {
        Format::Jpeg => jpeg_blocks(file),
        Format::WebP => webp_blocks(file),
        // A changed PNG would need new check sums; one that is turned is decoded by the module itself.
        _ => Vec::new(),
    };
    let found = blocks.into_iter().flat_map(|at| entries(file, at));
    found.filter_map(|at| u32::try_from(at).ok()).collect()
}

/// The TIFF blocks of the EXIF segments before the picture.
fn jpeg_blocks(file: &[u8]) -> Vec<usize> {
    let mut blocks = Vec::new();
    let mut at = 2;
    while let Some([first, marker, rest @ ..]) = file.get(at..) {
        // Decoders look for the next marker over whatever lies between.
        if *first != 0xFF || *marker == 0xFF {
            at += 1;
            continue;
        }
        let length = match (marker, rest) {
            (0xDA | 0xD9, _) => break,
            (0x01 | 0xD0..=0xD8, _) => 0,
            (_, [high, low, payload @ ..]) => {
                if *marker == 0xE1 && payload.starts_with(b"Exif\0\0") {
                    blocks.push(at + 10);
                }
                usize::from(u16::from_be_bytes([*high, *low]))
            }
            _ => break,
        };
        at += 2 + length;
    }
    blocks
}

/// The TIFF block of the EXIF chunk, with or without the `Exif\0\0` that some writers leave in front of it.
fn webp_blocks(file: &[u8]) -> Vec<usize> {
    let mut blocks = Vec::new();
    let mut at = 12;
    while let Some([a, b, c, d, l0, l1, l2, l3, body @ ..]) = file.get(at..) {
        if [*a, *b, *c, *d] == *b"EXIF" {
            let skipped = if body.starts_with(b"Exif\0\0") { 6 } else { 0 };
            blocks.push(at + 8 + skipped);
        }
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        at = at
            .saturating_add(8)
            .saturating_add(length)
            .saturating_add(length & 1);
    }
    blocks
}

/// The low bytes of the orientations in the first directory of the TIFF block at `tiff`.
fn entries(file: &[u8], tiff: usize) -> Vec<usize> {
    let block = file.get(tiff..).unwrap_or_default();
    let big_endian = match block {
        [b'I', b'I', 42, 0, ..] => false,
        [b'M', b'M', 0, 42, ..] => true,
        _ => return Vec::new(),
    };
    let short = |at: usize| {
        let bytes = *block.get(at..)?.first_chunk()?;
        Some(if big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    };
    let long = |at: usize| {
        let bytes = *block.get(at..)?.first_chunk()?;
        Some(if big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    };
    let Some(first) = long(4).map(|first| first as usize) else {
        return Vec::new();
    };
    let count = usize::from(short(first).unwrap_or(0));
    (0..count)
        .map(|index| first + 2 + index * 12)
        .filter(|entry| short(*entry) == Some(ORIENTATION) && short(entry + 2) == Some(SHORT))
        .map(|entry| tiff + entry + 8 + usize::from(big_endian))
        .filter(|at| *at < file.len())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Stored as 48 x 24 pixels with orientation 6 and a place.
    const TURNED: &[u8] = include_bytes!("../tests/fixtures/turned.jpg");

    /// The file with 1 at each place.
    fn upright(file: &[u8], format: Format) -> Vec<u8> {
        let mut file = file.to_vec();
        for at in places(&file, format) {
            file[at as usize] = 1;
        }
        file
    }

    #[test]
    fn a_jpeg_is_turned_no_more() {
        assert_eq!(imaging::sniff(TURNED).unwrap().orientation, Some(6));
        let upright = upright(TURNED, Format::Jpeg);
        assert_eq!(imaging::sniff(&upright).unwrap().orientation, Some(1));
        let changed = TURNED.iter().zip(&upright).filter(|(a, b)| a != b).count();
        assert_eq!(changed, 1, "and nothing else is changed");
    }

    /// A TIFF block with one entry, in the byte order `order`.
    fn tiff(order: &[u8; 2], value: u16) -> Vec<u8> {
        let big = order == b"MM";
        let short = |value: u16| {
            if big {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let long = |value: u32| {
            if big {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let mut block = order.to_vec();
        block.extend(short(42));
        block.extend(long(8));
        block.extend([short(1), short(ORIENTATION), short(SHORT)].concat());
        block.extend(long(1));
        block.extend(short(value));
        block.extend([0; 6]);
        block
    }

    #[track_caller]
    fn check_webp(order: &[u8; 2], prefix: &[u8]) {
        let chunk = [prefix, &tiff(order, 8)].concat();
        let mut file = b"RIFF\0\0\0\0WEBPVP8L\x03\0\0\0abc\0EXIF".to_vec();
        file.extend((chunk.len() as u32).to_le_bytes());
        file.extend(chunk);
        let upright = upright(&file, Format::WebP);
        let at = upright.iter().zip(&file).position(|(a, b)| a != b).unwrap();
        assert_eq!((file[at], upright[at]), (8, 1));
        assert_eq!(places(&file, Format::WebP).len(), 1);
    }

    #[test]
    fn a_webp_is_turned_no_more_in_either_byte_order() {
        check_webp(b"MM", b"");
        check_webp(b"II", b"");
        check_webp(b"II", b"Exif\0\0");
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(4), ..ProptestConfig::default() })]

        #[test]
        fn no_file_leads_outside_itself(noise: Vec<u8>, at in 0..TURNED.len(), value: u8) {
            let mut broken = TURNED.to_vec();
            broken[at] = value;
            for file in [&noise, &broken] {
                for format in [Format::Jpeg, Format::WebP] {
                    for place in places(file, format) {
                        prop_assert!((place as usize) < file.len());
                    }
                }
            }
        }
    }
}
