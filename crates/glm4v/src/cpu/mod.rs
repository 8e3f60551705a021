//! What a CPU computes faster than candle's general operations do: products, attention, the gate of the feed-forward.
//!
//! Everything here takes and gives float32, row after row; weights, keys and values may be held in bfloat16. The loops use
//! AMX for products of bfloat16 and AVX-512 (with its own such products) where the processor has them, AVX2 where it has
//! that, and plain Rust elsewhere.

/// A function whose loops are compiled three times, and run for the widest registers that this processor has. `FUSED` says
/// in its body whether the processor multiplies and adds in one instruction.
macro_rules! widest {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        $vis fn $name($($arg: $type),*) {
            #[inline(always)]
            #[allow(dead_code, reason = "not every body multiplies and adds")]
            fn any<const FUSED: bool>($($arg: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,fma")]
                fn in_512($($arg: $type),*) {
                    any::<true>($($arg),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn in_256($($arg: $type),*) {
                    any::<true>($($arg),*);
                }
                if $crate::cpu::has_avx512() {
                    #[expect(unsafe_code, reason = "compiled for more than the least processor")]
                    // SAFETY: the processor has the features that the function asks for.
                    return unsafe { in_512($($arg),*) };
                }
                if $crate::cpu::has_avx2() {
                    #[expect(unsafe_code, reason = "compiled for more than the least processor")]
                    // SAFETY: the processor has the features that the function asks for.
                    return unsafe { in_256($($arg),*) };
                }
            }
            any::<false>($($arg),*);
        }
    };
}

pub(crate) mod attend;
pub(crate) mod blocks;
mod kernel;
pub(crate) mod matrix;
pub(crate) mod rows;
pub(crate) mod softmax;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tiles;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor};

use self::attend::Heads;
use self::rows::{Pairing, Turn};
use crate::mrope::Angles;

/// Shows `work` the values of a float32 tensor on the CPU, one after the other.
///
/// # Errors
/// When the tensor is of another type or lies elsewhere.
pub(crate) fn with_values<T>(x: &Tensor, work: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let values = match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => values.get(start..end),
        _ => None,
    };
    Ok(work(values.ok_or_else(wrong_kind)?))
}

/// Shows `work` the values of a float32 tensor `[heads, tokens, dim]` on the CPU, whose heads and tokens may stand apart.
///
/// # Errors
/// As [`with_values`].
pub(crate) fn with_heads<T>(x: &Tensor, work: impl FnOnce(Heads<'_>) -> T) -> Result<T> {
    let (heads, tokens, dim) = x.dims3()?;
    // A cache has room behind its tokens, and the heads of a product stand side by side: neither is copied.
    let x = match x.stride() {
        [_, _, 1] => x.clone(),
        _ => x.contiguous()?,
    };
    let (storage, layout) = x.storage_and_layout();
    let values = match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => values.get(layout.start_offset()..),
        _ => None,
    };
    let [head_stride, row_stride, ..] = *layout.stride() else {
        return Err(wrong_kind());
    };
    Ok(work(Heads {
        values: values.ok_or_else(wrong_kind)?,
        head_stride,
        row_stride,
        heads,
        tokens,
        dim,
    }))
}

/// Adds the bias to the rows of `x` (`[n, width]`, float32 on the CPU), which nothing else holds, and turns their heads.
///
/// # Errors
/// As [`with_values`].
pub(crate) fn turn_heads(x: &Tensor, bias: Option<&Tensor>, turning: &Turning<'_>) -> Result<()> {
    x.inplace_op1(&InPlace { bias, turning })
}

/// How the heads of a product are turned.
pub(crate) struct Turning<'a> {
    pub(crate) angles: &'a Angles,
    pub(crate) pairing: Pairing,
    /// The first heads of a row, which turn.
    pub(crate) heads: usize,
}

struct InPlace<'a> {
    bias: Option<&'a Tensor>,
    turning: &'a Turning<'a>,
}

impl InplaceOp1 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "turn heads"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (_, width) = layout.shape().dims2()?;
        let range = layout.contiguous_offsets();
        let (CpuStorage::F32(values), Some((start, end))) = (storage, range) else {
            return Err(wrong_kind());
        };
        let values = values.get_mut(start..end).ok_or_else(wrong_kind)?;
        let Turning {
            angles,
            pairing,
            heads,
        } = *self.turning;
        let half = angles.cos.dim(1)?;
        let mut run = |bias: &[f32]| {
            with_values(&angles.cos, |cos| {
                with_values(&angles.sin, |sin| {
                    let how = Turn {
                        bias,
                        cos,
                        sin,
                        pairing,
                        heads,
                        half,
                    };
                    rows::turn(values, width, how);
                })
            })
        };
        match self.bias {
            Some(bias) => with_values(bias, run)??,
            None => run(&[])?,
        }
    }
}

fn wrong_kind() -> candle_core::Error {
    candle_core::Error::Msg("bug: float32 on the CPU was expected".to_owned())
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("fma")
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}
