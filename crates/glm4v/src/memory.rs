//! What a model will occupy, computed from its configuration before anything is loaded.
//!
//! ```no_run
//! use candle_core::DType;
//! use glm4v::memory::{Footprint, Holding};
//! use glm4v::{Config, Scheme};
//!
//! # fn fits(dir: &std::path::Path) -> glm4v::Result<bool> {
//! let holding = Holding::on_gpu(DType::BF16, DType::BF16, Some(Scheme::Q4K));
//! let parts = Footprint::of(&Config::from_dir(dir)?, &holding);
//! let (rows, tokens) = (32, 4096);
//! let fits = parts.weights() + rows * tokens * parts.kv_per_token < 24_000_000_000;
//! # Ok(fits)
//! # }
//! ```

use candle_core::DType;

use crate::quant::Scheme;
use crate::weights::expected_tensors;
use crate::{Config, Model};

/// Bytes of a model's parts as [`Model`] holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// The vision tower.
    pub vision: usize,
    /// The token embedding, kept as stored.
    pub embedding: usize,
    /// The decoder's layers.
    pub layers: usize,
    /// The head.
    pub head: usize,
    /// Keys and values of one token.
    pub kv_per_token: usize,
}

/// How weights are held, for [`Footprint::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// The type in the checkpoint's files, which the token embedding keeps.
    pub stored: DType,
    /// The type of weights that are not quantised.
    pub dense: DType,
    /// The type of norms, biases and the cache: float32 on a CPU, `dense` elsewhere.
    pub activations: DType,
    /// What the decoder's weights are quantised to.
    pub scheme: Option<Scheme>,
}

impl Holding {
    /// On a CPU.
    pub fn on_cpu(stored: DType, dense: DType, scheme: Option<Scheme>) -> Self {
        Self {
            stored,
            dense,
            activations: DType::F32,
            scheme,
        }
    }

    /// On a GPU.
    pub fn on_gpu(stored: DType, dense: DType, scheme: Option<Scheme>) -> Self {
        Self {
            stored,
            dense,
            activations: dense,
            scheme,
        }
    }

    fn matrix(&self, shape: &[usize], scheme: Option<Scheme>) -> usize {
        let rows = shape.first().copied().unwrap_or(0);
        let columns: usize = shape.iter().skip(1).product();
        match scheme.and_then(|scheme| scheme.block_format(columns)) {
            Some(format) => rows * columns / format.block_size() * format.type_size(),
            None => rows * columns * self.dense.size_in_bytes(),
        }
    }
}

impl Footprint {
    /// The parts of the model that `config` describes, held as `holding` says.
    ///
    /// It agrees with [`Model::bytes`] where a weight's rows are a multiple of 32, as all of the full model's are. It
    /// leaves out what a step needs besides: the states of a chunk's tokens, and on a CPU with AVX2 or more a second copy
    /// that candle makes of weights in blocks.
    pub fn of(config: &Config, holding: &Holding) -> Self {
        let mut parts = Self {
            vision: 0,
            embedding: 0,
            layers: 0,
            head: 0,
            kv_per_token: config
                .text_config
                .kv_bytes_per_token(holding.activations.size_in_bytes()),
        };
        for (name, shape) in expected_tensors(config) {
            let elements: usize = shape.iter().product();
            let small = elements * holding.activations.size_in_bytes();
            if name == "model.visual.embeddings.position_embedding.weight" {
                parts.vision += elements * DType::F32.size_in_bytes();
            } else if name.starts_with("model.visual.") {
                parts.vision += match shape.len() {
                    1 => small,
                    _ => holding.matrix(&shape, None),
                };
            } else if name.contains("embed_tokens") {
                parts.embedding += elements * holding.stored.size_in_bytes();
                if config.tie_word_embeddings {
                    parts.head += holding.matrix(&shape, holding.head());
                }
            } else if name == "lm_head.weight" {
                parts.head += holding.matrix(&shape, holding.head());
            } else {
                parts.layers += match shape.len() {
                    1 => small,
                    _ => holding.matrix(&shape, holding.scheme),
                };
            }
        }
        parts
    }

    /// Bytes of all weights.
    pub fn weights(&self) -> usize {
        self.vision + self.embedding + self.layers + self.head
    }
}

/// A Markdown table of what a model occupies when its files are in bfloat16, in GB of 10^9 bytes.
pub fn table(config: &Config) -> String {
    let mut rows = vec![
        "| held | vision | embedding | layers | head | weights | cache, 8192 tokens |".to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    let giga = |bytes: usize| format!("{:.2}", bytes as f64 / 1e9);
    let quantised = Scheme::ALL.map(Some);
    let gpu = [None].into_iter().chain(quantised);
    let gpu = gpu.map(|scheme| ("GPU", Holding::on_gpu(DType::BF16, DType::BF16, scheme)));
    let cpu = [(DType::F32, None), (DType::BF16, None)].into_iter();
    let cpu = cpu.chain(quantised.map(|scheme| (DType::BF16, scheme)));
    let cpu = cpu.map(|(dense, scheme)| ("CPU", Holding::on_cpu(DType::BF16, dense, scheme)));
    for (device, holding) in gpu.chain(cpu) {
        let parts = Footprint::of(config, &holding);
        let name = match (holding.scheme, holding.dense) {
            (Some(scheme), _) => scheme.to_string(),
            (None, DType::BF16) => "bf16".to_owned(),
            (None, _) => "f32".to_owned(),
        };
        rows.push(format!(
            "| {device}, {name} | {} | {} | {} | {} | {} | {} |",
            giga(parts.vision),
            giga(parts.embedding),
            giga(parts.layers),
            giga(parts.head),
            giga(parts.weights()),
            giga(8192 * parts.kv_per_token),
        ));
    }
    rows.push(String::new());
    rows.join("\n")
}

impl Holding {
    fn head(&self) -> Option<Scheme> {
        self.scheme.map(Scheme::of_the_head)
    }
}

impl Model {
    /// Bytes of all weights as they are held.
    pub fn bytes(&self) -> usize {
        self.text.bytes() + self.vision.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LoadOptions;
    use crate::testing::{full_size, tiny_config, wide_config, write_checkpoint};

    #[test]
    fn the_full_model_has_the_bytes_of_its_published_files() {
        let holding = Holding::on_gpu(DType::BF16, DType::BF16, None);
        let full = Footprint::of(&full_size().unwrap(), &holding);
        // 20 585 554 944 bytes in the files, and the position table twice as wide here.
        let table = 576 * 1536 * 2;
        assert_eq!(full.weights(), 20_585_554_944 + table);
        assert_eq!(full.vision, 1_784_996_864 + table);
        assert_eq!(full.head, 1_241_513_984);
        assert_eq!(full.kv_per_token, 40_960);
    }

    #[test]
    fn what_is_computed_is_what_a_loaded_checkpoint_holds() {
        for (config, stored) in [tiny_config(), wide_config()]
            .into_iter()
            .flat_map(|config| [(config.clone(), DType::BF16), (config, DType::F32)])
        {
            let dir = tempfile::tempdir().unwrap();
            write_checkpoint(dir.path(), &config, stored, 1).unwrap();
            let config = Config::from_json(&config.to_string()).unwrap();
            for scheme in Scheme::ALL.into_iter().map(Some).chain([None]) {
                for dense in [DType::F32, DType::BF16] {
                    let options = LoadOptions {
                        dtype: Some(dense),
                        quantise: scheme,
                        ..LoadOptions::default()
                    };
                    let model = Model::load(dir.path(), &options).unwrap();
                    let holding = Holding::on_cpu(stored, dense, scheme);
                    let computed = Footprint::of(&config, &holding);
                    assert_eq!(model.bytes(), computed.weights(), "{holding:?}");
                    let mut row = model.row(None).unwrap();
                    row.reserve(64).unwrap();
                    assert_eq!(row.bytes(), 64 * computed.kv_per_token);
                }
            }
        }
    }

    #[test]
    fn the_page_about_memory_has_the_table_that_is_computed() {
        let page =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/model-memory.md");
        let page = std::fs::read_to_string(page).unwrap();
        let table = table(&full_size().unwrap());
        assert!(
            page.contains(&table),
            "docs/model-memory.md lacks:\n{table}"
        );
    }
}
