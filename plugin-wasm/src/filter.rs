//! Lanczos3 in few bytes of code, for pixels that come from the browser.
//!
//! The crate `imaging` has a filter for any machine; in a module it is four times as large as all that is here. This one
//! knows bytes, alone or four to a pixel, and WebAssembly's vectors. A native build has the same sums without vectors, so
//! that its tests hold for both.

/// Bits after the point of a weight.
const BITS: u32 = 14;
/// Half of one, for rounding.
const HALF: i32 = 1 << (BITS - 1);
/// Taps are taken so many at a time.
const LANES: usize = 8;
/// Bytes of a column block: what one vector holds.
const BLOCK: usize = 16;

/// How many bytes stand side by side and are filtered each for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// A plane.
    One,
    /// A pixel of four bytes.
    Four,
}

impl Samples {
    fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Four => 4,
        }
    }
}

/// Which samples make each sample of the result, and how much each weighs.
#[derive(Debug)]
pub struct Weights {
    /// The first sample of each window.
    starts: Vec<usize>,
    /// `taps` weights for each window; those that lie outside weigh nothing.
    weights: Vec<i16>,
    /// A multiple of [`LANES`].
    taps: usize,
}

impl Weights {
    /// For the part from 0 to `seen` of `count` samples, to `wanted` samples.
    pub fn new(count: usize, seen: f64, wanted: usize) -> Self {
        let scale = seen / wanted as f64;
        let stretch = scale.max(1.0);
        let (support, shrunk) = (3.0 * stretch, 1.0 / stretch);
        let taps = ((2.0 * support) as usize + 2).next_multiple_of(LANES);
        let last = (seen + 0.999_999) as usize;
        let last = last.clamp(1, count);
        let mut starts = Vec::with_capacity(wanted);
        let mut weights = vec![0; wanted * taps];
        let mut exact = vec![0.0; taps];
        for (index, rounded) in weights.chunks_exact_mut(taps).enumerate() {
            let center = (index as f64 + 0.5) * scale;
            let start = ((center - support + 0.5).max(0.0) as usize).min(last - 1);
            let end = ((center + support + 0.5) as usize).clamp(start + 1, last);
            let mut sum = 0.0;
            for (tap, weight) in exact.iter_mut().enumerate() {
                let place = start + tap;
                let distance = (place as f64 + 0.5 - center) * shrunk;
                *weight = if place < end { lanczos3(distance) } else { 0.0 };
                sum += *weight;
            }
            // What rounding takes from one tap is given to the next, so that white stays white.
            let one = f64::from(1 << BITS);
            let (mut owed, mut given) = (0.0, 0);
            for (weight, rounded) in exact.iter().zip(rounded) {
                owed += *weight / sum * one;
                let whole = (owed + 32_768.5) as i32 - 32_768;
                *rounded = (whole - given) as i16;
                given = whole;
            }
            starts.push(start);
        }
        // Rows are filtered four windows at a time: there are some that weigh nothing.
        let fours = wanted.next_multiple_of(4);
        starts.resize(fours, 0);
        weights.resize(fours * taps, 0);
        Self {
            starts,
            weights,
            taps,
        }
    }

    /// How many samples must follow a row, whatever they are, so that a window may look past its end.
    pub fn beyond(&self) -> usize {
        self.taps
    }

    /// Each window's first sample and weights.
    fn windows(&self) -> impl Iterator<Item = (usize, &[i16])> {
        let starts = self.starts.iter().copied();
        starts.zip(self.weights.chunks_exact(self.taps))
    }
}

/// The Lanczos window of three lobes.
fn lanczos3(x: f64) -> f64 {
    if x.abs() >= 3.0 {
        return 0.0;
    }
    sinc(x) * sinc(x * (1.0 / 3.0))
}

/// sin(pi x) / (pi x), for |x| up to 3, to eight digits. The library's sine would be 7 kB.
fn sinc(x: f64) -> f64 {
    let x = x.abs();
    if x < 1e-6 {
        return 1.0;
    }
    let whole = (x + 0.5) as i32;
    let rest = (x - f64::from(whole)) * std::f64::consts::PI;
    let square = rest * rest;
    let mut term = 1.0;
    // Of the series of the sine; a division costs as much as all the rest of a step.
    for part in [1.0 / 110.0, 1.0 / 72.0, 1.0 / 42.0, 1.0 / 20.0, 1.0 / 6.0] {
        term = 1.0 - term * square * part;
    }
    let sine = rest * term;
    let sine = if whole % 2 == 0 { sine } else { -sine };
    sine / (x * std::f64::consts::PI)
}

/// Filters each row of `width` samples to `wanted`. `seen`: how much of a row is picture.
pub fn rows(data: &[u8], samples: Samples, width: usize, seen: f64, wanted: usize) -> Vec<u8> {
    let count = samples.count();
    if width == wanted && seen == width as f64 {
        return data.to_vec();
    }
    let weights = Weights::new(width, seen, wanted);
    let mut row = vec![0; (width + weights.beyond()) * count];
    let mut out = vec![0; data.len() / (width * count) * wanted * count];
    let stride = wanted * count;
    for (index, stored) in data.chunks_exact(width * count).enumerate() {
        let (done, coming) = out.split_at_mut(index * stride);
        let (Some(result), Some(place)) = (coming.get_mut(..stride), row.get_mut(..stored.len()))
        else {
            break;
        };
        // What a program drew has many rows that are those above.
        if place == stored
            && let Some(last) = done
                .len()
                .checked_sub(stride)
                .and_then(|from| done.get(from..))
        {
            result.copy_from_slice(last);
            continue;
        }
        place.copy_from_slice(stored);
        match samples {
            Samples::One => one_row(&row, &weights, result),
            Samples::Four => four_row(&row, &weights, result),
        }
    }
    out
}

/// Filters a row of a plane that has room behind it.
pub fn one_row(row: &[u8], weights: &Weights, result: &mut [u8]) {
    match weights.taps / LANES {
        1 => one_row_of::<1>(row, weights, result),
        2 => one_row_of::<2>(row, weights, result),
        _ => one_row_of_any(row, weights, result),
    }
}

/// The same for windows of a known length, whose loops fall away: most photographs have these.
fn one_row_of<const GROUPS: usize>(row: &[u8], weights: &Weights, result: &mut [u8]) {
    let windows = weights
        .weights
        .as_chunks::<LANES>()
        .0
        .as_chunks::<GROUPS>()
        .0;
    let fours = windows.as_chunks::<4>().0;
    let starts = weights.starts.as_chunks::<4>().0;
    for ((result, starts), windows) in result.chunks_mut(4).zip(starts).zip(fours) {
        let mut all = [sums::ZERO; 4];
        for ((sum, start), window) in all.iter_mut().zip(starts).zip(windows) {
            let taken = row.get(*start..).unwrap_or_default().as_chunks::<LANES>().0;
            if let Some(taken) = taken.first_chunk::<GROUPS>() {
                for (bytes, weights) in taken.iter().zip(window) {
                    *sum = sums::eight(*sum, bytes, weights);
                }
            }
        }
        put(result, &sums::four(all));
    }
}

fn one_row_of_any(row: &[u8], weights: &Weights, result: &mut [u8]) {
    let mut windows = weights.windows();
    for four in result.chunks_mut(4) {
        let mut sums = [sums::ZERO; 4];
        for (sum, (start, window)) in sums.iter_mut().zip(&mut windows) {
            let taken = row.get(start..start + window.len()).unwrap_or_default();
            let groups = window.as_chunks::<LANES>().0;
            for (bytes, weights) in taken.as_chunks::<LANES>().0.iter().zip(groups) {
                *sum = sums::eight(*sum, bytes, weights);
            }
        }
        put(four, &sums::four(sums));
    }
}

fn four_row(row: &[u8], weights: &Weights, result: &mut [u8]) {
    let results = result.as_chunks_mut::<4>().0;
    // Few photographs come this way, and none in the module of JPEG alone.
    let changes = if cfg!(feature = "drawings") {
        changes_along(row)
    } else {
        Vec::new()
    };
    for ((start, window), result) in weights.windows().zip(results) {
        // Of one colour, as most of what a program drew: the weights are one together.
        let (first, last) = ((start + 1) / 4, (start + window.len() - 1) / 4);
        if let (Some(before), Some(after), Some(pixel)) = (
            changes.get(first),
            changes.get(last + 1),
            row.as_chunks::<4>().0.get(start),
        ) && before == after
        {
            *result = *pixel;
            continue;
        }
        let taken = row.get(start * 4..(start + window.len()) * 4);
        let fours = taken.unwrap_or_default().as_chunks::<BLOCK>().0;
        let mut sum = sums::ZERO;
        for (pixels, weights) in fours.iter().zip(window.as_chunks::<4>().0) {
            sum = sums::four_pixels(sum, pixels, weights);
        }
        *result = sums::pixel(sum);
    }
}

/// Filters the columns of rows of `stride` bytes to `wanted` rows. `seen`: how much of a column is picture.
pub fn columns(data: &[u8], stride: usize, seen: f64, wanted: usize) -> Vec<u8> {
    let height = data.len() / stride;
    if height == wanted && seen == height as f64 {
        return data.to_vec();
    }
    let weights = Weights::new(height, seen, wanted);
    let mut out = vec![0; stride * wanted];
    let changes = changes(data, stride);
    for ((start, window), result) in weights.windows().zip(out.chunks_exact_mut(stride)) {
        let used = window.iter().rposition(|weight| *weight != 0);
        let used = used.unwrap_or_default();
        let last = (start + used).min(height - 1);
        if changes.get(start) == changes.get(last) {
            let row = data.get(start * stride..).unwrap_or_default();
            result
                .iter_mut()
                .zip(row)
                .for_each(|(to, from)| *to = *from);
            continue;
        }
        let pairs = window.as_chunks::<2>().0;
        let pairs = pairs.get(..used / 2 + 1);
        for (index, place) in result.chunks_mut(BLOCK).enumerate() {
            let mut sum = [sums::ZERO; 4];
            let mut at = start * stride + index * BLOCK;
            for pair in pairs.unwrap_or_default() {
                // Past the last row there is no weight; any bytes will do.
                let one = block(data, at);
                let other = block(data, at + stride);
                sum = sums::two_rows(sum, &one, &other, *pair);
                at += 2 * stride;
            }
            put(place, &sums::sixteen(sum));
        }
    }
    out
}

/// All of the bytes, or as many as there is place for at a row's end.
#[inline]
fn put<const COUNT: usize>(place: &mut [u8], bytes: &[u8; COUNT]) {
    match place.first_chunk_mut() {
        Some(place) => *place = *bytes,
        None => place
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = *from),
    }
}

/// The bytes from a place on; those beyond the end are zeros.
#[inline]
fn block(data: &[u8], at: usize) -> [u8; BLOCK] {
    let from = data.get(at..).unwrap_or_default();
    match from.first_chunk() {
        Some(block) => *block,
        None => {
            let mut block = [0; BLOCK];
            block
                .iter_mut()
                .zip(from)
                .for_each(|(to, from)| *to = *from);
            block
        }
    }
}

/// For each four pixels of a row how many fours before them hold a pixel that is not the one to its left.
fn changes_along(row: &[u8]) -> Vec<u32> {
    let (blocks, _) = row.as_chunks::<BLOCK>();
    let mut changes = Vec::with_capacity(blocks.len() + 1);
    let mut count = 0;
    changes.push(count);
    if let Some([a, b, c, d, e, f, g, h, i, j, k, l, ..]) = blocks.first().copied() {
        let lefts = [a, b, c, d, a, b, c, d, e, f, g, h, i, j, k, l];
        count += u32::from(blocks.first() != Some(&lefts));
        changes.push(count);
    }
    let lefts = row.get(BLOCK - 4..).unwrap_or_default();
    let lefts = lefts.as_chunks::<BLOCK>().0;
    for (block, left) in blocks.iter().skip(1).zip(lefts) {
        count += u32::from(block != left);
        changes.push(count);
    }
    changes
}

/// For each row how many of those before it, and itself, are not the row above.
fn changes(data: &[u8], stride: usize) -> Vec<u32> {
    let mut last: &[u8] = &[];
    let mut count = 0;
    let rows = data.chunks_exact(stride);
    rows.map(|row| {
        count += u32::from(row != last);
        last = row;
        count
    })
    .collect()
}

/// Sums of four lanes of 32 bits.
#[cfg(target_arch = "wasm32")]
mod sums {
    use super::{BITS, BLOCK, HALF, LANES};
    use core::arch::wasm32::{
        i16x8, i16x8_narrow_i32x4, i32x4, i32x4_add, i32x4_dot_i16x8, i32x4_shr, i32x4_shuffle,
        i32x4_splat, u8x16_narrow_i16x8, u8x16_shuffle, u16x8_extend_high_u8x16,
        u16x8_extend_low_u8x16, u32x4_extract_lane, u64x2, u64x2_extract_lane, u64x2_splat, v128,
    };

    pub(super) type Sum = v128;
    pub(super) const ZERO: Sum = i32x4(0, 0, 0, 0);

    fn vector(bytes: &[u8; BLOCK]) -> v128 {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
        u64x2(
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            u64::from_le_bytes([i, j, k, l, m, n, o, p]),
        )
    }

    fn pair([first, second]: [i16; 2]) -> v128 {
        i32x4_splat(i32::from(second) << 16 | i32::from(first) & 0xFFFF)
    }

    /// Eight samples, each with its weight.
    pub(super) fn eight(sum: Sum, bytes: &[u8; LANES], weights: &[i16; LANES]) -> Sum {
        let samples = u16x8_extend_low_u8x16(u64x2_splat(u64::from_le_bytes(*bytes)));
        let [a, b, c, d, e, f, g, h] = *weights;
        i32x4_add(sum, i32x4_dot_i16x8(samples, i16x8(a, b, c, d, e, f, g, h)))
    }

    /// Four pixels of four samples, each pixel with its weight.
    pub(super) fn four_pixels(sum: Sum, pixels: &[u8; BLOCK], weights: &[i16; 4]) -> Sum {
        let all = vector(pixels);
        let beside =
            u8x16_shuffle::<0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15>(all, all);
        let [a, b, c, d] = *weights;
        let first = i32x4_dot_i16x8(u16x8_extend_low_u8x16(beside), pair([a, b]));
        let second = i32x4_dot_i16x8(u16x8_extend_high_u8x16(beside), pair([c, d]));
        i32x4_add(sum, i32x4_add(first, second))
    }

    /// Sixteen samples of each of two rows, each row with its weight.
    pub(super) fn two_rows(
        [a, b, c, d]: [Sum; 4],
        one: &[u8; BLOCK],
        other: &[u8; BLOCK],
        weights: [i16; 2],
    ) -> [Sum; 4] {
        let (one, other, weights) = (vector(one), vector(other), pair(weights));
        let low =
            u8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(one, other);
        let high = u8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(
            one, other,
        );
        let add = |sum, samples| i32x4_add(sum, i32x4_dot_i16x8(samples, weights));
        [
            add(a, u16x8_extend_low_u8x16(low)),
            add(b, u16x8_extend_high_u8x16(low)),
            add(c, u16x8_extend_low_u8x16(high)),
            add(d, u16x8_extend_high_u8x16(high)),
        ]
    }

    /// The bytes that sixteen sums mean.
    fn rounded([a, b, c, d]: [Sum; 4]) -> v128 {
        let whole = |sum| i32x4_shr(i32x4_add(sum, i32x4_splat(HALF)), BITS);
        u8x16_narrow_i16x8(
            i16x8_narrow_i32x4(whole(a), whole(b)),
            i16x8_narrow_i32x4(whole(c), whole(d)),
        )
    }

    /// A byte for each lane of four sums.
    pub(super) fn sixteen(sums: [Sum; 4]) -> [u8; BLOCK] {
        let bytes = rounded(sums);
        let [a, b, c, d, e, f, g, h] = u64x2_extract_lane::<0>(bytes).to_le_bytes();
        let [i, j, k, l, m, n, o, p] = u64x2_extract_lane::<1>(bytes).to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// A byte for each lane.
    pub(super) fn pixel(sum: Sum) -> [u8; 4] {
        u32x4_extract_lane::<0>(rounded([sum; 4])).to_le_bytes()
    }

    /// A byte for each sum: its lanes are added.
    pub(super) fn four([a, b, c, d]: [Sum; 4]) -> [u8; 4] {
        let pairs = |one, other| {
            i32x4_add(
                i32x4_shuffle::<0, 2, 4, 6>(one, other),
                i32x4_shuffle::<1, 3, 5, 7>(one, other),
            )
        };
        pixel(pairs(pairs(a, b), pairs(c, d)))
    }
}

/// The same without vectors.
#[cfg(not(target_arch = "wasm32"))]
mod sums {
    use super::{BITS, BLOCK, HALF, LANES};

    pub(super) type Sum = [i32; 4];
    pub(super) const ZERO: Sum = [0; 4];

    pub(super) fn eight(mut sum: Sum, bytes: &[u8; LANES], weights: &[i16; LANES]) -> Sum {
        for (lane, (byte, weight)) in bytes.iter().zip(weights).enumerate() {
            if let Some(sum) = sum.get_mut(lane / 2) {
                *sum += i32::from(*byte) * i32::from(*weight);
            }
        }
        sum
    }

    pub(super) fn four_pixels(mut sum: Sum, pixels: &[u8; BLOCK], weights: &[i16; 4]) -> Sum {
        for (pixel, weight) in pixels.as_chunks::<4>().0.iter().zip(weights) {
            for (sum, byte) in sum.iter_mut().zip(pixel) {
                *sum += i32::from(*byte) * i32::from(*weight);
            }
        }
        sum
    }

    pub(super) fn two_rows(
        mut sum: [Sum; 4],
        one: &[u8; BLOCK],
        other: &[u8; BLOCK],
        [first, second]: [i16; 2],
    ) -> [Sum; 4] {
        for (sum, (one, other)) in sum.as_flattened_mut().iter_mut().zip(one.iter().zip(other)) {
            *sum += i32::from(*one) * i32::from(first) + i32::from(*other) * i32::from(second);
        }
        sum
    }

    fn byte(sum: i32) -> u8 {
        ((sum + HALF) >> BITS).clamp(0, 255) as u8
    }

    pub(super) fn sixteen(sums: [Sum; 4]) -> [u8; BLOCK] {
        let mut bytes = [0; BLOCK];
        for (byte_of, sum) in bytes.iter_mut().zip(sums.as_flattened()) {
            *byte_of = byte(*sum);
        }
        bytes
    }

    pub(super) fn pixel(sum: Sum) -> [u8; 4] {
        sum.map(byte)
    }

    pub(super) fn four(sums: [Sum; 4]) -> [u8; 4] {
        sums.map(|lanes| byte(lanes.iter().sum()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize) -> Vec<u8> {
        let mut state = 4_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        // Neighbours resemble each other, as in pictures.
        let mut last = 128_u8;
        (0..count)
            .map(|_| {
                last = ((u16::from(last) * 3 + u16::from(next())) / 4) as u8;
                last
            })
            .collect()
    }

    /// Against the filter of the crate `imaging`, which others have measured.
    #[track_caller]
    fn check(samples: Samples, from: (usize, usize), seen: (f64, f64), to: (usize, usize)) {
        check_data(
            &noise(from.0 * from.1 * samples.count()),
            samples,
            from,
            seen,
            to,
        );
    }

    #[track_caller]
    fn check_data(
        data: &[u8],
        samples: Samples,
        from: (usize, usize),
        seen: (f64, f64),
        to: (usize, usize),
    ) {
        let count = samples.count();
        let narrow = rows(data, samples, from.0, seen.0, to.0);
        let ours = columns(&narrow, to.0 * count, seen.1, to.1);
        let kind = match samples {
            Samples::One => imaging::Samples::One,
            Samples::Four => imaging::Samples::Four,
        };
        let size = |(width, height): (usize, usize)| (width as u32, height as u32);
        let theirs = imaging::resample(data, kind, size(from), seen, size(to)).unwrap();
        assert_eq!(ours.len(), theirs.len());
        let differences = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b));
        let worst = differences.max().unwrap();
        assert!(worst <= 3, "{samples:?} {from:?} to {to:?}: {worst}");
    }

    #[test]
    fn pixels_are_filtered_as_imaging_does() {
        check(Samples::Four, (211, 97), (211.0, 97.0), (100, 46));
        check(Samples::Four, (64, 48), (64.0, 48.0), (63, 47));
        check(Samples::Four, (40, 30), (39.5, 29.5), (13, 10));
        check(Samples::Four, (700, 9), (700.0, 9.0), (20, 1));
    }

    #[test]
    fn planes_are_filtered_as_imaging_does_also_when_they_grow() {
        check(Samples::One, (211, 97), (211.0, 97.0), (100, 46));
        check(Samples::One, (50, 40), (50.0, 40.0), (77, 61));
        check(Samples::One, (700, 9), (700.0, 9.0), (21, 1));
        check(Samples::One, (3, 2), (2.5, 1.5), (5, 3));
        check(Samples::One, (1, 1), (1.0, 1.0), (4, 4));
    }

    #[test]
    fn rows_like_those_above_them_are_filtered_as_all_others() {
        let lines = noise(90 * 4 * 3);
        let drawn: Vec<u8> = lines
            .chunks(90 * 4)
            .flat_map(|line| line.repeat(30))
            .collect();
        check_data(&drawn, Samples::Four, (90, 90), (90.0, 90.0), (40, 40));
        check_data(&drawn, Samples::One, (360, 90), (360.0, 90.0), (100, 25));
    }

    #[test]
    fn pixels_between_large_areas_of_one_colour_are_filtered_as_all_others() {
        for run in [3, 7, 30, 64] {
            let drawn: Vec<u8> = noise(400 * 20 * 4)
                .chunks(4)
                .step_by(run)
                .flat_map(|pixel| pixel.repeat(run))
                .take(400 * 20 * 4)
                .collect();
            check_data(&drawn, Samples::Four, (400, 20), (400.0, 20.0), (90, 5));
            check_data(&drawn, Samples::Four, (400, 20), (399.5, 20.0), (333, 20));
        }
    }

    #[test]
    fn white_stays_white_and_black_black() {
        for value in [0, 255] {
            let data = vec![value; 333 * 57 * 4];
            let narrow = rows(&data, Samples::Four, 333, 333.0, 100);
            let small = columns(&narrow, 400, 57.0, 17);
            assert!(small.iter().all(|byte| *byte == value));
        }
    }
}
