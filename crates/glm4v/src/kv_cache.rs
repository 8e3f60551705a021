//! The keys and values of one sequence.

use candle_core::{DType, Device, Tensor};

use crate::config::TextConfig;
use crate::{Error, Result};

/// Room is taken in steps of this many tokens.
const STEP: usize = 64;

/// Keys and values of one layer, `[kv_heads, room, head_dim]` each.
#[derive(Debug)]
struct Layer {
    k: Tensor,
    v: Tensor,
}

/// What the decoder remembers of one sequence; freed when it is dropped.
///
/// 40 960 bytes a token at full size with 16-bit elements. Room grows by doubling, so that a token is copied less than
/// twice; [`KvCache::reserve`] avoids even that when the length is known.
#[derive(Debug)]
pub(crate) struct KvCache {
    layers: Vec<Layer>,
    kv_heads: usize,
    head_dim: usize,
    dtype: DType,
    device: Device,
    room: usize,
    len: usize,
}

impl KvCache {
    /// An empty cache; it takes memory with its first token.
    pub(crate) fn new(config: &TextConfig, dtype: DType, device: &Device) -> Result<Self> {
        let (kv_heads, head_dim) = (config.num_key_value_heads, config.head_dim());
        let layers = (0..config.num_hidden_layers)
            .map(|_| {
                Ok(Layer {
                    k: Tensor::zeros((kv_heads, 0, head_dim), dtype, device)?,
                    v: Tensor::zeros((kv_heads, 0, head_dim), dtype, device)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            layers,
            kv_heads,
            head_dim,
            dtype,
            device: device.clone(),
            room: 0,
            len: 0,
        })
    }

    /// Tokens that it holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that it occupies, used or not.
    pub(crate) fn bytes(&self) -> usize {
        let token = self.kv_heads * self.head_dim * self.dtype.size_in_bytes();
        2 * self.layers.len() * self.room * token
    }

    /// Makes room for `tokens` altogether.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) when there is no memory; the cache is then as it was.
    pub(crate) fn reserve(&mut self, tokens: usize) -> Result<()> {
        if tokens <= self.room {
            return Ok(());
        }
        let room = tokens.next_multiple_of(STEP);
        let grown = self
            .layers
            .iter()
            .map(|layer| {
                Ok(Layer {
                    k: self.moved(&layer.k, room)?,
                    v: self.moved(&layer.v, room)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        self.layers = grown;
        self.room = room;
        Ok(())
    }

    /// Room for `more` tokens after those that it holds, with some to spare.
    pub(crate) fn grow_for(&mut self, more: usize) -> Result<()> {
        let needed = self.len + more;
        if needed <= self.room {
            return Ok(());
        }
        self.reserve(needed.max(2 * self.len))
    }

    fn moved(&self, old: &Tensor, room: usize) -> Result<Tensor> {
        let new = Tensor::zeros(
            (self.kv_heads, room, self.head_dim),
            self.dtype,
            &self.device,
        )?;
        if self.len > 0 {
            new.slice_set(&old.narrow(1, 0, self.len)?.contiguous()?, 1, 0)?;
        }
        Ok(new)
    }

    /// Writes the keys and values of `n` new tokens (`[kv_heads, n, head_dim]`) behind the others and gives all of them.
    ///
    /// They count only after [`KvCache::advance`], so that a step that failed half-way can be repeated.
    pub(crate) fn append(&self, layer: usize, k: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
        let total = self.len + k.dim(1)?;
        let Some(layer) = self.layers.get(layer) else {
            return Err(Error::input(
                "cache",
                format!("has {} layers", self.layers.len()),
            ));
        };
        layer.k.slice_set(&k.contiguous()?, 1, self.len)?;
        layer.v.slice_set(&v.contiguous()?, 1, self.len)?;
        Ok((layer.k.narrow(1, 0, total)?, layer.v.narrow(1, 0, total)?))
    }

    /// Counts `n` tokens that every layer has appended.
    pub(crate) fn advance(&mut self, n: usize) {
        self.len += n;
    }

    /// A cache of its own that begins with the first `tokens` of this one.
    ///
    /// Copying a token costs its 40 KiB where computing it costs the whole model: prompts with the same beginning are
    /// computed once.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) when there is no memory.
    pub(crate) fn fork(&self, tokens: usize) -> Result<Self> {
        let mut copy = Self {
            layers: Vec::with_capacity(self.layers.len()),
            device: self.device.clone(),
            room: 0,
            len: tokens.min(self.len),
            ..*self
        };
        let room = copy.len.next_multiple_of(STEP);
        for layer in &self.layers {
            copy.layers.push(Layer {
                k: copy.moved(&layer.k, room)?,
                v: copy.moved(&layer.v, room)?,
            });
        }
        copy.room = room;
        Ok(copy)
    }
}
