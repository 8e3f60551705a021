//! Tensors by name: safetensors in one file or many, memory-mapped, in bf16, f16 or f32.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::cpu::matrix::Precision;
use crate::gguf::Gguf;
use crate::lora::Adapter;
use crate::quant::{Linear, Part, Scheme, Weight, pack, quantise};
use crate::tensors::joined;
use crate::{Config, Error, Result, json};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Every tensor of a checkpoint and its shape, as the configuration says.
///
/// 704 at full size; a tied head is not among them.
pub fn expected_tensors(config: &Config) -> Vec<(String, Vec<usize>)> {
    let mut all = Vec::new();
    let mut add = |name: String, shape: &[usize]| all.push((name, shape.to_vec()));

    let v = &config.vision_config;
    let (hidden, out, side) = (v.hidden_size, v.out_hidden_size, v.position_table_side());
    let visual = "model.visual";
    add(
        format!("{visual}.embeddings.position_embedding.weight"),
        &[side * side, hidden],
    );
    let patch = [
        hidden,
        v.in_channels,
        v.temporal_patch_size,
        v.patch_size,
        v.patch_size,
    ];
    add(format!("{visual}.patch_embed.proj.weight"), &patch);
    add(format!("{visual}.patch_embed.proj.bias"), &[hidden]);
    add(format!("{visual}.post_conv_layernorm.weight"), &[hidden]);
    for index in 0..v.depth {
        let block = format!("{visual}.blocks.{index}");
        add(format!("{block}.norm1.weight"), &[hidden]);
        add(format!("{block}.norm2.weight"), &[hidden]);
        add(format!("{block}.attn.qkv.weight"), &[3 * hidden, hidden]);
        if v.attention_bias {
            add(format!("{block}.attn.qkv.bias"), &[3 * hidden]);
        }
        add(format!("{block}.attn.proj.weight"), &[hidden, hidden]);
        add(format!("{block}.mlp.gate_proj.weight"), &[out, hidden]);
        add(format!("{block}.mlp.up_proj.weight"), &[out, hidden]);
        add(format!("{block}.mlp.down_proj.weight"), &[hidden, out]);
    }
    add(format!("{visual}.post_layernorm.weight"), &[hidden]);
    let merge = v.spatial_merge_size;
    add(
        format!("{visual}.downsample.weight"),
        &[out, hidden, merge, merge],
    );
    add(format!("{visual}.downsample.bias"), &[out]);
    add(format!("{visual}.merger.proj.weight"), &[out, out]);
    add(
        format!("{visual}.merger.post_projection_norm.weight"),
        &[out],
    );
    add(format!("{visual}.merger.post_projection_norm.bias"), &[out]);
    add(
        format!("{visual}.merger.gate_proj.weight"),
        &[v.intermediate_size, out],
    );
    add(
        format!("{visual}.merger.up_proj.weight"),
        &[v.intermediate_size, out],
    );
    add(
        format!("{visual}.merger.down_proj.weight"),
        &[out, v.intermediate_size],
    );

    let t = &config.text_config;
    let hidden = t.hidden_size;
    let (q, kv) = (hidden, t.num_key_value_heads * t.head_dim());
    let text = "model.language_model";
    add(
        format!("{text}.embed_tokens.weight"),
        &[t.vocab_size, hidden],
    );
    for index in 0..t.num_hidden_layers {
        let layer = format!("{text}.layers.{index}");
        for norm in [
            "input_layernorm",
            "post_self_attn_layernorm",
            "post_attention_layernorm",
            "post_mlp_layernorm",
        ] {
            add(format!("{layer}.{norm}.weight"), &[hidden]);
        }
        for (name, rows) in [("q_proj", q), ("k_proj", kv), ("v_proj", kv)] {
            add(format!("{layer}.self_attn.{name}.weight"), &[rows, hidden]);
            add(format!("{layer}.self_attn.{name}.bias"), &[rows]);
        }
        add(
            format!("{layer}.self_attn.o_proj.weight"),
            &[hidden, hidden],
        );
        let inner = t.intermediate_size;
        add(
            format!("{layer}.mlp.gate_up_proj.weight"),
            &[2 * inner, hidden],
        );
        add(format!("{layer}.mlp.down_proj.weight"), &[hidden, inner]);
    }
    add(format!("{text}.norm.weight"), &[hidden]);
    if !config.tie_word_embeddings {
        add("lm_head.weight".to_owned(), &[t.vocab_size, hidden]);
    }
    all
}

/// `matrix` (`[any, columns]`) with its columns as this crate multiplies them.
///
/// The downsampling convolution's kernel is (channel, row, column) in the checkpoint; patches lie in memory as
/// (row, column, channel), so its columns are turned once here instead of every picture's patches.
pub(crate) fn channels_last(path: &str, matrix: &Tensor, config: &Config) -> Result<Tensor> {
    if path != "model.visual.downsample" {
        return Ok(matrix.clone());
    }
    let vision = &config.vision_config;
    let cells = vision.spatial_merge_size * vision.spatial_merge_size;
    let rows = matrix.dim(0)?;
    Ok(matrix
        .reshape((rows, vision.hidden_size, cells))?
        .transpose(1, 2)?
        .reshape((rows, cells * vision.hidden_size))?)
}

/// A mapped safetensors file.
struct Mapped {
    path: PathBuf,
    map: Mmap,
    /// Where the tensors' bytes begin.
    data: usize,
}

#[derive(Debug, Clone)]
struct Place {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: (usize, usize),
}

/// The tensors of one or many safetensors files, by name.
pub(crate) struct Store {
    from: PathBuf,
    files: Vec<Mapped>,
    places: BTreeMap<String, Place>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

impl Store {
    /// A checkpoint's directory: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    pub(crate) fn dir(dir: &Path) -> Result<Self> {
        let single = dir.join(SINGLE);
        if single.is_file() {
            return Self::file(&single);
        }
        let index_path = dir.join(INDEX);
        if !index_path.is_file() {
            return Err(Error::file(
                dir,
                format!("holds neither {SINGLE} nor {INDEX}"),
            ));
        }
        let index: Index = json::read(&index_path)?;
        let mut names: Vec<&String> = index.weight_map.values().collect();
        names.sort_unstable();
        names.dedup();
        let mut store = Self {
            from: dir.to_owned(),
            files: Vec::new(),
            places: BTreeMap::new(),
        };
        for name in names {
            // An index comes with the weights, from elsewhere: it names files beside itself and no others.
            if Path::new(name)
                .file_name()
                .is_none_or(|last| last != name.as_str())
            {
                return Err(Error::file(
                    &index_path,
                    format!("`{name}` is not a file's name"),
                ));
            }
            store.add(&dir.join(name))?;
        }
        for (tensor, file) in &index.weight_map {
            let place = store.places.get(tensor);
            let held = place.and_then(|place| store.files.get(place.file));
            if held.is_none_or(|mapped| !mapped.path.ends_with(file)) {
                let reason = format!("says that `{tensor}` is in {file}, and it is not");
                return Err(Error::file(&index_path, reason));
            }
        }
        Ok(store)
    }

    /// One file.
    pub(crate) fn file(path: &Path) -> Result<Self> {
        let mut store = Self {
            from: path.to_owned(),
            files: Vec::new(),
            places: BTreeMap::new(),
        };
        store.add(path)?;
        Ok(store)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path).map_err(|source| Error::io(path, source))?;
        let length = file
            .metadata()
            .map_err(|source| Error::io(path, source))?
            .len();
        if length < 8 {
            return Err(Error::file(path, format!("is cut short: {length} bytes")));
        }
        let map = map(&file).map_err(|source| Error::io(path, source))?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|error| {
            use safetensors::SafeTensorError as E;
            let reason = match error {
                E::MetadataIncompleteBuffer | E::InvalidHeaderLength => format!(
                    "is cut short or damaged: its {length} bytes are not what its header declares"
                ),
                other => format!("is no safetensors file: {other}"),
            };
            Error::file(path, reason)
        })?;
        let index = self.files.len();
        for (name, info) in metadata.tensors() {
            let place = Place {
                file: index,
                dtype: info.dtype,
                shape: info.shape.clone(),
                bytes: info.data_offsets,
            };
            if self.places.insert(name.clone(), place).is_some() {
                let reason = format!("holds `{name}`, which another file holds too");
                return Err(Error::file(path, reason));
            }
        }
        self.files.push(Mapped {
            path: path.to_owned(),
            map,
            data: 8 + header,
        });
        Ok(())
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The stored shape, when there is such a tensor.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.places.get(name).map(|place| place.shape.as_slice())
    }

    /// A copy of the tensor on the CPU, in the type that it is stored in.
    pub(crate) fn get(&self, name: &str) -> Result<Tensor> {
        let missing = || Error::MissingTensor {
            name: name.to_owned(),
            from: self.from.clone(),
        };
        let place = self.places.get(name).ok_or_else(missing)?;
        let dtype = match place.dtype {
            Dtype::BF16 => DType::BF16,
            Dtype::F16 => DType::F16,
            Dtype::F32 => DType::F32,
            other => {
                return Err(Error::TensorType {
                    name: name.to_owned(),
                    found: format!("{other:?}"),
                });
            }
        };
        let file = self.files.get(place.file).ok_or_else(missing)?;
        let range = file.data + place.bytes.0..file.data + place.bytes.1;
        let bytes = file.map.get(range).ok_or_else(missing)?;
        Ok(Tensor::from_raw_buffer(
            bytes,
            dtype,
            &place.shape,
            &Device::Cpu,
        )?)
    }
}

#[expect(
    unsafe_code,
    reason = "a memory map is the only way not to hold 20 GB twice"
)]
pub(crate) fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is read-only and private to `Store`, which hands out copies alone. A file that is cut short while
    // it is mapped would end the process by a signal; a checkpoint is replaced by renaming, not by writing into it.
    unsafe { Mmap::map(file) }
}

/// Where tensors come from.
pub(crate) enum Source {
    Safetensors(Store),
    Gguf(Box<Gguf>),
    Memory(HashMap<String, Tensor>),
}

/// Makes a model's parts out of stored tensors: in the type, on the device and by the scheme that were asked for.
pub(crate) struct Loader<'a> {
    pub(crate) source: &'a Source,
    pub(crate) config: &'a Config,
    pub(crate) device: &'a Device,
    /// Of activations, norms and biases.
    pub(crate) dtype: DType,
    /// On a CPU that computes in float32: how it holds the factors of products.
    pub(crate) precision: Option<Precision>,
    pub(crate) scheme: Option<Scheme>,
    /// Adapters that become part of the weights.
    pub(crate) merged: &'a [Adapter],
}

impl Loader<'_> {
    /// A norm, bias or table, in the model's type on its device.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let tensor = self.stored(name, shape)?;
        Ok(tensor.to_dtype(self.dtype)?.to_device(self.device)?)
    }

    /// The tensor on the CPU, in the type that it is stored in, after its shape was checked.
    pub(crate) fn stored(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let found = match self.source {
            Source::Safetensors(store) => store.shape(name).map(<[usize]>::to_vec),
            Source::Gguf(gguf) => gguf.shape(name),
            Source::Memory(tensors) => tensors.get(name).map(|tensor| tensor.dims().to_vec()),
        };
        if let Some(found) = found.filter(|found| found != shape) {
            return Err(Error::TensorShape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                found,
            });
        }
        match self.source {
            Source::Safetensors(store) => store.get(name),
            Source::Gguf(gguf) => gguf.dense(name),
            Source::Memory(tensors) => {
                let tensor = tensors.get(name).ok_or_else(|| Error::MissingTensor {
                    name: name.to_owned(),
                    from: PathBuf::from("memory"),
                })?;
                Ok(tensor.to_device(&Device::Cpu)?)
            }
        }
    }

    /// A module `path` with `path.weight` of `shape` (further dimensions are columns) and perhaps `path.bias`.
    pub(crate) fn linear(&self, path: &str, shape: &[usize], bias: bool) -> Result<Linear> {
        self.side_by_side(&[(path.to_owned(), shape)], bias)
    }

    /// The head, `path.weight`.
    pub(crate) fn head(&self, path: &str, shape: &[usize]) -> Result<Linear> {
        self.for_the_head().linear(path, shape, false)
    }

    /// A head whose weight is the token embedding's, `[vocabulary, hidden]`, apart from what adapters add to it.
    pub(crate) fn tied_head(&self, embedding: &Tensor) -> Result<Linear> {
        let mut weight = embedding.clone();
        for adapter in self.merged {
            weight = adapter.merged_into("lm_head", weight)?;
        }
        let parts = vec![Part {
            path: "lm_head".to_owned(),
            rows: embedding.dim(0)?,
        }];
        let weight = self.for_the_head().place(&weight)?;
        Ok(Linear::new(vec![weight], None, parts))
    }

    fn for_the_head(&self) -> Self {
        Self {
            scheme: self.scheme.map(Scheme::of_the_head),
            ..*self
        }
    }

    /// Modules that take the same input, as one multiplication whose outputs stand side by side.
    ///
    /// Reading the input once and starting one kernel instead of three matters for the narrow key and value weights.
    pub(crate) fn side_by_side(
        &self,
        modules: &[(String, &[usize])],
        bias: bool,
    ) -> Result<Linear> {
        let mut parts = Vec::with_capacity(modules.len());
        let mut biases = Vec::with_capacity(modules.len());
        let mut weights = Vec::with_capacity(modules.len());
        for (path, shape) in modules {
            let rows = shape.first().copied().unwrap_or(0);
            if bias {
                biases.push(self.tensor(&format!("{path}.bias"), &[rows])?);
            }
            weights.push(self.weight(path, shape)?);
            parts.push(Part {
                path: path.clone(),
                rows,
            });
        }
        let bias = match biases.as_slice() {
            [] => None,
            some => Some(joined(some)?),
        };
        let weights = self.placed(weights)?;
        Ok(Linear::new(weights, bias, parts))
    }

    /// One weight as `[rows, columns]`, on the CPU and in its stored type, or in the blocks that its file has.
    fn weight(&self, path: &str, shape: &[usize]) -> Result<Weight> {
        let name = format!("{path}.weight");
        let rows = shape.first().copied().unwrap_or(0);
        let columns: usize = shape.iter().skip(1).product();
        if let Source::Gguf(gguf) = self.source
            && self.scheme.is_none()
            && self.merged.is_empty()
            && let Some(blocks) = gguf.blocks(&name, shape, self.device)?
        {
            return Ok(blocks);
        }
        let mut weight = self.stored(&name, shape)?.reshape((rows, columns))?;
        for adapter in self.merged {
            weight = adapter.merged_into(path, weight)?;
        }
        Ok(Weight::Dense(channels_last(path, &weight, self.config)?))
    }

    /// Weights joined where they are of one kind, then quantised or converted, on the device.
    fn placed(&self, weights: Vec<Weight>) -> Result<Vec<Weight>> {
        let dense: Option<Vec<&Tensor>> = weights
            .iter()
            .map(|weight| match weight {
                Weight::Dense(tensor) => Some(tensor),
                Weight::Packed(_) | Weight::Quantised(_) => None,
            })
            .collect();
        let Some(dense) = dense else {
            return weights
                .into_iter()
                .map(|weight| match weight {
                    Weight::Dense(tensor) => self.place(&tensor),
                    ready @ (Weight::Packed(_) | Weight::Quantised(_)) => Ok(ready),
                })
                .collect();
        };
        let whole = match dense.as_slice() {
            [one] => (*one).clone(),
            many => {
                let same = many
                    .iter()
                    .all(|tensor| Some(tensor.dtype()) == many.first().map(|t| t.dtype()));
                if same {
                    Tensor::cat(many, 0)?
                } else {
                    let wide = many.iter().map(|tensor| tensor.to_dtype(DType::F32));
                    Tensor::cat(&wide.collect::<candle_core::Result<Vec<_>>>()?, 0)?
                }
            }
        };
        Ok(vec![self.place(&whole)?])
    }

    fn place(&self, weight: &Tensor) -> Result<Weight> {
        let format = self
            .scheme
            .and_then(|scheme| scheme.block_format(weight.dim(1).unwrap_or(0)));
        Ok(match format {
            Some(format) => Weight::Quantised(quantise(weight, format, self.device)?.into()),
            None => match self.precision {
                Some(precision) => Weight::Packed(pack(weight, precision)?.into()),
                None => Weight::Dense(weight.to_dtype(self.dtype)?.to_device(self.device)?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use safetensors::tensor::TensorView;

    use super::*;
    use crate::testing::{random_tensors, tiny_config, write_checkpoint};
    use crate::{LoadOptions, Model};

    /// A directory with a tiny checkpoint.
    fn checkpoint(dtype: DType) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        write_checkpoint(dir.path(), &tiny_config(), dtype, 1).unwrap();
        dir
    }

    fn logits(model: &Model) -> Vec<f32> {
        let input = model.input(vec![1, 2, 3], vec![]).unwrap();
        let mut row = model.row(None).unwrap();
        model
            .prefill(&mut row, &input, 8)
            .unwrap()
            .to_vec1()
            .unwrap()
    }

    /// Splits the checkpoint into two shards with an index.
    fn shard(dir: &Path) -> serde_json::Value {
        let single = dir.join(SINGLE);
        let tensors = candle_core::safetensors::load(&single, &Device::Cpu).unwrap();
        let mut halves = [HashMap::new(), HashMap::new()];
        let mut weight_map = serde_json::Map::new();
        let mut names: Vec<_> = tensors.keys().cloned().collect();
        names.sort();
        for (index, name) in names.into_iter().enumerate() {
            let file = format!("model-0000{}-of-00002.safetensors", index % 2 + 1);
            weight_map.insert(name.clone(), file.into());
            halves[index % 2].insert(name.clone(), tensors[&name].clone());
        }
        for (index, half) in halves.iter().enumerate() {
            let file = dir.join(format!("model-0000{}-of-00002.safetensors", index + 1));
            candle_core::safetensors::save(half, file).unwrap();
        }
        fs::remove_file(single).unwrap();
        serde_json::json!({ "weight_map": weight_map })
    }

    #[track_caller]
    fn refused(dir: &Path, expect: &str) {
        let line = Model::load(dir, &LoadOptions::default())
            .unwrap_err()
            .to_string();
        assert!(line.contains(expect), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }

    /// The checkpoint with one tensor changed or left out.
    fn changed(name: &str, with: Option<Tensor>) -> tempfile::TempDir {
        let dir = checkpoint(DType::F32);
        let path = dir.path().join(SINGLE);
        let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        assert!(tensors.remove(name).is_some(), "{name}");
        if let Some(tensor) = with {
            tensors.insert(name.to_owned(), tensor);
        }
        candle_core::safetensors::save(&tensors, path).unwrap();
        dir
    }

    #[test]
    fn the_full_model_has_the_tensors_of_the_published_list() {
        let list =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/full-size-tensors.json");
        let list: serde_json::Value = json::read(&list).unwrap();
        let mut published: Vec<(String, Vec<usize>)> = list["tensor_list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let shape = row[2].as_array().unwrap().iter();
                let shape = shape.map(|side| side.as_u64().unwrap() as usize);
                (row[0].as_str().unwrap().to_owned(), shape.collect())
            })
            .collect();
        let mut ours = expected_tensors(&crate::testing::full_size().unwrap());
        published.sort();
        ours.sort();
        assert_eq!(ours.len(), 704);
        assert_eq!(ours, published);
    }

    #[test]
    fn every_float_type_is_read_into_every_other() {
        for stored in [DType::F32, DType::F16, DType::BF16] {
            let dir = checkpoint(stored);
            let exact = logits(&Model::load(dir.path(), &LoadOptions::default()).unwrap());
            for dtype in [DType::F32, DType::F16, DType::BF16] {
                let options = LoadOptions {
                    dtype: Some(dtype),
                    ..LoadOptions::default()
                };
                let found = logits(&Model::load(dir.path(), &options).unwrap());
                let off = found
                    .iter()
                    .zip(&exact)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max);
                // Logits of this model spread around 0.6.
                let bound = match dtype {
                    DType::F32 => 1e-6,
                    DType::F16 => 0.02,
                    _ => 0.1,
                };
                assert!(off <= bound, "{stored:?} as {dtype:?}: {off}");
            }
        }
    }

    #[test]
    fn shards_are_what_one_file_is() {
        let dir = checkpoint(DType::F32);
        let one = logits(&Model::load(dir.path(), &LoadOptions::default()).unwrap());
        let index = shard(dir.path());
        fs::write(dir.path().join(INDEX), index.to_string()).unwrap();
        let many = logits(&Model::load(dir.path(), &LoadOptions::default()).unwrap());
        assert_eq!(one, many);
    }

    #[test]
    fn an_index_that_lies_is_named() {
        let dir = checkpoint(DType::F32);
        let index = shard(dir.path());
        let path = dir.path().join(INDEX);
        let with = |tensor: &str, file: &str| {
            let mut index = index.clone();
            index["weight_map"][tensor] = file.into();
            fs::write(&path, index.to_string()).unwrap();
        };
        with("lm_head.weight", "model-00001-of-00002.safetensors");
        let found = Model::load(dir.path(), &LoadOptions::default()).map(drop);
        with("lm_head.weight", "model-00002-of-00002.safetensors");
        let other = Model::load(dir.path(), &LoadOptions::default()).map(drop);
        let lie = [found, other]
            .into_iter()
            .find_map(Result::err)
            .unwrap()
            .to_string();
        assert!(
            lie.contains("says that `lm_head.weight` is in model-0000"),
            "{lie}"
        );
        with("x", "../secret.safetensors");
        refused(dir.path(), "`../secret.safetensors` is not a file's name");
        with("x", "gone.safetensors");
        refused(dir.path(), "gone.safetensors: No such file");
        fs::write(&path, "{").unwrap();
        refused(dir.path(), "model.safetensors.index.json: EOF");
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let name = "model.language_model.layers.1.mlp.down_proj.weight";
        let dir = changed(name, None);
        refused(dir.path(), &format!("the tensor `{name}` is missing from"));
    }

    #[test]
    fn a_wrong_shape_is_named() {
        let name = "model.visual.blocks.0.attn.qkv.weight";
        let tensor = Tensor::zeros((96, 31), DType::F32, &Device::Cpu).unwrap();
        let dir = changed(name, Some(tensor));
        refused(
            dir.path(),
            &format!(
                "the tensor `{name}` has the shape [96, 31], and the configuration says [96, 32]"
            ),
        );
    }

    #[test]
    fn a_type_that_cannot_be_read_is_named() {
        let name = "model.language_model.norm.weight";
        let tensor = Tensor::zeros(64, DType::I64, &Device::Cpu).unwrap();
        let dir = changed(name, Some(tensor));
        refused(dir.path(), &format!("the tensor `{name}` is stored as I64"));
    }

    #[test]
    fn a_file_that_is_cut_short_is_named_wherever_it_is_cut() {
        let dir = checkpoint(DType::F32);
        let path = dir.path().join(SINGLE);
        let whole = fs::read(&path).unwrap();
        for keep in [0, 5, 100, whole.len() - 1] {
            fs::write(&path, &whole[..keep]).unwrap();
            refused(dir.path(), "model.safetensors: is cut short");
        }
        fs::write(&path, vec![b'x'; 4096]).unwrap();
        refused(dir.path(), "model.safetensors: is no safetensors file");
        fs::remove_file(&path).unwrap();
        refused(
            dir.path(),
            "holds neither model.safetensors nor model.safetensors.index.json",
        );
    }

    #[test]
    fn a_directory_without_a_configuration_is_named() {
        let dir = tempfile::tempdir().unwrap();
        refused(dir.path(), "config.json: No such file");
        fs::write(dir.path().join("config.json"), "not json").unwrap();
        refused(dir.path(), "config.json: expected");
    }

    #[test]
    fn quantised_weights_stay_near_and_the_tower_is_exact() {
        let config = Config::from_json(&crate::testing::wide_config().to_string()).unwrap();
        let tensors = random_tensors(&config, DType::F32, 1).unwrap();
        let load = |quantise| {
            let options = LoadOptions {
                quantise,
                ..LoadOptions::default()
            };
            Model::from_tensors(tensors.clone(), config.clone(), &options).unwrap()
        };
        let exact_model = load(None);
        let exact = logits(&exact_model);
        let pixels = crate::testing::tiny_pixels(1, 4, 4).unwrap();
        let see = |model: &Model| {
            let seen = model
                .see(std::slice::from_ref(&pixels), None)
                .unwrap()
                .remove(0);
            seen.embeds()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
        };
        let mut last = 0.0;
        for scheme in Scheme::ALL {
            let model = load(Some(scheme));
            let off = logits(&model);
            let off = off
                .iter()
                .zip(&exact)
                .map(|(a, b)| (a - b) * (a - b))
                .sum::<f32>();
            let off = (off / exact.iter().map(|x| x * x).sum::<f32>()).sqrt();
            assert!(
                off > last / 2.0 && off < 0.3,
                "{scheme}: {off} after {last}"
            );
            last = off;
            assert_eq!(see(&model), see(&exact_model));
            assert!(model.bytes() < exact_model.bytes());
        }
    }

    #[test]
    fn bytes_that_are_no_tensor_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let view = TensorView::new(Dtype::BOOL, vec![2], &[0, 1]).unwrap();
        safetensors::serialize_to_file([("mask", view)], None, &path).unwrap();
        let store = Store::file(&path).unwrap();
        assert_eq!(store.shape("mask"), Some(&[2][..]));
        assert!(store.get("mask").unwrap_err().to_string().contains("BOOL"));
        assert!(
            store
                .get("other")
                .unwrap_err()
                .to_string()
                .contains("`other` is missing")
        );
    }
}
