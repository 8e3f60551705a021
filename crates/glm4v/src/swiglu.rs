//! `silu(gate) * up`, the gate of every MLP here.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use half::{bf16, f16};
use rayon::prelude::*;

use crate::{Result, cpu};

/// Rows that a thread takes at a time.
const ROWS: usize = 16;

/// `[n, 2 * inner]`, gate first, to `[n, inner]`.
pub(crate) fn swiglu(gate_up: &Tensor) -> Result<Tensor> {
    if gate_up.device().is_cpu() {
        // candle would copy both halves and pass over them three times, on one core.
        return Ok(gate_up.apply_op1_no_bwd(&Swiglu)?);
    }
    let inner = gate_up.dim(1)? / 2;
    let gate = gate_up.narrow(1, 0, inner)?.silu()?;
    Ok((gate * gate_up.narrow(1, inner, inner)?)?)
}

struct Swiglu;

impl CustomOp1 for Swiglu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, both) = layout.shape().dims2()?;
        let inner = both / 2;
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("swiglu takes contiguous rows");
        };
        let out = match storage {
            CpuStorage::F32(values) => CpuStorage::F32(wide(values.get(start..end), n, inner)),
            CpuStorage::BF16(values) => CpuStorage::BF16(rows(
                values.get(start..end),
                n,
                inner,
                bf16::to_f32,
                bf16::from_f32,
            )),
            CpuStorage::F16(values) => CpuStorage::F16(rows(
                values.get(start..end),
                n,
                inner,
                f16::to_f32,
                f16::from_f32,
            )),
            other => candle_core::bail!("swiglu does not compute in {:?}", other.dtype()),
        };
        Ok((out, Shape::from((n, inner))))
    }
}

fn wide(values: Option<&[f32]>, n: usize, inner: usize) -> Vec<f32> {
    let mut out = vec![0.0; n * inner];
    if let Some(values) = values.filter(|_| inner > 0) {
        let rows = out
            .par_chunks_mut(ROWS * inner)
            .zip(values.par_chunks(2 * ROWS * inner));
        rows.for_each(|(out, rows)| cpu::softmax::swiglu(rows, inner, out));
    }
    out
}

fn rows<T: Copy + Default + Send + Sync>(
    values: Option<&[T]>,
    n: usize,
    inner: usize,
    widen: impl Fn(T) -> f32 + Sync,
    narrow: impl Fn(f32) -> T + Sync,
) -> Vec<T> {
    let mut out = vec![T::default(); n * inner];
    let Some(values) = values.filter(|_| inner > 0) else {
        return out;
    };
    let pairs = out.par_chunks_mut(inner).zip(values.par_chunks(2 * inner));
    pairs.for_each(|(out, row)| {
        let (gates, ups) = row.split_at(inner);
        for ((out, gate), up) in out.iter_mut().zip(gates).zip(ups) {
            let gate = widen(*gate);
            // Rounded between the two steps, as the reference's types are.
            let gate = widen(narrow(gate / (1.0 + (-gate).exp())));
            *out = narrow(gate * widen(*up));
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::testing::random;

    #[test]
    fn the_fused_gate_is_silu_times_up() {
        for (dtype, bound) in [(DType::F32, 1e-6), (DType::BF16, 0.15), (DType::F16, 0.02)] {
            let x = random(1, (5, 14), 4.0, dtype).unwrap();
            let gate = x.narrow(1, 0, 7).unwrap().silu().unwrap();
            let expect = (gate * x.narrow(1, 7, 7).unwrap()).unwrap();
            let off = (swiglu(&x).unwrap() - expect).unwrap().abs().unwrap();
            let off = off.to_dtype(DType::F32).unwrap().max_all().unwrap();
            assert!(off.to_scalar::<f32>().unwrap() <= bound, "{dtype:?}");
        }
    }
}
