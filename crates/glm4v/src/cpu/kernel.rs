//! The inner loops: sums of products over a stretch of words, for every tile of rows and every few panels of outputs.
#![expect(
    clippy::indexing_slicing,
    reason = "every slice is cut from lengths that the packing made; the tests walk all edges"
)]

use super::matrix::{Line, Order, PANEL, Precision, Rows, TILE};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::tiles;

/// Words per pass with AVX-512: a panel's stretch has 64 KiB and stays in the second cache, a tile's 24 KiB and stays in
/// the first.
const STRETCH: usize = 512;

/// Whether the processor multiplies pairs of bfloat16.
pub(super) fn multiplies_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Where sums are added: rows of `width`, in the columns from `first` on.
pub(super) struct Sums<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) width: usize,
    pub(super) first: usize,
}

/// Adds `x` times the panels in `lines` (`words` each) to `y`; a panel may hang over the rows' ends.
pub(super) fn product(x: &Rows, lines: &[Line], words: usize, y: &mut Sums<'_>) {
    match x.order {
        Order::Words => by_words(x, lines, words, y),
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Order::Tiles => tiles::product(x, lines, words, y),
    }
}

fn by_words(x: &Rows, lines: &[Line], words: usize, y: &mut Sums<'_>) {
    #[cfg(target_arch = "x86_64")]
    {
        if multiplies_pairs() {
            #[expect(
                unsafe_code,
                reason = "a function compiled for more than the least processor"
            )]
            // SAFETY: the processor has both features that the function asks for.
            return unsafe { avx512::product(x, lines, words, y) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            #[expect(
                unsafe_code,
                reason = "a function compiled for more than the least processor"
            )]
            // SAFETY: the processor has both features that the function asks for.
            return unsafe { avx2::product(x, lines, words, y) };
        }
    }
    plain::product(x, lines, words, y);
}

/// Calls `block` for every tile of rows and every few panels, `stretch` words at a time.
///
/// Panels are the outer loop, so that a panel's stretch is read once from memory and then from the cache.
#[inline(always)]
fn walk(
    x: &Rows,
    lines: &[Line],
    words: usize,
    stretch: usize,
    together: impl Fn(usize) -> usize,
    mut block: impl FnMut(Tile<'_>),
) {
    let panels = lines.len() / words.max(1);
    for start in (0..words).step_by(stretch) {
        let count = stretch.min(words - start);
        let mut panel = 0;
        while panel < panels {
            let wide = together(x.rows).min(panels - panel);
            for (tile, some) in x.words.chunks(TILE * words).enumerate() {
                let height = some.len() / words;
                block(Tile {
                    row: tile * TILE,
                    height,
                    x: &some[start * height..][..count * height],
                    panel,
                    panels: wide,
                    start,
                    count,
                });
            }
            panel += wide;
        }
    }
}

/// One tile of rows over one stretch of a few panels.
struct Tile<'a> {
    row: usize,
    height: usize,
    x: &'a [u32],
    panel: usize,
    panels: usize,
    start: usize,
    count: usize,
}

impl Sums<'_> {
    /// Adds a panel's sums to the part of a row that begins at its first column.
    #[inline(always)]
    fn add(&mut self, row: usize, panel: usize, sums: &[f32; PANEL]) {
        let row = &mut self.values[row * self.width..][..self.width];
        let first = self.first + panel * PANEL;
        let columns = row.len().min(first + PANEL);
        for (y, sum) in row[first..columns].iter_mut().zip(sums) {
            *y += sum;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512, _mm512_castsi512_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_set1_epi32,
        _mm512_setzero_ps,
    };

    use super::{Line, PANEL, Precision, Rows, STRETCH, Sums, Tile, walk};

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn product(x: &Rows, lines: &[Line], words: usize, y: &mut Sums<'_>) {
        // As many panels together as give the multiply-add units eight sums at least.
        let together = |rows| match rows {
            1 => 4,
            2..=4 => 2,
            _ => 1,
        };
        walk(x, lines, words, STRETCH, together, |tile| {
            match x.precision {
                Precision::Bf16 => by_height::<false>(&tile, lines, words, y),
                Precision::F32 => by_height::<true>(&tile, lines, words, y),
            }
        });
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn by_height<const WIDE: bool>(
        tile: &Tile<'_>,
        lines: &[Line],
        words: usize,
        y: &mut Sums<'_>,
    ) {
        match (tile.height, tile.panels) {
            (1, 4) => sums::<WIDE, 1, 4>(tile, lines, words, y),
            (1, 3) => sums::<WIDE, 1, 3>(tile, lines, words, y),
            (1, 2) => sums::<WIDE, 1, 2>(tile, lines, words, y),
            (1, _) => sums::<WIDE, 1, 1>(tile, lines, words, y),
            (2, 2) => sums::<WIDE, 2, 2>(tile, lines, words, y),
            (2, _) => sums::<WIDE, 2, 1>(tile, lines, words, y),
            (3, 2) => sums::<WIDE, 3, 2>(tile, lines, words, y),
            (3, _) => sums::<WIDE, 3, 1>(tile, lines, words, y),
            (4, 2) => sums::<WIDE, 4, 2>(tile, lines, words, y),
            (4, _) => sums::<WIDE, 4, 1>(tile, lines, words, y),
            (5, _) => sums::<WIDE, 5, 1>(tile, lines, words, y),
            (6, _) => sums::<WIDE, 6, 1>(tile, lines, words, y),
            (7, _) => sums::<WIDE, 7, 1>(tile, lines, words, y),
            (8, _) => sums::<WIDE, 8, 1>(tile, lines, words, y),
            (9, _) => sums::<WIDE, 9, 1>(tile, lines, words, y),
            (10, _) => sums::<WIDE, 10, 1>(tile, lines, words, y),
            (11, _) => sums::<WIDE, 11, 1>(tile, lines, words, y),
            _ => sums::<WIDE, 12, 1>(tile, lines, words, y),
        }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn sums<const WIDE: bool, const HEIGHT: usize, const PANELS: usize>(
        tile: &Tile<'_>,
        lines: &[Line],
        words: usize,
        y: &mut Sums<'_>,
    ) {
        let panels: [&[Line]; PANELS] = std::array::from_fn(|panel| {
            &lines[(tile.panel + panel) * words + tile.start..][..tile.count]
        });
        let mut sums = [[[_mm512_setzero_ps(); 2]; HEIGHT]; PANELS];
        let (x, _) = tile.x.as_chunks::<HEIGHT>();
        for (at, x) in x.iter().enumerate() {
            for (sums, lines) in sums.iter_mut().zip(panels) {
                let [low, high]: [[u32; 16]; 2] = bytemuck::cast(lines[at].0);
                for (sums, x) in sums.iter_mut().zip(x) {
                    sums[0] = multiply_add::<WIDE>(sums[0], *x, low);
                    sums[1] = multiply_add::<WIDE>(sums[1], *x, high);
                }
            }
        }
        for (panel, sums) in sums.iter().enumerate() {
            for (row, sums) in sums.iter().enumerate() {
                let sums: [f32; PANEL] = bytemuck::cast(*sums);
                y.add(tile.row + row, tile.panel + panel, &sums);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn multiply_add<const WIDE: bool>(sum: __m512, x: u32, weight: [u32; 16]) -> __m512 {
        let x = _mm512_set1_epi32(x.cast_signed());
        if WIDE {
            _mm512_fmadd_ps(_mm512_castsi512_ps(x), bytemuck::cast(weight), sum)
        } else {
            _mm512_dpbf16_ps(sum, bytemuck::cast(x), bytemuck::cast(weight))
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256, _mm256_and_si256, _mm256_castsi256_ps, _mm256_fmadd_ps, _mm256_set1_epi32,
        _mm256_setzero_ps, _mm256_slli_epi32,
    };

    use super::{Line, PANEL, Precision, Rows, Sums, Tile, walk};

    /// Words per pass: half a panel's stretch has 16 KiB and a tile's 12, and both stay in the first cache.
    const STRETCH: usize = 256;
    /// From this many rows on, pairs are widened once for all of them.
    const WIDENED: usize = 4;
    /// Values of a register.
    const LANES: usize = 8;

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn product(x: &Rows, lines: &[Line], words: usize, y: &mut Sums<'_>) {
        match x.precision {
            Precision::F32 => walk(
                x,
                lines,
                words,
                STRETCH,
                |_| 1,
                |tile| {
                    by_rows(&tile, lines, words, y);
                },
            ),
            Precision::Bf16 if x.rows < WIDENED => walk(
                x,
                lines,
                words,
                STRETCH,
                |_| 1,
                |tile| {
                    for row in 0..tile.height {
                        pairs(&tile, row, lines, words, y);
                    }
                },
            ),
            Precision::Bf16 => widened(x, lines, words, y),
        }
    }

    /// The processor has no product of pairs: each is taken apart once for all rows, and the sums are made in the same order
    /// as by [`pairs`].
    #[target_feature(enable = "avx2,fma")]
    fn widened(x: &Rows, lines: &[Line], words: usize, y: &mut Sums<'_>) {
        let x = x.widened();
        let mut wide = Vec::with_capacity(2 * words);
        for (panel, lines) in lines.chunks(words).enumerate() {
            wide.clear();
            wide.extend(lines.iter().flat_map(Line::widened));
            walk(
                &x,
                &wide,
                2 * words,
                2 * STRETCH,
                |_| 1,
                |tile| {
                    by_rows(&Tile { panel, ..tile }, &wide, 0, y);
                },
            );
        }
    }

    /// As many rows and halves of a panel together as there are registers for their sums.
    #[target_feature(enable = "avx2,fma")]
    fn by_rows(tile: &Tile<'_>, lines: &[Line], words: usize, y: &mut Sums<'_>) {
        for row in (0..tile.height).step_by(6) {
            match tile.height - row {
                1 => sums::<1, 4>(tile, row, lines, words, y),
                2 => sums::<2, 4>(tile, row, lines, words, y),
                3 => sums::<3, 2>(tile, row, lines, words, y),
                4 => sums::<4, 2>(tile, row, lines, words, y),
                5 => sums::<5, 2>(tile, row, lines, words, y),
                _ => sums::<6, 2>(tile, row, lines, words, y),
            }
        }
    }

    /// Rows from `row` on, in float32. `words` is what one panel has in `lines`; 0 when they hold this panel alone.
    #[target_feature(enable = "avx2,fma")]
    fn sums<const ROWS: usize, const REGISTERS: usize>(
        tile: &Tile<'_>,
        row: usize,
        lines: &[Line],
        words: usize,
        y: &mut Sums<'_>,
    ) {
        let lines = &lines[tile.panel * words + tile.start..][..tile.count];
        let mut all = [[0.0; PANEL]; ROWS];
        for first in (0..PANEL / LANES).step_by(REGISTERS) {
            let mut sums = [[_mm256_setzero_ps(); REGISTERS]; ROWS];
            for (line, x) in lines.iter().zip(tile.x.chunks_exact(tile.height)) {
                let (line, _) = line.0.as_chunks::<LANES>();
                let Some(weights) = line[first..].first_chunk::<REGISTERS>() else {
                    return;
                };
                let Some(x) = x[row..].first_chunk::<ROWS>() else {
                    return;
                };
                for (sums, x) in sums.iter_mut().zip(x) {
                    let x = _mm256_castsi256_ps(_mm256_set1_epi32(x.cast_signed()));
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = _mm256_fmadd_ps(x, bytemuck::cast(*weight), *sum);
                    }
                }
            }
            for (all, sums) in all.iter_mut().zip(&sums) {
                let (all, _) = all.as_chunks_mut::<LANES>();
                for (all, sum) in all[first..].iter_mut().zip(sums) {
                    *all = bytemuck::cast(*sum);
                }
            }
        }
        for (at, sums) in all.iter().enumerate() {
            y.add(tile.row + row + at, tile.panel, sums);
        }
    }

    /// One row of pairs.
    #[target_feature(enable = "avx2,fma")]
    fn pairs(tile: &Tile<'_>, row: usize, lines: &[Line], words: usize, y: &mut Sums<'_>) {
        let lines = &lines[tile.panel * words + tile.start..][..tile.count];
        let mut sums = [_mm256_setzero_ps(); PANEL / LANES];
        for (line, x) in lines.iter().zip(tile.x.chunks_exact(tile.height)) {
            let (x_even, x_odd) = apart([x[row]; LANES]);
            let (weights, _) = line.0.as_chunks::<LANES>();
            for (sum, weights) in sums.iter_mut().zip(weights) {
                let (even, odd) = apart(*weights);
                *sum = _mm256_fmadd_ps(x_even, even, *sum);
                *sum = _mm256_fmadd_ps(x_odd, odd, *sum);
            }
        }
        let sums: [f32; PANEL] = bytemuck::cast(sums);
        y.add(tile.row + row, tile.panel, &sums);
    }

    /// The even and the odd of each pair.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn apart(pairs: [u32; LANES]) -> (__m256, __m256) {
        let pairs = bytemuck::cast(pairs);
        let upper = _mm256_set1_epi32(super::plain::ODD.cast_signed());
        (
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs)),
            _mm256_castsi256_ps(_mm256_and_si256(pairs, upper)),
        )
    }
}

mod plain {
    use super::{Line, PANEL, Precision, Rows, STRETCH, Sums, walk};

    /// The half of a word that holds the odd of a pair.
    pub(super) const ODD: u32 = 0xffff_0000;

    pub(super) fn product(x: &Rows, lines: &[Line], words: usize, y: &mut Sums<'_>) {
        let precision = x.precision;
        walk(
            x,
            lines,
            words,
            STRETCH,
            |_| 1,
            |tile| {
                let panel = &lines[tile.panel * words + tile.start..][..tile.count];
                for row in 0..tile.height {
                    let x = tile.x.iter().skip(row).step_by(tile.height);
                    let mut sums = [0.0; PANEL];
                    for (x, line) in x.zip(panel) {
                        for (sum, weight) in sums.iter_mut().zip(&line.0) {
                            *sum += match precision {
                                Precision::F32 => f32::from_bits(*x) * f32::from_bits(*weight),
                                Precision::Bf16 => {
                                    even(*x) * even(*weight) + odd(*x) * odd(*weight)
                                }
                            };
                        }
                    }
                    y.add(tile.row + row, tile.panel, &sums);
                }
            },
        );
    }

    fn even(pair: u32) -> f32 {
        f32::from_bits(pair << 16)
    }

    fn odd(pair: u32) -> f32 {
        f32::from_bits(pair & ODD)
    }
}

#[cfg(test)]
mod tests {
    use super::super::matrix::Packed;
    use super::*;

    #[test]
    fn the_loop_for_any_processor_gives_what_this_processor_gives() {
        for precision in [Precision::Bf16, Precision::F32] {
            for (rows, outputs, inputs) in [(1, 130, 1030), (7, 33, 9), (13, 64, 1100)] {
                let value = |at: usize| (at * 7919 % 1009) as f32 / 1009.0 - 0.5;
                let x: Vec<f32> = (0..rows * inputs).map(value).collect();
                let weight: Vec<f32> = (3..outputs * inputs + 3).map(value).collect();
                let packed = Packed::f32(precision, &weight, inputs);
                let words = inputs.div_ceil(precision.depth());
                let run = |order, by: fn(&Rows, &[Line], usize, &mut Sums<'_>)| {
                    let x = Rows::pack_in(order, precision, &x, inputs);
                    let mut values = vec![0.0; rows * outputs];
                    let mut y = Sums {
                        values: &mut values,
                        width: outputs,
                        first: 0,
                    };
                    by(&x, packed.lines(), words, &mut y);
                    values
                };
                let plain = run(Order::Words, plain::product);
                for order in [Order::Words, Order::of(precision)] {
                    for (ours, plain) in run(order, product).iter().zip(&plain) {
                        assert!(
                            (ours - plain).abs() < 1e-5 * plain.abs().max(10.0),
                            "{ours} and {plain} in {order:?}"
                        );
                    }
                }
            }
        }
    }
}
