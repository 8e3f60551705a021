//! What is done to each row of activations between two products: norms, residual sums, and the turning of heads.
//!
//! Each passes over the memory once, with all cores; candle's operations would take one core and a pass for every step.

use rayon::prelude::*;

/// Values that a thread takes at a time; fewer are not worth waking another for.
const SHARE: usize = 1 << 14;

/// `len` zeros, which all cores touch first: for the large results of products that is a tenth of the product's time.
pub(super) fn zeros(len: usize) -> Vec<f32> {
    if len <= SHARE {
        return vec![0.0; len];
    }
    (0..len)
        .into_par_iter()
        .with_min_len(SHARE)
        .map(|_| 0.0)
        .collect()
}

/// Each row of `x` divided by its root mean square, times `weight`, whose length is a row's.
pub(crate) fn norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let mut out = zeros(x.len());
    let share = share(weight.len());
    if x.len() <= share {
        normed(x, weight, eps, &mut out);
    } else {
        let pairs = out.par_chunks_mut(share).zip(x.par_chunks(share));
        pairs.for_each(|(out, x)| normed(x, weight, eps, out));
    }
    out
}

/// The weights of [`residual`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norms<'a> {
    /// Of what is added; empty when it is added as it is.
    pub(crate) post: &'a [f32],
    /// Of the sum; empty when only the sum is wanted.
    pub(crate) next: &'a [f32],
    pub(crate) eps: f32,
}

/// `x + y` by rows of `width`, with `y` normed before; and that sum normed, empty when nothing norms it.
pub(crate) fn residual(
    x: &[f32],
    y: &[f32],
    width: usize,
    norms: Norms<'_>,
) -> (Vec<f32>, Vec<f32>) {
    let mut sum = zeros(x.len());
    let mut out = zeros(if norms.next.is_empty() { 0 } else { x.len() });
    let share = share(width);
    let one = |x: &[f32], y: &[f32], sum: &mut [f32], out: &mut [f32]| {
        match norms.post {
            [] => add(x, y, sum),
            weight => add_normed(x, y, weight, norms.eps, sum),
        }
        if !norms.next.is_empty() {
            normed(sum, norms.next, norms.eps, out);
        }
    };
    let inputs = x.par_chunks(share).zip(y.par_chunks(share));
    if x.len() <= share {
        one(x, y, &mut sum, &mut out);
    } else if norms.next.is_empty() {
        let all = inputs.zip(sum.par_chunks_mut(share));
        all.for_each(|((x, y), sum)| one(x, y, sum, &mut []));
    } else {
        let outputs = sum.par_chunks_mut(share).zip(out.par_chunks_mut(share));
        inputs
            .zip(outputs)
            .for_each(|((x, y), (sum, out))| one(x, y, sum, out));
    }
    (sum, out)
}

/// Which channels of a head turn together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// 2i and 2i + 1.
    Neighbours,
    /// i and i + dim / 2.
    Halves,
}

/// How the first heads of a row are turned, and what is added to all of the row before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn<'a> {
    /// As long as a row, or empty.
    pub(crate) bias: &'a [f32],
    /// `[rows, half]`.
    pub(crate) cos: &'a [f32],
    /// `[rows, half]`.
    pub(crate) sin: &'a [f32],
    pub(crate) pairing: Pairing,
    /// Heads that turn.
    pub(crate) heads: usize,
    /// Pairs of a head.
    pub(crate) half: usize,
}

/// Adds the bias to rows of `width` in place, and turns their first heads.
pub(crate) fn turn(x: &mut [f32], width: usize, how: Turn<'_>) {
    let half = how.half;
    let rows = share(width) / width.max(1);
    let turned = how.heads * 2 * half;
    let one = |x: &mut [f32], cos: &[f32], sin: &[f32]| {
        if !how.bias.is_empty() {
            add_bias(x, how.bias);
        }
        match how.pairing {
            Pairing::Neighbours => turn_neighbours(x, width, turned, cos, sin, half),
            Pairing::Halves => turn_halves(x, width, turned, cos, sin, half),
        }
    };
    if x.len() <= rows * width {
        return one(x, how.cos, how.sin);
    }
    let angles = how
        .cos
        .par_chunks(rows * half)
        .zip(how.sin.par_chunks(rows * half));
    let all = x.par_chunks_mut(rows * width).zip(angles);
    all.for_each(|(x, (cos, sin))| one(x, cos, sin));
}

/// Values of a thread's share: whole rows of `width`.
fn share(width: usize) -> usize {
    (SHARE / width.max(1)).max(1) * width.max(1)
}

widest! {
fn normed(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let width = weight.len().max(1);
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let factor = factor(x, eps);
        for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = x * factor * weight;
        }
    }
}
}

widest! {
/// `x` plus the normed `y`.
fn add_normed(x: &[f32], y: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let width = weight.len().max(1);
    let pairs = x.chunks_exact(width).zip(y.chunks_exact(width));
    for ((x, y), out) in pairs.zip(out.chunks_exact_mut(width)) {
        let factor = factor(y, eps);
        for (((out, x), y), weight) in out.iter_mut().zip(x).zip(y).zip(weight) {
            *out = x + y * factor * weight;
        }
    }
}
}

widest! {
fn add(x: &[f32], y: &[f32], out: &mut [f32]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = x + y;
    }
}
}

widest! {
fn add_bias(x: &mut [f32], bias: &[f32]) {
    for row in x.chunks_exact_mut(bias.len().max(1)) {
        for (x, bias) in row.iter_mut().zip(bias) {
            *x += bias;
        }
    }
}
}

widest! {
fn turn_neighbours(x: &mut [f32], width: usize, turned: usize, cos: &[f32], sin: &[f32], half: usize) {
    let angles = cos.chunks_exact(half).zip(sin.chunks_exact(half));
    for (row, (cos, sin)) in x.chunks_exact_mut(width).zip(angles) {
        for head in row.get_mut(..turned).unwrap_or_default().chunks_exact_mut(2 * half) {
            let (pairs, _) = head.as_chunks_mut::<2>();
            for ((pair, cos), sin) in pairs.iter_mut().zip(cos).zip(sin) {
                let [even, odd] = *pair;
                *pair = [even * cos - odd * sin, even * sin + odd * cos];
            }
        }
    }
}
}

widest! {
fn turn_halves(x: &mut [f32], width: usize, turned: usize, cos: &[f32], sin: &[f32], half: usize) {
    let angles = cos.chunks_exact(half).zip(sin.chunks_exact(half));
    for (row, (cos, sin)) in x.chunks_exact_mut(width).zip(angles) {
        for head in row.get_mut(..turned).unwrap_or_default().chunks_exact_mut(2 * half) {
            let (first, second) = head.split_at_mut(half);
            for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    }
}
}

/// One over the root mean square, from sums side by side that do not wait for each other.
#[inline(always)]
fn factor(x: &[f32], eps: f32) -> f32 {
    let (many, rest) = x.as_chunks::<32>();
    let mut sums = [0.0; 32];
    for some in many {
        for (sum, x) in sums.iter_mut().zip(some) {
            *sum += x * x;
        }
    }
    let rest: f32 = rest.iter().map(|x| x * x).sum();
    let mean = (sums.iter().sum::<f32>() + rest) / x.len() as f32;
    1.0 / (mean + eps).sqrt()
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Tensor};
    use candle_nn::{ops, rotary_emb};

    use super::*;
    use crate::testing::random;

    const EPS: f32 = 1e-5;
    /// One row, rows of an odd width, and as many as several threads share.
    const SHAPES: [(usize, usize); 3] = [(1, 8), (7, 50), (300, 256)];

    fn some(seed: u64, rows: usize, width: usize) -> Tensor {
        random(seed, (rows, width), 2.0, DType::F32).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[track_caller]
    fn close(found: &[f32], expect: &Tensor) {
        let expect = values(expect);
        assert_eq!(found.len(), expect.len());
        for (found, expect) in found.iter().zip(&expect) {
            assert!((found - expect).abs() < 1e-5, "{found} and {expect}");
        }
    }

    #[test]
    fn a_norm_is_candles() {
        for (rows, width) in SHAPES {
            let (x, weight) = (some(1, rows, width), some(2, 1, width).squeeze(0).unwrap());
            let expect = ops::rms_norm(&x, &weight, EPS).unwrap();
            close(&norm(&values(&x), &values(&weight), EPS), &expect);
        }
    }

    #[test]
    fn a_residual_is_the_sum_and_its_norm() {
        for (rows, width) in SHAPES {
            let (x, y) = (some(1, rows, width), some(2, rows, width));
            let weights = [3, 4].map(|seed| some(seed, 1, width).squeeze(0).unwrap());
            let [post, next] = weights.each_ref().map(values);
            let normed = ops::rms_norm(&y, &weights[0], EPS).unwrap();
            for (added, post) in [(&y, &[][..]), (&normed, &post[..])] {
                let expect = (&x + added).unwrap();
                let then = ops::rms_norm(&expect, &weights[1], EPS).unwrap();
                let run = |next| {
                    residual(
                        &values(&x),
                        &values(&y),
                        width,
                        Norms {
                            post,
                            next,
                            eps: EPS,
                        },
                    )
                };
                let (sum, out) = run(&next[..]);
                close(&sum, &expect);
                close(&out, &then);
                let (sum, out) = run(&[]);
                close(&sum, &expect);
                assert!(out.is_empty());
            }
        }
    }

    #[test]
    fn heads_turn_as_candle_turns_them_and_the_others_get_their_bias() {
        let (heads, turned, dim) = (5, 3, 8);
        let width = heads * dim;
        for rows in [1, 7, 900] {
            let (x, bias) = (some(1, rows, width), some(2, 1, width));
            let (cos, sin) = (some(3, rows, dim / 2), some(4, rows, dim / 2));
            let plain = x.broadcast_add(&bias).unwrap();
            let by_head = plain
                .reshape((rows, heads, dim))
                .unwrap()
                .transpose(0, 1)
                .unwrap();
            let first = by_head.narrow(0, 0, turned).unwrap().contiguous().unwrap();
            let first = first.unsqueeze(0).unwrap();
            let rest = by_head.narrow(0, turned, heads - turned).unwrap();
            for (pairing, first) in [
                (Pairing::Neighbours, rotary_emb::rope_i(&first, &cos, &sin)),
                (Pairing::Halves, rotary_emb::rope(&first, &cos, &sin)),
            ] {
                let first = first.unwrap().squeeze(0).unwrap();
                let expect = Tensor::cat(&[&first, &rest], 0)
                    .unwrap()
                    .transpose(0, 1)
                    .unwrap();
                let mut found = values(&x);
                let (bias, cos, sin) = (values(&bias), values(&cos), values(&sin));
                let how = Turn {
                    bias: &bias,
                    cos: &cos,
                    sin: &sin,
                    pairing,
                    heads: turned,
                    half: dim / 2,
                };
                turn(&mut found, width, how);
                close(&found, &expect.contiguous().unwrap());
            }
        }
    }
}
