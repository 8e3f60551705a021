//! Softmax attention without a matrix of all scores: blocks of queries pass over blocks of keys and keep a running
//! maximum and sum (Dao et al., "FlashAttention", 2022).

use rayon::prelude::*;

use super::matrix::{Packed, Precision, Rows, TILE};
use super::rows::zeros;
use super::softmax::{Running, weigh};

/// Queries that pass over the keys together.
const QUERIES: usize = 8 * TILE;
/// Keys whose scores are held at a time; with [`QUERIES`], 96 KiB.
const KEYS: usize = 256;

/// One tensor `[heads, tokens, dim]`, whose heads and tokens may stand further apart than they are long.
#[derive(Clone, Copy)]
pub(crate) struct Heads<'a> {
    /// From the first head's first value on.
    pub(crate) values: &'a [f32],
    /// From one head to the next.
    pub(crate) head_stride: usize,
    /// From one token to the next.
    pub(crate) row_stride: usize,
    pub(crate) heads: usize,
    pub(crate) tokens: usize,
    pub(crate) dim: usize,
}

impl<'a> Heads<'a> {
    /// All tokens of one head.
    fn all(self, head: usize) -> impl Iterator<Item = &'a [f32]> {
        self.rows(head, 0, self.tokens)
    }

    /// Tokens of one head, from `first` on, at most `count`.
    fn rows(self, head: usize, first: usize, count: usize) -> impl Iterator<Item = &'a [f32]> {
        (first..self.tokens.min(first + count)).map(move |token| {
            let start = head * self.head_stride + token * self.row_stride;
            self.values.get(start..start + self.dim).unwrap_or_default()
        })
    }
}

/// Attention of `q` to `k` and `v` (as many tokens each, and a number of heads that divides that of `q`), with all cores.
///
/// Gives `[q.tokens, q.heads * dim]`. When `causal`, the queries are the last of the keys' positions and see no later
/// key. Factors are rounded to `precision` where the processor multiplies it; sums, maxima and exponentials are float32.
pub(crate) fn attend(
    q: Heads<'_>,
    k: Heads<'_>,
    v: Heads<'_>,
    causal: bool,
    precision: Precision,
) -> Vec<f32> {
    let mut out = zeros(q.tokens * q.heads * q.dim);
    if out.is_empty() || k.tokens == 0 || k.heads == 0 {
        return out;
    }
    let precision = precision.in_passing();
    // Scores are logarithms to base 2, so that their weights are powers of 2.
    let scale = std::f32::consts::LOG2_E / (q.dim as f32).sqrt();
    let group = q.heads / k.heads;
    if q.tokens == 1 {
        // Packing the cache would cost more than the one pass over it.
        out.par_chunks_mut(q.dim)
            .enumerate()
            .for_each(|(head, out)| {
                let query = q.rows(head, 0, 1).next().unwrap_or_default();
                let (k, v) = (k.all(head / group), v.all(head / group));
                one_query(query, k, v, scale, out);
            });
        return out;
    }
    let per_head = k.tokens.div_ceil(KEYS);
    let blocks: Vec<Block> = (0..k.heads * per_head)
        .into_par_iter()
        .map(|at| Block::pack(precision, k, v, at / per_head, at % per_head * KEYS))
        .collect();
    let before = k.tokens - q.tokens.min(k.tokens);
    // The last queries see most: they come first, and heads are shared among threads too, so that these end together.
    out.par_chunks_mut(QUERIES * q.heads * q.dim)
        .enumerate()
        .rev()
        .for_each(|(at, out)| {
            let first = at * QUERIES;
            // The first query of this block sees keys up to this one, each later query one more.
            let seen = if causal {
                before + first
            } else {
                usize::MAX / 2
            };
            let heads: Vec<Vec<f32>> = (0..q.heads)
                .into_par_iter()
                .map(|head| {
                    let rows = q.rows(head, first, QUERIES).flatten();
                    let scaled: Vec<f32> = rows.map(|value| value * scale).collect();
                    let x = Rows::pack(precision, &scaled, q.dim);
                    let blocks = blocks.chunks(per_head).nth(head / group);
                    pass(&x, blocks.unwrap_or_default(), q.dim, seen)
                })
                .collect();
            for (token, out) in out.chunks_mut(q.heads * q.dim).enumerate() {
                for (out, head) in out.chunks_mut(q.dim).zip(&heads) {
                    let attended = head.chunks(q.dim).nth(token).unwrap_or_default();
                    out.copy_from_slice(attended);
                }
            }
        });
    out
}

/// Some keys and their values, packed as the matrices that queries and weights are multiplied with.
struct Block {
    first: usize,
    count: usize,
    k: Packed,
    v: Packed,
}

impl Block {
    /// At most [`KEYS`] keys of a head, from `first` on.
    fn pack(precision: Precision, k: Heads<'_>, v: Heads<'_>, head: usize, first: usize) -> Self {
        let side_by_side = |x: Heads<'_>| -> Vec<f32> {
            let rows: Vec<&[f32]> = x.rows(head, first, KEYS).collect();
            rows.concat()
        };
        let (keys, values) = (side_by_side(k), side_by_side(v));
        Self {
            first,
            count: keys.len() / k.dim.max(1),
            k: Packed::f32(precision, &keys, k.dim),
            v: Packed::transposed(precision, &values, v.dim),
        }
    }
}

/// The rows of `x` over all `blocks`; row `i` sees the keys up to `seen + i`. Gives `[rows, dim]`.
fn pass(x: &Rows<'_>, blocks: &[Block], dim: usize, seen: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.rows * dim];
    let mut running = vec![Running::START; x.rows];
    let mut scores = vec![0.0; x.rows * KEYS];
    for block in blocks
        .iter()
        .take_while(|block| block.first < seen + x.rows)
    {
        let count = block.count;
        scores.clear();
        scores.resize(x.rows * count, 0.0);
        block.k.add_product(x, &mut scores);
        let rows = scores
            .chunks_mut(count)
            .zip(&mut running)
            .zip(out.chunks_mut(dim));
        for (row, ((scores, running), out)) in rows.enumerate() {
            let visible = (seen + row + 1).saturating_sub(block.first);
            weigh(scores, visible, running, out);
        }
        block
            .v
            .add_product(&Rows::pack(x.precision, &scores, count), &mut out);
    }
    for (out, running) in out.chunks_mut(dim).zip(&running) {
        for value in out {
            *value /= running.sum;
        }
    }
    out
}

/// A decoding step: keys and values are read once, in the order in which they lie.
fn one_query<'a>(
    q: &[f32],
    k: impl Iterator<Item = &'a [f32]>,
    v: impl Iterator<Item = &'a [f32]>,
    scale: f32,
    out: &mut [f32],
) {
    let mut scores: Vec<f32> = k.map(|key| dot(q, key) * scale).collect();
    let mut running = Running::START;
    let all = scores.len();
    weigh(&mut scores, all, &mut running, out);
    for (weight, value) in scores.iter().zip(v) {
        for (out, value) in out.iter_mut().zip(value) {
            *out += weight * value;
        }
    }
    for value in out {
        *value /= running.sum;
    }
}

/// Sixteen sums side by side, which the compiler keeps in one or two registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0; 16];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
