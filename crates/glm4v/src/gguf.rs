//! GGUF files as llama.cpp's converter writes them: the decoder in one, the vision tower (`mmproj`) in another.
//!
//! Names, and what the converter changes on the way:
//!
//! | here | there |
//! |---|---|
//! | `model.language_model.layers.N.*` | `blk.N.*`, one decoder layer's names in [`TEXT_LAYER`] |
//! | `model.visual.blocks.N.*` | `v.blk.N.*`, names in [`VISION_BLOCK`] |
//! | rows of q and k in neighbouring pairs | within each head, all even rotary rows and then all odd ones, when the file has `glm4.rope.dimension_sections` |
//! | `patch_embed.proj.weight` with its frames | one tensor for each frame: `.weight`, `.weight.1` |
//!
//! Blocks of quantised weights are used as they are; rows are put back into their order block by block.

use std::borrow::Cow;
use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{Content, TensorInfo, Value};
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use serde_json::json;

use crate::quant::Weight;
use crate::weights::map;
use crate::{Config, Error, Result};

/// A decoder layer's names: in the checkpoint, in GGUF.
const TEXT_LAYER: &[(&str, &str)] = &[
    ("input_layernorm", "attn_norm"),
    ("post_self_attn_layernorm", "post_attention_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("post_mlp_layernorm", "post_ffw_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// A vision block's names: in the checkpoint, in GGUF.
const VISION_BLOCK: &[(&str, &str)] = &[
    ("norm1", "ln1"),
    ("norm2", "ln2"),
    ("attn.qkv", "attn_qkv"),
    ("attn.proj", "attn_out"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// Names outside layers and blocks.
const OTHER: &[(&str, &str)] = &[
    ("model.language_model.embed_tokens", "token_embd"),
    ("model.language_model.norm", "output_norm"),
    ("lm_head", "output"),
    (
        "model.visual.embeddings.position_embedding",
        "v.position_embd",
    ),
    ("model.visual.patch_embed.proj", "v.patch_embd"),
    ("model.visual.post_conv_layernorm", "v.norm_embd"),
    ("model.visual.post_layernorm", "v.post_ln"),
    ("model.visual.downsample", "mm.patch_merger"),
    ("model.visual.merger.proj", "mm.model.fc"),
    ("model.visual.merger.post_projection_norm", "mm.post_norm"),
    ("model.visual.merger.gate_proj", "mm.gate"),
    ("model.visual.merger.up_proj", "mm.up"),
    ("model.visual.merger.down_proj", "mm.down"),
];

/// The GGUF name of a tensor of the checkpoint; `None` when there is none.
fn gguf_name(name: &str) -> Option<String> {
    let (module, kind) = name.rsplit_once('.')?;
    let within = |prefix: &str, names: &[(&str, &str)], short: &str| {
        let (index, rest) = module.strip_prefix(prefix)?.split_once('.')?;
        let (_, there) = names.iter().find(|(here, _)| *here == rest)?;
        Some(format!("{short}.{index}.{there}.{kind}"))
    };
    if let Some((_, there)) = OTHER.iter().find(|(here, _)| *here == module) {
        return Some(format!("{there}.{kind}"));
    }
    within("model.language_model.layers.", TEXT_LAYER, "blk")
        .or_else(|| within("model.visual.blocks.", VISION_BLOCK, "v.blk"))
}

/// One mapped file.
struct OneFile {
    path: PathBuf,
    map: Mmap,
    content: Content,
}

impl OneFile {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::io(path, source))?;
        let length = file
            .metadata()
            .map_err(|source| Error::io(path, source))?
            .len();
        if length == 0 {
            return Err(Error::file(path, "is cut short: 0 bytes"));
        }
        let map = map(&file).map_err(|source| Error::io(path, source))?;
        let content = Content::read(&mut Cursor::new(&map[..]))
            .map_err(|error| Error::file(path, format!("is no GGUF file: {}", one_line(&error))))?;
        for (name, info) in &content.tensor_infos {
            let elements = info.shape.elem_count() as u64;
            let format = info.ggml_dtype;
            let bytes = elements / format.block_size() as u64 * format.type_size() as u64;
            let end = content.tensor_data_offset.saturating_add(info.offset);
            if end.saturating_add(bytes) > length {
                let reason = format!("is cut short: `{name}` ends beyond its {length} bytes");
                return Err(Error::file(path, reason));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            map,
            content,
        })
    }

    fn read(&self, name: &str, device: &Device) -> Result<QTensor> {
        let read = self
            .content
            .tensor(&mut Cursor::new(&self.map[..]), name, device);
        read.map_err(|error| Error::file(&self.path, format!("`{name}`: {}", one_line(&error))))
    }

    fn key(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(key)
    }

    fn missing(&self, key: &str) -> Error {
        Error::file(
            &self.path,
            format!("the key `{key}` is missing or of another type"),
        )
    }

    fn count(&self, key: &str) -> Result<usize> {
        self.key(key)
            .and_then(integer)
            .ok_or_else(|| self.missing(key))
    }

    fn float(&self, key: &str) -> Result<f64> {
        match self.key(key) {
            Some(Value::F32(value)) => Ok(shortest(*value)),
            Some(Value::F64(value)) => Ok(*value),
            _ => Err(self.missing(key)),
        }
    }

    fn text(&self, key: &str) -> Result<&str> {
        match self.key(key) {
            Some(Value::String(value)) => Ok(value),
            _ => Err(self.missing(key)),
        }
    }

    fn shape(&self, name: &str) -> Result<&[usize]> {
        let info = self.content.tensor_infos.get(name);
        info.map(|info| info.shape.dims())
            .ok_or_else(|| Error::MissingTensor {
                name: name.to_owned(),
                from: self.path.clone(),
            })
    }
}

/// candle's errors may carry a backtrace.
fn one_line(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The number that was written: 1e-5 and not its float32 neighbour's digits.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn integer(value: &Value) -> Option<usize> {
    let value = match value {
        Value::U8(v) => u64::from(*v),
        Value::U16(v) => u64::from(*v),
        Value::U32(v) => u64::from(*v),
        Value::U64(v) => *v,
        Value::I8(v) => u64::try_from(*v).ok()?,
        Value::I16(v) => u64::try_from(*v).ok()?,
        Value::I32(v) => u64::try_from(*v).ok()?,
        Value::I64(v) => u64::try_from(*v).ok()?,
        _ => return None,
    };
    usize::try_from(value).ok()
}

/// A decoder's file and its vision tower's.
pub(crate) struct Gguf {
    text: OneFile,
    vision: OneFile,
    /// Rotary channels of a head whose rows the converter re-ordered; 0 when it did not.
    reordered: usize,
    head_dim: usize,
}

impl Gguf {
    /// Opens both files and reads the configuration out of their keys and shapes.
    pub(crate) fn open(text: &Path, vision: &Path) -> Result<(Self, Config)> {
        let text = OneFile::open(text)?;
        let vision = OneFile::open(vision)?;
        let architecture = text.text("general.architecture")?;
        if architecture != "glm4" {
            return Err(Error::Architecture {
                found: architecture.to_owned(),
            });
        }
        let projector = vision
            .text("clip.vision.projector_type")
            .or_else(|error| vision.text("clip.projector_type").map_err(|_| error))?;
        if projector != "glm4v" {
            return Err(Error::Architecture {
                found: projector.to_owned(),
            });
        }
        let config = config(&text, &vision)?;
        let sections = text.key("glm4.rope.dimension_sections").is_some();
        let gguf = Self {
            reordered: if sections {
                config.text_config.rotary_dim()
            } else {
                0
            },
            head_dim: config.text_config.head_dim(),
            text,
            vision,
        };
        Ok((gguf, config))
    }

    fn find(&self, name: &str) -> Option<(&OneFile, String, &TensorInfo)> {
        let there = gguf_name(name)?;
        let file = if name.starts_with("model.visual.") {
            &self.vision
        } else {
            &self.text
        };
        let info = file.content.tensor_infos.get(&there)?;
        Some((file, there, info))
    }

    fn found(&self, name: &str) -> Result<(&OneFile, String, &TensorInfo)> {
        self.find(name).ok_or_else(|| Error::MissingTensor {
            name: gguf_name(name).unwrap_or_else(|| name.to_owned()),
            from: if name.starts_with("model.visual.") {
                self.vision.path.clone()
            } else {
                self.text.path.clone()
            },
        })
    }

    /// The names of the further frames of a split patch embedding.
    fn frames(&self) -> Vec<String> {
        (1..)
            .map(|frame| format!("v.patch_embd.weight.{frame}"))
            .take_while(|name| self.vision.content.tensor_infos.contains_key(name))
            .collect()
    }

    /// The tensor's shape by the checkpoint's rules.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let (_, there, info) = self.find(name)?;
        let mut shape = info.shape.dims().to_vec();
        if there == "v.patch_embd.weight" && shape.len() == 4 {
            shape.insert(2, 1 + self.frames().len());
        }
        Some(shape)
    }

    /// The tensor on the CPU in the checkpoint's order; what is quantised becomes float32.
    pub(crate) fn dense(&self, name: &str) -> Result<Tensor> {
        let (file, there, info) = self.found(name)?;
        let mut tensor = dense(file, &there, info.ggml_dtype)?;
        if there == "v.patch_embd.weight" {
            let mut frames = vec![tensor];
            for frame in self.frames() {
                frames.push(dense(file, &frame, info.ggml_dtype)?);
            }
            tensor = Tensor::stack(&frames, 2)?;
        }
        match self.order(name, tensor.dim(0)?) {
            None => Ok(tensor),
            Some(order) => {
                let count = order.len();
                let order = Tensor::from_vec(order, count, &Device::Cpu)?;
                Ok(tensor.index_select(&order, 0)?)
            }
        }
    }

    /// The weight in the blocks of its file; `None` when it is stored as plain floats.
    pub(crate) fn blocks(
        &self,
        name: &str,
        shape: &[usize],
        device: &Device,
    ) -> Result<Option<Weight>> {
        let (file, there, info) = self.found(name)?;
        if let GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 = info.ggml_dtype {
            return Ok(None);
        }
        let found = info.shape.dims();
        if found != shape || shape.len() != 2 {
            return Err(Error::TensorShape {
                name: there,
                expected: shape.to_vec(),
                found: found.to_vec(),
            });
        }
        let Some(order) = self.order(name, shape.first().copied().unwrap_or(0)) else {
            return Ok(Some(Weight::Quantised(file.read(&there, device)?.into())));
        };
        // Blocks never cross a row: rows are moved as bytes.
        let stored = file.read(&there, &Device::Cpu)?;
        let bytes = stored.data()?;
        let row = bytes.len() / order.len().max(1);
        let mut moved = Vec::with_capacity(bytes.len());
        for from in order {
            let start = from as usize * row;
            moved.extend_from_slice(bytes.get(start..start + row).unwrap_or_default());
        }
        let storage = QStorage::from_data(Cow::Owned(moved), device, info.ggml_dtype)?;
        Ok(Some(Weight::Quantised(
            QTensor::new(storage, shape)?.into(),
        )))
    }

    /// Where each row of a q or k module is to be taken from; `None` when rows stay.
    fn order(&self, name: &str, rows: usize) -> Option<Vec<u32>> {
        let rotated = [".q_proj.", ".k_proj."]
            .iter()
            .any(|part| name.contains(part));
        if !rotated || self.reordered == 0 {
            return None;
        }
        let half = self.reordered / 2;
        let from = (0..rows).map(|row| {
            let channel = row % self.head_dim;
            if channel >= self.reordered {
                return row as u32;
            }
            let there = if channel.is_multiple_of(2) {
                channel / 2
            } else {
                half + channel / 2
            };
            (row - channel + there) as u32
        });
        Some(from.collect())
    }
}

fn dense(file: &OneFile, name: &str, format: GgmlDType) -> Result<Tensor> {
    let stored = file.read(name, &Device::Cpu)?;
    let dtype = match format {
        GgmlDType::F16 => DType::F16,
        GgmlDType::BF16 => DType::BF16,
        _ => DType::F32,
    };
    // Widening and narrowing a 16-bit value gives it back.
    Ok(stored.dequantize(&Device::Cpu)?.to_dtype(dtype)?)
}

/// `config.json` as it would have been, from keys where they are the only source and from shapes elsewhere.
fn config(text: &OneFile, vision: &OneFile) -> Result<Config> {
    let heads = text.count("glm4.attention.head_count")?;
    let hidden = text.count("glm4.embedding_length")?;
    let head_dim = hidden / heads.max(1);
    let rotary = text.count("glm4.rope.dimension_count")?;
    let sections = match text.key("glm4.rope.dimension_sections") {
        Some(Value::Array(values)) => values.iter().take(3).filter_map(integer).collect(),
        // Files of before that key are of GLM-4.1V, whose 32 frequencies are dealt out like this.
        _ if rotary == 64 => vec![8, 12, 12],
        _ => return Err(text.missing("glm4.rope.dimension_sections")),
    };
    let patch = vision.shape("v.patch_embd.weight")?;
    let frames = (1..)
        .take_while(|frame| {
            let name = format!("v.patch_embd.weight.{frame}");
            vision.content.tensor_infos.contains_key(&name)
        })
        .count();
    let merger = vision.shape("mm.patch_merger.weight")?;
    let at = |shape: &[usize], index: usize| shape.get(index).copied().unwrap_or(0);
    let json = json!({
        "model_type": "glm4v",
        "image_token_id": token(text, "<|image|>")?,
        "video_token_id": token(text, "<|video|>")?,
        "image_start_token_id": token(text, "<|begin_of_image|>")?,
        "image_end_token_id": token(text, "<|end_of_image|>")?,
        "tie_word_embeddings": !text.content.tensor_infos.contains_key("output.weight"),
        "text_config": {
            "hidden_size": hidden,
            "intermediate_size": text.count("glm4.feed_forward_length")?,
            "num_hidden_layers": text.count("glm4.block_count")?,
            "num_attention_heads": heads,
            "num_key_value_heads": text.count("glm4.attention.head_count_kv")?,
            "rms_norm_eps": text.float("glm4.attention.layer_norm_rms_epsilon")?,
            "vocab_size": at(text.shape("token_embd.weight")?, 0),
            "max_position_embeddings": text.count("glm4.context_length")?,
            "eos_token_id": ends(text),
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": text.float("glm4.rope.freq_base")?,
                "partial_rotary_factor": rotary as f64 / head_dim.max(1) as f64,
                "mrope_section": sections,
            },
        },
        "vision_config": {
            "depth": vision.count("clip.vision.block_count")?,
            "hidden_size": vision.count("clip.vision.embedding_length")?,
            "num_heads": vision.count("clip.vision.attention.head_count")?,
            "intermediate_size": at(vision.shape("mm.gate.weight")?, 0),
            "out_hidden_size": at(merger, 0),
            "in_channels": at(patch, 1),
            "image_size": vision.count("clip.vision.image_size")?,
            "patch_size": vision.count("clip.vision.patch_size")?,
            "spatial_merge_size": at(merger, 2),
            "temporal_patch_size": 1 + frames,
            "rms_norm_eps": vision.float("clip.vision.attention.layer_norm_epsilon")?,
            "attention_bias": vision.content.tensor_infos.contains_key("v.blk.0.attn_qkv.bias"),
        },
    });
    Config::from_json(&json.to_string())
        .map_err(|error| Error::file(&text.path, format!("its keys do not fit: {error}")))
}

/// The id of a token of the file's own vocabulary.
fn token(text: &OneFile, wanted: &str) -> Result<usize> {
    let key = "tokenizer.ggml.tokens";
    let Some(Value::Array(tokens)) = text.key(key) else {
        return Err(text.missing(key));
    };
    tokens
        .iter()
        .position(|token| matches!(token, Value::String(token) if token == wanted))
        .ok_or_else(|| Error::file(&text.path, format!("its vocabulary lacks `{wanted}`")))
}

/// The ids that end an answer: the converter's single one, and those that the chat format adds.
fn ends(text: &OneFile) -> Vec<usize> {
    let keys = ["eos_token_id", "eot_token_id", "eom_token_id"];
    let keys = keys.iter().filter_map(|key| {
        let value = text.key(&format!("tokenizer.ggml.{key}"))?;
        integer(value)
    });
    let named = ["<|user|>", "<|observation|>"];
    let mut ids: Vec<usize> = keys
        .chain(named.iter().filter_map(|name| token(text, name).ok()))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_converter() {
        for (here, there) in [
            ("lm_head.weight", "output.weight"),
            (
                "model.language_model.layers.7.self_attn.k_proj.bias",
                "blk.7.attn_k.bias",
            ),
            (
                "model.language_model.layers.39.post_mlp_layernorm.weight",
                "blk.39.post_ffw_norm.weight",
            ),
            (
                "model.visual.blocks.11.mlp.up_proj.weight",
                "v.blk.11.ffn_up.weight",
            ),
            (
                "model.visual.merger.post_projection_norm.bias",
                "mm.post_norm.bias",
            ),
        ] {
            assert_eq!(gguf_name(here).as_deref(), Some(there));
        }
        assert_eq!(gguf_name("model.visual.blocks.0.nothing.weight"), None);
    }

    #[test]
    fn a_float_keeps_the_digits_that_were_written() {
        assert_eq!(shortest(1e-5_f32), 1e-5);
        assert_eq!(shortest(500_000.0), 500_000.0);
    }
}
