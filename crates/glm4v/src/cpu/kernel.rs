//! The inner loops: sums of products over a stretch of words, for every tile of rows and every few panels of outputs.
#![expect(
    clippy::indexing_slicing,
    reason = "every slice is cut from lengths that the packing made; the tests walk all edges"
)]

use super::matrix::{Line, PANEL, Precision, Rows, TILE};

/// Words per pass: a panel's stretch has 64 KiB and stays in the second cache, a tile's 24 KiB and stays in the first.
const STRETCH: usize = 512;

/// Adds `x` times the panels in `lines` (`words` each) to `y`, whose rows are `stride` apart and as long.
pub(super) fn product(x: &Rows, lines: &[Line], words: usize, y: &mut [f32], stride: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512f") {
            #[expect(
                unsafe_code,
                reason = "a function compiled for more than the least processor"
            )]
            // SAFETY: the processor has both features that the function asks for.
            return unsafe { avx512::product(x, lines, words, y, stride) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            #[expect(
                unsafe_code,
                reason = "a function compiled for more than the least processor"
            )]
            // SAFETY: the processor has both features that the function asks for.
            return unsafe { plain::product_avx2(x, lines, words, y, stride) };
        }
    }
    plain::product(x, lines, words, y, stride);
}

/// Calls `block(first row, rows of the tile, its words, first panel, first word, count)` for every tile and panel.
///
/// Panels are the outer loop, so that a panel's stretch is read once from memory and then from the cache.
#[inline(always)]
fn walk(
    x: &Rows,
    lines: &[Line],
    words: usize,
    together: impl Fn(usize) -> usize,
    mut block: impl FnMut(Tile<'_>),
) {
    let panels = lines.len() / words.max(1);
    for start in (0..words).step_by(STRETCH) {
        let count = STRETCH.min(words - start);
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

/// Adds a panel's sums to the part of the row of `y` that begins at its first column; the last panel may hang over.
#[inline(always)]
fn add(y: &mut [f32], row: usize, stride: usize, panel: usize, sums: &[f32; PANEL]) {
    let row = &mut y[row * stride..][..stride];
    let columns = row.len().min((panel + 1) * PANEL);
    for (y, sum) in row[panel * PANEL..columns].iter_mut().zip(sums) {
        *y += sum;
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512, _mm512_castsi512_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_set1_epi32,
        _mm512_setzero_ps,
    };

    use super::{Line, PANEL, Precision, Rows, Tile, add, walk};

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn product(x: &Rows, lines: &[Line], words: usize, y: &mut [f32], stride: usize) {
        // As many panels together as give the multiply-add units eight sums at least.
        let together = |rows| match rows {
            1 => 4,
            2..=4 => 2,
            _ => 1,
        };
        walk(x, lines, words, together, |tile| match x.precision {
            Precision::Bf16 => by_height::<false>(&tile, lines, words, y, stride),
            Precision::F32 => by_height::<true>(&tile, lines, words, y, stride),
        });
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn by_height<const WIDE: bool>(
        tile: &Tile<'_>,
        lines: &[Line],
        words: usize,
        y: &mut [f32],
        stride: usize,
    ) {
        match (tile.height, tile.panels) {
            (1, 4) => sums::<WIDE, 1, 4>(tile, lines, words, y, stride),
            (1, 3) => sums::<WIDE, 1, 3>(tile, lines, words, y, stride),
            (1, 2) => sums::<WIDE, 1, 2>(tile, lines, words, y, stride),
            (1, _) => sums::<WIDE, 1, 1>(tile, lines, words, y, stride),
            (2, 2) => sums::<WIDE, 2, 2>(tile, lines, words, y, stride),
            (2, _) => sums::<WIDE, 2, 1>(tile, lines, words, y, stride),
            (3, 2) => sums::<WIDE, 3, 2>(tile, lines, words, y, stride),
            (3, _) => sums::<WIDE, 3, 1>(tile, lines, words, y, stride),
            (4, 2) => sums::<WIDE, 4, 2>(tile, lines, words, y, stride),
            (4, _) => sums::<WIDE, 4, 1>(tile, lines, words, y, stride),
            (5, _) => sums::<WIDE, 5, 1>(tile, lines, words, y, stride),
            (6, _) => sums::<WIDE, 6, 1>(tile, lines, words, y, stride),
            (7, _) => sums::<WIDE, 7, 1>(tile, lines, words, y, stride),
            (8, _) => sums::<WIDE, 8, 1>(tile, lines, words, y, stride),
            (9, _) => sums::<WIDE, 9, 1>(tile, lines, words, y, stride),
            (10, _) => sums::<WIDE, 10, 1>(tile, lines, words, y, stride),
            (11, _) => sums::<WIDE, 11, 1>(tile, lines, words, y, stride),
            _ => sums::<WIDE, 12, 1>(tile, lines, words, y, stride),
        }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn sums<const WIDE: bool, const HEIGHT: usize, const PANELS: usize>(
        tile: &Tile<'_>,
        lines: &[Line],
        words: usize,
        y: &mut [f32],
        stride: usize,
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
                add(y, tile.row + row, stride, tile.panel + panel, &sums);
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

mod plain {
    use super::{Line, PANEL, Precision, Rows, add, walk};

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn product_avx2(
        x: &Rows,
        lines: &[Line],
        words: usize,
        y: &mut [f32],
        stride: usize,
    ) {
        all(x, lines, words, y, stride, f32::mul_add);
    }

    pub(super) fn product(x: &Rows, lines: &[Line], words: usize, y: &mut [f32], stride: usize) {
        all(x, lines, words, y, stride, |x, weight, sum| {
            x * weight + sum
        });
    }

    #[inline(always)]
    fn all(
        x: &Rows,
        lines: &[Line],
        words: usize,
        y: &mut [f32],
        stride: usize,
        multiply_add: impl Fn(f32, f32, f32) -> f32,
    ) {
        let precision = x.precision;
        walk(
            x,
            lines,
            words,
            |_| 1,
            |tile| {
                let panel = &lines[tile.panel * words + tile.start..][..tile.count];
                for row in 0..tile.height {
                    let x = tile.x.iter().skip(row).step_by(tile.height);
                    let mut sums = [0.0; PANEL];
                    for (x, line) in x.zip(panel) {
                        for (sum, weight) in sums.iter_mut().zip(&line.0) {
                            *sum = match precision {
                                Precision::F32 => {
                                    multiply_add(f32::from_bits(*x), f32::from_bits(*weight), *sum)
                                }
                                Precision::Bf16 => {
                                    let even = multiply_add(even(*x), even(*weight), *sum);
                                    multiply_add(odd(*x), odd(*weight), even)
                                }
                            };
                        }
                    }
                    add(y, tile.row + row, stride, tile.panel, &sums);
                }
            },
        );
    }

    fn even(pair: u32) -> f32 {
        f32::from_bits(pair << 16)
    }

    fn odd(pair: u32) -> f32 {
        f32::from_bits(pair & 0xffff_0000)
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
                let x = Rows::pack(precision, &x, inputs);
                let (mut ours, mut plain) = (vec![0.0; rows * outputs], vec![0.0; rows * outputs]);
                let words = inputs.div_ceil(precision.depth());
                product(&x, packed.lines(), words, &mut ours, outputs);
                plain::product(&x, packed.lines(), words, &mut plain, outputs);
                for (ours, plain) in ours.iter().zip(&plain) {
                    assert!(
                        (ours - plain).abs() < 1e-5 * plain.abs().max(10.0),
                        "{ours} and {plain}"
                    );
                }
            }
        }
    }
}
