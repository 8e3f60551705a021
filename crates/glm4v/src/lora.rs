//! Adapters as PEFT stores them: merged into the weights while loading, or chosen for each row of a batch.
//!
//! The modules that an adapter changes are those whose names are in its file, in the decoder and in the vision tower
//! alike; `target_modules` is not read, since a plain list there reaches further than it seems.
//! An adapter that changes the tower changes image embeddings too: [`see`](crate::Model::see) takes it, and embeddings
//! are to be reused only with the adapter that they were computed with.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use glm4v::{LoadOptions, Model};
//!
//! # fn adapted(dir: &Path) -> glm4v::Result<()> {
//! // Part of the weights, for all rows:
//! let merge = vec![Path::new("adapters/style").to_owned()];
//! let model = Model::load(dir, &LoadOptions { merge, ..LoadOptions::default() })?;
//!
//! // Or for the rows that ask for it, in one batch with others:
//! let lora = model.adapter(Path::new("adapters/titles"))?;
//! let (mut with, mut without) = (model.row(Some(lora))?, model.row(None)?);
//! # let _ = (&mut with, &mut without);
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use regex::Regex;
use serde::Deserialize;

use crate::quant::Part;
use crate::weights::{Store, channels_last, expected_tensors};
use crate::{Config, Error, Result, json};

/// `adapter_config.json`, as far as it changes what is computed.
#[derive(Deserialize)]
struct AdapterConfig {
    #[serde(default)]
    peft_type: Option<String>,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    rank_pattern: HashMap<String, usize>,
    #[serde(default)]
    alpha_pattern: HashMap<String, f64>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// Keys that change the computation in a way that is not implemented, unless they are empty or false.
const REFUSED: &[&str] = &[
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "lora_bias",
    "fan_in_fan_out",
    "layer_replication",
    "modules_to_save",
    "target_parameters",
    "trainable_token_indices",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
];

/// What an adapter adds to one weight: `scale * B A`, with the scale inside `B`.
#[derive(Debug, Clone)]
struct Delta {
    /// `[rank, in]`, columns in the order of the checkpoint.
    a: Tensor,
    /// `[out, rank]`.
    b: Tensor,
}

/// A LoRA adapter, checked against the model that it is for.
#[derive(Debug, Clone)]
pub struct Adapter {
    path: PathBuf,
    deltas: HashMap<String, Delta>,
    sees: bool,
}

impl Adapter {
    /// Reads `adapter_config.json` and `adapter_model.safetensors` of a directory, in float32 on the CPU, columns in the
    /// order of the checkpoint.
    ///
    /// # Errors
    /// [`Error::Adapter`] when it changes a module that the model lacks, in another shape, or in a way that is not
    /// plain LoRA; [`Error::Io`] and [`Error::File`] when a file cannot be read.
    pub(crate) fn read(path: &Path, config: &Config) -> Result<Self> {
        let fail = |reason: String| Error::Adapter {
            path: path.to_owned(),
            reason,
        };
        let settings: AdapterConfig = json::read(&path.join("adapter_config.json"))?;
        settings.check().map_err(fail)?;
        let scales = Scales::new(&settings).map_err(fail)?;
        let store = Store::file(&path.join("adapter_model.safetensors"))?;
        let mut weights: HashMap<String, Vec<usize>> = expected_tensors(config)
            .into_iter()
            .filter(|(_, shape)| shape.len() > 1)
            .filter_map(|(name, shape)| Some((name.strip_suffix(".weight")?.to_owned(), shape)))
            .collect();
        weights.remove("model.language_model.embed_tokens");
        weights.remove("model.visual.embeddings.position_embedding");
        let text = &config.text_config;
        weights.insert(
            "lm_head".to_owned(),
            vec![text.vocab_size, text.hidden_size],
        );

        let mut deltas = HashMap::new();
        for name in store.names() {
            let Some((module, half)) = split_name(name) else {
                return Err(fail(format!(
                    "has the tensor `{name}`, which is not plain LoRA"
                )));
            };
            if half == Half::B {
                if store.shape(&name_of(name, Half::A)).is_none() {
                    return Err(fail(format!("has `{name}` without its `lora_A`")));
                }
                continue;
            }
            let Some(shape) = weights.get(module) else {
                return Err(fail(format!(
                    "changes `{module}`, which the model does not have"
                )));
            };
            let rank = scales.rank(module);
            let (rows, columns) = (
                shape.first().copied().unwrap_or(0),
                shape.iter().skip(1).product::<usize>(),
            );
            let other = name_of(name, Half::B);
            for (name, expected) in [(name, [rank, columns]), (other.as_str(), [rows, rank])] {
                let found = store.shape(name).ok_or_else(|| Error::MissingTensor {
                    name: name.to_owned(),
                    from: path.to_owned(),
                })?;
                // Convolutions have their kernel in `A`, and ones in `B`.
                let flat = [
                    found.first().copied().unwrap_or(0),
                    found.iter().skip(1).product(),
                ];
                if flat != expected {
                    return Err(fail(format!(
                        "has `{name}` as {found:?}, and the model and the rank say {expected:?}"
                    )));
                }
            }
            let a = store.get(name)?.to_dtype(DType::F32)?;
            let b = store.get(&other)?.to_dtype(DType::F32)?;
            let delta = Delta {
                a: a.reshape((rank, columns))?,
                b: (b.reshape((rows, rank))? * scales.scale(module))?,
            };
            deltas.insert(module.to_owned(), delta);
        }
        if deltas.is_empty() {
            return Err(fail("changes nothing".to_owned()));
        }
        let sees = deltas.keys().any(|path| path.starts_with("model.visual."));
        Ok(Self {
            path: path.to_owned(),
            deltas,
            sees,
        })
    }

    /// Where it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it changes the vision tower, so that image embeddings computed without it are not its own.
    pub fn changes_vision(&self) -> bool {
        self.sees
    }

    /// The module names that it changes, sorted.
    pub fn modules(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.deltas.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The same adapter, ready to be added to activations of `dtype` on `device`.
    pub(crate) fn for_activations(
        &self,
        config: &Config,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let mut deltas = HashMap::with_capacity(self.deltas.len());
        for (path, delta) in &self.deltas {
            let a = channels_last(path, &delta.a, config)?;
            let delta = Delta {
                a: a.to_dtype(dtype)?.to_device(device)?,
                b: delta.b.to_dtype(dtype)?.to_device(device)?,
            };
            deltas.insert(path.clone(), delta);
        }
        Ok(Self {
            path: self.path.clone(),
            deltas,
            sees: self.sees,
        })
    }

    /// `weight + B A` in float32, or `weight` as it is when the adapter leaves this module alone.
    ///
    /// `weight` is `[out, in]` on the CPU, columns in the order of the checkpoint.
    pub(crate) fn merged_into(&self, path: &str, weight: Tensor) -> Result<Tensor> {
        let Some(delta) = self.deltas.get(path) else {
            return Ok(weight);
        };
        Ok((weight.to_dtype(DType::F32)? + delta.b.matmul(&delta.a)?)?)
    }
}

impl AdapterConfig {
    fn check(&self) -> Result<(), String> {
        if let Some(kind) = self.peft_type.as_deref().filter(|kind| *kind != "LORA") {
            return Err(format!("is of the type `{kind}`, and only LORA is known"));
        }
        for key in REFUSED {
            let value = self.rest.get(*key);
            let unused = value.is_none_or(|value| match value {
                serde_json::Value::Null | serde_json::Value::Bool(false) => true,
                serde_json::Value::Array(list) => list.is_empty(),
                serde_json::Value::Object(map) => map.is_empty(),
                _ => false,
            });
            if !unused {
                return Err(format!("uses `{key}`, which is not implemented"));
            }
        }
        match self.rest.get("bias").and_then(serde_json::Value::as_str) {
            None | Some("none") => Ok(()),
            Some(other) => Err(format!(
                "trains biases (`bias` is `{other}`), which is not implemented"
            )),
        }
    }
}

/// Ranks and scales by module name.
struct Scales {
    rank: usize,
    alpha: f64,
    rank_stabilised: bool,
    rank_pattern: Vec<(Regex, usize)>,
    alpha_pattern: Vec<(Regex, f64)>,
}

impl Scales {
    fn new(config: &AdapterConfig) -> Result<Self, String> {
        // As PEFT matches: at the end of the module's name, after the beginning or a dot.
        fn compile<T: Copy>(patterns: &HashMap<String, T>) -> Result<Vec<(Regex, T)>, String> {
            let mut sorted: Vec<_> = patterns.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            sorted
                .into_iter()
                .map(|(key, value)| {
                    Regex::new(&format!(r"^(?:.*\.)?(?:{key})$"))
                        .map(|regex| (regex, *value))
                        .map_err(|_| format!("has the pattern `{key}`, which cannot be read"))
                })
                .collect()
        }
        Ok(Self {
            rank: config.r,
            alpha: config.lora_alpha,
            rank_stabilised: config.use_rslora,
            rank_pattern: compile(&config.rank_pattern)?,
            alpha_pattern: compile(&config.alpha_pattern)?,
        })
    }

    fn rank(&self, module: &str) -> usize {
        first_match(&self.rank_pattern, module).unwrap_or(self.rank)
    }

    fn scale(&self, module: &str) -> f64 {
        let rank = self.rank(module) as f64;
        let alpha = first_match(&self.alpha_pattern, module).unwrap_or(self.alpha);
        alpha
            / if self.rank_stabilised {
                rank.sqrt()
            } else {
                rank
            }
    }
}

fn first_match<T: Copy>(patterns: &[(Regex, T)], module: &str) -> Option<T> {
    let found = patterns.iter().find(|(regex, _)| regex.is_match(module));
    found.map(|(_, value)| *value)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    A,
    B,
}

/// The module's name and the half, of `base_model.model.MODULE.lora_A.weight`.
fn split_name(name: &str) -> Option<(&str, Half)> {
    let rest = name.strip_prefix("base_model.model.")?;
    let rest = rest.strip_suffix(".weight")?;
    rest.strip_suffix(".lora_A")
        .map(|module| (module, Half::A))
        .or_else(|| rest.strip_suffix(".lora_B").map(|module| (module, Half::B)))
}

/// The name of the wanted half of the pair that `name` belongs to.
fn name_of(name: &str, half: Half) -> String {
    let stem = name
        .trim_end_matches(".lora_A.weight")
        .trim_end_matches(".lora_B.weight");
    match half {
        Half::A => format!("{stem}.lora_A.weight"),
        Half::B => format!("{stem}.lora_B.weight"),
    }
}

/// Which rows of a matrix of activations have an adapter.
pub(crate) struct Adapted<'a> {
    spans: Vec<(usize, Option<&'a Adapter>)>,
    any: bool,
}

impl<'a> Adapted<'a> {
    /// Stretches of rows, in order, each with its length and its adapter.
    pub(crate) fn spans(spans: impl IntoIterator<Item = (usize, Option<&'a Adapter>)>) -> Self {
        let mut joined: Vec<(usize, Option<&'a Adapter>)> = Vec::new();
        for (len, adapter) in spans {
            match joined.last_mut() {
                // One multiplication serves neighbours with the same adapter.
                Some((total, last))
                    if last.map(std::ptr::from_ref) == adapter.map(std::ptr::from_ref) =>
                {
                    *total += len;
                }
                _ => joined.push((len, adapter)),
            }
        }
        let any = joined.iter().any(|(_, adapter)| adapter.is_some());
        Self { spans: joined, any }
    }

    /// The same stretches where each `rows` rows have become one.
    pub(crate) fn per(&self, rows: usize) -> Self {
        let spans = self
            .spans
            .iter()
            .map(|(len, adapter)| (len / rows, *adapter));
        Self {
            spans: spans.collect(),
            any: self.any,
        }
    }

    /// Whether nothing would be added.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any
    }

    /// `y` (`[n, out]`) with what the adapters add to `parts` of it, from `x` (`[n, in]`).
    pub(crate) fn add_to(&self, y: Tensor, x: &Tensor, parts: &[Part]) -> Result<Tensor> {
        let changes = |path: &str| {
            let adapters = self.spans.iter().filter_map(|(_, adapter)| *adapter);
            adapters
                .into_iter()
                .any(|adapter| adapter.deltas.contains_key(path))
        };
        if !parts.iter().any(|part| changes(&part.path)) {
            return Ok(y);
        }
        let mut columns = Vec::with_capacity(parts.len());
        let mut column = 0;
        for part in parts {
            let here = y.narrow(1, column, part.rows)?;
            column += part.rows;
            if !changes(&part.path) {
                columns.push(here);
                continue;
            }
            let mut rows = Vec::with_capacity(self.spans.len());
            let mut row = 0;
            for (len, adapter) in &self.spans {
                let some = here.narrow(0, row, *len)?;
                rows.push(
                    match adapter.and_then(|adapter| adapter.deltas.get(&part.path)) {
                        None => some,
                        Some(delta) => {
                            let inner = x.narrow(0, row, *len)?.matmul(&delta.a.t()?)?;
                            (some + inner.matmul(&delta.b.t()?)?)?
                        }
                    },
                );
                row += len;
            }
            columns.push(Tensor::cat(&rows, 0)?);
        }
        Ok(Tensor::cat(&columns, 1)?.contiguous()?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::{random, random_tensors, tiny_config, tiny_pixels};
    use crate::{LoadOptions, Model};

    fn settings(more: &str) -> AdapterConfig {
        serde_json::from_str(&format!(r#"{{"r": 4, "lora_alpha": 8 {more}}}"#)).unwrap()
    }

    #[track_caller]
    fn refused(more: &str, expect: &str) {
        let reason = settings(more).check().unwrap_err();
        assert!(reason.contains(expect), "{reason}");
    }

    #[test]
    fn what_is_not_plain_lora_is_named() {
        refused(r#", "use_dora": true"#, "`use_dora`");
        refused(r#", "modules_to_save": ["lm_head"]"#, "`modules_to_save`");
        refused(r#", "bias": "all""#, "`bias`");
        refused(r#", "peft_type": "IA3""#, "`IA3`");
        assert!(
            settings(r#", "use_dora": false, "bias": "none""#)
                .check()
                .is_ok()
        );
    }

    #[test]
    fn patterns_match_the_end_of_a_name_after_a_dot() {
        let scales = Scales::new(&settings(
            r#", "rank_pattern": {"layers\\.0\\.q_proj": 16, "v_proj": 2}, "alpha_pattern": {"q_proj": 32}"#,
        ))
        .unwrap();
        assert_eq!(scales.rank("model.layers.0.q_proj"), 16);
        assert_eq!(scales.rank("model.layers.10.q_proj"), 4);
        assert_eq!(
            scales.rank("model.layers.10.my_v_proj"),
            4,
            "no dot before it"
        );
        assert_eq!(scales.scale("model.layers.0.q_proj"), 2.0);
        assert_eq!(scales.scale("v_proj"), 4.0);
        let stable = Scales::new(&settings(r#", "use_rslora": true"#)).unwrap();
        assert_eq!(stable.scale("k_proj"), 4.0);
        assert!(Scales::new(&settings(r#", "rank_pattern": {"(": 1}"#)).is_err());
    }

    /// Writes an adapter for tiny models with random halves for each `(module, rank, rows, columns)`.
    fn write(dir: &Path, settings: &str, modules: &[(&str, usize, &[usize])]) {
        std::fs::write(dir.join("adapter_config.json"), settings).unwrap();
        let mut tensors = HashMap::new();
        for (seed, (module, rank, shape)) in modules.iter().enumerate() {
            let mut a = vec![*rank];
            a.extend(&shape[1..]);
            let mut b = vec![shape[0], *rank];
            b.extend(shape[2..].iter().map(|_| 1));
            for (half, shape) in [("A", a), ("B", b)] {
                let values = random(seed as u64 + 70, shape, 0.3, DType::F32).unwrap();
                tensors.insert(
                    format!("base_model.model.{module}.lora_{half}.weight"),
                    values,
                );
            }
        }
        candle_core::safetensors::save(&tensors, dir.join("adapter_model.safetensors")).unwrap();
    }

    const SETTINGS: &str = r#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8}"#;

    /// Every kind of module: convolutions, those that are multiplied side by side, the head.
    const EVERYWHERE: &[(&str, usize, &[usize])] = &[
        ("model.visual.patch_embed.proj", 4, &[32, 3, 2, 4, 4]),
        ("model.visual.blocks.1.mlp.up_proj", 4, &[64, 32]),
        ("model.visual.downsample", 4, &[64, 32, 2, 2]),
        ("model.visual.merger.gate_proj", 4, &[48, 64]),
        (
            "model.language_model.layers.0.self_attn.v_proj",
            4,
            &[32, 64],
        ),
        (
            "model.language_model.layers.1.mlp.gate_up_proj",
            4,
            &[192, 64],
        ),
        ("lm_head", 4, &[96, 64]),
    ];

    fn logits(model: &Model, adapter: Option<&Arc<Adapter>>) -> Vec<f32> {
        let pixels = tiny_pixels(5, 4, 4).unwrap();
        let image = model
            .see(&[pixels], adapter.map(Arc::as_ref))
            .unwrap()
            .remove(0);
        let ids = vec![3, 90, 90, 90, 90, 7];
        let input = model.input(ids, vec![Arc::new(image)]).unwrap();
        let mut row = model.row(adapter.cloned()).unwrap();
        model
            .prefill(&mut row, &input, 4)
            .unwrap()
            .to_vec1()
            .unwrap()
    }

    #[test]
    fn an_adapter_by_row_is_the_adapter_merged_in_every_kind_of_module() {
        for tied in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), SETTINGS, EVERYWHERE);
            let mut config = tiny_config();
            config["tie_word_embeddings"] = tied.into();
            let config = Config::from_json(&config.to_string()).unwrap();
            let tensors = random_tensors(&config, DType::F32, 1).unwrap();
            let load = |merge| {
                let options = LoadOptions {
                    merge,
                    ..LoadOptions::default()
                };
                Model::from_tensors(tensors.clone(), config.clone(), &options).unwrap()
            };
            let model = load(vec![]);
            let adapter = model.adapter(dir.path()).unwrap();
            assert!(adapter.changes_vision());
            assert_eq!(adapter.modules().len(), EVERYWHERE.len());
            let by_row = logits(&model, Some(&adapter));
            let merged = logits(&load(vec![dir.path().to_owned()]), None);
            let without = logits(&model, None);
            let off = |other: &[f32]| {
                let pairs = by_row.iter().zip(other);
                pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
            };
            assert!(off(&merged) < 2e-5, "{}", off(&merged));
            assert!(off(&without) > 0.1, "the adapter changed nothing");
        }
    }

    #[track_caller]
    fn misfit(settings: &str, modules: &[(&str, usize, &[usize])], expect: &str) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), settings, modules);
        let model = crate::testing::tiny().unwrap();
        let line = model.adapter(dir.path()).unwrap_err().to_string();
        assert!(line.contains(expect) && !line.contains('\n'), "{line}");
    }

    #[test]
    fn an_adapter_for_another_model_is_named() {
        let layer = "model.language_model.layers.9.mlp.down_proj";
        misfit(
            SETTINGS,
            &[(layer, 4, &[64, 96])],
            &format!("changes `{layer}`, which the model does not have"),
        );
        let layer = "model.language_model.layers.0.mlp.down_proj";
        misfit(
            SETTINGS,
            &[(layer, 4, &[64, 95])],
            "lora_A.weight` as [4, 95]",
        );
        misfit(
            SETTINGS,
            &[(layer, 5, &[64, 96])],
            "as [5, 96], and the model and the rank say [4, 96]",
        );
        misfit(SETTINGS, &[], "changes nothing");
        misfit(
            r#"{"r": 4, "lora_alpha": 8, "use_dora": true}"#,
            &[],
            "uses `use_dora`",
        );
        misfit(
            r#"{"r": 4}"#,
            &[],
            "adapter_config.json: missing field `lora_alpha`",
        );
        misfit(
            SETTINGS,
            &[("model.language_model.embed_tokens", 4, &[96, 64])],
            "embed_tokens`, which",
        );
    }

    #[test]
    fn half_a_pair_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let name = "base_model.model.lm_head.lora_A.weight";
        for (name, expect) in [
            (name, "`base_model.model.lm_head.lora_B.weight` is missing"),
            (
                "base_model.model.lm_head.lora_B.weight",
                "without its `lora_A`",
            ),
            (
                "base_model.model.lm_head.lora_magnitude_vector",
                "which is not plain LoRA",
            ),
        ] {
            write(dir.path(), SETTINGS, &[]);
            let values = random(1, (4, 64), 1.0, DType::F32).unwrap();
            let tensors = HashMap::from([(name.to_owned(), values)]);
            candle_core::safetensors::save(&tensors, dir.path().join("adapter_model.safetensors"))
                .unwrap();
            let model = crate::testing::tiny().unwrap();
            let line = model.adapter(dir.path()).unwrap_err().to_string();
            assert!(line.contains(expect), "{line}");
        }
    }
}
