//! `config.json`, with the names of the checkpoint, in the layouts of transformers 4.5x and 5.

use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result};

const FILE: &str = "config.json";

/// The whole of `config.json`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Id of `<|image|>`, which stands once per image token in the expanded prompt.
    pub image_token_id: u32,
    /// Id of `<|video|>`.
    pub video_token_id: u32,
    /// Id of `<|begin_of_image|>`.
    pub image_start_token_id: u32,
    /// Id of `<|end_of_image|>`.
    pub image_end_token_id: u32,
    /// Whether the head's weight is that of the token embedding.
    pub tie_word_embeddings: bool,
    /// The decoder.
    pub text_config: TextConfig,
    /// The vision tower.
    pub vision_config: VisionConfig,
}

/// The decoder's sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct TextConfig {
    /// Channels of a token's state.
    pub hidden_size: usize,
    /// Inner width of the gated MLP; `gate_up_proj` has twice as many rows.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; each serves `num_attention_heads / num_key_value_heads` query heads.
    pub num_key_value_heads: usize,
    /// Added to the mean square before its root is taken.
    pub rms_norm_eps: f64,
    /// Rows of the token embedding and of the head.
    pub vocab_size: usize,
    /// Positions that the model was trained for.
    pub max_position_embeddings: usize,
    /// Base of the rotation's frequencies; 500000 in GLM-4.6V-Flash, 10000 in GLM-4.1V.
    pub rope_theta: f64,
    /// Share of each head's channels that is rotated.
    pub partial_rotary_factor: f64,
    /// Frequencies that follow the temporal, height and width axis; their sum is half of the rotated channels.
    pub mrope_section: [usize; 3],
    /// Tokens that end an answer. `generation_config.json` may name others and comes first.
    pub eos_token_id: Vec<u32>,
    /// Token that fills up a padded row; this crate does not pad.
    pub pad_token_id: Option<u32>,
}

/// The vision tower's sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct VisionConfig {
    /// Blocks.
    pub depth: usize,
    /// Channels of a patch's state.
    pub hidden_size: usize,
    /// Heads of the full attention inside an image.
    pub num_heads: usize,
    /// Inner width of the merger's gated MLP, and of nothing else.
    pub intermediate_size: usize,
    /// Channels of an image token, which are the decoder's; also the inner width of the blocks' gated MLP.
    pub out_hidden_size: usize,
    /// Colours of a pixel.
    pub in_channels: usize,
    /// Edge of the square image that the position table was learned on, in pixels.
    pub image_size: usize,
    /// Edge of a patch in pixels.
    pub patch_size: usize,
    /// Patches along the edge of the block that becomes one token.
    pub spatial_merge_size: usize,
    /// Frames in a patch; a still image is repeated.
    pub temporal_patch_size: usize,
    /// Added to the mean square before its root is taken.
    pub rms_norm_eps: f64,
    /// Whether `attn.qkv` has a bias.
    pub attention_bias: bool,
}

impl TextConfig {
    /// Channels of one head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Channels of one head that are rotated.
    pub fn rotary_dim(&self) -> usize {
        2 * self.mrope_section.iter().sum::<usize>()
    }

    /// Bytes of keys and values that one token occupies, with elements of `element_size` bytes.
    ///
    /// 40 960 at full size with two bytes.
    pub fn kv_bytes_per_token(&self, element_size: usize) -> usize {
        2 * self.num_hidden_layers * self.num_key_value_heads * self.head_dim() * element_size
    }
}

impl VisionConfig {
    /// Channels of one head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_heads
    }

    /// Edge of the learned table of positions.
    pub fn position_table_side(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Values in a row of the patch matrix, ordered (channel, time, y, x).
    pub fn patch_row_len(&self) -> usize {
        self.in_channels * self.temporal_patch_size * self.patch_size * self.patch_size
    }
}

impl Config {
    /// Reads `config.json` of a checkpoint's directory.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] when it cannot be read, else as [`Config::from_json`].
    pub fn from_dir(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
        Self::from_json(&text).map_err(|error| match error {
            Error::File { reason, .. } => Error::file(&path, reason),
            other => other,
        })
    }

    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// [`Error::Architecture`] when it describes another model, [`Error::Config`] when a key is missing or cannot be
    /// computed with, [`Error::File`] when it is not such a document.
    pub fn from_json(text: &str) -> Result<Self> {
        let broken = |error: serde_json::Error| Error::file(Path::new(FILE), error.to_string());
        let kind: Kind = serde_json::from_str(text).map_err(broken)?;
        kind.check()?;
        let raw: Raw = serde_json::from_str(text).map_err(broken)?;
        raw.check()
    }
}

/// What tells the model apart, read before any other key so that another model is named as such.
#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    model_type: Option<String>,
}

impl Kind {
    fn check(&self) -> Result<()> {
        let architecture = self.architectures.iter().flatten().next();
        let found = match (architecture, self.model_type.as_deref()) {
            (Some(name), _) if name != "Glm4vForConditionalGeneration" => name,
            (_, Some(name)) if name != "glm4v" => name,
            (None, None) => "not named",
            _ => return Ok(()),
        };
        Err(Error::Architecture {
            found: found.to_owned(),
        })
    }
}

#[derive(Deserialize)]
struct Raw {
    image_token_id: u32,
    video_token_id: u32,
    image_start_token_id: u32,
    image_end_token_id: u32,
    #[serde(default)]
    tie_word_embeddings: Option<bool>,
    text_config: RawText,
    vision_config: RawVision,
}

#[derive(Deserialize)]
struct RawText {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    #[serde(default = "rms_norm_eps")]
    rms_norm_eps: f64,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default)]
    head_dim: Option<usize>,
    #[serde(default = "silu")]
    hidden_act: String,
    #[serde(default)]
    tie_word_embeddings: Option<bool>,
    #[serde(default)]
    eos_token_id: OneOrMany,
    #[serde(default)]
    pad_token_id: Option<u32>,
    // transformers 5
    #[serde(default)]
    rope_parameters: Option<RawRope>,
    // transformers 4.5x
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default)]
    partial_rotary_factor: Option<f64>,
    #[serde(default)]
    rope_scaling: Option<RawRope>,
}

#[derive(Deserialize, Default)]
struct RawRope {
    #[serde(default, alias = "type")]
    rope_type: Option<String>,
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default)]
    partial_rotary_factor: Option<f64>,
    #[serde(default)]
    mrope_section: Option<Vec<usize>>,
}

#[derive(Deserialize)]
struct RawVision {
    depth: usize,
    hidden_size: usize,
    num_heads: usize,
    intermediate_size: usize,
    out_hidden_size: usize,
    #[serde(default = "in_channels")]
    in_channels: usize,
    image_size: usize,
    patch_size: usize,
    spatial_merge_size: usize,
    temporal_patch_size: usize,
    #[serde(default = "rms_norm_eps")]
    rms_norm_eps: f64,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default = "silu")]
    hidden_act: String,
}

fn rms_norm_eps() -> f64 {
    1e-5
}

fn in_channels() -> usize {
    3
}

fn silu() -> String {
    "silu".to_owned()
}

/// `eos_token_id`, which is a number or a list of them.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum OneOrMany {
    #[default]
    None,
    One(u32),
    Many(Vec<u32>),
}

impl Raw {
    fn check(self) -> Result<Config> {
        let tie_word_embeddings = self
            .tie_word_embeddings
            .or(self.text_config.tie_word_embeddings)
            .unwrap_or(false);
        let text_config = self.text_config.check()?;
        let vision_config = self.vision_config.check()?;
        if vision_config.out_hidden_size != text_config.hidden_size {
            return Err(Error::config(
                FILE,
                "vision_config.out_hidden_size",
                format!(
                    "is {}, and an image token must have the decoder's {} channels",
                    vision_config.out_hidden_size, text_config.hidden_size
                ),
            ));
        }
        if self.image_token_id as usize >= text_config.vocab_size {
            return Err(Error::config(
                FILE,
                "image_token_id",
                format!(
                    "is {}, beyond the vocabulary of {}",
                    self.image_token_id, text_config.vocab_size
                ),
            ));
        }
        Ok(Config {
            image_token_id: self.image_token_id,
            video_token_id: self.video_token_id,
            image_start_token_id: self.image_start_token_id,
            image_end_token_id: self.image_end_token_id,
            tie_word_embeddings,
            text_config,
            vision_config,
        })
    }
}

/// What both halves must have: sizes that are not 0, and the one activation that is computed.
fn check_common(section: &str, sizes: &[(&str, usize)], hidden_act: &str) -> Result<()> {
    let fail =
        |key: &str, reason: String| Err(Error::config(FILE, format!("{section}.{key}"), reason));
    if let Some((key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
        return fail(key, "must not be 0".to_owned());
    }
    if hidden_act != "silu" {
        return fail(
            "hidden_act",
            format!("is `{hidden_act}`, and only `silu` is known"),
        );
    }
    Ok(())
}

impl RawText {
    fn check(self) -> Result<TextConfig> {
        let fail = |key: &str, reason: String| {
            Err(Error::config(FILE, format!("text_config.{key}"), reason))
        };
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("vocab_size", self.vocab_size),
        ];
        check_common("text_config", &sizes, &self.hidden_act)?;
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return fail(
                "num_attention_heads",
                format!(
                    "is {}, which does not divide hidden_size {}",
                    self.num_attention_heads, self.hidden_size
                ),
            );
        }
        if !self
            .num_attention_heads
            .is_multiple_of(self.num_key_value_heads)
        {
            return fail(
                "num_key_value_heads",
                format!(
                    "is {}, which does not divide num_attention_heads {}",
                    self.num_key_value_heads, self.num_attention_heads
                ),
            );
        }
        let head_dim = self.hidden_size / self.num_attention_heads;
        // The reference's attention divides the hidden size while its rotation would honour the key: a differing
        // key has no right answer.
        if let Some(key) = self.head_dim.filter(|key| *key != head_dim) {
            return fail(
                "head_dim",
                format!("is {key}, and hidden_size / num_attention_heads is {head_dim}"),
            );
        }
        if !head_dim.is_multiple_of(2) {
            return fail(
                "num_attention_heads",
                format!("makes heads of {head_dim} channels, and channels are rotated in pairs"),
            );
        }
        let (rope, scaling) = match (self.rope_parameters, self.rope_scaling) {
            (Some(rope), _) => (rope, RawRope::default()),
            (None, scaling) => (RawRope::default(), scaling.unwrap_or_default()),
        };
        for kind in [&rope.rope_type, &scaling.rope_type].into_iter().flatten() {
            if kind != "default" && kind != "mrope" {
                return fail(
                    "rope_parameters.rope_type",
                    format!("is `{kind}`, and only `default` is known"),
                );
            }
        }
        // The reference's class default of rope_theta is 10000 and wrong for GLM-4.6V-Flash, and nothing would fail:
        // so we ask for these three keys and guess none.
        let Some(rope_theta) = rope.rope_theta.or(self.rope_theta) else {
            return fail("rope_theta", "is missing".to_owned());
        };
        let Some(partial_rotary_factor) = rope.partial_rotary_factor.or(self.partial_rotary_factor)
        else {
            return fail("partial_rotary_factor", "is missing".to_owned());
        };
        let Some(section) = rope.mrope_section.or(scaling.mrope_section) else {
            return fail("mrope_section", "is missing".to_owned());
        };
        let Ok(mrope_section) = <[usize; 3]>::try_from(section.as_slice()) else {
            return fail(
                "mrope_section",
                format!("is {section:?}, and has one entry for each of three axes"),
            );
        };
        if !rope_theta.is_finite() || rope_theta <= 0.0 {
            return fail(
                "rope_theta",
                format!("is {rope_theta}, and must be above 0"),
            );
        }
        let rotary = (head_dim as f64 * partial_rotary_factor) as usize;
        if rotary > head_dim || 2 * mrope_section.iter().sum::<usize>() != rotary {
            return fail(
                "mrope_section",
                format!(
                    "is {mrope_section:?}, and must sum to half of the {rotary} channels that are rotated"
                ),
            );
        }
        Ok(TextConfig {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            num_key_value_heads: self.num_key_value_heads,
            rms_norm_eps: self.rms_norm_eps,
            vocab_size: self.vocab_size,
            max_position_embeddings: self.max_position_embeddings,
            rope_theta,
            partial_rotary_factor,
            mrope_section,
            eos_token_id: match self.eos_token_id {
                OneOrMany::None => Vec::new(),
                OneOrMany::One(id) => vec![id],
                OneOrMany::Many(ids) => ids,
            },
            pad_token_id: self.pad_token_id,
        })
    }
}

impl RawVision {
    fn check(self) -> Result<VisionConfig> {
        let fail = |key: &str, reason: String| {
            Err(Error::config(FILE, format!("vision_config.{key}"), reason))
        };
        let sizes = [
            ("depth", self.depth),
            ("hidden_size", self.hidden_size),
            ("num_heads", self.num_heads),
            ("intermediate_size", self.intermediate_size),
            ("out_hidden_size", self.out_hidden_size),
            ("in_channels", self.in_channels),
            ("patch_size", self.patch_size),
            ("spatial_merge_size", self.spatial_merge_size),
            ("temporal_patch_size", self.temporal_patch_size),
        ];
        check_common("vision_config", &sizes, &self.hidden_act)?;
        // The rotation deals a head's channels out to two halves of two axes.
        if !self.hidden_size.is_multiple_of(4 * self.num_heads) {
            return fail(
                "num_heads",
                format!(
                    "is {}, and hidden_size {} must be a multiple of four times as many",
                    self.num_heads, self.hidden_size
                ),
            );
        }
        if self.image_size < self.patch_size {
            return fail(
                "image_size",
                format!(
                    "is {}, less than a patch of {}",
                    self.image_size, self.patch_size
                ),
            );
        }
        Ok(VisionConfig {
            depth: self.depth,
            hidden_size: self.hidden_size,
            num_heads: self.num_heads,
            intermediate_size: self.intermediate_size,
            out_hidden_size: self.out_hidden_size,
            in_channels: self.in_channels,
            image_size: self.image_size,
            patch_size: self.patch_size,
            spatial_merge_size: self.spatial_merge_size,
            temporal_patch_size: self.temporal_patch_size,
            rms_norm_eps: self.rms_norm_eps,
            attention_bias: self.attention_bias,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> serde_json::Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name)
            .join(FILE);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut serde_json::Value), expect: &str) {
        let mut value = fixture("checkpoint-a");
        change(&mut value);
        let error = Config::from_json(&value.to_string()).unwrap_err();
        let line = error.to_string();
        assert!(line.contains(expect), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }

    #[test]
    fn the_layout_of_transformers_5_is_read() {
        let config = Config::from_json(&fixture("checkpoint-a").to_string()).unwrap();
        let text = &config.text_config;
        assert!(!config.tie_word_embeddings);
        assert_eq!((text.head_dim(), text.rotary_dim()), (32, 16));
        assert_eq!(text.mrope_section, [2, 3, 3]);
        assert_eq!(text.rope_theta, 10000.0);
        assert_eq!(text.eos_token_id, [988, 995, 997]);
        assert_eq!(text.kv_bytes_per_token(2), 768);
        assert_eq!(config.vision_config.position_table_side(), 8);
        assert_eq!(config.vision_config.patch_row_len(), 1176);
    }

    #[test]
    fn the_layout_of_transformers_4_is_read() {
        let config = Config::from_json(&fixture("checkpoint-b").to_string()).unwrap();
        let text = &config.text_config;
        assert!(
            config.tie_word_embeddings,
            "the key stands inside text_config"
        );
        assert_eq!((text.head_dim(), text.rotary_dim()), (24, 18));
        assert_eq!(text.mrope_section, [3, 2, 4]);
        assert_eq!(text.rope_theta, 500_000.0);
        assert!(config.vision_config.attention_bias);
        assert_eq!(config.vision_config.position_table_side(), 9);
    }

    #[test]
    fn another_model_is_named() {
        refused(
            |c| c["architectures"][0] = "LlamaForCausalLM".into(),
            "`LlamaForCausalLM`",
        );
        refused(|c| c["model_type"] = "glm46v".into(), "`glm46v`");
        let error = Config::from_json(r#"{"model_type": "bert"}"#).unwrap_err();
        assert!(error.to_string().contains("`bert`"));
        let error = Config::from_json("{}").unwrap_err();
        assert!(matches!(error, Error::Architecture { .. }));
    }

    #[test]
    fn a_head_dim_that_differs_is_an_error_and_one_that_agrees_is_not() {
        refused(
            |c| c["text_config"]["head_dim"] = 64.into(),
            "`text_config.head_dim` is 64",
        );
        let mut value = fixture("checkpoint-a");
        value["text_config"]["head_dim"] = 32.into();
        assert!(Config::from_json(&value.to_string()).is_ok());
    }

    #[test]
    fn no_rotation_is_guessed() {
        for key in ["rope_theta", "partial_rotary_factor", "mrope_section"] {
            refused(
                |c| {
                    let rope = c["text_config"]["rope_parameters"].as_object_mut().unwrap();
                    rope.remove(key);
                },
                &format!("`text_config.{key}` is missing"),
            );
        }
        refused(
            |c| c["text_config"]["rope_parameters"]["rope_type"] = "yarn".into(),
            "`yarn`",
        );
        refused(
            |c| c["text_config"]["rope_parameters"]["mrope_section"][0] = 3.into(),
            "must sum to half of the 16 channels",
        );
    }

    #[test]
    fn sizes_that_do_not_fit_each_other_are_refused() {
        refused(
            |c| c["text_config"]["num_key_value_heads"] = 3.into(),
            "num_key_value_heads",
        );
        refused(
            |c| c["vision_config"]["out_hidden_size"] = 64.into(),
            "out_hidden_size",
        );
        refused(|c| c["vision_config"]["num_heads"] = 5.into(), "num_heads");
        refused(
            |c| c["text_config"]["hidden_act"] = "gelu".into(),
            "hidden_act",
        );
        refused(|c| c["image_token_id"] = 5000.into(), "image_token_id");
    }
}
