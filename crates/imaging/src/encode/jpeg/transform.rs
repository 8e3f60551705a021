//! A block of samples to quantised frequencies.
//!
//! The transform is that of Arai, Agui and Nakajima ("A fast DCT-SQ scheme for images", 1988): five multiplications for
//! eight samples, the rest of them in the quantiser's. In floating point it is exact enough for every quality, and no
//! machine rounds it differently: there are only additions and multiplications, and none of them are fused.

use super::BLOCK;
use lanes::{Lanes, transposed};

/// What is added to a number below 2^22 to round it: its whole part stands in the lowest bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// So much of a step is every frequency but the mean brought nearer to zero before it is rounded: most of those in between
/// are nearer to zero, and zeros cost fewest bits.
const NEARER: f32 = 0.1;

/// The same for the first column, which begins with the mean.
const MEAN_APART: [f32; BLOCK] = [0.0, NEARER, NEARER, NEARER, NEARER, NEARER, NEARER, NEARER];

/// A quantised frequency, in columns of eight: the transform leaves them so, and turning them back would cost more.
pub(super) type Quantised = [[i16; BLOCK]; BLOCK];

/// A bit for each value that is not zero, the first in the lowest.
pub(super) fn others_than_zero(values: &[i16; BLOCK * BLOCK]) -> u64 {
    let eights = values.as_chunks().0.iter().rev();
    eights.fold(0, |bits, eight| {
        bits << BLOCK | u64::from(lanes::others_than_zero(eight))
    })
}

/// How the frequencies of a plane are divided.
pub(super) struct Table {
    /// The step's inverse, with what the transform left out; in columns.
    factors: [Lanes; BLOCK],
}

impl Table {
    /// `steps`: in rows of eight.
    pub(super) fn new(steps: &[u8; 64]) -> Self {
        // sqrt(2) cos(k pi / 16), and 1 for k = 0.
        const LEFT_OUT: [f64; BLOCK] = [
            1.0,
            1.387_039_845_322_148,
            1.306_562_964_876_377,
            1.175_875_602_419_359,
            1.0,
            0.785_694_958_387_102,
            0.541_196_100_146_197,
            0.275_899_379_282_943,
        ];
        let mut factors = [[0.0; BLOCK]; BLOCK];
        for (at, step) in steps.iter().enumerate() {
            let (row, column) = (at / BLOCK, at % BLOCK);
            if let (Some(a), Some(b), Some(place)) = (
                LEFT_OUT.get(row),
                LEFT_OUT.get(column),
                factors.get_mut(column).and_then(|place| place.get_mut(row)),
            ) {
                *place = (1.0 / (f64::from(*step) * a * b * 8.0)) as f32;
            }
        }
        Self {
            factors: factors.map(Lanes::new),
        }
    }

    /// Transforms and quantises.
    pub(super) fn quantised(&self, block: &[[u8; BLOCK]; BLOCK]) -> Quantised {
        let columns = along_columns(block.map(Lanes::of_samples));
        let mut frequencies = along_columns(transposed(columns));
        let mut nearer = MEAN_APART;
        for (lanes, factors) in frequencies.iter_mut().zip(self.factors) {
            *lanes = (*lanes * factors).nearer_to_zero(Lanes::new(nearer));
            nearer = [NEARER; BLOCK];
        }
        frequencies.map(Lanes::rounded)
    }
}

/// One dimension of the transform, figure 4 of the paper: eight columns at a time, without what is left out.
fn along_columns([a, b, c, d, e, f, g, h]: [Lanes; BLOCK]) -> [Lanes; BLOCK] {
    const C4: f32 = std::f32::consts::FRAC_1_SQRT_2;
    const C6: f32 = 0.382_683_43;
    const C2_LESS_C6: f32 = 0.541_196_1;
    const C2_AND_C6: f32 = 1.306_563;

    let sums = [a + h, b + g, c + f, d + e];
    let [ah, bg, cf, de] = sums;
    let (outer, inner) = (ah + de, bg + cf);
    let difference = ah - de;
    let turned = (bg - cf + difference) * Lanes::splat(C4);
    let evens = [
        outer + inner,
        difference + turned,
        outer - inner,
        difference - turned,
    ];

    let [h, g, f, e] = [a - h, b - g, c - f, d - e];
    let (low, middle, high) = (e + f, f + g, g + h);
    let both = (low - high) * Lanes::splat(C6);
    let low = low * Lanes::splat(C2_LESS_C6) + both;
    let high = high * Lanes::splat(C2_AND_C6) + both;
    let middle = middle * Lanes::splat(C4);
    let (near, far) = (h + middle, h - middle);
    let [e0, e2, e4, e6] = evens;
    [
        e0,
        near + high,
        e2,
        far - low,
        e4,
        far + low,
        e6,
        near - high,
    ]
}

/// Eight numbers in two vectors.
#[cfg(target_arch = "wasm32")]
mod lanes {
    use super::{BLOCK, ROUND};
    use core::arch::wasm32::{
        f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_mul, f32x4_splat, f32x4_sub, i16x8,
        i16x8_bitmask, i16x8_extract_lane, i16x8_narrow_i32x4, i16x8_ne, i16x8_splat, i16x8_sub,
        i32x4_extend_high_i16x8, i32x4_extend_low_i16x8, i32x4_shuffle, i32x4_splat, i32x4_sub,
        i64x2_shuffle, u16x8_extend_low_u8x16, u16x8_splat, u64x2_splat, v128, v128_and, v128_or,
    };

    #[derive(Clone, Copy)]
    pub(super) struct Lanes(v128, v128);

    impl Lanes {
        pub(super) fn new([a, b, c, d, e, f, g, h]: [f32; BLOCK]) -> Self {
            Self(f32x4(a, b, c, d), f32x4(e, f, g, h))
        }

        pub(super) fn splat(value: f32) -> Self {
            Self(f32x4_splat(value), f32x4_splat(value))
        }

        pub(super) fn of_samples(samples: [u8; BLOCK]) -> Self {
            let samples = u16x8_extend_low_u8x16(u64x2_splat(u64::from_le_bytes(samples)));
            let signed = i16x8_sub(samples, u16x8_splat(128));
            Self(
                f32x4_convert_i32x4(i32x4_extend_low_i16x8(signed)),
                f32x4_convert_i32x4(i32x4_extend_high_i16x8(signed)),
            )
        }

        /// By less than one.
        pub(super) fn nearer_to_zero(self, by: Self) -> Self {
            let sign = f32x4_splat(-0.0);
            let signed = |value, by| f32x4_sub(value, v128_or(v128_and(value, sign), by));
            Self(signed(self.0, by.0), signed(self.1, by.1))
        }

        pub(super) fn rounded(self) -> [i16; BLOCK] {
            let whole = |half| {
                let sum = f32x4_add(half, f32x4_splat(ROUND));
                i32x4_sub(sum, i32x4_splat(ROUND.to_bits() as i32))
            };
            let all = i16x8_narrow_i32x4(whole(self.0), whole(self.1));
            [
                i16x8_extract_lane::<0>(all),
                i16x8_extract_lane::<1>(all),
                i16x8_extract_lane::<2>(all),
                i16x8_extract_lane::<3>(all),
                i16x8_extract_lane::<4>(all),
                i16x8_extract_lane::<5>(all),
                i16x8_extract_lane::<6>(all),
                i16x8_extract_lane::<7>(all),
            ]
        }
    }

    impl std::ops::Add for Lanes {
        type Output = Self;
        fn add(self, other: Self) -> Self {
            Self(f32x4_add(self.0, other.0), f32x4_add(self.1, other.1))
        }
    }

    impl std::ops::Sub for Lanes {
        type Output = Self;
        fn sub(self, other: Self) -> Self {
            Self(f32x4_sub(self.0, other.0), f32x4_sub(self.1, other.1))
        }
    }

    impl std::ops::Mul for Lanes {
        type Output = Self;
        fn mul(self, other: Self) -> Self {
            Self(f32x4_mul(self.0, other.0), f32x4_mul(self.1, other.1))
        }
    }

    pub(super) fn others_than_zero([a, b, c, d, e, f, g, h]: &[i16; BLOCK]) -> u8 {
        let eight = i16x8(*a, *b, *c, *d, *e, *f, *g, *h);
        i16x8_bitmask(i16x8_ne(eight, i16x8_splat(0)))
    }

    /// Rows to columns.
    pub(super) fn transposed([a, b, c, d, e, f, g, h]: [Lanes; BLOCK]) -> [Lanes; BLOCK] {
        let [a0, b0, c0, d0] = quarter([a.0, b.0, c.0, d.0]);
        let [e0, f0, g0, h0] = quarter([e.0, f.0, g.0, h.0]);
        let [a1, b1, c1, d1] = quarter([a.1, b.1, c.1, d.1]);
        let [e1, f1, g1, h1] = quarter([e.1, f.1, g.1, h.1]);
        [
            Lanes(a0, e0),
            Lanes(b0, f0),
            Lanes(c0, g0),
            Lanes(d0, h0),
            Lanes(a1, e1),
            Lanes(b1, f1),
            Lanes(c1, g1),
            Lanes(d1, h1),
        ]
    }

    fn quarter([a, b, c, d]: [v128; 4]) -> [v128; 4] {
        let ab_low = i32x4_shuffle::<0, 4, 1, 5>(a, b);
        let ab_high = i32x4_shuffle::<2, 6, 3, 7>(a, b);
        let cd_low = i32x4_shuffle::<0, 4, 1, 5>(c, d);
        let cd_high = i32x4_shuffle::<2, 6, 3, 7>(c, d);
        [
            i64x2_shuffle::<0, 2>(ab_low, cd_low),
            i64x2_shuffle::<1, 3>(ab_low, cd_low),
            i64x2_shuffle::<0, 2>(ab_high, cd_high),
            i64x2_shuffle::<1, 3>(ab_high, cd_high),
        ]
    }
}

/// The same in what vectors a compiler finds.
#[cfg(not(target_arch = "wasm32"))]
mod lanes {
    use super::{BLOCK, ROUND};

    #[derive(Clone, Copy)]
    pub(super) struct Lanes([f32; BLOCK]);

    impl Lanes {
        pub(super) fn new(values: [f32; BLOCK]) -> Self {
            Self(values)
        }

        pub(super) fn splat(value: f32) -> Self {
            Self([value; BLOCK])
        }

        pub(super) fn of_samples(samples: [u8; BLOCK]) -> Self {
            Self(samples.map(|sample| f32::from(i16::from(sample) - 128)))
        }

        fn with(mut self, other: Self, change: impl Fn(f32, f32) -> f32) -> Self {
            for (one, other) in self.0.iter_mut().zip(other.0) {
                *one = change(*one, other);
            }
            self
        }

        /// By less than one.
        pub(super) fn nearer_to_zero(self, by: Self) -> Self {
            self.with(by, |value, by| value - by.copysign(value))
        }

        pub(super) fn rounded(self) -> [i16; BLOCK] {
            let whole = |value: f32| (value + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
            self.0.map(|value| whole(value) as i16)
        }
    }

    impl std::ops::Add for Lanes {
        type Output = Self;
        fn add(self, other: Self) -> Self {
            self.with(other, |a, b| a + b)
        }
    }

    impl std::ops::Sub for Lanes {
        type Output = Self;
        fn sub(self, other: Self) -> Self {
            self.with(other, |a, b| a - b)
        }
    }

    impl std::ops::Mul for Lanes {
        type Output = Self;
        fn mul(self, other: Self) -> Self {
            self.with(other, |a, b| a * b)
        }
    }

    pub(super) fn others_than_zero(eight: &[i16; BLOCK]) -> u8 {
        let values = eight.iter().rev();
        values.fold(0, |bits, value| bits << 1 | u8::from(*value != 0))
    }

    /// Rows to columns.
    pub(super) fn transposed(rows: [Lanes; BLOCK]) -> [Lanes; BLOCK] {
        let mut columns = [[0.0; BLOCK]; BLOCK];
        for (at, row) in rows.iter().enumerate() {
            for (column, value) in columns.iter_mut().zip(row.0) {
                if let Some(place) = column.get_mut(at) {
                    *place = value;
                }
            }
        }
        columns.map(Lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transform by its formula, section A.3.3.
    fn exactly(block: &[[u8; BLOCK]; BLOCK], u: usize, v: usize) -> f64 {
        let scale = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let wave = |x: usize, k: usize| {
            ((2 * x + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()
        };
        let sum: f64 = (0..64)
            .map(|at| (at % 8, at / 8))
            .map(|(x, y)| (f64::from(block[y][x]) - 128.0) * wave(x, u) * wave(y, v))
            .sum();
        sum * scale(u) * scale(v) / 4.0
    }

    #[test]
    fn every_frequency_is_that_of_the_formula() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let steps: [u8; 64] = std::array::from_fn(|at| 1 + (at as u8) / 3);
        let table = Table::new(&steps);
        let blocks = [
            [[0; 8]; 8],
            [[255; 8]; 8],
            std::array::from_fn(|_| std::array::from_fn(|_| noise())),
            std::array::from_fn(|_| std::array::from_fn(|x| if x % 2 == 0 { 0 } else { 255 })),
        ];
        for block in blocks {
            let found = table.quantised(&block);
            for (at, step) in steps.iter().enumerate() {
                let (u, v) = (at % 8, at / 8);
                let exact = exactly(&block, u, v) / f64::from(*step);
                let nearer = if at == 0 { 0.0 } else { f64::from(NEARER) };
                let wanted = exact - nearer.copysign(exact);
                let got = f64::from(found[u][v]);
                assert!((got - wanted).abs() < 0.501, "{u} {v}: {got}, {wanted}");
            }
        }
    }
}
