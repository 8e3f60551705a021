//! The decoder: sandwich norms, grouped attention with M-RoPE, a gated MLP.

use candle_core::{DType, Device, Tensor};
use candle_nn::rotary_emb::rope_i;

use crate::attention::{Extent, Keys, Ragged, Setting, Sight};
use crate::config::TextConfig;
use crate::cpu::matrix::Precision;
use crate::cpu::rows::Pairing;
use crate::cpu::{self, Turning};
use crate::kv_cache::KvCache;
use crate::lora::Adapted;
use crate::mrope::{Angles, Rotation};
use crate::norm::Norm;
use crate::quant::Linear;
use crate::swiglu::swiglu;
use crate::tensors::bytes;
use crate::vision::Watch;
use crate::weights::Loader;
use crate::{Error, Result};

/// `model.language_model` and the head.
#[derive(Debug)]
pub(crate) struct TextModel {
    config: TextConfig,
    embed_tokens: Tensor,
    layers: Vec<DecoderLayer>,
    norm: Tensor,
    lm_head: Linear,
    rotation: Rotation,
    dtype: DType,
    /// How a CPU that computes in float32 holds the factors of products.
    precision: Option<Precision>,
    device: Device,
}

#[derive(Debug)]
struct DecoderLayer {
    input_layernorm: Tensor,
    self_attn: Attention,
    post_self_attn_layernorm: Tensor,
    post_attention_layernorm: Tensor,
    mlp: Mlp,
    post_mlp_layernorm: Tensor,
}

#[derive(Debug)]
struct Attention {
    /// `q_proj`, `k_proj`, `v_proj` side by side.
    qkv: Linear,
    o_proj: Linear,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

#[derive(Debug)]
struct Mlp {
    gate_up_proj: Linear,
    down_proj: Linear,
}

/// What all layers of a step share.
struct Shared<'a> {
    angles: &'a Angles,
    attention: &'a Ragged,
    adapted: &'a Adapted<'a>,
    norm: Norm,
}

/// The next tokens of one sequence, within a step over several.
pub(crate) struct Span<'a> {
    pub(crate) cache: &'a mut KvCache,
    pub(crate) tokens: usize,
}

impl TextModel {
    pub(crate) fn load(loader: &Loader<'_>) -> Result<Self> {
        let config = loader.config.text_config.clone();
        let hidden = config.hidden_size;
        let root = "model.language_model";
        let embedding = format!("{root}.embed_tokens");
        let shape = [config.vocab_size, hidden];
        // Rows are looked up, not multiplied: they stay in the type of the file, which halves them on a CPU that
        // computes in float32.
        let stored = loader.stored(&format!("{embedding}.weight"), &shape)?;
        let lm_head = if loader.config.tie_word_embeddings {
            loader.tied_head(&stored)?
        } else {
            loader.head("lm_head", &shape)?
        };
        let layers = (0..config.num_hidden_layers)
            .map(|index| DecoderLayer::load(loader, &format!("{root}.layers.{index}"), &config))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            embed_tokens: stored.to_device(loader.device)?,
            layers,
            norm: loader.tensor(&format!("{root}.norm.weight"), &[hidden])?,
            lm_head,
            rotation: Rotation::new(&config),
            dtype: loader.dtype,
            precision: loader.precision,
            device: loader.device.clone(),
            config,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        let layers = self.layers.iter().map(DecoderLayer::bytes).sum::<usize>();
        bytes(&self.embed_tokens) + layers + bytes(&self.norm) + self.lm_head.bytes()
    }

    /// An empty cache for one sequence.
    pub(crate) fn new_cache(&self) -> Result<KvCache> {
        KvCache::new(&self.config, self.dtype, &self.device)
    }

    /// Rows of the embedding, `[ids, hidden]`.
    pub(crate) fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        let beyond = ids
            .iter()
            .find(|id| **id as usize >= self.config.vocab_size);
        if let Some(id) = beyond {
            let vocabulary = self.config.vocab_size;
            return Err(Error::input(
                "prompt",
                format!("has the token {id}, beyond the vocabulary of {vocabulary}"),
            ));
        }
        let ids = Tensor::from_slice(ids, ids.len(), &self.device)?;
        Ok(self
            .embed_tokens
            .index_select(&ids, 0)?
            .to_dtype(self.dtype)?)
    }

    /// States after the last layer, before the final norm, `[n, hidden]`.
    ///
    /// `embeds` (`[n, hidden]`) and `positions` hold the tokens of `spans` one after the other; each token sees its own
    /// sequence only. Every weight is read once for all of them.
    ///
    /// # Errors
    /// [`Error::Candle`]; the caches then hold what they held before.
    pub(crate) fn forward(
        &self,
        embeds: Tensor,
        positions: &[[u32; 3]],
        spans: &mut [Span<'_>],
        adapted: &Adapted<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Tensor> {
        for span in spans.iter_mut() {
            span.cache.grow_for(span.tokens)?;
        }
        let angles = self.rotation.angles(positions, self.dtype, &self.device)?;
        let extents = spans.iter().map(|span| Extent {
            queries: span.tokens,
            keys: span.cache.len() + span.tokens,
        });
        let setting = Setting {
            sight: Sight::Causal,
            group: self.config.num_attention_heads / self.config.num_key_value_heads,
            precision: self.precision,
            dtype: self.dtype,
            device: &self.device,
        };
        let attention = Ragged::new(extents.collect(), &setting)?;
        let step = Shared {
            angles: &angles,
            attention: &attention,
            adapted,
            norm: self.norm_of_rows(),
        };
        let mut x = embeds;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&step, &x, index, spans)?;
            watch(&format!("1_layer_{index}"), &x);
        }
        for span in spans.iter_mut() {
            span.cache.advance(span.tokens);
        }
        Ok(x)
    }

    /// The final norm of `[n, hidden]`.
    pub(crate) fn normed(&self, x: &Tensor) -> Result<Tensor> {
        self.norm_of_rows().of(x, &self.norm)
    }

    fn norm_of_rows(&self) -> Norm {
        Norm {
            eps: self.config.rms_norm_eps as f32,
            fused: self.precision.is_some(),
        }
    }

    /// Logits of normed states, `[n, hidden]` to float32 `[n, vocabulary]`.
    pub(crate) fn logits(&self, normed: &Tensor, adapted: &Adapted<'_>) -> Result<Tensor> {
        Ok(self
            .lm_head
            .forward(normed, adapted)?
            .to_dtype(DType::F32)?)
    }
}

impl DecoderLayer {
    fn load(loader: &Loader<'_>, path: &str, config: &TextConfig) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let norm = |name: &str| loader.tensor(&format!("{path}.{name}.weight"), &[hidden]);
        let kv = config.num_key_value_heads * config.head_dim();
        let modules = [
            (format!("{path}.self_attn.q_proj"), [hidden, hidden]),
            (format!("{path}.self_attn.k_proj"), [kv, hidden]),
            (format!("{path}.self_attn.v_proj"), [kv, hidden]),
        ];
        let modules = modules
            .each_ref()
            .map(|(path, shape)| (path.clone(), &shape[..]));
        let dense = |name: &str, rows: usize, columns: usize| {
            loader.linear(&format!("{path}.{name}"), &[rows, columns], false)
        };
        Ok(Self {
            input_layernorm: norm("input_layernorm")?,
            self_attn: Attention {
                qkv: loader.side_by_side(&modules, true)?,
                o_proj: dense("self_attn.o_proj", hidden, hidden)?,
                heads: config.num_attention_heads,
                kv_heads: config.num_key_value_heads,
                head_dim: config.head_dim(),
            },
            post_self_attn_layernorm: norm("post_self_attn_layernorm")?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
            mlp: Mlp {
                gate_up_proj: dense("mlp.gate_up_proj", 2 * inner, hidden)?,
                down_proj: dense("mlp.down_proj", hidden, inner)?,
            },
            post_mlp_layernorm: norm("post_mlp_layernorm")?,
        })
    }

    fn bytes(&self) -> usize {
        let norms = [
            &self.input_layernorm,
            &self.post_self_attn_layernorm,
            &self.post_attention_layernorm,
            &self.post_mlp_layernorm,
        ];
        let linears = [
            &self.self_attn.qkv,
            &self.self_attn.o_proj,
            &self.mlp.gate_up_proj,
            &self.mlp.down_proj,
        ];
        norms.map(bytes).iter().sum::<usize>() + linears.map(Linear::bytes).iter().sum::<usize>()
    }

    fn forward(
        &self,
        step: &Shared<'_>,
        x: &Tensor,
        index: usize,
        spans: &[Span<'_>],
    ) -> Result<Tensor> {
        let norm = step.norm;
        let normed = norm.of(x, &self.input_layernorm)?;
        let attended = self.self_attn.forward(step, &normed, index, spans)?;
        let post = Some(&self.post_self_attn_layernorm);
        let (x, normed) = norm.add_and_norm(x, &attended, post, &self.post_attention_layernorm)?;
        let mixed = self.mlp.forward(&normed, step.adapted)?;
        norm.add(&x, &mixed, Some(&self.post_mlp_layernorm))
    }
}

impl Attention {
    fn forward(
        &self,
        step: &Shared<'_>,
        x: &Tensor,
        index: usize,
        spans: &[Span<'_>],
    ) -> Result<Tensor> {
        let [q, k, v] = self.heads(step, x)?;
        let mut keys = Vec::with_capacity(spans.len());
        let mut start = 0;
        for span in spans {
            let here = |x: &Tensor| x.narrow(1, start, span.tokens);
            let (k, v) = span.cache.append(index, &here(&k)?, &here(&v)?)?;
            keys.push(Keys { k, v });
            start += span.tokens;
        }
        let attended = step.attention.attend(&q, &keys)?;
        self.o_proj.forward(&attended, step.adapted)
    }

    /// Queries, keys and values of `x` (`[n, hidden]`), turned to their positions, `[heads, n, head_dim]` each.
    fn heads(&self, step: &Shared<'_>, x: &Tensor) -> Result<[Tensor; 3]> {
        let Shared { angles, .. } = *step;
        let turned = self.heads + self.kv_heads;
        let by_head = |qkv: &Tensor| -> Result<Tensor> {
            let shape = (x.dim(0)?, turned + self.kv_heads, self.head_dim);
            Ok(qkv.reshape(shape)?.transpose(0, 1)?)
        };
        if step.norm.fused {
            let (qkv, bias) = self.qkv.without_bias(x, step.adapted)?;
            let turning = Turning {
                angles,
                pairing: Pairing::Neighbours,
                heads: turned,
            };
            cpu::turn_heads(&qkv, bias, &turning)?;
            let heads = by_head(&qkv)?;
            return Ok([
                heads.narrow(0, 0, self.heads)?,
                heads.narrow(0, self.heads, self.kv_heads)?,
                heads.narrow(0, turned, self.kv_heads)?,
            ]);
        }
        let heads = by_head(&self.qkv.forward(x, step.adapted)?)?;
        // Query and key heads turn alike, in one kernel.
        let qk = heads.narrow(0, 0, turned)?.contiguous()?.unsqueeze(0)?;
        let qk = rope_i(&qk, &angles.cos, &angles.sin)?.squeeze(0)?;
        Ok([
            qk.narrow(0, 0, self.heads)?,
            qk.narrow(0, self.heads, self.kv_heads)?,
            heads.narrow(0, turned, self.kv_heads)?.contiguous()?,
        ])
    }
}

impl Mlp {
    fn forward(&self, x: &Tensor, adapted: &Adapted<'_>) -> Result<Tensor> {
        let inner = swiglu(&self.gate_up_proj.forward(x, adapted)?)?;
        self.down_proj.forward(&inner, adapted)
    }
}
