//! Powers of scores with a running maximum, and the gate of the feed-forward, compiled for wide registers.

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

/// Lanes of the loops below: values side by side that do not wait for each other.
const LANES: usize = 32;

widest! {
/// Turns the first `visible` scores, which are logarithms to base 2, into weights relative to the largest score so far, the
/// others into 0, and scales what was summed up in `out` under an older maximum.
pub(super) fn weigh(scores: &mut [f32], visible: usize, running: &mut Running, out: &mut [f32]) {
    let (seen, hidden) = scores.split_at_mut(visible.min(scores.len()));
    hidden.fill(0.0);
    let (many, rest) = seen.as_chunks_mut::<LANES>();
    let mut largest = [running.max; LANES];
    for some in &*many {
        for (max, score) in largest.iter_mut().zip(some) {
            *max = larger(*max, *score);
        }
    }
    let max = largest.iter().chain(&*rest).fold(running.max, |max, score| larger(max, *score));
    if max > running.max {
        let older = exp2::<FUSED>(running.max - max);
        running.max = max;
        running.sum *= older;
        for value in out {
            *value *= older;
        }
    }
    let mut sums = [0.0; LANES];
    for some in many {
        for (score, sum) in some.iter_mut().zip(&mut sums) {
            *score = exp2::<FUSED>(*score - max);
            *sum += *score;
        }
    }
    for score in rest {
        *score = exp2::<FUSED>(*score - max);
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
            *out = gate / (1.0 + exp2::<FUSED>(-gate * std::f32::consts::LOG2_E)) * up;
        }
    }
}
}

/// A maximum that compiles to one instruction; a NaN is no maximum.
#[inline(always)]
fn larger(max: f32, value: f32) -> f32 {
    if value > max { value } else { max }
}

/// 2^x to 2 units in the last place; 0 below -126, where float32 ends, and 2^127 above 127.
///
/// The polynomial is that of Cephes' `exp2f` (S. Moshier, 1984-2000); there is no branch, so that loops become vectors.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "the constants as published")]
fn exp2<const FUSED: bool>(x: f32) -> f32 {
    /// Adding it rounds to a whole number, which is then in the low bits.
    const WHOLE: f32 = 12_582_912.0;
    let inside = x.clamp(-126.0, 127.0);
    let shifted = inside + WHOLE;
    let r = inside - (shifted - WHOLE);
    let p = 1.535_336_188_319_500e-4;
    let p = multiply_add::<FUSED>(p, r, 1.339_887_440_266_574e-3);
    let p = multiply_add::<FUSED>(p, r, 9.618_437_357_674_640e-3);
    let p = multiply_add::<FUSED>(p, r, 5.550_332_471_162_809e-2);
    let p = multiply_add::<FUSED>(p, r, 2.402_264_791_363_012e-1);
    let p = multiply_add::<FUSED>(p, r, 6.931_472_028_550_421e-1);
    let p = multiply_add::<FUSED>(p, r, 1.0);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    if x < -126.0 { 0.0 } else { p * power }
}

/// `a * b + c`, in one instruction where the function is compiled for a processor that has it.
#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}
