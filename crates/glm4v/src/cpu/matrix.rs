//! A weight, laid out once in the order in which the processor's widest multiply-add reads it.

use std::borrow::Cow;
use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::kernel::{self, NARROW_STRETCH, Sums};
use super::rows::zeros;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::tiles;
use crate::Result;

/// Outputs that stand side by side in a [`Line`].
pub(super) const PANEL: usize = 32;
/// Outputs that stand side by side in [`Layout::Halves`].
pub(super) const HALF: usize = PANEL / 2;
/// Rows of activations whose sums one tile keeps in registers.
pub(super) const TILE: usize = 12;
/// From this many rows on, threads share the rows; below, the outputs.
pub(crate) const MANY: usize = 48;
/// Tiles of a thread's share: few enough that threads end together, enough that a panel is read from the first caches.
const SHARE: usize = 10;
/// The same where every share takes the weight's pairs apart anew.
const WIDENED_SHARE: usize = 32;
/// Words of a thread's share for the matrix unit, which takes a weight so fast that it must be read seldom: 1 MiB, which
/// the second cache keeps.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
const SHARE_WORDS: usize = 1 << 18;
/// Lines of a weight that is unpacked for one product: 4 MiB, which the last cache keeps.
const UNPACKED: usize = 1 << 15;
/// Inputs that are put in their places together: whole blocks of every quantised format, and so few that those of a panel
/// stay in the first caches. Whole rows, which often lie a power of two apart, would drive each other out.
const TURN: usize = 256;

/// How a word of a [`Line`] is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Two neighbouring inputs in bfloat16, the even one in the lower half; sums in float32.
    Bf16,
    /// One input in float32.
    F32,
}

impl Precision {
    /// How to hold what is packed for one product and then dropped: pairs pay only where the processor multiplies them.
    pub(super) fn in_passing(self) -> Self {
        if kernel::multiplies_pairs() {
            self
        } else {
            Self::F32
        }
    }

    /// Inputs in a word.
    pub(super) fn depth(self) -> usize {
        match self {
            Self::Bf16 => 2,
            Self::F32 => 1,
        }
    }
}

/// One word of each of [`PANEL`] outputs, or as many words of a panel in [`Layout::Halves`].
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u32; PANEL]);

impl Line {
    pub(super) const ZERO: Self = Self([0; PANEL]);
}

/// In which order the words of a panel lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[words, PANEL]`.
    Lines,
    /// `[2, words, HALF]`: what the narrower loops read lies without gaps, so that the first cache keeps all of it.
    Halves,
}

impl Layout {
    /// The one of the fastest loop for `precision` here.
    pub(super) fn of(precision: Precision) -> Self {
        match precision {
            Precision::F32 if kernel::takes_halves() => Self::Halves,
            _ => Self::Lines,
        }
    }
}

/// A matrix `[outputs, inputs]` that rows of float32 are multiplied with.
///
/// A row's result does not depend on the rows beside it, to the last bit: every tile adds up in the same order.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    precision: Precision,
    layout: Layout,
    outputs: usize,
    inputs: usize,
    /// `[panels, words]`.
    lines: Vec<Line>,
}

/// Panels of a weight, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) lines: &'a [Line],
    /// Lines of a panel.
    pub(super) words: usize,
    pub(super) layout: Layout,
}

impl Packed {
    /// Lays out `weight`, which holds `inputs` values for each output, in `precision`.
    pub(crate) fn f32(precision: Precision, weight: &[f32], inputs: usize) -> Self {
        Self::f32_in(Layout::of(precision), precision, weight, inputs)
    }

    /// The same in `layout`.
    pub(super) fn f32_in(
        layout: Layout,
        precision: Precision,
        weight: &[f32],
        inputs: usize,
    ) -> Self {
        let outputs = weight.len() / inputs.max(1);
        let words = inputs.div_ceil(precision.depth());
        let mut lines = vec![Line::ZERO; outputs.div_ceil(PANEL) * words];
        lines
            .par_chunks_mut(words.max(1))
            .zip(weight.par_chunks((PANEL * inputs).max(1)))
            .for_each(|(panel, rows)| {
                let mut flat = vec![0; PANEL * TURN];
                for turn in turns(inputs) {
                    flatten(precision, rows, inputs, &turn, &mut flat);
                    arrange(layout, precision, &flat, &turn, panel);
                }
            });
        Self {
            precision,
            layout,
            outputs,
            inputs,
            lines,
        }
    }

    /// Lays out the transpose of `values`, whose rows have `columns` values: a weight of `columns` outputs.
    pub(super) fn transposed(precision: Precision, values: &[f32], columns: usize) -> Self {
        let layout = Layout::of(precision);
        let inputs = values.len() / columns.max(1);
        let depth = precision.depth();
        let words = inputs.div_ceil(depth);
        let mut lines = vec![Line::ZERO; columns.div_ceil(PANEL) * words];
        let (places, _) = bytemuck::cast_slice_mut(&mut lines).as_chunks_mut::<HALF>();
        for (at, rows) in values.chunks((depth * columns).max(1)).enumerate() {
            let (first, second) = rows.split_at(columns.min(rows.len()));
            for (part, first) in first.chunks(HALF).enumerate() {
                let second = second.get(part * HALF..).unwrap_or_default();
                let place = match layout {
                    Layout::Lines => (part / 2 * words + at) * 2 + part % 2,
                    Layout::Halves => part * words + at,
                };
                let Some(place) = places.get_mut(place) else {
                    continue;
                };
                match precision {
                    Precision::F32 => bits(first, place),
                    Precision::Bf16 => {
                        for (column, (word, even)) in place.iter_mut().zip(first).enumerate() {
                            let odd = second.get(column).copied().unwrap_or_default();
                            *word = rounded(*even) | rounded(odd) << 16;
                        }
                    }
                }
            }
        }
        Self {
            precision,
            layout,
            outputs: columns,
            inputs,
            lines,
        }
    }

    /// Rows of the weight.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes that the weight occupies.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>()
    }

    /// `[rows, inputs]` to `[rows, outputs]`, both row after row, with all cores.
    pub(crate) fn multiply(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.inputs.max(1);
        let mut y = zeros(rows * self.outputs);
        if y.is_empty() {
            return y;
        }
        if rows < MANY {
            self.multiply_few(x, rows, &mut y);
        } else {
            let share = share(rows, self.precision, self.words());
            y.par_chunks_mut(share * self.outputs)
                .zip(x.par_chunks(share * self.inputs))
                .for_each(|(y, x)| {
                    self.add_product(&Rows::pack(self.precision, x, self.inputs), y);
                });
        }
        y
    }

    /// Threads share the panels; their sums stand apart until one thread puts the columns in their places.
    fn multiply_few(&self, x: &[f32], rows: usize, y: &mut [f32]) {
        let x = Rows::pack(self.precision, x, self.inputs);
        let words = self.words();
        // Four panels at a time: a single row then has eight sums under way, which hides the multiply-add's latency.
        let share = 4 * PANEL;
        let mut sums = zeros(self.outputs.div_ceil(share) * rows * share);
        sums.par_chunks_mut(rows * share)
            .zip(self.lines.par_chunks(4 * words))
            .for_each(|(values, lines)| {
                let mut sums = Sums {
                    values,
                    width: share,
                    first: 0,
                };
                let layout = self.layout;
                let panels = Panels {
                    lines,
                    words,
                    layout,
                };
                kernel::product(&x, panels, &mut sums);
            });
        gather(&sums, share, self.outputs, y);
    }

    /// Adds `x` times this to `y` (`[rows, outputs]`), on this thread.
    pub(super) fn add_product(&self, x: &Rows<'_>, y: &mut [f32]) {
        let mut sums = Sums {
            values: y,
            width: self.outputs,
            first: 0,
        };
        kernel::product(x, self.panels(), &mut sums);
    }

    pub(super) fn panels(&self) -> Panels<'_> {
        Panels {
            lines: &self.lines,
            words: self.words(),
            layout: self.layout,
        }
    }

    fn words(&self) -> usize {
        self.inputs.div_ceil(self.precision.depth())
    }
}

/// `[rows, inputs]` to `[rows, outputs]` by a weight that is laid out part by part, each when it is its turn: `unpack`
/// writes the values that a range of outputs has for a range of inputs (of whole blocks), one output after the other.
/// Factors are rounded to bfloat16 where the processor multiplies it.
///
/// For as many rows as [`MANY`] or more.
///
/// # Errors
/// The first of `unpack`.
pub(crate) fn multiply_by_parts(
    x: &[f32],
    inputs: usize,
    outputs: usize,
    unpack: impl Fn(Range<usize>, Range<usize>, &mut [f32]) -> Result<()> + Sync,
) -> Result<Vec<f32>> {
    let precision = Precision::Bf16.in_passing();
    let layout = Layout::of(precision);
    let rows = x.len() / inputs.max(1);
    let mut y = zeros(rows * outputs);
    if y.is_empty() {
        return Ok(y);
    }
    let words = inputs.div_ceil(precision.depth());
    let share = share(rows, precision, words);
    let x: Vec<Rows<'_>> = x
        .par_chunks(share * inputs)
        .map(|x| Rows::pack(precision, x, inputs))
        .collect();
    let panels = outputs.div_ceil(PANEL);
    let at_once = (UNPACKED / words).clamp(1, panels);
    let mut lines = vec![Line::ZERO; at_once * words];
    for first in (0..panels).step_by(at_once) {
        let count = at_once.min(panels - first);
        let lines = lines.get_mut(..count * words).unwrap_or_default();
        let each = lines.par_chunks_mut(words).enumerate();
        each.try_for_each_init(
            || (vec![0.0; PANEL * TURN], vec![0; PANEL * TURN]),
            |(values, flat), (panel, lines)| -> Result<()> {
                let start = (first + panel) * PANEL;
                let range = start..outputs.min(start + PANEL);
                for turn in turns(inputs) {
                    let count = range.len() * turn.len();
                    let some = values.get_mut(..count).unwrap_or_default();
                    unpack(range.clone(), turn.clone(), some)?;
                    let flat = match precision {
                        Precision::F32 => bytemuck::cast_slice(values),
                        Precision::Bf16 => {
                            flatten(precision, some, turn.len(), &(0..turn.len()), flat);
                            flat.as_slice()
                        }
                    };
                    arrange(layout, precision, flat, &turn, lines);
                }
                Ok(())
            },
        )?;
        let panels = Panels {
            lines,
            words,
            layout,
        };
        y.par_chunks_mut(share * outputs)
            .zip(&x)
            .for_each(|(values, x)| {
                let mut sums = Sums {
                    values,
                    width: outputs,
                    first: first * PANEL,
                };
                kernel::product(x, panels, &mut sums);
            });
    }
    Ok(y)
}

/// Rows of a thread's share, of `words` each: whole tiles, of which every thread gets as many.
fn share(rows: usize, precision: Precision, words: usize) -> usize {
    let (tile, most) = match Order::of(precision, rows) {
        Order::Words => (TILE, SHARE),
        Order::Stretches => match precision {
            Precision::F32 => (TILE, SHARE),
            Precision::Bf16 => (TILE, WIDENED_SHARE),
        },
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Order::Tiles => (
            tiles::ROWS,
            (SHARE_WORDS / (words.max(1) * tiles::ROWS)).max(2),
        ),
    };
    let threads = rayon::current_num_threads();
    let tiles = rows.div_ceil(tile).div_ceil(threads);
    tile * tiles.div_ceil(tiles.div_ceil(most))
}

/// Puts columns in their places: `sums` is `[parts, rows, width]`, `y` is `[rows, outputs]`.
fn gather(sums: &[f32], width: usize, outputs: usize, y: &mut [f32]) {
    let rows = y.len() / outputs.max(1);
    y.par_chunks_mut(outputs)
        .with_min_len(MANY)
        .enumerate()
        .for_each(|(row, y)| {
            let parts = sums.chunks(width).skip(row).step_by(rows);
            for (y, sums) in y.chunks_mut(width).zip(parts) {
                for (y, sum) in y.iter_mut().zip(sums) {
                    *y = *sum;
                }
            }
        });
}

/// In which order activations are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// `[tiles, words, rows of the tile]`, tiles of [`TILE`] rows but for the last.
    Words,
    /// `[tiles, stretches, rows of the tile, words of the stretch]`, always in float32.
    Stretches,
    /// Those of the matrix unit: `[tiles, steps, rows of the tile, words of a step]`.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Tiles,
}

impl Order {
    /// The one of the fastest loop for so many rows and `precision` here.
    pub(super) fn of(precision: Precision, rows: usize) -> Self {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if precision == Precision::Bf16 && tiles::are_there() {
            return Self::Tiles;
        }
        if kernel::takes_halves() && (precision == Precision::F32 || rows >= kernel::WIDENED) {
            return Self::Stretches;
        }
        Self::Words
    }
}

/// Activations in a kernel's order.
pub(super) struct Rows<'a> {
    /// Of the weight that they are multiplied with.
    pub(super) precision: Precision,
    pub(super) order: Order,
    pub(super) rows: usize,
    pub(super) words: Cow<'a, [u32]>,
}

impl<'a> Rows<'a> {
    /// Packs `x`, row after row of `inputs` values, for the fastest loop.
    pub(super) fn pack(precision: Precision, x: &'a [f32], inputs: usize) -> Self {
        let rows = x.len() / inputs.max(1);
        Self::pack_in(Order::of(precision, rows), precision, x, inputs)
    }

    /// Packs `x` in `order`.
    pub(super) fn pack_in(order: Order, precision: Precision, x: &'a [f32], inputs: usize) -> Self {
        let width = inputs.div_ceil(precision.depth());
        let words = match order {
            Order::Words => Cow::Owned(by_words(precision, x, inputs, width)),
            Order::Stretches if precision == Precision::F32 && inputs <= NARROW_STRETCH => {
                Cow::Borrowed(bytemuck::cast_slice(x))
            }
            Order::Stretches => Cow::Owned(by_stretches(
                precision,
                x,
                inputs,
                width * precision.depth(),
            )),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Order::Tiles => Cow::Owned(by_tiles(precision, x, inputs, width)),
        };
        Self {
            precision,
            order,
            rows: x.len() / inputs.max(1),
            words,
        }
    }
}

/// Rows of `inputs` values to rows of `width` words.
fn by_stretches(precision: Precision, x: &[f32], inputs: usize, width: usize) -> Vec<u32> {
    let rows = x.len() / inputs.max(1);
    let mut words = vec![0; rows * width];
    for (tile, x) in words
        .chunks_mut((TILE * width).max(1))
        .zip(x.chunks((TILE * inputs).max(1)))
    {
        let height = tile.len() / width;
        for (row, x) in x.chunks(inputs).enumerate() {
            for (stretch, x) in x.chunks(NARROW_STRETCH).enumerate() {
                let start = stretch * NARROW_STRETCH;
                let count = NARROW_STRETCH.min(width - start);
                let places = tile.get_mut(start * height + row * count..);
                let places = places.unwrap_or_default();
                match precision {
                    Precision::F32 => bits(x, places),
                    Precision::Bf16 => singles(x, places),
                }
            }
        }
    }
    words
}

fn by_words(precision: Precision, x: &[f32], inputs: usize, width: usize) -> Vec<u32> {
    let rows = x.len() / inputs.max(1);
    let mut words = vec![0; rows * width];
    let depth = precision.depth();
    let mut flat = vec![0; TILE.min(rows) * TURN];
    for (tile, x) in words
        .chunks_mut((TILE * width).max(1))
        .zip(x.chunks((TILE * inputs).max(1)))
    {
        let height = x.len() / inputs;
        for turn in turns(inputs) {
            flatten(precision, x, inputs, &turn, &mut flat);
            let width = turn.len().div_ceil(depth);
            let tile = tile.get_mut(turn.start / depth * height..);
            let tile = tile.unwrap_or_default();
            if height == TILE {
                let (tile, _) = tile.as_chunks_mut::<TILE>();
                interleave(&flat, width, tile);
                continue;
            }
            for (row, words) in flat.chunks(width).take(height).enumerate() {
                let places = tile.iter_mut().skip(row).step_by(height);
                for (place, word) in places.zip(words) {
                    *place = *word;
                }
            }
        }
    }
    words
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn by_tiles(precision: Precision, x: &[f32], inputs: usize, width: usize) -> Vec<u32> {
    let rows = x.len() / inputs.max(1);
    let padded = width.next_multiple_of(tiles::SIDE);
    let mut words = vec![0; rows * padded];
    let mut flat = vec![0; tiles::SIDE.min(rows) * width];
    for (tile, x) in words
        .chunks_mut((tiles::SIDE * padded).max(1))
        .zip(x.chunks((tiles::SIDE * inputs).max(1)))
    {
        flatten(precision, x, inputs, &(0..inputs), &mut flat);
        let height = x.len() / inputs;
        tiles::arrange(flat.get(..height * width).unwrap_or_default(), width, tile);
    }
    words
}

/// All inputs, [`TURN`] at a time.
fn turns(inputs: usize) -> impl Iterator<Item = Range<usize>> {
    (0..inputs)
        .step_by(TURN)
        .map(move |start| start..inputs.min(start + TURN))
}

/// The words of the inputs of `turn` of each row of `x`, one row after the other, into `flat`; what is behind them stays.
fn flatten(precision: Precision, x: &[f32], inputs: usize, turn: &Range<usize>, flat: &mut [u32]) {
    let width = turn.len().div_ceil(precision.depth());
    for (words, x) in flat.chunks_mut(width.max(1)).zip(x.chunks_exact(inputs)) {
        let x = x.get(turn.clone()).unwrap_or_default();
        match precision {
            Precision::F32 => bits(x, words),
            Precision::Bf16 => pairs(x, words),
        }
    }
}

/// Puts what a panel's rows have for the inputs of `turn`, one row after the other, into the panel's lines.
fn arrange(
    layout: Layout,
    precision: Precision,
    flat: &[u32],
    turn: &Range<usize>,
    panel: &mut [Line],
) {
    let depth = precision.depth();
    let (start, width) = (turn.start / depth, turn.len().div_ceil(depth));
    match layout {
        Layout::Lines => {
            let (lines, _) = bytemuck::cast_slice_mut(panel).as_chunks_mut::<PANEL>();
            interleave(flat, width, lines.get_mut(start..).unwrap_or_default());
        }
        Layout::Halves => {
            let words = panel.len();
            let (places, _) = bytemuck::cast_slice_mut(panel).as_chunks_mut::<HALF>();
            let halves = flat.chunks((HALF * width).max(1));
            for (flat, places) in halves.zip(places.chunks_mut(words.max(1))) {
                interleave(flat, width, places.get_mut(start..).unwrap_or_default());
            }
        }
    }
}

/// Rows and words that [`interleave`] turns about in registers.
const SQUARE: usize = 4;

/// `[HEIGHT, width]` to the first `width` of `lines`; `HEIGHT` is a multiple of [`SQUARE`].
fn interleave<const HEIGHT: usize>(flat: &[u32], width: usize, lines: &mut [[u32; HEIGHT]]) {
    let mut rows: [&[u32]; HEIGHT] = [&[]; HEIGHT];
    for (row, words) in rows.iter_mut().zip(flat.chunks_exact(width.max(1))) {
        *row = words;
    }
    let squares = rows.map(|row| row.as_chunks::<SQUARE>().0);
    let (squares, _) = squares.as_chunks::<SQUARE>();
    let lines = lines.get_mut(..width).unwrap_or_default();
    let (whole, rest) = lines.as_chunks_mut::<SQUARE>();
    for (at, lines) in whole.iter_mut().enumerate() {
        for (group, rows) in squares.iter().enumerate() {
            let square = rows.map(|row| row.get(at).copied().unwrap_or_default());
            for (column, line) in lines.iter_mut().enumerate() {
                let (places, _) = line.as_chunks_mut::<SQUARE>();
                if let Some(place) = places.get_mut(group) {
                    *place = square.map(|row| row.get(column).copied().unwrap_or_default());
                }
            }
        }
    }
    let start = whole.len() * SQUARE;
    for (at, line) in rest.iter_mut().enumerate() {
        for (place, row) in line.iter_mut().zip(rows) {
            *place = row.get(start + at).copied().unwrap_or_default();
        }
    }
}

widest! {
fn bits(x: &[f32], words: &mut [u32]) {
    for (word, value) in words.iter_mut().zip(x) {
        *word = value.to_bits();
    }
}
}

widest! {
/// Neighbours in bfloat16, the even one in the lower half.
fn pairs(x: &[f32], words: &mut [u32]) {
    let (pairs, last) = x.as_chunks::<2>();
    for (word, [even, odd]) in words.iter_mut().zip(pairs) {
        *word = rounded(*even) | rounded(*odd) << 16;
    }
    if let ([even], Some(word)) = (last, words.last_mut()) {
        *word = rounded(*even);
    }
}
}

widest! {
/// Each value rounded to bfloat16, in float32.
fn singles(x: &[f32], words: &mut [u32]) {
    for (word, value) in words.iter_mut().zip(x) {
        *word = rounded(*value) << 16;
    }
}
}

/// The bits of the nearest bfloat16, ties to even; a NaN stays one.
#[inline(always)]
fn rounded(value: f32) -> u32 {
    let bits = value.to_bits();
    let near = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if value.is_nan() {
        bits >> 16 | 0x40
    } else {
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random;
    use candle_core::DType;
    use half::bf16;

    fn values(seed: u64, rows: usize, columns: usize) -> Vec<f32> {
        let tensor = random(seed, (rows, columns), 1.0, DType::F32).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Rows, outputs and inputs that are no multiple of anything, on either side of every threshold.
    const SHAPES: [(usize, usize, usize); 9] = [
        (1, 1, 1),
        (1, 33, 7),
        (2, 31, 64),
        (3, 200, 1030),
        (5, 129, 65),
        (12, 32, 2),
        (13, 96, 1500),
        (47, 40, 33),
        (200, 70, 37),
    ];

    #[track_caller]
    fn check(precision: Precision, round: impl Fn(f32) -> f64) {
        for (rows, outputs, inputs) in SHAPES {
            let x = values(1, rows, inputs);
            let weight = values(2, outputs, inputs);
            let y = Packed::f32(precision, &weight, inputs).multiply(&x);
            assert_eq!(y.len(), rows * outputs);
            for (at, y) in y.iter().enumerate() {
                let x = &x[at / outputs * inputs..][..inputs];
                let weight = &weight[at % outputs * inputs..][..inputs];
                let exact: f64 = x
                    .iter()
                    .zip(weight)
                    .map(|(x, w)| round(*x) * round(*w))
                    .sum();
                let off = (f64::from(*y) - exact).abs();
                assert!(
                    off < 1e-5 * (inputs as f64).sqrt().max(4.0),
                    "{rows} x {outputs} x {inputs}: {off}"
                );
            }
        }
    }

    #[test]
    fn products_in_float32_are_exact_to_rounding() {
        check(Precision::F32, f64::from);
    }

    #[test]
    fn products_in_bfloat16_round_their_factors_and_not_their_sums() {
        check(Precision::Bf16, |value| f64::from(bf16::from_f32(value)));
    }

    #[test]
    fn a_row_among_others_is_the_row_alone_to_the_last_bit() {
        let (outputs, inputs) = (100, 1100);
        for precision in [Precision::Bf16, Precision::F32] {
            let weight = Packed::f32(precision, &values(3, outputs, inputs), inputs);
            for rows in [2, 3, 5, 12, 13, 47, 48, 131] {
                let x = values(4, rows, inputs);
                let all = weight.multiply(&x);
                for (x, row) in x.chunks(inputs).zip(all.chunks(outputs)) {
                    assert_eq!(weight.multiply(x), row, "{rows} rows in {precision:?}");
                }
            }
        }
    }

    #[test]
    fn rounding_is_that_of_the_type() {
        let odd = [
            0.0,
            -0.0,
            1.0,
            1.003_906_2,
            1.011_718_8,
            f32::MAX,
            f32::INFINITY,
            1e-40,
            f32::MIN_POSITIVE,
        ];
        for value in odd.into_iter().chain(values(5, 1, 999)) {
            assert_eq!(
                rounded(value),
                u32::from(bf16::from_f32(value).to_bits()),
                "{value}"
            );
        }
        assert!(bf16::from_bits(rounded(f32::NAN) as u16).is_nan());
    }

    #[test]
    fn a_weight_takes_the_bytes_of_its_type_and_of_whole_panels() {
        let packed = Packed::f32(Precision::Bf16, &values(6, 40, 15), 15);
        assert_eq!(packed.outputs(), 40);
        assert_eq!(packed.bytes(), 2 * PANEL * 16 * size_of::<bf16>());
    }
}
