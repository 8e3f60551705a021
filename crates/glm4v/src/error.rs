//! What can go wrong, each as one line that names the file, tensor, key or value.

use std::path::{Path, PathBuf};

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of loading or computing.
///
/// Its `Display` is one line, fit for a person who has only that line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read or mapped.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file of the checkpoint is not what its name says, or is cut short.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key of a configuration file has a value that cannot be computed with.
    #[error("{file}: `{key}` {reason}")]
    Config {
        /// The file's name, such as `config.json`.
        file: &'static str,
        /// The key, with dots between its levels.
        key: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// The checkpoint holds another kind of model.
    #[error(
        "config.json: the architecture is `{found}`, and this crate computes `Glm4vForConditionalGeneration`"
    )]
    Architecture {
        /// What the checkpoint says it is.
        found: String,
    },
    /// The checkpoint lacks a tensor that the model needs.
    #[error("the tensor `{name}` is missing from {}", from.display())]
    MissingTensor {
        /// The tensor's full name.
        name: String,
        /// The directory or file that should have held it.
        from: PathBuf,
    },
    /// A tensor of the checkpoint has another shape than the configuration says.
    #[error("the tensor `{name}` has the shape {found:?}, and the configuration says {expected:?}")]
    TensorShape {
        /// The tensor's full name.
        name: String,
        /// By the configuration.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A tensor is stored in a type that this crate does not read.
    #[error("the tensor `{name}` is stored as {found}, and bf16, f16 and f32 can be read")]
    TensorType {
        /// The tensor's full name.
        name: String,
        /// The stored type.
        found: String,
    },
    /// An adapter does not fit the model.
    #[error("adapter {}: {reason}", path.display())]
    Adapter {
        /// The adapter's directory.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// What the caller passed in cannot be computed with.
    #[error("{what}: {reason}")]
    Input {
        /// The argument.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A picture whose sides cannot be made into patches.
    #[error("a picture of {width} x {height} pixels {reason}")]
    Image {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// Why not.
        reason: String,
    },
    /// The tokenizer failed or its file describes something else than byte-level BPE.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The chat template could not be parsed or rendered.
    #[error("chat template: {0}")]
    Template(String),
    /// A model could not be fetched from a hub.
    #[error("{repo}: {reason}")]
    Hub {
        /// The repository.
        repo: String,
        /// Why not, and what helps.
        reason: String,
    },
    /// A failure inside candle: a device, a kernel, memory.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn config(
        file: &'static str,
        key: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::Config {
            file,
            key: key.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn input(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Input {
            what,
            reason: reason.into(),
        }
    }
}
