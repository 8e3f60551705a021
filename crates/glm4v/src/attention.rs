//! Softmax attention of the sequences of a step: causal over their caches, or full inside an image.
//!
//! Three ways give the same. A CPU that computes in float32 takes one sequence after the other, each with all cores. With
//! the feature `flash-attn` a GPU takes all of them in one kernel, packed one after the other. Elsewhere tensor operations
//! do: rows that decode are padded to the longest and multiplied together, prompts and pictures go alone.

use candle_core::{DType, Device, Tensor};

use crate::Result;
use crate::cpu;
use crate::cpu::matrix::Precision;
use crate::tensors::joined;

/// The scores that are held at a time. Queries are taken in blocks so that a picture's 4000 x 4000 scores of every head
/// need megabytes and not a gigabyte; 4 Mi float32 stay in the cache of a server's processor.
const SCORES: usize = 4 << 20;

/// Which keys a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Those up to its own position; the queries are the last of the keys' positions.
    Causal,
    /// All of its sequence.
    Full,
}

/// How much of a step belongs to one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Its queries in this step.
    pub(crate) queries: usize,
    /// Its keys, those of this step among them.
    pub(crate) keys: usize,
}

/// What the sequences of a step have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) sight: Sight,
    /// Query heads that read the same key head.
    pub(crate) group: usize,
    /// How a CPU that computes in float32 holds the factors of products; `None` for tensor operations.
    pub(crate) precision: Option<Precision>,
    pub(crate) dtype: DType,
    pub(crate) device: &'a Device,
}

/// Keys and values of one sequence, `[kv_heads, keys, dim]` each.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) k: Tensor,
    pub(crate) v: Tensor,
}

/// Attention over ragged sequences. It is made once for a step, with what all layers share, and used by each.
#[derive(Debug)]
pub(crate) struct Ragged {
    extents: Vec<Extent>,
    sight: Sight,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Float32 on a CPU, factors of products held as said.
    Cpu(Precision),
    /// One kernel over packed sequences.
    #[cfg(feature = "flash-attn")]
    Packed(Packing),
    /// One query of each sequence: padded, with the mask of what is padding (`[rows, 1, 1, longest]`).
    Padded {
        longest: usize,
        group: usize,
        mask: Tensor,
    },
    /// Tensor operations, one sequence after the other.
    Alone,
}

impl Ragged {
    /// For sequences of `extents`.
    pub(crate) fn new(extents: Vec<Extent>, setting: &Setting<'_>) -> Result<Self> {
        let way = match setting.precision {
            Some(precision) => Way::Cpu(precision),
            None => Way::general(&extents, setting)?,
        };
        Ok(Self {
            extents,
            sight: setting.sight,
            way,
        })
    }

    /// Attention of `q` (`[heads, n, dim]`, the queries of all sequences one after the other) to each one's `keys`; gives
    /// `[n, heads * dim]`.
    ///
    /// Query head `h` reads key head `h / (heads / kv_heads)`.
    pub(crate) fn attend(&self, q: &Tensor, keys: &[Keys]) -> Result<Tensor> {
        match &self.way {
            #[cfg(feature = "flash-attn")]
            Way::Packed(packing) => packing.attend(q, keys, &flash),
            Way::Padded {
                longest,
                group,
                mask,
            } => padded(q, keys, *longest, *group, mask),
            Way::Cpu(precision) => self.one_by_one(q, keys, |q, keys, causal| {
                on_a_cpu(q, &keys.k, &keys.v, causal, *precision)
            }),
            Way::Alone => self.one_by_one(q, keys, |q, keys, causal| {
                with_tensors(q, &keys.k, &keys.v, causal)
            }),
        }
    }

    fn one_by_one(
        &self,
        q: &Tensor,
        keys: &[Keys],
        attend: impl Fn(&Tensor, &Keys, bool) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let mut outs = Vec::with_capacity(keys.len());
        let mut start = 0;
        for (extent, keys) in self.extents.iter().zip(keys) {
            let q = q.narrow(1, start, extent.queries)?;
            outs.push(attend(&q, keys, self.sight == Sight::Causal)?);
            start += extent.queries;
        }
        joined(&outs)
    }
}

impl Way {
    fn general(extents: &[Extent], setting: &Setting<'_>) -> Result<Self> {
        let Setting { dtype, device, .. } = *setting;
        #[cfg(feature = "flash-attn")]
        if device.is_cuda() && matches!(dtype, DType::BF16 | DType::F16) {
            return Ok(Self::Packed(Packing::new(extents, setting)?));
        }
        if extents.len() < 2 || extents.iter().any(|extent| extent.queries != 1) {
            return Ok(Self::Alone);
        }
        let longest = extents.iter().map(|extent| extent.keys).max().unwrap_or(0);
        let mask: Vec<f32> = extents
            .iter()
            .flat_map(|extent| {
                let seen = std::iter::repeat_n(0.0, extent.keys);
                seen.chain(std::iter::repeat_n(
                    f32::NEG_INFINITY,
                    longest - extent.keys,
                ))
            })
            .collect();
        let mask = Tensor::from_vec(mask, (extents.len(), 1, 1, longest), device)?;
        Ok(Self::Padded {
            longest,
            group: setting.group,
            mask: mask.to_dtype(dtype)?,
        })
    }
}

/// Where packed sequences begin and end.
#[cfg(any(test, feature = "flash-attn"))]
#[derive(Debug)]
struct Packing {
    causal: bool,
    /// Every sequence has one query: the query heads of a key head then stand in for queries, since all of a group read the
    /// same keys, which so are read once and not once a head.
    heads_as_queries: bool,
    most_queries: usize,
    most_keys: usize,
    /// `[sequences + 1]`, from zero, in uint32 on the device.
    query_ends: Tensor,
    key_ends: Tensor,
}

/// What a kernel over packed sequences takes: `[queries, heads, dim]`, twice `[keys, kv_heads, dim]`, and where each
/// sequence ends.
#[cfg(any(test, feature = "flash-attn"))]
struct Packed<'a> {
    q: &'a Tensor,
    k: &'a Tensor,
    v: &'a Tensor,
    query_ends: &'a Tensor,
    key_ends: &'a Tensor,
    most_queries: usize,
    most_keys: usize,
    causal: bool,
}

#[cfg(any(test, feature = "flash-attn"))]
impl Packing {
    fn new(extents: &[Extent], setting: &Setting<'_>) -> Result<Self> {
        let heads_as_queries = extents.iter().all(|extent| extent.queries == 1);
        let factor = if heads_as_queries { setting.group } else { 1 };
        let most = |of: fn(&Extent) -> usize| extents.iter().map(of).max().unwrap_or(0);
        let queries = extents.iter().map(|extent| factor * extent.queries);
        Ok(Self {
            causal: setting.sight == Sight::Causal && !heads_as_queries,
            heads_as_queries,
            most_queries: factor * most(|extent| extent.queries),
            most_keys: most(|extent| extent.keys),
            query_ends: ends(queries, setting.device)?,
            key_ends: ends(extents.iter().map(|extent| extent.keys), setting.device)?,
        })
    }

    fn attend(
        &self,
        q: &Tensor,
        keys: &[Keys],
        kernel: &dyn Fn(&Packed<'_>) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let (heads, n, dim) = q.dims3()?;
        let pack = |of: fn(&Keys) -> &Tensor| -> Result<Tensor> {
            // One sequence is read where it lies: kernels take strides, as long as the last dimension is dense.
            let all = keys.iter().map(|keys| of(keys).transpose(0, 1));
            joined(&all.collect::<candle_core::Result<Vec<_>>>()?) // [keys, kv_heads, dim]
        };
        let (k, v) = (pack(|keys| &keys.k)?, pack(|keys| &keys.v)?);
        let run = |q: &Tensor| {
            kernel(&Packed {
                q,
                k: &k,
                v: &v,
                query_ends: &self.query_ends,
                key_ends: &self.key_ends,
                most_queries: self.most_queries,
                most_keys: self.most_keys,
                causal: self.causal,
            })
        };
        if !self.heads_as_queries {
            return Ok(run(&q.transpose(0, 1)?)?.reshape((n, heads * dim))?);
        }
        let kv_heads = k.dim(1)?;
        let group = heads / kv_heads;
        let q = q
            .reshape((kv_heads, group, n, dim))?
            .permute((2, 1, 0, 3))?
            .reshape((n * group, kv_heads, dim))?;
        let out = run(&q)?.reshape((n, group, kv_heads, dim))?;
        Ok(out.transpose(1, 2)?.reshape((n, heads * dim))?)
    }
}

/// Running sums of `lens` from zero.
#[cfg(any(test, feature = "flash-attn"))]
fn ends(lens: impl Iterator<Item = usize>, device: &Device) -> Result<Tensor> {
    let mut ends = vec![0_u32];
    let mut end = 0;
    for len in lens {
        end += len as u32;
        ends.push(end);
    }
    let count = ends.len();
    Ok(Tensor::from_vec(ends, count, device)?)
}

/// The kernel of the feature `flash-attn`.
#[cfg(feature = "flash-attn")]
fn flash(packed: &Packed<'_>) -> Result<Tensor> {
    let dim = packed.q.dim(2)?;
    Ok(candle_flash_attn::flash_attn_varlen(
        packed.q,
        packed.k,
        packed.v,
        packed.query_ends,
        packed.key_ends,
        packed.most_queries,
        packed.most_keys,
        1.0 / (dim as f32).sqrt(),
        packed.causal,
    )?)
}

/// One query of each row: keys and values are padded to the longest, and every product is one of the whole batch.
fn padded(
    q: &Tensor,
    keys: &[Keys],
    longest: usize,
    group: usize,
    mask: &Tensor,
) -> Result<Tensor> {
    let (heads, rows, dim) = q.dims3()?;
    let stack = |of: fn(&Keys) -> &Tensor| -> Result<Tensor> {
        let all = keys
            .iter()
            .map(|keys| {
                let x = of(keys);
                x.pad_with_zeros(1, 0, longest - x.dim(1)?)
            })
            .collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Tensor::stack(&all, 0)?) // [rows, kv_heads, longest, dim]
    };
    let (k, v) = (stack(|keys| &keys.k)?, stack(|keys| &keys.v)?);
    let q = (q.transpose(0, 1)?.contiguous()? * (1.0 / (dim as f64).sqrt()))?;
    let q = q.reshape((rows, heads / group, group, dim))?;
    let scores = q.matmul(&k.transpose(2, 3)?)?; // [rows, kv_heads, group, longest]
    let weights = softmax(&scores.broadcast_add(mask)?)?;
    Ok(weights.matmul(&v)?.reshape((rows, heads * dim))?)
}

/// One sequence: `q` (`[heads, n, dim]`) to `k` and `v` (`[kv_heads, keys, dim]`); gives `[n, heads * dim]`.
fn with_tensors(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Result<Tensor> {
    let (heads, n, dim) = q.dims3()?;
    let (kv_heads, keys, _) = k.dims3()?;
    let scale = 1.0 / (dim as f64).sqrt();
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
    joined(&done)
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

#[cfg(test)]
mod tests {
    use candle_core::D;

    use super::*;
    use crate::testing::random;

    /// The formula, with keys repeated for each query head and all scores at once.
    fn plain(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Tensor {
        let (heads, n, dim) = q.dims3().unwrap();
        let (kv_heads, keys, _) = k.dims3().unwrap();
        // Another crate's way to the same, so that the two cannot share a mistake.
        let repeat = |x: &Tensor| {
            let x = x.contiguous().unwrap().unsqueeze(0).unwrap();
            let x = candle_transformers::utils::repeat_kv(x, heads / kv_heads).unwrap();
            x.squeeze(0).unwrap()
        };
        let (k, v) = (repeat(k), repeat(v));
        let q = q.contiguous().unwrap();
        let mut scores = (q.matmul(&k.t().unwrap()).unwrap() / (dim as f64).sqrt()).unwrap();
        if causal {
            let mask = causal_mask(n, keys, DType::F32, &Device::Cpu).unwrap();
            scores = scores.broadcast_add(&mask).unwrap();
        }
        let weights = candle_nn::ops::softmax(&scores, D::Minus1).unwrap();
        let out = weights.matmul(&v).unwrap().transpose(0, 1).unwrap();
        out.reshape((n, heads * dim)).unwrap()
    }

    /// What a kernel over packed sequences computes, by the formula.
    fn stand_in(packed: &Packed<'_>) -> Result<Tensor> {
        let pairs = |ends: &Tensor| -> Vec<(usize, usize)> {
            let ends: Vec<u32> = ends.to_vec1().unwrap();
            ends.windows(2)
                .map(|pair| (pair[0] as usize, (pair[1] - pair[0]) as usize))
                .collect()
        };
        let (queries, keys) = (pairs(packed.query_ends), pairs(packed.key_ends));
        assert_eq!(
            queries.iter().map(|(_, len)| *len).max(),
            Some(packed.most_queries)
        );
        assert_eq!(
            keys.iter().map(|(_, len)| *len).max(),
            Some(packed.most_keys)
        );
        let outs: Vec<Tensor> = queries
            .into_iter()
            .zip(keys)
            .map(|((start, n), (first, count))| {
                let part = |x: &Tensor, start, len| {
                    let x = x.narrow(0, start, len).unwrap();
                    x.transpose(0, 1).unwrap()
                };
                let (k, v) = (part(packed.k, first, count), part(packed.v, first, count));
                plain(&part(packed.q, start, n), &k, &v, packed.causal)
            })
            .collect();
        Ok(Tensor::cat(&outs, 0)?.reshape(packed.q.shape())?)
    }

    /// Every way over the same sequences, each `(queries, keys)`, against the formula for each alone.
    #[track_caller]
    fn check(heads: usize, kv_heads: usize, sequences: &[(usize, usize)], sight: Sight) {
        let extents: Vec<Extent> = sequences
            .iter()
            .map(|(queries, keys)| Extent {
                queries: *queries,
                keys: *keys,
            })
            .collect();
        let total: usize = sequences.iter().map(|(queries, _)| queries).sum();
        let q = random(1, (heads, total, 8), 2.0, DType::F32).unwrap();
        let keys: Vec<Keys> = sequences
            .iter()
            .zip(2..)
            .map(|((_, keys), seed)| {
                // As a cache gives them: a view of something longer.
                let some = |seed| {
                    let room = random(seed, (kv_heads, keys + 5, 8), 2.0, DType::F32).unwrap();
                    room.narrow(1, 0, *keys).unwrap()
                };
                Keys {
                    k: some(2 * seed),
                    v: some(2 * seed + 1),
                }
            })
            .collect();
        let mut start = 0;
        let mut expect = Vec::new();
        for (extent, keys) in extents.iter().zip(&keys) {
            let q = q.narrow(1, start, extent.queries).unwrap();
            expect.push(plain(&q, &keys.k, &keys.v, sight == Sight::Causal));
            start += extent.queries;
        }
        let expect = Tensor::cat(&expect, 0).unwrap();
        let setting = |precision| Setting {
            sight,
            group: heads / kv_heads,
            precision,
            dtype: DType::F32,
            device: &Device::Cpu,
        };
        let with = |precision| Ragged::new(extents.clone(), &setting(precision)).unwrap();
        let packed = Packing::new(&extents, &setting(None)).unwrap();
        let found = [
            with(Some(Precision::F32)).attend(&q, &keys),
            with(None).attend(&q, &keys),
            packed.attend(&q, &keys, &stand_in),
        ];
        for (way, found) in found.into_iter().enumerate() {
            let off = (found.unwrap() - &expect).unwrap().abs().unwrap();
            let off = off.max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(off < 1e-5, "{off} by way {way}");
        }
    }

    #[test]
    fn a_decoding_step_sees_every_key() {
        check(4, 2, &[(1, 37)], Sight::Causal);
    }

    #[test]
    fn rows_of_unequal_length_decode_together() {
        check(4, 2, &[(1, 37), (1, 1), (1, 64)], Sight::Causal);
        check(6, 2, &[(1, 5), (1, 9)], Sight::Causal);
    }

    #[test]
    fn prompts_go_beside_rows_that_decode() {
        check(4, 2, &[(1, 37), (11, 20), (6, 6)], Sight::Causal);
    }

    #[test]
    fn a_chunk_sees_the_cache_and_itself_up_to_each_query() {
        check(4, 2, &[(11, 37)], Sight::Causal);
        check(4, 1, &[(37, 37)], Sight::Causal);
    }

    #[test]
    fn a_picture_sees_all_of_itself_and_no_other() {
        check(3, 3, &[(20, 20)], Sight::Full);
        check(3, 3, &[(20, 20), (6, 6)], Sight::Full);
    }

    #[test]
    fn blocks_of_queries_give_what_the_whole_gives() {
        // More scores than are held at a time.
        check(4, 2, &[(1100, 1200)], Sight::Causal);
        check(4, 4, &[(1100, 1100)], Sight::Full);
    }
}
