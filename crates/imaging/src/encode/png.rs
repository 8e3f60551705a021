//! PNG out. Source: PNG (third edition), sections 5, 9 and 11.

use super::palette::Indexed;
use crate::pixels::{Channels, Pixels};

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n'];

/// From the fourth level on what is drawn gets smaller by a hundredth for twice the time.
const LEVEL: u8 = 4;

const GRAY: u8 = 0;
const RGB: u8 = 2;
const INDEXED: u8 = 3;
const RGBA: u8 = 6;

/// A palette and an index for each pixel.
pub(super) fn write_indexed(picture: &Indexed, width: u32) -> Vec<u8> {
    let width = (width as usize).max(1);
    let depth = match picture.palette.len() {
        0..=2 => 1,
        3..=4 => 2,
        5..=16 => 4,
        _ => 8,
    };
    let mut rows = Vec::with_capacity(picture.indices.len() + picture.indices.len() / width + 1);
    for row in picture.indices.chunks_exact(width) {
        // Neighbouring indices have nothing to do with each other, so no filter helps.
        rows.push(0);
        pack(row, depth, &mut rows);
    }
    let height = picture.indices.len() / width;
    let mut out = start(width as u32, height as u32, depth, INDEXED);
    chunk(&mut out, b"PLTE", picture.palette.as_flattened());
    finish(out, &rows)
}

/// Indices of `depth` bits, the first in the highest bits.
fn pack(row: &[u8], depth: u8, out: &mut Vec<u8>) {
    let per_byte = usize::from(8 / depth);
    if per_byte == 1 {
        out.extend(row);
        return;
    }
    out.extend(row.chunks(per_byte).map(|part| {
        let mut byte = 0_u8;
        for place in 0..per_byte {
            byte = (byte << depth) | part.get(place).copied().unwrap_or_default();
        }
        byte
    }));
}

/// All pixels without loss; grey ones as grey.
pub(super) fn write_exact(pixels: &Pixels) -> Vec<u8> {
    let is_gray =
        pixels.channels != Channels::Rgba && pixels.rgb().all(|[r, g, b]| r == g && g == b);
    let (color, data, count) = match pixels.channels {
        Channels::Rgba => (RGBA, pixels.data.clone(), 4),
        _ if is_gray => (GRAY, pixels.rgb().map(|[y, ..]| y).collect(), 1),
        _ => (RGB, pixels.rgb().flatten().collect::<Vec<u8>>(), 3),
    };
    let stride = (pixels.width as usize * count).max(1);
    let mut rows = Vec::with_capacity(data.len() + data.len() / stride + 1);
    let mut above = vec![0; stride];
    let mut filtered = vec![0; stride];
    for row in data.chunks_exact(stride) {
        let filter = FILTERS
            .into_iter()
            .min_by_key(|filter| {
                filter.apply(row, &above, count, &mut filtered);
                cost(&filtered)
            })
            .unwrap_or(Filter::None);
        filter.apply(row, &above, count, &mut filtered);
        rows.push(filter as u8);
        rows.extend(&filtered);
        above.copy_from_slice(row);
    }
    finish(start(pixels.width, pixels.height, 8, color), &rows)
}

/// How a row is told as differences, section 9.2.
#[derive(Debug, Clone, Copy)]
enum Filter {
    None = 0,
    Sub = 1,
    Up = 2,
    Paeth = 4,
}

const FILTERS: [Filter; 4] = [Filter::None, Filter::Sub, Filter::Up, Filter::Paeth];

impl Filter {
    fn apply(self, row: &[u8], above: &[u8], count: usize, out: &mut [u8]) {
        let zeros = std::iter::repeat_n(&0, count);
        let lefts = || zeros.clone().chain(row);
        match self {
            Self::None => out.copy_from_slice(row),
            Self::Sub => {
                for ((to, value), left) in out.iter_mut().zip(row).zip(lefts()) {
                    *to = value.wrapping_sub(*left);
                }
            }
            Self::Up => {
                for ((to, value), up) in out.iter_mut().zip(row).zip(above) {
                    *to = value.wrapping_sub(*up);
                }
            }
            Self::Paeth => {
                let corners = zeros.clone().chain(above);
                let around = lefts().zip(above).zip(corners);
                for ((to, value), ((left, up), corner)) in out.iter_mut().zip(row).zip(around) {
                    *to = value.wrapping_sub(paeth(*left, *up, *corner));
                }
            }
        }
    }
}

/// The neighbour nearest to left + up - corner, section 9.4.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let (to_left, to_up, to_corner) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    if to_left <= to_up && to_left <= to_corner {
        left
    } else if to_up <= to_corner {
        up
    } else {
        corner
    }
}

/// The sum of the differences as signed numbers: small ones compress well.
fn cost(filtered: &[u8]) -> u32 {
    filtered
        .iter()
        .map(|byte| u32::from(byte.cast_signed().unsigned_abs()))
        .sum()
}

fn start(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    let [w, h] = [width, height].map(u32::to_be_bytes);
    // Compression, filter and interlace methods are 0.
    chunk(
        &mut out,
        b"IHDR",
        &[&w[..], &h, &[depth, color, 0, 0, 0]].concat(),
    );
    out
}

fn finish(mut out: Vec<u8>, rows: &[u8]) -> Vec<u8> {
    chunk(
        &mut out,
        b"IDAT",
        &miniz_oxide::deflate::compress_to_vec_zlib(rows, LEVEL),
    );
    chunk(&mut out, b"IEND", &[]);
    out
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], payload: &[u8]) {
    out.extend((payload.len() as u32).to_be_bytes());
    let from = out.len();
    out.extend(kind);
    out.extend(payload);
    let sum = crc32(out.get(from..).unwrap_or_default());
    out.extend(sum.to_be_bytes());
}

/// ISO 3309, annex D of the source; half a byte at a time, for a table of sixteen.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let table: [u32; 16] = std::array::from_fn(|index| {
        (0..4).fold(index as u32, |value, _| {
            (value >> 1) ^ if value & 1 == 1 { POLYNOMIAL } else { 0 }
        })
    });
    let step = |sum: u32, nibble: u32| {
        (sum >> 4)
            ^ table
                .get((nibble & 15) as usize)
                .copied()
                .unwrap_or_default()
    };
    !bytes.iter().fold(!0, |sum, byte| {
        let sum = step(sum, sum ^ u32::from(*byte));
        step(sum, sum ^ u32::from(*byte >> 4))
    })
}
