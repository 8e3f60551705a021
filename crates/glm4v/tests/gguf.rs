//! GGUF files as llama.cpp's converter would write them of the fixture checkpoints give the checkpoint's own logits.
//!
//! The conversion below is written from the converter's rules (`tests/fixtures/README.md` names their source), not from
//! the reader's tables.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on may panic, in its helpers too"
)]

mod common;

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::gguf_file::{Value, write};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use glm4v::processor::{Processor, Rgb};
use glm4v::{Config, LoadOptions, Model, Scheme};

/// The two files of one model.
struct Pair {
    _dir: tempfile::TempDir,
    text: PathBuf,
    mmproj: PathBuf,
}

/// How the files are to be made.
#[derive(Clone, Copy)]
struct Recipe {
    /// Format of plain weights, norms aside.
    plain: GgmlDType,
    /// Format of the decoder's matrices, the embedding aside.
    matrices: GgmlDType,
    /// Whether rows of q and k are re-ordered and the file says so.
    sections: bool,
}

const PLAIN: Recipe = Recipe {
    plain: GgmlDType::F32,
    matrices: GgmlDType::F32,
    sections: true,
};

fn tensors(checkpoint: &Path) -> HashMap<String, Tensor> {
    let mut all = HashMap::new();
    for entry in fs::read_dir(checkpoint).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            all.extend(candle_core::safetensors::load(path, &Device::Cpu).unwrap());
        }
    }
    all
}

fn text_name(name: &str) -> String {
    let name = name.replace("model.language_model.layers.", "blk.");
    let name = name.replace("model.language_model.embed_tokens", "token_embd");
    let name = name.replace("model.language_model.norm", "output_norm");
    let name = name
        .replace("lm_head", "output")
        .replace(".input_layernorm", ".attn_norm");
    let name = name.replace(".post_self_attn_layernorm", ".post_attention_norm");
    let name = name.replace(".post_attention_layernorm", ".ffn_norm");
    let name = name.replace(".post_mlp_layernorm", ".post_ffw_norm");
    let name = name
        .replace(".self_attn.q_proj", ".attn_q")
        .replace(".self_attn.k_proj", ".attn_k");
    let name = name
        .replace(".self_attn.v_proj", ".attn_v")
        .replace(".self_attn.o_proj", ".attn_output");
    name.replace(".mlp.gate_up_proj", ".ffn_up")
        .replace(".mlp.down_proj", ".ffn_down")
}

fn vision_name(name: &str) -> String {
    let name = name.replace("model.visual.", "");
    if let Some(rest) = name.strip_prefix("blocks.") {
        let rest = rest
            .replace("norm1", "ln1")
            .replace("norm2", "ln2")
            .replace("attn.qkv", "attn_qkv");
        let rest = rest
            .replace("attn.proj", "attn_out")
            .replace("mlp.gate_proj", "ffn_gate");
        let rest = rest
            .replace("mlp.up_proj", "ffn_up")
            .replace("mlp.down_proj", "ffn_down");
        return format!("v.blk.{rest}");
    }
    let name = name
        .replace("patch_embed.proj", "v.patch_embd")
        .replace("post_conv_layernorm", "v.norm_embd");
    let name = name.replace("embeddings.position_embedding", "v.position_embd");
    let name = name
        .replace("post_layernorm", "v.post_ln")
        .replace("downsample", "mm.patch_merger");
    let name = name
        .replace("merger.post_projection_norm", "mm.post_norm")
        .replace("merger.proj", "mm.model.fc");
    let name = name
        .replace("merger.gate_proj", "mm.gate")
        .replace("merger.up_proj", "mm.up");
    name.replace("merger.down_proj", "mm.down")
}

/// Within each head the rotary rows become all even ones and then all odd ones.
fn reordered(tensor: &Tensor, head_dim: usize, rotary: usize) -> Tensor {
    let mut order = Vec::new();
    for head in 0..tensor.dim(0).unwrap() / head_dim {
        let rows = (0..rotary)
            .step_by(2)
            .chain((1..rotary).step_by(2))
            .chain(rotary..head_dim);
        order.extend(rows.map(|row| (head * head_dim + row) as u32));
    }
    let order = Tensor::new(order, &Device::Cpu).unwrap();
    tensor.index_select(&order, 0).unwrap()
}

fn u32s(values: &[usize]) -> Value {
    Value::Array(
        values
            .iter()
            .map(|value| Value::U32(*value as u32))
            .collect(),
    )
}

fn convert(
    checkpoint: &Path,
    recipe: Recipe,
    change: impl Fn(&mut HashMap<String, Value>),
) -> Pair {
    let config = Config::from_dir(checkpoint).unwrap();
    let (t, v) = (&config.text_config, &config.vision_config);
    let stored = |tensor: &Tensor, format: GgmlDType| {
        let tensor = tensor
            .to_dtype(DType::F32)
            .unwrap()
            .force_contiguous()
            .unwrap();
        QTensor::quantize(&tensor, format).unwrap()
    };
    let mut text = Vec::new();
    let mut vision = Vec::new();
    for (name, tensor) in tensors(checkpoint) {
        let norm = name.contains("norm") || name.ends_with(".bias");
        if name.starts_with("model.visual.") {
            let name = vision_name(&name);
            let format = if norm { GgmlDType::F32 } else { recipe.plain };
            if name == "v.patch_embd.weight" {
                for frame in 0..v.temporal_patch_size {
                    let part = tensor.narrow(2, frame, 1).unwrap().squeeze(2).unwrap();
                    let end = if frame == 0 {
                        String::new()
                    } else {
                        format!(".{frame}")
                    };
                    vision.push((format!("{name}{end}"), stored(&part, format)));
                }
            } else {
                vision.push((name, stored(&tensor, format)));
            }
            continue;
        }
        let turned = recipe.sections && (name.contains(".q_proj.") || name.contains(".k_proj."));
        let tensor = if turned {
            reordered(&tensor, t.head_dim(), t.rotary_dim())
        } else {
            tensor
        };
        let format = match (norm, name.contains("embed_tokens")) {
            (true, _) => GgmlDType::F32,
            (_, true) => recipe.plain,
            _ => recipe.matrices,
        };
        text.push((text_name(&name), stored(&tensor, format)));
    }

    let mut tokens: Vec<String> = (0..t.vocab_size).map(|id| format!("token{id}")).collect();
    for (id, name) in [
        (config.image_token_id, "<|image|>"),
        (config.video_token_id, "<|video|>"),
        (config.image_start_token_id, "<|begin_of_image|>"),
        (config.image_end_token_id, "<|end_of_image|>"),
    ] {
        tokens[id as usize] = name.to_owned();
    }
    let number = |value: usize| Value::U32(value as u32);
    let mut keys = HashMap::from([
        (
            "general.architecture".to_owned(),
            Value::String("glm4".to_owned()),
        ),
        ("glm4.block_count".to_owned(), number(t.num_hidden_layers)),
        (
            "glm4.context_length".to_owned(),
            number(t.max_position_embeddings),
        ),
        ("glm4.embedding_length".to_owned(), number(t.hidden_size)),
        (
            "glm4.feed_forward_length".to_owned(),
            number(t.intermediate_size),
        ),
        (
            "glm4.attention.head_count".to_owned(),
            number(t.num_attention_heads),
        ),
        (
            "glm4.attention.head_count_kv".to_owned(),
            number(t.num_key_value_heads),
        ),
        (
            "glm4.attention.layer_norm_rms_epsilon".to_owned(),
            Value::F32(t.rms_norm_eps as f32),
        ),
        (
            "glm4.rope.freq_base".to_owned(),
            Value::F32(t.rope_theta as f32),
        ),
        (
            "glm4.rope.dimension_count".to_owned(),
            number(t.rotary_dim()),
        ),
        (
            "tokenizer.ggml.model".to_owned(),
            Value::String("gpt2".to_owned()),
        ),
        (
            "tokenizer.ggml.tokens".to_owned(),
            Value::Array(tokens.into_iter().map(Value::String).collect()),
        ),
        (
            "tokenizer.ggml.eos_token_id".to_owned(),
            Value::U32(t.eos_token_id[0]),
        ),
    ]);
    if recipe.sections {
        let [a, b, c] = t.mrope_section;
        keys.insert(
            "glm4.rope.dimension_sections".to_owned(),
            u32s(&[a, b, c, 0]),
        );
    }
    let mut clip = HashMap::from([
        (
            "general.architecture".to_owned(),
            Value::String("clip".to_owned()),
        ),
        (
            "clip.vision.projector_type".to_owned(),
            Value::String("glm4v".to_owned()),
        ),
        ("clip.vision.image_size".to_owned(), number(v.image_size)),
        ("clip.vision.patch_size".to_owned(), number(v.patch_size)),
        (
            "clip.vision.embedding_length".to_owned(),
            number(v.hidden_size),
        ),
        (
            "clip.vision.feed_forward_length".to_owned(),
            number(v.intermediate_size),
        ),
        ("clip.vision.block_count".to_owned(), number(v.depth)),
        (
            "clip.vision.projection_dim".to_owned(),
            number(v.out_hidden_size),
        ),
        (
            "clip.vision.attention.head_count".to_owned(),
            number(v.num_heads),
        ),
        (
            "clip.vision.attention.layer_norm_epsilon".to_owned(),
            Value::F32(v.rms_norm_eps as f32),
        ),
        ("clip.use_silu".to_owned(), Value::Bool(true)),
    ]);
    change(&mut keys);
    change(&mut clip);

    let dir = tempfile::tempdir().unwrap();
    let save = |name: &str, keys: &HashMap<String, Value>, tensors: &[(String, QTensor)]| {
        let path = dir.path().join(name);
        let keys: Vec<_> = keys
            .iter()
            .map(|(key, value)| (key.as_str(), value))
            .collect();
        let tensors: Vec<_> = tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor))
            .collect();
        write(&mut File::create(&path).unwrap(), &keys, &tensors).unwrap();
        path
    };
    Pair {
        text: save("text.gguf", &keys, &text),
        mmproj: save("mmproj.gguf", &clip, &vision),
        _dir: dir,
    }
}

fn load(pair: &Pair) -> Model {
    Model::load_gguf(&pair.text, &pair.mmproj, &LoadOptions::default()).unwrap()
}

/// Logits of every position of a prompt with a picture, whose tokens are made up.
fn logits(model: &Model, checkpoint: &Path) -> Vec<f32> {
    let processor = Processor::from_dir(checkpoint).unwrap();
    let pixels: Vec<u8> = (0..84 * 112 * 3).map(|at| (at * 7 % 251) as u8).collect();
    let pixels = processor
        .process(&Rgb::new(112, 84, pixels).unwrap())
        .unwrap();
    let image = Arc::new(model.see(&[pixels], None).unwrap().remove(0));
    let tokens = image.embeds().dim(0).unwrap();
    let mut ids = vec![5, 9, 17];
    ids.extend(std::iter::repeat_n(model.config().image_token_id, tokens));
    ids.extend([33, 21, 8, 3]);
    let input = model.input(ids, vec![image]).unwrap();
    let logits = model.inspect(&input, None, &mut |_, _| {}).unwrap().logits;
    logits.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn assert_same(found: &[f32], expected: &[f32], allowed: f32) {
    assert_eq!(found.len(), expected.len());
    let off = found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(off <= allowed, "{off}");
}

#[test]
fn plain_files_give_the_logits_of_the_checkpoint() {
    for name in ["checkpoint-a", "checkpoint-b"] {
        let checkpoint = common::fixtures().join(name);
        let model = Model::load(&checkpoint, &LoadOptions::default()).unwrap();
        let expected = logits(&model, &checkpoint);
        // What checkpoint B stores is bfloat16: nothing is lost by it.
        let plain = if name.ends_with('b') {
            GgmlDType::BF16
        } else {
            GgmlDType::F32
        };
        let recipe = Recipe {
            plain,
            matrices: plain,
            ..PLAIN
        };
        let pair = convert(&checkpoint, recipe, |_| {});
        let gguf = load(&pair);
        assert_same(&logits(&gguf, &checkpoint), &expected, 2e-4);
        let mut config = gguf.config().clone();
        config.text_config.eos_token_id = model.config().text_config.eos_token_id.clone();
        config.text_config.pad_token_id = model.config().text_config.pad_token_id;
        assert_eq!(&config, model.config());
    }
}

#[test]
fn blocks_are_used_as_they_are_and_their_rows_put_back() {
    let checkpoint = common::fixtures().join("checkpoint-a");
    let options = LoadOptions {
        quantise: Some(Scheme::Q8_0),
        ..LoadOptions::default()
    };
    let in_situ = Model::load(&checkpoint, &options).unwrap();
    let recipe = Recipe {
        matrices: GgmlDType::Q8_0,
        ..PLAIN
    };
    let gguf = load(&convert(&checkpoint, recipe, |_| {}));
    // The same blocks, in the same order: the same products.
    assert_same(
        &logits(&gguf, &checkpoint),
        &logits(&in_situ, &checkpoint),
        1e-3,
    );
    assert_eq!(gguf.bytes(), in_situ.bytes());
}

#[test]
fn a_file_may_be_quantised_again_and_take_an_adapter() {
    let fixtures = common::fixtures();
    let checkpoint = fixtures.join("checkpoint-a");
    let options = LoadOptions {
        merge: vec![fixtures.join("lora-rslora")],
        quantise: Some(Scheme::Q8_0),
        ..LoadOptions::default()
    };
    let expected = Model::load(&checkpoint, &options).unwrap();
    let pair = convert(&checkpoint, PLAIN, |_| {});
    let found = Model::load_gguf(&pair.text, &pair.mmproj, &options).unwrap();
    assert_same(
        &logits(&found, &checkpoint),
        &logits(&expected, &checkpoint),
        1e-3,
    );
}

#[track_caller]
fn refused(pair: &Pair, expect: &str) {
    let error = Model::load_gguf(&pair.text, &pair.mmproj, &LoadOptions::default()).unwrap_err();
    let line = error.to_string();
    assert!(line.contains(expect), "{line}");
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn files_of_something_else_are_named() {
    let checkpoint = common::fixtures().join("checkpoint-a");
    let with = |key: &'static str, value: Option<Value>| {
        convert(&checkpoint, PLAIN, move |keys| {
            if keys.remove(key).is_some()
                && let Some(value) = &value
            {
                keys.insert(key.to_owned(), value.clone());
            }
        })
    };
    refused(
        &with(
            "general.architecture",
            Some(Value::String("llama".to_owned())),
        ),
        "`llama`",
    );
    refused(
        &with(
            "clip.vision.projector_type",
            Some(Value::String("mlp".to_owned())),
        ),
        "`mlp`",
    );
    refused(
        &with("glm4.rope.freq_base", None),
        "text.gguf: the key `glm4.rope.freq_base` is missing",
    );
    refused(
        &with("glm4.rope.dimension_sections", None),
        "`glm4.rope.dimension_sections` is missing",
    );
    refused(
        &with("glm4.block_count", Some(Value::U32(4))),
        "`blk.3.attn_norm.weight` is missing",
    );
    refused(
        &with("tokenizer.ggml.tokens", Some(Value::Array(vec![]))),
        "text.gguf: its vocabulary lacks `<|image|>`",
    );
    refused(
        &with("glm4.attention.head_count", Some(Value::U32(5))),
        "text.gguf: its keys do not fit",
    );
}

#[test]
fn files_that_are_cut_short_are_named() {
    let checkpoint = common::fixtures().join("checkpoint-a");
    let pair = convert(&checkpoint, PLAIN, |_| {});
    let whole = fs::read(&pair.mmproj).unwrap();
    fs::write(&pair.mmproj, &whole[..whole.len() - 64]).unwrap();
    refused(&pair, "mmproj.gguf: is cut short");
    fs::write(&pair.mmproj, &whole[..30]).unwrap();
    refused(&pair, "mmproj.gguf: is no GGUF file");
    fs::write(&pair.mmproj, b"").unwrap();
    refused(&pair, "mmproj.gguf: is cut short");
    fs::remove_file(&pair.mmproj).unwrap();
    refused(&pair, "mmproj.gguf: No such file");
}
