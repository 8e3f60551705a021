//! Softmax attention of one sequence: causal over a cache, or full inside an image.

use candle_core::{DType, Device, Tensor};

use crate::Result;
use crate::cpu;
use crate::cpu::matrix::Precision;

/// The scores that are held at a time. Queries are taken in blocks so that a picture's 4000 x 4000 scores of every head
/// need megabytes and not a gigabyte; 4 Mi float32 stay in the cache of a server's processor.
const SCORES: usize = 4 << 20;

/// Attention of `q` (`[heads, n, dim]`) to `k` and `v` (`[kv_heads, keys, dim]`); gives `[n, heads * dim]`.
///
/// Query head `h` reads key head `h / (heads / kv_heads)`. When `causal`, the queries are the last `n` of the keys'
/// positions and see no later key.
///
/// `precision` is how a CPU that computes in float32 holds the factors of products.
pub(crate) fn attend(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    causal: bool,
    precision: Option<Precision>,
) -> Result<Tensor> {
    let (heads, n, dim) = q.dims3()?;
    if let Some(precision) = precision {
        return on_a_cpu(q, k, v, causal, precision);
    }
    let (kv_heads, keys, _) = k.dims3()?;
    let scale = 1.0 / (dim as f64).sqrt();
    #[cfg(feature = "flash-attn")]
    if let Some(out) = flash(q, k, v, scale as f32, causal)? {
        return Ok(out);
    }
    let group = heads / kv_heads;
    let block = (SCORES / (heads * keys).max(1)).clamp(16, n.max(16));
    let mut done = Vec::with_capacity(n.div_ceil(block));
    for start in (0..n).step_by(block) {
        let len = block.min(n - start);
        // A causal block needs no key after its last query.
        let seen = if causal { keys - n + start + len } else { keys };
        let q = q.narrow(1, start, len)?.contiguous()?;
        // One product serves all query heads of a key head.
        let q = (q.reshape((kv_heads, group * len, dim))? * scale)?;
        let scores = q.matmul(&k.narrow(1, 0, seen)?.transpose(1, 2)?)?; // [kv_heads, group * len, seen]
        let scores = if causal && len > 1 {
            let mask = causal_mask(len, seen, scores.dtype(), scores.device())?;
            let scores = scores
                .reshape((kv_heads, group, len, seen))?
                .broadcast_add(&mask)?;
            scores.reshape((kv_heads, group * len, seen))?
        } else {
            scores
        };
        let weights = softmax(&scores)?;
        let out = weights.matmul(&v.narrow(1, 0, seen)?)?; // [kv_heads, group * len, dim]
        let out = out.reshape((heads, len, dim))?.transpose(0, 1)?;
        done.push(out.reshape((len, heads * dim))?);
    }
    match done.as_slice() {
        [one] => Ok(one.clone()),
        many => Ok(Tensor::cat(many, 0)?),
    }
}

fn on_a_cpu(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    causal: bool,
    precision: Precision,
) -> Result<Tensor> {
    let (heads, n, dim) = q.dims3()?;
    let out = cpu::with_heads(q, |q| {
        cpu::with_heads(k, |k| {
            cpu::with_heads(v, |v| cpu::attend::attend(q, k, v, causal, precision))
        })
    })???;
    Ok(Tensor::from_vec(out, (n, heads * dim), q.device())?)
}

/// Over the last dimension, summed in float32 as the reference does.
fn softmax(scores: &Tensor) -> Result<Tensor> {
    let dtype = scores.dtype();
    let wide = scores.to_dtype(DType::F32)?;
    Ok(candle_nn::ops::softmax_last_dim(&wide)?.to_dtype(dtype)?)
}

/// `[len, seen]`: 0 where query `i`, at position `seen - len + i`, may look, else minus infinity.
fn causal_mask(len: usize, seen: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    let before = seen - len;
    let row = |query: usize| {
        (0..seen).map(move |key| {
            if key <= before + query {
                0.0
            } else {
                f32::NEG_INFINITY
            }
        })
    };
    let mask: Vec<f32> = (0..len).flat_map(row).collect();
    Ok(Tensor::from_vec(mask, (len, seen), device)?.to_dtype(dtype)?)
}

/// The fused kernel, where it computes this: a GPU, 16-bit types, heads of up to 256 channels.
#[cfg(feature = "flash-attn")]
fn flash(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool) -> Result<Option<Tensor>> {
    let (heads, n, dim) = q.dims3()?;
    let fits = q.device().is_cuda()
        && matches!(q.dtype(), DType::BF16 | DType::F16)
        && dim.is_multiple_of(8)
        && dim <= 256;
    if !fits {
        return Ok(None);
    }
    // [1, tokens, heads, dim]; the kernel takes strides, as long as the last dimension is dense.
    let turned = |x: &Tensor| x.transpose(0, 1)?.unsqueeze(0);
    let out = candle_flash_attn::flash_attn(
        &turned(q)?,
        &turned(k)?,
        &turned(v)?,
        scale,
        causal && n > 1,
    )?;
    Ok(Some(out.reshape((n, heads * dim))?))
}

#[cfg(test)]
mod tests {
    use candle_core::D;

    use super::*;
    use crate::testing::random;

    /// The formula, with keys repeated for each query head and all scores at once.
    fn plain(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Tensor {
        let (heads, n, dim) = q.dims3().unwrap();
        let (kv_heads, keys, _) = k.dims3().unwrap();
        let repeat = |x: &Tensor| {
            candle_transformers::utils::repeat_kv(x.unsqueeze(0).unwrap(), heads / kv_heads)
                .unwrap()
                .squeeze(0)
                .unwrap()
        };
        let (k, v) = (repeat(k), repeat(v));
        let mut scores = (q.matmul(&k.t().unwrap()).unwrap() / (dim as f64).sqrt()).unwrap();
        if causal {
            let mask = causal_mask(n, keys, DType::F32, &Device::Cpu).unwrap();
            scores = scores.broadcast_add(&mask).unwrap();
        }
        let weights = candle_nn::ops::softmax(&scores, D::Minus1).unwrap();
        let out = weights.matmul(&v).unwrap().transpose(0, 1).unwrap();
        out.reshape((n, heads * dim)).unwrap()
    }

    #[track_caller]
    fn check(heads: usize, kv_heads: usize, n: usize, keys: usize, causal: bool) {
        let q = random(1, (heads, n, 8), 2.0, DType::F32).unwrap();
        let k = random(2, (kv_heads, keys, 8), 2.0, DType::F32).unwrap();
        let v = random(3, (kv_heads, keys, 8), 2.0, DType::F32).unwrap();
        for precision in [None, Some(Precision::F32)] {
            let ours = attend(&q, &k, &v, causal, precision).unwrap();
            let off = (ours - plain(&q, &k, &v, causal)).unwrap().abs().unwrap();
            let off = off.max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(off < 1e-5, "{off} with {precision:?}");
        }
    }

    #[test]
    fn a_decoding_step_sees_every_key() {
        check(4, 2, 1, 37, true);
    }

    #[test]
    fn a_chunk_sees_the_cache_and_itself_up_to_each_query() {
        check(4, 2, 11, 37, true);
        check(4, 1, 37, 37, true);
    }

    #[test]
    fn a_picture_sees_all_of_itself() {
        check(3, 3, 20, 20, false);
    }

    #[test]
    fn blocks_of_queries_give_what_the_whole_gives() {
        // More scores than are held at a time.
        check(4, 2, 1100, 1200, true);
        check(4, 4, 1100, 1100, false);
    }
}
