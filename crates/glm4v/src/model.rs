//! A loaded model and its verbs: see pictures, prefill a prompt, decode one step of a batch.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::cpu::matrix::Precision;
use crate::gguf::Gguf;
use crate::kv_cache::KvCache;
use crate::lora::{Adapted, Adapter};
use crate::mrope::Positions;
use crate::processor::Pixels;
use crate::quant::Scheme;
use crate::tensors::bytes;
use crate::text::{Span, TextModel};
use crate::vision::{VisionModel, Watch};
use crate::weights::{Loader, Source, Store};
use crate::{Config, Error, Result};

/// How a model is to be held and computed.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Where it computes.
    pub device: Device,
    /// The type of activations, dense weights and the cache. `None` is float32 on a CPU and bfloat16 elsewhere.
    ///
    /// On a CPU, bfloat16 is the type of weights and of the factors of products; sums, norms and the cache are float32,
    /// and so are the activations that [`Model::dtype`] speaks of. It halves the memory and doubles the speed, on
    /// processors with AVX-512 BF16 of long prompts and on all of decoding. Float16 is there to compare with others.
    pub dtype: Option<DType>,
    /// Quantises the decoder's weights while loading. The vision tower stays in `dtype`.
    pub quantise: Option<Scheme>,
    /// Directories of adapters that become part of the weights, in this order.
    pub merge: Vec<PathBuf>,
}

impl Default for LoadOptions {
    /// The CPU in float32, nothing quantised.
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            dtype: None,
            quantise: None,
            merge: Vec::new(),
        }
    }
}

/// Which code computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arithmetic {
    /// On a CPU, its own products and attention.
    OfTheDevice,
    /// Tensor operations, which every device has.
    General,
}

impl LoadOptions {
    /// The type of activations, and how a CPU holds the factors of products.
    fn types(&self, arithmetic: Arithmetic) -> Result<(DType, Option<Precision>)> {
        let as_a_cpu = self.device.is_cpu() && arithmetic == Arithmetic::OfTheDevice;
        match (self.dtype, as_a_cpu) {
            (None | Some(DType::F32), true) => Ok((DType::F32, Some(Precision::F32))),
            (Some(DType::BF16), true) => Ok((DType::F32, Some(Precision::Bf16))),
            (None, false) => Ok((DType::BF16, None)),
            (Some(dtype @ (DType::F32 | DType::BF16 | DType::F16)), _) => Ok((dtype, None)),
            (Some(other), _) => Err(Error::input(
                "dtype",
                format!("is {other:?}, and bf16, f16 and f32 can be computed in"),
            )),
        }
    }
}

/// What the vision tower makes of one picture: its tokens in the decoder's channels.
///
/// It depends on the picture's pixels and the adapter alone, so it may be kept and used in many prompts, by many rows, at
/// once; a clone shares the memory.
#[derive(Debug, Clone)]
pub struct ImageEmbeds {
    embeds: Tensor,
    grid_thw: [usize; 3],
}

impl ImageEmbeds {
    /// `[tokens, hidden]`, in the model's type on its device.
    pub fn embeds(&self) -> &Tensor {
        &self.embeds
    }

    /// Patches in time, rows and columns.
    pub fn grid_thw(&self) -> [usize; 3] {
        self.grid_thw
    }

    /// Bytes that it occupies.
    pub fn bytes(&self) -> usize {
        bytes(&self.embeds)
    }
}

/// A prompt that was checked: tokens, their positions, and the pictures among them.
#[derive(Debug, Clone)]
pub struct Input {
    pub(crate) ids: Vec<u32>,
    pub(crate) positions: Positions,
    pub(crate) images: Vec<Arc<ImageEmbeds>>,
}

impl Input {
    /// Tokens, image tokens among them.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Never: an input has at least one token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The token ids, with each image expanded.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Positions on the three axes.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }
}

/// One sequence: what the decoder remembers of it, and its adapter.
///
/// Dropping it frees its memory; a step that it is not part of does nothing for it.
#[derive(Debug)]
pub struct Row {
    pub(crate) cache: KvCache,
    pub(crate) delta: i64,
    pub(crate) adapter: Option<Arc<Adapter>>,
}

impl Row {
    /// Tokens that it has taken.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether it has taken none.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }

    /// Bytes of its keys and values.
    pub fn bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// Takes memory for `tokens` altogether at once.
    ///
    /// # Errors
    /// [`Error::Candle`] when there is none.
    pub fn reserve(&mut self, tokens: usize) -> Result<()> {
        self.cache.reserve(tokens)
    }

    /// A second row that has taken the first `tokens` of this one, with the same adapter.
    ///
    /// Several answers to one prompt fork after it; prompts with the same beginning fork there and prefill the rest, and
    /// then the caller answers for the beginnings being the same, pictures included.
    ///
    /// # Errors
    /// [`Error::Candle`] when there is no memory.
    pub fn fork(&self, tokens: usize) -> Result<Self> {
        Ok(Self {
            cache: self.cache.fork(tokens)?,
            delta: self.delta,
            adapter: self.adapter.clone(),
        })
    }
}

/// All values of one prompt, for comparing with another implementation.
#[derive(Debug)]
pub struct Inspection {
    /// States after the final norm, `[tokens, hidden]`.
    pub last_hidden_state: Tensor,
    /// Float32 `[tokens, vocabulary]`.
    pub logits: Tensor,
}

/// GLM-4.1V or GLM-4.6V-Flash, ready to compute. It never changes: one model serves any number of threads and rows.
#[derive(Debug)]
pub struct Model {
    config: Config,
    pub(crate) text: TextModel,
    pub(crate) vision: VisionModel,
    device: Device,
    dtype: DType,
}

impl Model {
    /// Loads a directory with `config.json` and safetensors, in one file or in shards with an index.
    ///
    /// Files are mapped, converted tensor by tensor, and let go: the peak of memory is the model as it will be held plus
    /// one tensor.
    ///
    /// # Errors
    /// One line that names the key, file or tensor: see [`Error`].
    pub fn load(dir: &Path, options: &LoadOptions) -> Result<Self> {
        let config = Config::from_dir(dir)?;
        let source = Source::Safetensors(Store::dir(dir)?);
        Self::from_source(&source, config, options, Arithmetic::OfTheDevice)
    }

    /// As [`load`](Self::load), but on a CPU, too, with the tensor operations that a GPU computes with.
    ///
    /// Activations, norms and caches are in `options.dtype` (bfloat16 when that is `None`), and rows that decode attend
    /// together. It is for checking the code of a GPU where there is none: the results are those of `load` within the
    /// type's rounding, many times slower.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_general(dir: &Path, options: &LoadOptions) -> Result<Self> {
        let config = Config::from_dir(dir)?;
        let source = Source::Safetensors(Store::dir(dir)?);
        Self::from_source(&source, config, options, Arithmetic::General)
    }

    /// Loads two GGUF files as llama.cpp's converter writes them: the decoder (`glm4`) and the `mmproj` (`glm4v`).
    ///
    /// Quantised weights are multiplied as they are, unless `options` ask for another scheme or merge an adapter; the
    /// configuration is read from the files. The tokenizer and template are not: they come from the model's directory.
    ///
    /// # Errors
    /// One line that names the key, file or tensor: see [`Error`].
    pub fn load_gguf(text: &Path, mmproj: &Path, options: &LoadOptions) -> Result<Self> {
        let (gguf, config) = Gguf::open(text, mmproj)?;
        let source = Source::Gguf(Box::new(gguf));
        Self::from_source(&source, config, options, Arithmetic::OfTheDevice)
    }

    /// Makes a model of tensors in memory, named and shaped as [`expected_tensors`](crate::weights::expected_tensors) says.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::Candle`].
    pub fn from_tensors(
        tensors: HashMap<String, Tensor>,
        config: Config,
        options: &LoadOptions,
    ) -> Result<Self> {
        let source = Source::Memory(tensors);
        Self::from_source(&source, config, options, Arithmetic::OfTheDevice)
    }

    /// As [`from_tensors`](Self::from_tensors), computing as [`load_general`](Self::load_general) does.
    #[cfg(test)]
    pub(crate) fn from_tensors_general(
        tensors: HashMap<String, Tensor>,
        config: Config,
        options: &LoadOptions,
    ) -> Result<Self> {
        let source = Source::Memory(tensors);
        Self::from_source(&source, config, options, Arithmetic::General)
    }

    fn from_source(
        source: &Source,
        config: Config,
        options: &LoadOptions,
        arithmetic: Arithmetic,
    ) -> Result<Self> {
        let merged = options
            .merge
            .iter()
            .map(|path| Adapter::read(path, &config))
            .collect::<Result<Vec<_>>>()?;
        let (dtype, precision) = options.types(arithmetic)?;
        let loader = Loader {
            source,
            config: &config,
            device: &options.device,
            dtype,
            precision,
            scheme: None,
            merged: &merged,
        };
        let vision = VisionModel::load(&loader)?;
        let text = TextModel::load(&Loader {
            scheme: options.quantise,
            ..loader
        })?;
        Ok(Self {
            text,
            vision,
            device: options.device.clone(),
            dtype,
            config,
        })
    }

    /// The checkpoint's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The type of its activations.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Reads a PEFT adapter, for rows that are to use it.
    ///
    /// # Errors
    /// [`Error::Adapter`] when it does not fit this model, [`Error::Io`] and [`Error::File`] when it cannot be read.
    pub fn adapter(&self, dir: &Path) -> Result<Arc<Adapter>> {
        let adapter = Adapter::read(dir, &self.config)?;
        let ready = adapter.for_activations(&self.config, self.dtype, &self.device)?;
        Ok(Arc::new(ready))
    }

    /// Runs the vision tower over pictures; each comes out as it would alone.
    ///
    /// # Errors
    /// [`Error::Input`] when a picture's patches are not those of this model.
    pub fn see(&self, pictures: &[Pixels], adapter: Option<&Adapter>) -> Result<Vec<ImageEmbeds>> {
        self.see_watched(pictures, adapter, &mut |_, _| {})
    }

    /// As [`see`](Self::see), showing the states between the steps to `watch`, under names such as `3_block_0`.
    ///
    /// # Errors
    /// As [`see`](Self::see).
    pub fn see_watched(
        &self,
        pictures: &[Pixels],
        adapter: Option<&Adapter>,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<ImageEmbeds>> {
        if pictures.is_empty() {
            return Ok(Vec::new());
        }
        let patches = pictures
            .iter()
            .map(|picture| picture.grid_thw.iter().product::<usize>());
        let adapted = Adapted::spans([(patches.sum(), adapter)]);
        let all = self.vision.forward(pictures, &adapted, watch)?;
        let merge = self.config.vision_config.spatial_merge_size;
        let mut start = 0;
        pictures
            .iter()
            .map(|picture| {
                let tokens = picture.grid_thw.iter().product::<usize>() / (merge * merge);
                let mut embeds = all.narrow(0, start, tokens)?;
                if pictures.len() > 1 {
                    // A picture that is kept must not keep its neighbours.
                    embeds = embeds.force_contiguous()?;
                }
                start += tokens;
                Ok(ImageEmbeds {
                    embeds,
                    grid_thw: picture.grid_thw,
                })
            })
            .collect()
    }

    /// Checks a prompt: `ids` with each image expanded to its tokens, and the pictures in their order.
    ///
    /// # Errors
    /// [`Error::Input`] when it is empty, too long, has an unknown id, or image tokens that are not those of `images`.
    pub fn input(&self, ids: Vec<u32>, images: Vec<Arc<ImageEmbeds>>) -> Result<Input> {
        let text = &self.config.text_config;
        if ids.is_empty() {
            return Err(Error::input("prompt", "is empty"));
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= text.vocab_size) {
            let reason = format!(
                "has the token {id}, beyond the vocabulary of {}",
                text.vocab_size
            );
            return Err(Error::input("prompt", reason));
        }
        self.check_len(ids.len())?;
        let grids: Vec<_> = images.iter().map(|image| image.grid_thw).collect();
        let merge = self.config.vision_config.spatial_merge_size;
        let positions = Positions::new(&ids, self.config.image_token_id, &grids, merge)?;
        Ok(Input {
            ids,
            positions,
            images,
        })
    }

    pub(crate) fn check_len(&self, tokens: usize) -> Result<()> {
        let most = self.config.text_config.max_position_embeddings;
        if tokens <= most {
            return Ok(());
        }
        Err(Error::input(
            "prompt",
            format!("reaches {tokens} tokens, and the model was trained for {most}"),
        ))
    }

    /// A row that has taken nothing yet.
    ///
    /// # Errors
    /// [`Error::Candle`] from the device.
    pub fn row(&self, adapter: Option<Arc<Adapter>>) -> Result<Row> {
        Ok(Row {
            cache: self.text.new_cache()?,
            delta: 0,
            adapter,
        })
    }

    /// Computes one prompt at once and gives every token's state and logits; `watch` is shown the states between the
    /// layers, under names such as `1_layer_0`.
    ///
    /// # Errors
    /// [`Error::Candle`].
    pub fn inspect(
        &self,
        input: &Input,
        adapter: Option<&Adapter>,
        watch: &mut Watch<'_>,
    ) -> Result<Inspection> {
        let mut cache = self.text.new_cache()?;
        let tokens = input.len();
        let adapted = Adapted::spans([(tokens, adapter)]);
        let mut embeds = self.text.embed(&input.ids)?;
        self.put_images(&mut embeds, input, 0..tokens, 0)?;
        watch("0_embeds", &embeds);
        let positions: Vec<_> = (0..tokens).map(|index| input.position(index)).collect();
        let mut spans = [Span {
            cache: &mut cache,
            tokens,
        }];
        let x = self
            .text
            .forward(embeds, &positions, &mut spans, &adapted, watch)?;
        let last_hidden_state = self.text.normed(&x)?;
        let logits = self.text.logits(&last_hidden_state, &adapted)?;
        Ok(Inspection {
            last_hidden_state,
            logits,
        })
    }

    /// Puts the image tokens of `input` within `range` over the rows of `embeds` that begin at `at`.
    pub(crate) fn put_images(
        &self,
        embeds: &mut Tensor,
        input: &Input,
        range: std::ops::Range<usize>,
        at: usize,
    ) -> Result<()> {
        for ((start, count), image) in input.positions.images.iter().zip(&input.images) {
            let from = range.start.max(*start);
            let to = range.end.min(start + count);
            if from < to {
                let some = image.embeds.narrow(0, from - start, to - from)?;
                embeds.slice_set(&some.contiguous()?, 0, at + from - range.start)?;
            }
        }
        Ok(())
    }
}

impl Input {
    /// Where the token at `index` stands: temporal, height, width.
    pub(crate) fn position(&self, index: usize) -> [u32; 3] {
        let axes = self.positions.axes.each_ref();
        axes.map(|axis| axis.get(index).copied().unwrap_or_default())
    }
}
