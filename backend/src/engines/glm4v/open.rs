//! A model's directory, or its name on a hub, to a model in memory; or one line that says why not.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;

use candle_core::{DType, Device};
use glm4v::generation::GenerationConfig;
use glm4v::hub::{Hub, ProgressBars};
use glm4v::memory::{Footprint, Holding};
use glm4v::processor::Processor;
use glm4v::prompt::ChatTemplate;
use glm4v::tokenizer::Tokenizer;
use glm4v::{Config, LoadOptions, Model, Scheme};

use super::memory::{self, Demand, gigabytes};
use super::{Unfit, gpu};
use crate::config;

/// A model and all that belongs to it. It never changes.
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) model: Model,
    pub(super) processor: Processor,
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) template: ChatTemplate,
    pub(super) generation: GenerationConfig,
    /// Tokens that end an answer.
    pub(super) ends: Vec<u32>,
    /// Tokens that never come: control tokens that end nothing, and ids without a token.
    pub(super) forbidden: Vec<u32>,
}

/// Whether files may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetch {
    /// What is missing is fetched.
    Missing,
    /// Only what is there is looked at.
    Nothing,
}

/// What would be done, before it is.
pub(super) struct Plan {
    dir: PathBuf,
    config: Config,
    device: Device,
    dtype: Option<DType>,
    quantise: Option<Scheme>,
    adapters: Vec<PathBuf>,
    footprint: Footprint,
    name: String,
}

impl Plan {
    /// Finds the model, fetches what is missing of it, and reads everything but its weights.
    ///
    /// # Errors
    /// [`Unfit`], one line.
    pub(super) fn of(settings: &config::Glm4v, fetch: Fetch) -> Result<Self, Unfit> {
        let model = settings.model.as_deref().ok_or_else(|| {
            Unfit("glm4v.model is not set; for instance --model /models/GLM-4.6V-Flash".to_owned())
        })?;
        let dir = directory(model, fetch)?;
        let config = Config::from_dir(&dir)?;
        let dtype = match settings.dtype.as_str() {
            "auto" => None,
            "f32" => Some(DType::F32),
            "f16" => Some(DType::F16),
            "bf16" => Some(DType::BF16),
            other => {
                return Err(Unfit(format!(
                    "glm4v.dtype: \"{other}\" is none of auto, f32, bf16 and f16"
                )));
            }
        };
        let quantise = settings.quantize.as_deref().map(Scheme::from_str);
        let quantise = quantise
            .transpose()
            .map_err(|error| Unfit(format!("glm4v.{error}")))?;
        let device = device();
        let holding = holding(&dir, &device, dtype, quantise);
        Ok(Self {
            footprint: Footprint::of(&config, &holding),
            name: name(model, &dir, quantise, &settings.adapters),
            adapters: settings.adapters.clone(),
            dir,
            config,
            device,
            dtype,
            quantise,
        })
    }

    /// What the rows and caches of `settings` ask for.
    pub(super) fn demand(&self, settings: &config::Glm4v) -> Demand {
        Demand {
            kv_per_token: self.footprint.kv_per_token,
            row_tokens: self.row_tokens(settings),
            rows: settings.rows,
            kept: settings.prefix_cache_bytes + settings.image_cache_bytes,
        }
    }

    /// Tokens that a row may hold: the model was trained for no more than its positions.
    fn row_tokens(&self, settings: &config::Glm4v) -> usize {
        let trained = self.config.text_config.max_position_embeddings;
        settings.max_tokens.min(trained)
    }

    /// Refuses what cannot fit, from what is free now.
    ///
    /// # Errors
    /// [`Unfit`].
    pub(super) fn check(&self, settings: &config::Glm4v) -> Result<(), Unfit> {
        let free = self.free();
        let weights = self.footprint.weights();
        memory::check_weights(weights, free)?;
        let left = free.map(|free| free.saturating_sub(weights as u64));
        self.demand(settings).budget(settings.kv_bytes, left)?;
        Ok(())
    }

    /// Bytes that are free where the model computes.
    fn free(&self) -> Option<u64> {
        self.room().bytes()
    }

    /// Where its memory is.
    pub(super) fn room(&self) -> Room {
        match self.device.is_cpu() {
            true => Room::Host,
            false => Room::Gpu,
        }
    }

    /// For `doctor`: where it computes and what it takes.
    pub(super) fn describe(&self) -> String {
        let place = match self.device.is_cpu() {
            true => "the CPU",
            false => "the GPU",
        };
        format!(
            "{} on {place}, weights {}, keys and values {} bytes a token",
            self.name,
            gigabytes(self.footprint.weights() as u64),
            self.footprint.kv_per_token
        )
    }

    /// Reads the weights.
    ///
    /// # Errors
    /// [`Unfit`], one line that names the file, the key or the tensor.
    pub(super) fn load(self) -> Result<Loaded, Unfit> {
        let options = LoadOptions {
            device: self.device,
            dtype: self.dtype,
            quantise: self.quantise,
            merge: self.adapters,
        };
        let generation = GenerationConfig::from_dir(&self.dir)?;
        let tokenizer = Arc::new(Tokenizer::from_dir(&self.dir)?);
        let processor = Processor::from_dir(&self.dir)?;
        let template = ChatTemplate::from_dir(&self.dir)?;
        let ends = generation.eos_token_id.clone();
        if ends.is_empty() {
            return Err(Unfit(format!(
                "{}: generation_config.json names no eos_token_id, so no answer would end",
                self.dir.display()
            )));
        }
        let size = self.config.text_config.vocab_size as u32;
        let never = |id: &u32| !ends.contains(id) && no_text(&tokenizer, *id);
        Ok(Loaded {
            forbidden: (0..size).filter(never).collect(),
            model: Model::load(&self.dir, &options)?,
            name: self.name,
            processor,
            tokenizer,
            template,
            generation,
            ends,
        })
    }
}

/// The memory that a model computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Host,
    Gpu,
}

impl Room {
    /// Bytes that are free now, as far as can be told.
    pub(super) fn bytes(self) -> Option<u64> {
        match self {
            Self::Host => memory::free_of_host(Path::new("/")),
            Self::Gpu => gpu::free_bytes(),
        }
    }
}

fn no_text(tokenizer: &Tokenizer, id: u32) -> bool {
    tokenizer.kind(id) != glm4v::tokenizer::Kind::Text || tokenizer.token_bytes(id).is_empty()
}

/// A directory as it is; `OWNER/NAME` and `OWNER/NAME@REVISION` from the hub.
fn directory(model: &str, fetch: Fetch) -> Result<PathBuf, Unfit> {
    let path = PathBuf::from(model);
    if path.is_dir() {
        return Ok(path);
    }
    let (repo, revision) = match model.split_once('@') {
        Some((repo, revision)) => (repo, Some(revision)),
        None => (model, None),
    };
    let is_path = model.starts_with(['/', '.', '~']) || repo.matches('/').count() != 1;
    if is_path {
        return Err(Unfit(format!(
            "glm4v.model: {model} is no directory; name one that holds a model, or OWNER/NAME on the hub"
        )));
    }
    let hub = Hub::from_env();
    let hub = Hub {
        offline: hub.offline || fetch == Fetch::Nothing,
        ..hub
    };
    Ok(hub.fetch(repo, revision, &mut ProgressBars::from_env())?)
}

/// The GPU when this build knows it and there is one, else the CPU.
fn device() -> Device {
    #[cfg(feature = "cuda")]
    match Device::new_cuda(0) {
        Ok(device) => return device,
        // Only trying tells: the feature says no more than that the build could.
        Err(error) => tracing::warn!(%error, "there is no usable GPU; the model runs on the CPU"),
    }
    Device::Cpu
}

fn holding(dir: &Path, device: &Device, dtype: Option<DType>, scheme: Option<Scheme>) -> Holding {
    let stored = stored(dir);
    match device.is_cpu() {
        true => Holding::on_cpu(stored, dtype.unwrap_or(DType::F32), scheme),
        false => Holding::on_gpu(stored, dtype.unwrap_or(DType::BF16), scheme),
    }
}

/// The type in the checkpoint's files, by its configuration.
fn stored(dir: &Path) -> DType {
    let text = std::fs::read_to_string(dir.join("config.json")).unwrap_or_default();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let text = config.get("text_config").unwrap_or(&config);
    let named = ["dtype", "torch_dtype"]
        .iter()
        .find_map(|key| config.get(key).or_else(|| text.get(key))?.as_str());
    match named {
        Some("float32") => DType::F32,
        Some("float16") => DType::F16,
        _ => DType::BF16,
    }
}

/// The name by which answers and cached answers are told apart: the model's, and all that changes its answers.
fn name(model: &str, dir: &Path, quantise: Option<Scheme>, adapters: &[PathBuf]) -> String {
    let last = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let base = match Path::new(model).is_dir() {
        true => last(&dir.canonicalize().unwrap_or_else(|_| dir.to_owned())),
        false => model.to_owned(),
    };
    let adapters = adapters.iter().map(|path| last(path));
    let parts = quantise.map(|scheme| scheme.to_string()).into_iter();
    parts
        .chain(adapters)
        .fold(base, |name, part| format!("{name}+{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_a_directory_nor_a_name_on_the_hub_is_one_line() {
        for model in ["/nowhere/at/all", "./nowhere", "nowhere", "a/b/c"] {
            let line = directory(model, Fetch::Nothing).unwrap_err().to_string();
            assert!(line.starts_with("glm4v.model: "), "{line}");
            assert!(line.contains("is no directory"), "{line}");
        }
    }

    #[test]
    fn a_name_tells_what_changes_the_answers() {
        let adapters = [PathBuf::from("/adapters/tone")];
        assert_eq!(
            name("/", Path::new("/tmp"), Some(Scheme::Q4K), &adapters),
            "tmp+q4k+tone"
        );
        assert_eq!(
            name("owner/name@v1", Path::new("/x"), None, &[]),
            "owner/name@v1"
        );
    }
}
