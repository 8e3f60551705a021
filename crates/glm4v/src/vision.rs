//! The vision tower: patches, interpolated positions, blocks of full attention, downsampling, and the merger into the
//! decoder's channels.

use candle_core::{DType, Device, Tensor};
use candle_nn::ops::layer_norm;
use candle_nn::rotary_emb::rope;

use crate::attention::{Extent, Keys, Ragged, Setting, Sight};
use crate::config::VisionConfig;
use crate::cpu::matrix::Precision;
use crate::cpu::rows::Pairing;
use crate::cpu::{self, Turning};
use crate::lora::Adapted;
use crate::mrope::Angles;
use crate::norm::Norm;
use crate::processor::Pixels;
use crate::quant::Linear;
use crate::swiglu::swiglu;
use crate::tensors::{bytes, joined};
use crate::weights::Loader;
use crate::{Error, Result};

/// Base of the rotation's frequencies.
const ROPE_THETA: f64 = 10_000.0;
/// Added to the variance in the merger's layer norm; no key of the configuration says it.
const LAYER_NORM_EPS: f32 = 1e-5;
/// The cubic kernel of `grid_sample`; the one that resizes pictures has -0.5.
const CUBIC: f64 = -0.75;

/// `model.visual`.
#[derive(Debug)]
pub(crate) struct VisionModel {
    config: VisionConfig,
    patch_embed: Linear,
    post_conv_layernorm: Tensor,
    /// `[side, side * hidden]` in float32: the table is sampled in float32 whatever the model computes in.
    position_embedding: Tensor,
    blocks: Vec<Block>,
    post_layernorm: Tensor,
    downsample: Linear,
    merger: Merger,
    dtype: DType,
    /// How a CPU that computes in float32 holds the factors of products.
    precision: Option<Precision>,
    device: Device,
}

#[derive(Debug)]
struct Block {
    norm1: Tensor,
    qkv: Linear,
    proj: Linear,
    norm2: Tensor,
    /// `gate_proj` and `up_proj` side by side.
    gate_up: Linear,
    down_proj: Linear,
}

#[derive(Debug)]
struct Merger {
    proj: Linear,
    post_projection_norm: (Tensor, Tensor),
    /// `gate_proj` and `up_proj` side by side.
    gate_up: Linear,
    down_proj: Linear,
}

/// What all blocks share.
struct Shared<'a> {
    angles: &'a Angles,
    attention: &'a Ragged,
    frames: &'a [Extent],
    adapted: &'a Adapted<'a>,
    norm: Norm,
}

/// Is shown the states between the steps, under the step's name.
pub(crate) type Watch<'a> = dyn FnMut(&str, &Tensor) + 'a;

impl VisionModel {
    pub(crate) fn load(loader: &Loader<'_>) -> Result<Self> {
        let config = loader.config.vision_config.clone();
        let (hidden, out, side) = (
            config.hidden_size,
            config.out_hidden_size,
            config.position_table_side(),
        );
        let root = "model.visual";
        let norm = |name: &str| loader.tensor(&format!("{root}.{name}.weight"), &[hidden]);
        let patch = [
            hidden,
            config.in_channels,
            config.temporal_patch_size,
            config.patch_size,
            config.patch_size,
        ];
        let merge = config.spatial_merge_size;
        let table = format!("{root}.embeddings.position_embedding.weight");
        let table = loader.stored(&table, &[side * side, hidden])?;
        let table = table.to_dtype(DType::F32)?.reshape((side, side * hidden))?;
        let blocks = (0..config.depth)
            .map(|index| Block::load(loader, &format!("{root}.blocks.{index}"), &config))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            patch_embed: loader.linear(&format!("{root}.patch_embed.proj"), &patch, true)?,
            post_conv_layernorm: norm("post_conv_layernorm")?,
            position_embedding: table.to_device(loader.device)?,
            blocks,
            post_layernorm: norm("post_layernorm")?,
            downsample: loader.linear(
                &format!("{root}.downsample"),
                &[out, hidden, merge, merge],
                true,
            )?,
            merger: Merger::load(loader, &format!("{root}.merger"), &config)?,
            dtype: loader.dtype,
            precision: loader.precision,
            device: loader.device.clone(),
            config,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        let tensors = [
            &self.post_conv_layernorm,
            &self.position_embedding,
            &self.post_layernorm,
            &self.merger.post_projection_norm.0,
            &self.merger.post_projection_norm.1,
        ];
        let linears = [
            &self.patch_embed,
            &self.downsample,
            &self.merger.proj,
            &self.merger.gate_up,
            &self.merger.down_proj,
        ];
        let blocks = self.blocks.iter().map(Block::bytes).sum::<usize>();
        tensors.map(bytes).iter().sum::<usize>()
            + linears.map(Linear::bytes).iter().sum::<usize>()
            + blocks
    }

    /// Image tokens of `pictures` one after the other, `[tokens, out_hidden]`.
    ///
    /// A picture's tokens depend on no other picture.
    ///
    /// # Errors
    /// [`Error::Input`] when a picture's patches do not fit its grid or this model.
    pub(crate) fn forward(
        &self,
        pictures: &[Pixels],
        adapted: &Adapted<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<Tensor> {
        for picture in pictures {
            self.check(picture)?;
        }
        let norm = Norm {
            eps: self.config.rms_norm_eps as f32,
            fused: self.precision.is_some(),
        };
        let grids: Vec<[usize; 3]> = pictures.iter().map(|picture| picture.grid_thw).collect();
        let mut x = self
            .patch_embed
            .forward(&self.patches(pictures)?, adapted)?;
        watch("0_patch_embed", &x);
        x = norm.of(&x, &self.post_conv_layernorm)?;
        watch("1_post_conv_norm", &x);
        x = (x + self.positions(&grids)?)?;
        watch("2_with_pos_embed", &x);
        let angles = self.angles(&grids)?;
        // Attention stays inside a frame.
        let frames: Vec<Extent> = grids
            .iter()
            .flat_map(|[t, h, w]| {
                let (queries, keys) = (h * w, h * w);
                std::iter::repeat_n(Extent { queries, keys }, *t)
            })
            .collect();
        let setting = Setting {
            sight: Sight::Full,
            group: 1,
            precision: self.precision,
            dtype: self.dtype,
            device: &self.device,
        };
        let attention = Ragged::new(frames.clone(), &setting)?;
        let step = Shared {
            angles: &angles,
            attention: &attention,
            frames: &frames,
            adapted,
            norm,
        };
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.forward(&step, &x, &self.config)?;
            watch(&format!("3_block_{index}"), &x);
        }
        x = norm.of(&x, &self.post_layernorm)?;
        watch("4_post_norm", &x);
        let cells = self.config.spatial_merge_size * self.config.spatial_merge_size;
        let (patches, hidden) = x.dims2()?;
        // The patches of a block follow each other, row by row: its kernel's columns are in that order too.
        let tokens = x.reshape((patches / cells, cells * hidden))?;
        let merged = adapted.per(cells);
        x = self.downsample.forward(&tokens, &merged)?;
        watch("5_downsample", &x);
        x = self.merger.forward(&x, &merged)?;
        watch("6_merger", &x);
        Ok(x)
    }

    fn check(&self, picture: &Pixels) -> Result<()> {
        let [t, h, w] = picture.grid_thw;
        let merge = self.config.spatial_merge_size;
        let row = self.config.patch_row_len();
        let fits = t * h * w > 0
            && h.is_multiple_of(merge)
            && w.is_multiple_of(merge)
            && picture.patches.len() == t * h * w * row;
        if fits {
            return Ok(());
        }
        Err(Error::input(
            "pixels",
            format!(
                "have {} values for a grid of {t} x {h} x {w} patches, and the model takes {row} for each, in blocks of {merge} x {merge}",
                picture.patches.len()
            ),
        ))
    }

    /// `[patches, row]` of all pictures.
    fn patches(&self, pictures: &[Pixels]) -> Result<Tensor> {
        let row = self.config.patch_row_len();
        let each = pictures
            .iter()
            .map(|picture| {
                let values = &picture.patches;
                Tensor::from_slice(values, (values.len() / row, row), &self.device)
            })
            .collect::<candle_core::Result<Vec<_>>>()?;
        Ok(joined(&each)?.to_dtype(self.dtype)?)
    }

    /// The learned table sampled at each patch, `[patches, hidden]`, in the order of the patches.
    ///
    /// Source: `Glm4vVisionEmbeddings.forward`: `grid_sample` with `align_corners=False`, bicubic, border clamped.
    fn positions(&self, grids: &[[usize; 3]]) -> Result<Tensor> {
        let (side, hidden) = (self.config.position_table_side(), self.config.hidden_size);
        let merge = self.config.spatial_merge_size;
        let mut all = Vec::with_capacity(grids.len());
        for [t, h, w] in grids.iter().copied() {
            // Rows first, then columns: the kernel is a product of the two.
            let rows = Tensor::from_vec(cubic_taps(h, side), (h, side), &self.device)?;
            let rows = rows
                .matmul(&self.position_embedding)?
                .reshape((h, side, hidden))?;
            let columns = Tensor::from_vec(cubic_taps(w, side), (1, w, side), &self.device)?;
            let columns = columns.expand((h, w, side))?.contiguous()?;
            let sampled = columns.matmul(&rows)?; // [h, w, hidden]
            let sampled = sampled
                .reshape(&[h / merge, merge, w / merge, merge, hidden][..])?
                .transpose(1, 2)?
                .reshape((1, h * w, hidden))?
                .expand((t, h * w, hidden))?
                .reshape((t * h * w, hidden))?;
            all.push(sampled);
        }
        Ok(joined(&all)?.to_dtype(self.dtype)?)
    }

    /// Half-split rotation over the whole head: its angles are (row, column), each with a quarter of the channels.
    fn angles(&self, grids: &[[usize; 3]]) -> Result<Angles> {
        let quarter = self.config.head_dim() / 4;
        let frequencies: Vec<f32> = (0..quarter)
            .map(|j| (1.0 / ROPE_THETA.powf(j as f64 / quarter as f64)) as f32)
            .collect();
        let merge = self.config.spatial_merge_size;
        let mut cos = Vec::new();
        let mut sin = Vec::new();
        for [t, h, w] in grids.iter().copied() {
            for patch in 0..t * h * w {
                let (row, column) = place(patch % (h * w), w, merge);
                for at in [row, column] {
                    for frequency in &frequencies {
                        let (s, c) = (at as f32 * frequency).sin_cos();
                        cos.push(c);
                        sin.push(s);
                    }
                }
            }
        }
        let shape = (cos.len() / (2 * quarter), 2 * quarter);
        let tensor =
            |values| -> Result<Tensor> { Ok(Tensor::from_vec(values, shape, &self.device)?) };
        Ok(Angles {
            cos: tensor(cos)?,
            sin: tensor(sin)?,
        })
    }
}

/// Row and column of the patch with this index, in a grid of `w` columns read in blocks of `merge x merge`.
fn place(index: usize, w: usize, merge: usize) -> (usize, usize) {
    let cells = merge * merge;
    let (block, cell) = (index / cells, index % cells);
    let across = w / merge;
    let (row, column) = (block / across, block % across);
    (row * merge + cell / merge, column * merge + cell % merge)
}

/// Weights of a table of `side` values for each of `n` evenly spread samples, `[n, side]`.
fn cubic_taps(n: usize, side: usize) -> Vec<f32> {
    let mut taps = vec![0.0; n * side];
    for (sample, weights) in taps.chunks_mut(side).enumerate() {
        let at = (sample as f64 + 0.5) / n as f64 * side as f64 - 0.5;
        let first = at.floor();
        let t = at - first;
        for (offset, weight) in (-1..3).zip(cubic(t)) {
            let index = (first as i64 + offset).clamp(0, side as i64 - 1) as usize;
            if let Some(tap) = weights.get_mut(index) {
                *tap += weight as f32;
            }
        }
    }
    taps
}

/// The four weights around a point that lies `t` after the second of them.
fn cubic(t: f64) -> [f64; 4] {
    let near = |x: f64| ((CUBIC + 2.0) * x - (CUBIC + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((CUBIC * x - 5.0 * CUBIC) * x + 8.0 * CUBIC) * x - 4.0 * CUBIC;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

impl Block {
    fn load(loader: &Loader<'_>, path: &str, config: &VisionConfig) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.out_hidden_size);
        let norm = |name: &str| loader.tensor(&format!("{path}.{name}.weight"), &[hidden]);
        let wide = [inner, hidden];
        Ok(Self {
            norm1: norm("norm1")?,
            qkv: loader.linear(
                &format!("{path}.attn.qkv"),
                &[3 * hidden, hidden],
                config.attention_bias,
            )?,
            proj: loader.linear(&format!("{path}.attn.proj"), &[hidden, hidden], false)?,
            norm2: norm("norm2")?,
            gate_up: loader.side_by_side(
                &[
                    (format!("{path}.mlp.gate_proj"), &wide[..]),
                    (format!("{path}.mlp.up_proj"), &wide[..]),
                ],
                false,
            )?,
            down_proj: loader.linear(&format!("{path}.mlp.down_proj"), &[hidden, inner], false)?,
        })
    }

    fn bytes(&self) -> usize {
        let linears = [&self.qkv, &self.proj, &self.gate_up, &self.down_proj];
        bytes(&self.norm1) + bytes(&self.norm2) + linears.map(Linear::bytes).iter().sum::<usize>()
    }

    fn forward(&self, step: &Shared<'_>, x: &Tensor, config: &VisionConfig) -> Result<Tensor> {
        let Shared { adapted, norm, .. } = *step;
        let normed = norm.of(x, &self.norm1)?;
        let [q, k, v] = self.heads(step, &normed, config)?;
        let mut keys = Vec::with_capacity(step.frames.len());
        let mut start = 0;
        for frame in step.frames {
            keys.push(Keys {
                k: k.narrow(1, start, frame.keys)?,
                v: v.narrow(1, start, frame.keys)?,
            });
            start += frame.keys;
        }
        let attended = step.attention.attend(&q, &keys)?;
        let attended = self.proj.forward(&attended, adapted)?;
        let (x, normed) = norm.add_and_norm(x, &attended, None, &self.norm2)?;
        let inner = swiglu(&self.gate_up.forward(&normed, adapted)?)?;
        norm.add(&x, &self.down_proj.forward(&inner, adapted)?, None)
    }

    /// Queries, keys and values of `x` (`[n, hidden]`), the first two turned, `[heads, n, head_dim]` each.
    fn heads(&self, step: &Shared<'_>, x: &Tensor, config: &VisionConfig) -> Result<[Tensor; 3]> {
        let (angles, count) = (step.angles, config.num_heads);
        let turned = 2 * count;
        let by_head = |qkv: &Tensor| -> Result<Tensor> {
            let shape = (x.dim(0)?, 3 * count, config.head_dim());
            Ok(qkv.reshape(shape)?.transpose(0, 1)?)
        };
        if step.norm.fused {
            let (qkv, bias) = self.qkv.without_bias(x, step.adapted)?;
            let turning = Turning {
                angles,
                pairing: Pairing::Halves,
                heads: turned,
            };
            cpu::turn_heads(&qkv, bias, &turning)?;
            let heads = by_head(&qkv)?;
            return Ok([
                heads.narrow(0, 0, count)?,
                heads.narrow(0, count, count)?,
                heads.narrow(0, turned, count)?,
            ]);
        }
        let heads = by_head(&self.qkv.forward(x, step.adapted)?)?;
        // Turned in float32 whatever the model computes in, as the reference does.
        let qk = heads.narrow(0, 0, turned)?.contiguous()?;
        let qk = qk.to_dtype(DType::F32)?.unsqueeze(0)?;
        let qk = rope(&qk, &angles.cos, &angles.sin)?.squeeze(0)?;
        let qk = qk.to_dtype(x.dtype())?;
        Ok([
            qk.narrow(0, 0, count)?,
            qk.narrow(0, count, count)?,
            heads.narrow(0, turned, count)?.contiguous()?,
        ])
    }
}

impl Merger {
    fn load(loader: &Loader<'_>, path: &str, config: &VisionConfig) -> Result<Self> {
        let (out, inner) = (config.out_hidden_size, config.intermediate_size);
        let norm =
            |kind: &str| loader.tensor(&format!("{path}.post_projection_norm.{kind}"), &[out]);
        let wide = [inner, out];
        Ok(Self {
            proj: loader.linear(&format!("{path}.proj"), &[out, out], false)?,
            post_projection_norm: (norm("weight")?, norm("bias")?),
            gate_up: loader.side_by_side(
                &[
                    (format!("{path}.gate_proj"), &wide[..]),
                    (format!("{path}.up_proj"), &wide[..]),
                ],
                false,
            )?,
            down_proj: loader.linear(&format!("{path}.down_proj"), &[out, inner], false)?,
        })
    }

    fn forward(&self, x: &Tensor, adapted: &Adapted<'_>) -> Result<Tensor> {
        let (weight, bias) = &self.post_projection_norm;
        let x = layer_norm(
            &self.proj.forward(x, adapted)?,
            weight,
            bias,
            LAYER_NORM_EPS,
        )?;
        let inner = swiglu(&self.gate_up.forward(&x.gelu_erf()?, adapted)?)?;
        self.down_proj.forward(&inner, adapted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_read_in_blocks() {
        let places: Vec<_> = (0..8).map(|index| place(index, 4, 2)).collect();
        let first = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let second = [(0, 2), (0, 3), (1, 2), (1, 3)];
        assert_eq!(places, [first, second].concat());
        assert_eq!(place(8, 4, 2), (2, 0));
        assert_eq!(place(4, 6, 3), (1, 1));
    }

    #[test]
    fn the_table_is_itself_when_the_grid_is_its_size() {
        let taps = cubic_taps(5, 5);
        for (index, tap) in taps.iter().enumerate() {
            let expect = if index % 6 == 0 { 1.0 } else { 0.0 };
            assert!((tap - expect).abs() < 1e-6, "{taps:?}");
        }
    }

    #[test]
    fn taps_sum_to_one_also_at_the_border() {
        for (n, side) in [(3, 8), (8, 3), (40, 24), (1, 1), (2, 1)] {
            for weights in cubic_taps(n, side).chunks(side) {
                let sum: f32 = weights.iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{n} of {side}: {weights:?}");
            }
        }
    }

    #[test]
    fn the_kernel_is_the_one_of_grid_sample() {
        // torch.nn.functional.grid_sample half-way between two values: -0.09375, 0.59375 for a = -0.75.
        assert_eq!(cubic(0.5), [-0.09375, 0.59375, 0.59375, -0.09375]);
    }
}
