//! Softmax attention without a matrix of all scores: blocks of queries pass over blocks of keys and keep a running
//! maximum and sum (Dao et al., "FlashAttention", 2022).

use rayon::prelude::*;

use super::matrix::{Packed, Precision, Rows, TILE};
use super::softmax::{Running, weigh};

/// Queries that pass over the keys together.
const QUERIES: usize = 8 * TILE;
/// Keys whose scores are held at a time; with [`QUERIES`], 96 KiB.
const KEYS: usize = 256;

/// One tensor `[heads, tokens, dim]`, whose heads may stand further apart than they are long.
#[derive(Clone, Copy)]
pub(crate) struct Heads<'a> {
    /// From the first head's first value on.
    pub(crate) values: &'a [f32],
    /// From one head to the next.
    pub(crate) stride: usize,
    pub(crate) heads: usize,
    pub(crate) tokens: usize,
    pub(crate) dim: usize,
}

impl<'a> Heads<'a> {
    /// `[tokens, dim]` of one head; empty when there is no such head.
    fn head(&self, head: usize) -> &'a [f32] {
        let start = head * self.stride;
        self.values
            .get(start..start + self.tokens * self.dim)
            .unwrap_or_default()
    }
}

/// Attention of `q` to `k` and `v` (as many tokens each, and a number of heads that divides that of `q`), with all cores.
///
/// Gives `[q.tokens, q.heads * dim]`. When `causal`, the queries are the last of the keys' positions and see no later
/// key. Factors are rounded to `precision`; sums, maxima and exponentials are float32.
pub(crate) fn attend(
    q: Heads<'_>,
    k: Heads<'_>,
    v: Heads<'_>,
    causal: bool,
    precision: Precision,
) -> Vec<f32> {
    let mut out = vec![0.0; q.tokens * q.heads * q.dim];
    if out.is_empty() || k.tokens == 0 || k.heads == 0 {
        return out;
    }
    // Scores are logarithms to base 2, so that their weights are powers of 2.
    let scale = std::f32::consts::LOG2_E / (q.dim as f32).sqrt();
    let group = q.heads / k.heads;
    if q.tokens == 1 {
        // Packing the cache would cost more than the one pass over it.
        out.par_chunks_mut(q.dim)
            .enumerate()
            .for_each(|(head, out)| {
                let (k, v) = (k.head(head / group), v.head(head / group));
                one_query(q.head(head), k, v, scale, out);
            });
        return out;
    }
    let blocks: Vec<Vec<Block>> = (0..k.heads)
        .map(|head| Block::pack_all(precision, k.head(head), v.head(head), q.dim))
        .collect();
    let before = k.tokens - q.tokens.min(k.tokens);
    out.par_chunks_mut(QUERIES * q.heads * q.dim)
        .enumerate()
        .for_each(|(at, out)| {
            let first = at * QUERIES;
            let queries = QUERIES.min(q.tokens - first);
            // The first query of this block sees keys up to this one, each later query one more.
            let seen = if causal {
                before + first
            } else {
                usize::MAX / 2
            };
            let mut some = vec![0.0; queries * q.dim];
            for head in 0..q.heads {
                let from = first * q.dim;
                let values = q.head(head).iter().skip(from);
                for (scaled, value) in some.iter_mut().zip(values) {
                    *scaled = value * scale;
                }
                let x = Rows::pack(precision, &some, q.dim);
                let keys = blocks.get(head / group).map_or(&[][..], Vec::as_slice);
                let attended = pass(&x, keys, q.dim, seen);
                for (out, attended) in out.chunks_mut(q.heads * q.dim).zip(attended.chunks(q.dim)) {
                    let place = out.iter_mut().skip(head * q.dim);
                    for (out, value) in place.zip(attended) {
                        *out = *value;
                    }
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
    fn pack_all(precision: Precision, k: &[f32], v: &[f32], dim: usize) -> Vec<Self> {
        k.par_chunks(KEYS * dim)
            .zip(v.par_chunks(KEYS * dim))
            .enumerate()
            .map(|(at, (k, v))| Self {
                first: at * KEYS,
                count: k.len() / dim,
                k: Packed::f32(precision, k, dim),
                v: Packed::transposed(precision, v, dim),
            })
            .collect()
    }
}

/// The rows of `x` over all `blocks`; row `i` sees the keys up to `seen + i`. Gives `[rows, dim]`.
fn pass(x: &Rows, blocks: &[Block], dim: usize, seen: usize) -> Vec<f32> {
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
fn one_query(q: &[f32], k: &[f32], v: &[f32], scale: f32, out: &mut [f32]) {
    let dim = q.len().max(1);
    let mut scores: Vec<f32> = k.chunks(dim).map(|key| dot(q, key) * scale).collect();
    let mut running = Running::START;
    let all = scores.len();
    weigh(&mut scores, all, &mut running, out);
    for (weight, value) in scores.iter().zip(v.chunks(dim)) {
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
