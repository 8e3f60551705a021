//! What a CPU computes faster than candle's general operations do: products, attention, the gate of the feed-forward.
//!
//! Everything here takes and gives float32, row after row; weights, keys and values may be held in bfloat16. The loops use
//! AVX-512 (with its bfloat16 products) where the processor has it, AVX2 where it has that, and plain Rust elsewhere.

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
mod kernel;
pub(crate) mod matrix;
pub(crate) mod softmax;

use candle_core::{CpuStorage, Storage, Tensor};

use self::attend::Heads;
use crate::Result;

/// Shows `work` the values of a float32 tensor on the CPU, one after the other.
///
/// # Errors
/// [`Error::Candle`](crate::Error::Candle) when the tensor is of another type or lies elsewhere.
pub(crate) fn with_values<T>(x: &Tensor, work: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let values = match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => values.get(start..end),
        _ => None,
    };
    Ok(work(values.ok_or_else(wrong_kind)?))
}

/// Shows `work` the values of a float32 tensor `[heads, tokens, dim]` on the CPU, whose heads may stand apart.
///
/// # Errors
/// As [`with_values`].
pub(crate) fn with_heads<T>(x: &Tensor, work: impl FnOnce(Heads<'_>) -> T) -> Result<T> {
    let (heads, tokens, dim) = x.dims3()?;
    // A cache has room behind its tokens; only heads whose own rows are apart are copied.
    let x = match x.stride() {
        [_, row, 1] if *row == dim => x.clone(),
        _ => x.contiguous()?,
    };
    let (storage, layout) = x.storage_and_layout();
    let values = match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => values.get(layout.start_offset()..),
        _ => None,
    };
    Ok(work(Heads {
        values: values.ok_or_else(wrong_kind)?,
        stride: layout.stride().first().copied().unwrap_or_default(),
        heads,
        tokens,
        dim,
    }))
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

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}
