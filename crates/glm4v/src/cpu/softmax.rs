//! Exponentials of scores with a running maximum, and the gate of the feed-forward, compiled for wide registers.

/// What a row of attention remembers between blocks of keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    max: f32,
    /// Sum of the weights so far, relative to `max`.
    pub(super) sum: f32,
}

impl Running {
    pub(super) const START: Self = Self {
        max: f32::NEG_INFINITY,
        sum: 0.0,
    };
}

widest! {
/// Turns the first `visible` scores into weights relative to the largest score so far, the others into 0, and scales
/// what was summed up in `out` under an older maximum.
pub(super) fn weigh(scores: &mut [f32], visible: usize, running: &mut Running, out: &mut [f32]) {
    let (seen, hidden) = scores.split_at_mut(visible.min(scores.len()));
    hidden.fill(0.0);
    let max = seen.iter().fold(running.max, |max, score| if *score > max { *score } else { max });
    if max > running.max {
        let older = exp(running.max - max);
        running.max = max;
        running.sum *= older;
        for value in out {
            *value *= older;
        }
    }
    // Sixteen sums: one after the other they would wait for each other.
    let mut sums = [0.0; 16];
    let (many, rest) = seen.as_chunks_mut::<16>();
    for some in many {
        for (score, sum) in some.iter_mut().zip(&mut sums) {
            *score = exp(*score - max);
            *sum += *score;
        }
    }
    for score in rest {
        *score = exp(*score - max);
        running.sum += *score;
    }
    running.sum += sums.iter().sum::<f32>();
}
}

widest! {
/// `silu(gate) * up` for `[n, 2 * inner]`, gate first; gives `[n, inner]` in `out`.
pub(crate) fn swiglu(gate_up: &[f32], inner: usize, out: &mut [f32]) {
    for (out, row) in out.chunks_mut(inner).zip(gate_up.chunks(2 * inner)) {
        let (gates, ups) = row.split_at(inner);
        for ((out, gate), up) in out.iter_mut().zip(gates).zip(ups) {
            *out = gate / (1.0 + exp(-gate)) * up;
        }
    }
}
}

/// e^x to 2 units in the last place; 0 below -87, where float32 ends, and e^88 above 88.
///
/// The polynomial is that of Cephes' `expf` (S. Moshier, 1984-2000); there is no branch, so that loops become vectors.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "the constants as published")]
fn exp(x: f32) -> f32 {
    /// Adding it rounds to a whole number, which is then in the low bits.
    const WHOLE: f32 = 12_582_912.0;
    let inside = x.clamp(-87.0, 88.0);
    let shifted = inside * std::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    let r = inside - n * 0.693_359_375 + n * 2.121_944_4e-4;
    let p = 1.987_569_15e-4;
    let p = p * r + 1.398_199_950_7e-3;
    let p = p * r + 8.333_451_907_3e-3;
    let p = p * r + 4.166_579_589_4e-2;
    let p = p * r + 1.666_666_545_9e-1;
    let p = p * r + 5.000_000_120_1e-1;
    let p = p * r * r + r + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    if x < -87.0 { 0.0 } else { p * power }
}
