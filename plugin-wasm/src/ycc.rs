//! Pixels of a photograph to planes, and their light to the width that is sent, row by row: a JPEG is written from planes, and
//! a colour for each four pixels is all that was in the file and all that will be sent.

use crate::filter::{self, Weights};

/// Pixels of two rows are taken so many at a time, of four bytes each.
const STEP: usize = 8;
const BYTES: usize = STEP * 4;

/// Bits after the point of a weight.
const BITS: u32 = 15;

/// Weights of the bytes of a pixel in Y, Cb and Cr. Source: JFIF 1.02, section "Color space".
#[derive(Debug)]
struct Matrix {
    luma: Twice,
    blue: Twice,
    red: Twice,
}

/// For two pixels, which is what a vector holds.
type Twice = [[i16; 4]; 2];

static RED_FIRST: Matrix = Matrix {
    luma: [[9798, 19_235, 3735, 0]; 2],
    blue: [[-5529, -10_855, 16_384, 0]; 2],
    red: [[16_384, -13_720, -2664, 0]; 2],
};
static BLUE_FIRST: Matrix = Matrix {
    luma: [[3735, 19_235, 9798, 0]; 2],
    blue: [[16_384, -10_855, -5529, 0]; 2],
    red: [[-2664, -13_720, 16_384, 0]; 2],
};

/// A picture whose rows come as pixels and lie as planes of the new width.
#[derive(Debug)]
pub struct Narrow {
    matrix: &'static Matrix,
    /// In pixels, of a row that comes.
    width: usize,
    luma_weights: Weights,
    /// Of the new width, and as high as what has come.
    pub luma: Vec<u8>,
    /// Half as wide and half as high as what has come.
    pub blue: Vec<u8>,
    /// The same.
    pub red: Vec<u8>,
    /// Two rows as they came, with room behind them.
    rows: Rows,
    wanted: usize,
}

/// Two rows of pixels as planes.
#[derive(Debug)]
struct Rows {
    one: Vec<u8>,
    other: Vec<u8>,
    blue: Vec<u8>,
    red: Vec<u8>,
}

impl Narrow {
    /// For rows of `width` pixels, of which `seen` are picture, to `wanted`; `height` of them will come.
    pub fn new(
        blue_first: bool,
        (width, height): (usize, usize),
        seen: f64,
        wanted: usize,
    ) -> Self {
        let luma_weights = Weights::new(width, seen, wanted);
        let luma_row = width.next_multiple_of(STEP) + luma_weights.beyond();
        let chroma_row = width.next_multiple_of(STEP) / 2;
        let quarter = width.div_ceil(2) * height.div_ceil(2);
        Self {
            matrix: if blue_first { &BLUE_FIRST } else { &RED_FIRST },
            width,
            luma_weights,
            luma: Vec::with_capacity(wanted * height),
            blue: Vec::with_capacity(quarter),
            red: Vec::with_capacity(quarter),
            rows: Rows {
                one: vec![0; luma_row],
                other: vec![0; luma_row],
                blue: vec![0; chroma_row],
                red: vec![0; chroma_row],
            },
            wanted,
        }
    }

    /// Takes rows: an even number of them, but for the last ones.
    pub fn take(&mut self, band: &[u8]) {
        let stride = self.width * 4;
        for pair in band.chunks(2 * stride) {
            let (one, other) = pair.split_at(stride.min(pair.len()));
            // An odd last row stands for the one that is not there.
            let is_pair = !other.is_empty();
            self.rows
                .convert(one, if is_pair { other } else { one }, self.matrix);
            for row in [&self.rows.one, &self.rows.other]
                .into_iter()
                .take(1 + usize::from(is_pair))
            {
                let from = self.luma.len();
                self.luma.resize(from + self.wanted, 0);
                let place = self.luma.get_mut(from..).unwrap_or_default();
                filter::one_row(row, &self.luma_weights, place);
            }
            let chroma = self.width.div_ceil(2);
            for (plane, row) in [
                (&mut self.blue, &self.rows.blue),
                (&mut self.red, &self.rows.red),
            ] {
                plane.extend_from_slice(row.get(..chroma).unwrap_or_default());
            }
        }
    }
}

impl Rows {
    fn convert(&mut self, one: &[u8], other: &[u8], matrix: &Matrix) {
        let places = self.one.as_chunks_mut::<STEP>().0.iter_mut();
        let places = places.zip(self.other.as_chunks_mut::<STEP>().0);
        let chroma = self.blue.as_chunks_mut::<{ STEP / 2 }>().0.iter_mut();
        let chroma = chroma.zip(self.red.as_chunks_mut::<{ STEP / 2 }>().0);
        let mut places = places.zip(chroma);
        let (ones, one_rest) = one.as_chunks::<BYTES>();
        let (others, other_rest) = other.as_chunks::<BYTES>();
        for ((one, other), place) in ones.iter().zip(others).zip(&mut places) {
            convert(one, other, matrix, place);
        }
        if let (Some(last), Some(place)) = (one_rest.last_chunk::<4>(), places.next()) {
            let other_last = other_rest.last_chunk::<4>().unwrap_or(last);
            convert(
                &filled(one_rest, *last),
                &filled(other_rest, *other_last),
                matrix,
                place,
            );
        }
    }
}

/// The last pixels of a row, and the last of them again and again.
fn filled(rest: &[u8], last: [u8; 4]) -> [u8; BYTES] {
    let mut all = [0; BYTES];
    let pixels = rest
        .as_chunks::<4>()
        .0
        .iter()
        .chain(std::iter::repeat(&last));
    for (to, from) in all.as_chunks_mut::<4>().0.iter_mut().zip(pixels) {
        *to = *from;
    }
    all
}

type Place<'a> = (
    (&'a mut [u8; STEP], &'a mut [u8; STEP]),
    (&'a mut [u8; STEP / 2], &'a mut [u8; STEP / 2]),
);

/// Eight pixels of each of two rows: eight samples of luma for each, and four of chroma for both.
#[cfg(target_arch = "wasm32")]
fn convert(
    one: &[u8; BYTES],
    other: &[u8; BYTES],
    matrix: &Matrix,
    ((one_luma, other_luma), (blue, red)): Place<'_>,
) {
    use core::arch::wasm32::{
        i16x8, i16x8_add, i16x8_narrow_i32x4, i32x4_add, i32x4_dot_i16x8, i32x4_shr, i32x4_shuffle,
        i32x4_splat, i64x2_shuffle, u8x16_narrow_i16x8, u16x8_extend_low_u8x16, u32x4_extract_lane,
        u64x2_extract_lane, u64x2_splat, v128,
    };

    // Two pixels in a vector.
    let wide = |bytes: &[u8; BYTES]| -> [v128; 4] {
        let [a, b, c, d, ..] = bytes.as_chunks::<8>().0 else {
            return [i32x4_splat(0); 4];
        };
        [a, b, c, d].map(|pair| u16x8_extend_low_u8x16(u64x2_splat(u64::from_le_bytes(*pair))))
    };
    let twice = |[[a, b, c, d], [e, f, g, h]]: Twice| i16x8(a, b, c, d, e, f, g, h);
    // The weighted sums of the four pixels in two vectors.
    let weighed = |one, other, weights| {
        let (one, other) = (
            i32x4_dot_i16x8(one, weights),
            i32x4_dot_i16x8(other, weights),
        );
        i32x4_add(
            i32x4_shuffle::<0, 2, 4, 6>(one, other),
            i32x4_shuffle::<1, 3, 5, 7>(one, other),
        )
    };
    let bytes = |low, high| {
        let words = i16x8_narrow_i32x4(low, high);
        u8x16_narrow_i16x8(words, words)
    };

    let (one, other) = (wide(one), wide(other));
    let weights = twice(matrix.luma);
    let half = i32x4_splat(1 << (BITS - 1));
    let luma = |[a, b, c, d]: [v128; 4]| {
        let rounded = |sums| i32x4_shr(i32x4_add(sums, half), BITS);
        let low = rounded(weighed(a, b, weights));
        u64x2_extract_lane::<0>(bytes(low, rounded(weighed(c, d, weights)))).to_le_bytes()
    };
    *one_luma = luma(one);
    *other_luma = luma(other);

    let ([a, b, c, d], [e, f, g, h]) = (one, other);
    let beside = |left, right| {
        i16x8_add(
            i64x2_shuffle::<0, 2>(left, right),
            i64x2_shuffle::<1, 3>(left, right),
        )
    };
    let low = beside(i16x8_add(a, e), i16x8_add(b, f));
    let high = beside(i16x8_add(c, g), i16x8_add(d, h));
    let middle = i32x4_splat((128 << (BITS + 2)) + (1 << (BITS + 1)));
    let chroma = |weights| {
        let sums = i32x4_shr(
            i32x4_add(weighed(low, high, twice(weights)), middle),
            BITS + 2,
        );
        u32x4_extract_lane::<0>(bytes(sums, sums)).to_le_bytes()
    };
    *blue = chroma(matrix.blue);
    *red = chroma(matrix.red);
}

/// The same without vectors.
#[cfg(not(target_arch = "wasm32"))]
fn convert(
    one: &[u8; BYTES],
    other: &[u8; BYTES],
    matrix: &Matrix,
    ((one_luma, other_luma), (blue, red)): Place<'_>,
) {
    let weighed = |pixel: [i32; 4], [weights, _]: Twice| -> i32 {
        pixel
            .iter()
            .zip(weights)
            .map(|(value, weight)| value * i32::from(weight))
            .sum()
    };
    let byte = |sum: i32| sum.clamp(0, 255) as u8;
    let (ones, others) = (one.as_chunks::<4>().0, other.as_chunks::<4>().0);
    for (row, luma) in [(ones, one_luma), (others, other_luma)] {
        for (pixel, luma) in row.iter().zip(luma) {
            let sum = weighed(pixel.map(i32::from), matrix.luma);
            *luma = byte((sum + (1 << (BITS - 1))) >> BITS);
        }
    }
    let squares = ones
        .as_chunks::<2>()
        .0
        .iter()
        .zip(others.as_chunks::<2>().0);
    for ((above, below), (blue, red)) in squares.zip(blue.iter_mut().zip(red)) {
        let mut sum = [0; 4];
        for pixel in above.iter().chain(below) {
            for (sum, value) in sum.iter_mut().zip(pixel) {
                *sum += i32::from(*value);
            }
        }
        let middle = (128 << (BITS + 2)) + (1 << (BITS + 1));
        *blue = byte((weighed(sum, matrix.blue) + middle) >> (BITS + 2));
        *red = byte((weighed(sum, matrix.red) + middle) >> (BITS + 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one colour, of a width that eight do not fit into and an odd number.
    #[track_caller]
    fn check(rgb: [u8; 3]) {
        let [r, g, b] = rgb;
        let (width, height) = (21, 5);
        for (blue_first, pixel) in [(false, [r, g, b, 77]), (true, [b, g, r, 77])] {
            let mut narrow = Narrow::new(blue_first, (width, height), width as f64, 9);
            narrow.take(&pixel.repeat(width * height));
            let sizes = [&narrow.luma, &narrow.blue, &narrow.red].map(Vec::len);
            assert_eq!(sizes, [9 * 5, 11 * 3, 11 * 3]);
            let [r, g, b] = rgb.map(f64::from);
            let y = 0.299 * r + 0.587 * g + 0.114 * b;
            let wanted = [y, (b - y) / 1.772 + 128.0, (r - y) / 1.402 + 128.0];
            for (plane, wanted) in [narrow.luma, narrow.blue, narrow.red].iter().zip(wanted) {
                for value in plane {
                    assert!(
                        (f64::from(*value) - wanted).abs() <= 1.0,
                        "{rgb:?}: {value}, {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_corner_of_the_colours_is_where_it_belongs() {
        for corner in 0..8 {
            check([0, 1, 2].map(|bit| if corner >> bit & 1 == 1 { 255 } else { 0 }));
        }
        check([200, 100, 50]);
    }

    #[test]
    fn white_is_white() {
        let mut narrow = Narrow::new(true, (64, 2), 64.0, 20);
        narrow.take(&[255; 64 * 4 * 2]);
        assert!(narrow.luma.iter().all(|value| *value == 255));
        assert!(
            narrow
                .blue
                .iter()
                .chain(&narrow.red)
                .all(|value| *value == 128)
        );
    }
}
