//! The inner loops: sums of products over a stretch of words, for every tile of rows and every few panels of outputs.
#![expect(
    clippy::indexing_slicing,
    reason = "every slice is cut from lengths that the packing made; the tests walk all edges"
)]

use super::has_avx2;
use super::matrix::{Line, Order, PANEL, Panels, Precision, Rows, TILE};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::tiles;

/// Words per pass with AVX-512: a panel's stretch has 64 KiB and stays in the second cache, a tile's 24 KiB and stays in
/// the first.
const STRETCH: usize = 512;
/// The same with AVX2: half a panel's stretch has 16 KiB and a tile's 12, and both stay in the first cache.
pub(super) const NARROW_STRETCH: usize = 256;
/// From this many rows on, pairs are taken apart once for all of them where the processor does not multiply pairs.
pub(super) const WIDENED: usize = 4;

/// Whether the processor multiplies pairs of bfloat16.
pub(super) fn multiplies_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether the fastest loops read halves of panels.
pub(super) fn takes_halves() -> bool {
    !multiplies_pairs() && has_avx2()
}

/// Where sums are added: rows of `width`, in the columns from `first` on.
pub(super) struct Sums<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) width: usize,
    pub(super) first: usize,
}

/// Adds `x` times the panels to `y`; a panel may hang over the rows' ends.
pub(super) fn product(x: &Rows<'_>, panels: Panels<'_>, y: &mut Sums<'_>) {
    match x.order {
        Order::Words => by_words(x, panels, y),
        #[cfg(target_arch = "x86_64")]
        #[expect(
            unsafe_code,
            reason = "a function compiled for more than the least processor"
        )]
        // SAFETY: rows are in this order only where the processor has both features that the function asks for.
        Order::Stretches => unsafe { avx2::product(x, panels, y) },
        #[cfg(not(target_arch = "x86_64"))]
        Order::Stretches => plain::product(x, panels, y),
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Order::Tiles => tiles::product(x, panels.lines, panels.words, y),
    }
}

fn by_words(x: &Rows<'_>, panels: Panels<'_>, y: &mut Sums<'_>) {
    #[cfg(target_arch = "x86_64")]
    {
        if multiplies_pairs() {
            #[expect(
                unsafe_code,
                reason = "a function compiled for more than the least processor"
            )]
            // SAFETY: the processor has both features that the function asks for.
            return unsafe { avx512::product(x, panels.lines, panels.words, y) };
        }
        if has_avx2() && x.precision == Precision::Bf16 {
            #[expect(
                unsafe_code,
                reason = "a function compiled for more than the least processor"
            )]
            // SAFETY: the processor has both features that the function asks for.
            return unsafe { avx2::pairs(x, panels, y) };
        }
    }
    plain::product(x, panels, y);
}

/// Calls `block` for every tile of rows and every few panels, `stretch` words at a time.
///
/// Panels are the outer loop, so that a panel's stretch is read once from memory and then from the cache.
#[inline(always)]
fn walk(
    x: &Rows<'_>,
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
    pub(super) fn product(x: &Rows<'_>, lines: &[Line], words: usize, y: &mut Sums<'_>) {
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
        __m256, _mm256_add_ps, _mm256_and_si256, _mm256_castsi256_ps, _mm256_fmadd_ps,
        _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32,
    };

    use super::super::matrix::{HALF, Layout};
    use super::{Line, NARROW_STRETCH, PANEL, Panels, Precision, Rows, Sums, TILE, Tile, walk};

    /// Values of a register.
    const LANES: usize = 8;
    /// Rows whose sums, of half a panel, fill the registers.
    const GROUP: usize = 6;

    /// One word of each output of half a panel.
    type Half = [u32; HALF];
    /// The sums of half a panel.
    type Registers = [__m256; HALF / LANES];

    /// Rows in [`super::Order::Stretches`].
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn product(x: &Rows<'_>, panels: Panels<'_>, y: &mut Sums<'_>) {
        let Panels {
            lines,
            words,
            layout,
        } = panels;
        debug_assert_eq!(layout, Layout::of(x.precision));
        if words == 0 {
            return;
        }
        match x.precision {
            Precision::F32 => halves(x, as_halves(lines), words, 0, y),
            Precision::Bf16 => {
                // Each pair is taken apart once for all rows; the sums are made in the same order as by `pairs`.
                let mut wide = vec![Line::ZERO; 2 * words];
                for (panel, lines) in lines.chunks(words).enumerate() {
                    widen(lines, &mut wide);
                    halves(x, as_halves(&wide), 2 * words, 2 * panel, y);
                }
            }
        }
    }

    fn as_halves(lines: &[Line]) -> &[Half] {
        bytemuck::cast_slice(lines).as_chunks().0
    }

    /// A panel of pairs as one in halves: the even of each pair, then the odd.
    #[target_feature(enable = "avx2,fma")]
    fn widen(lines: &[Line], wide: &mut [Line]) {
        let (wide, _) = bytemuck::cast_slice_mut(wide).as_chunks_mut::<HALF>();
        let (low, high) = wide.split_at_mut(2 * lines.len());
        let ((low, _), (high, _)) = (low.as_chunks_mut::<2>(), high.as_chunks_mut::<2>());
        for ((line, low), high) in lines.iter().zip(low).zip(high) {
            let (halves, _) = line.0.as_chunks::<HALF>();
            for ([even, odd], pairs) in [low, high].into_iter().zip(halves) {
                *even = pairs.map(|pair| pair << 16);
                *odd = pairs.map(|pair| pair & super::plain::ODD);
            }
        }
    }

    /// The outer loop is that over halves of panels, which are so read once from memory and then from the first cache.
    /// `halves` is `[halves, words]`, the first of them number `first` of the weight's.
    #[target_feature(enable = "avx2,fma")]
    fn halves(x: &Rows<'_>, halves: &[Half], words: usize, first: usize, y: &mut Sums<'_>) {
        // Of so few rows, the sums of two halves have room, and the more of them, the less each waits for the last one.
        let together = if x.rows <= 2 { 2 } else { 1 };
        for start in (0..words).step_by(NARROW_STRETCH) {
            let count = NARROW_STRETCH.min(words - start);
            for (at, halves) in halves.chunks(together * words).enumerate() {
                let half = first + together * at;
                for (tile, some) in x.words.chunks(TILE * words).enumerate() {
                    let height = some.len() / words;
                    let some = &some[start * height..][..count * height];
                    for (group, x) in some.chunks(GROUP * count).enumerate() {
                        let row = tile * TILE + group * GROUP;
                        let first = &halves[start..][..count];
                        match (x.len() / count, together) {
                            (1, 2) => {
                                let second = &halves[words + start..][..count];
                                sums::<1, 2>(x, [first, second], row, half, y);
                            }
                            (2, 2) => {
                                let second = &halves[words + start..][..count];
                                sums::<2, 2>(x, [first, second], row, half, y);
                            }
                            (1, _) => sums::<1, 1>(x, [first], row, half, y),
                            (2, _) => sums::<2, 1>(x, [first], row, half, y),
                            (3, _) => sums::<3, 1>(x, [first], row, half, y),
                            (4, _) => sums::<4, 1>(x, [first], row, half, y),
                            (5, _) => sums::<5, 1>(x, [first], row, half, y),
                            _ => sums::<GROUP, 1>(x, [first], row, half, y),
                        }
                    }
                }
            }
        }
    }

    /// `x` is `[ROWS, words]`, each of `halves` as many words.
    #[target_feature(enable = "avx2,fma")]
    #[expect(
        unsafe_code,
        reason = "with a look at each index, the sums leave their registers at every word"
    )]
    fn sums<const ROWS: usize, const HALVES: usize>(
        x: &[u32],
        halves: [&[Half]; HALVES],
        row: usize,
        half: usize,
        y: &mut Sums<'_>,
    ) {
        let count = halves[0].len();
        let halves = halves.map(|half| half[..count].as_ptr());
        let x = x[..ROWS * count].as_ptr();
        let mut all: [[Registers; HALVES]; ROWS] =
            [[[_mm256_setzero_ps(); HALF / LANES]; HALVES]; ROWS];
        for at in 0..count {
            // SAFETY: every half has `count` words, to which it was cut above.
            let weights = halves.map(|half| unsafe { half.add(at).read() });
            let weights: [Registers; HALVES] = weights.map(bytemuck::cast);
            for (row, sums) in all.iter_mut().enumerate() {
                // SAFETY: `x` has `count` words for each row, to which it was cut above.
                let x = unsafe { x.add(row * count + at).read() };
                let x = _mm256_set1_ps(f32::from_bits(x));
                for (sums, weights) in sums.iter_mut().zip(&weights) {
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = _mm256_fmadd_ps(x, *weight, *sum);
                    }
                }
            }
        }
        for (at, sums) in all.iter().enumerate() {
            for (part, sums) in sums.iter().enumerate() {
                add(y, row + at, half + part, sums);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add(y: &mut Sums<'_>, row: usize, half: usize, sums: &Registers) {
        let row = &mut y.values[row * y.width..][..y.width];
        let place = row.get_mut(y.first + half * HALF..).unwrap_or_default();
        if let Some(place) = place.first_chunk_mut::<HALF>() {
            let (places, _) = place.as_chunks_mut::<LANES>();
            for (place, sum) in places.iter_mut().zip(sums) {
                *place = bytemuck::cast(_mm256_add_ps(bytemuck::cast(*place), *sum));
            }
        } else {
            let sums: [f32; HALF] = bytemuck::cast(*sums);
            for (y, sum) in place.iter_mut().zip(sums) {
                *y += sum;
            }
        }
    }

    /// Fewer rows than [`super::WIDENED`], of pairs.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn pairs(x: &Rows<'_>, panels: Panels<'_>, y: &mut Sums<'_>) {
        let Panels { lines, words, .. } = panels;
        let stretch = NARROW_STRETCH / Precision::Bf16.depth();
        walk(
            x,
            lines,
            words,
            stretch,
            |_| 1,
            |tile| {
                for row in 0..tile.height {
                    one_row(&tile, row, lines, words, y);
                }
            },
        );
    }

    #[target_feature(enable = "avx2,fma")]
    fn one_row(tile: &Tile<'_>, row: usize, lines: &[Line], words: usize, y: &mut Sums<'_>) {
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
    use super::{PANEL, Panels, Precision, Rows, STRETCH, Sums, walk};

    /// The half of a word that holds the odd of a pair.
    pub(super) const ODD: u32 = 0xffff_0000;

    /// Rows in [`super::Order::Words`], panels in [`super::super::matrix::Layout::Lines`].
    pub(super) fn product(x: &Rows<'_>, panels: Panels<'_>, y: &mut Sums<'_>) {
        let Panels { lines, words, .. } = panels;
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
    use super::super::matrix::{Layout, Packed};
    use super::*;

    #[test]
    fn the_loop_for_any_processor_gives_what_this_processor_gives() {
        for precision in [Precision::Bf16, Precision::F32] {
            for (rows, outputs, inputs) in [(1, 130, 1030), (7, 33, 9), (13, 64, 1100)] {
                let value = |at: usize| (at * 7919 % 1009) as f32 / 1009.0 - 0.5;
                let x: Vec<f32> = (0..rows * inputs).map(value).collect();
                let weight: Vec<f32> = (3..outputs * inputs + 3).map(value).collect();
                let run = |order, layout, by: fn(&Rows<'_>, Panels<'_>, &mut Sums<'_>)| {
                    let packed = Packed::f32_in(layout, precision, &weight, inputs);
                    let x = Rows::pack_in(order, precision, &x, inputs);
                    let mut values = vec![0.0; rows * outputs];
                    let mut y = Sums {
                        values: &mut values,
                        width: outputs,
                        first: 0,
                    };
                    by(&x, packed.panels(), &mut y);
                    values
                };
                let plain = run(Order::Words, Layout::Lines, plain::product);
                let ways = [
                    (Order::Words, Layout::Lines),
                    (Order::of(precision, rows), Layout::of(precision)),
                ];
                for (order, layout) in ways {
                    for (ours, plain) in run(order, layout, product).iter().zip(&plain) {
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
