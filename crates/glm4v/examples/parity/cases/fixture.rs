//! The files of a fixture directory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The directory as a whole.
pub struct Fixture {
    pub root: PathBuf,
    pub checkpoints: Vec<Checkpoint>,
}

/// A checkpoint and what is expected of it.
pub struct Checkpoint {
    /// What follows `checkpoint-`.
    pub name: String,
    pub dir: PathBuf,
    pub expected: PathBuf,
    pub images: PathBuf,
    /// Where adapters lie.
    pub root: PathBuf,
}

impl Fixture {
    pub fn discover(root: &Path) -> Result<Self> {
        let mut checkpoints = Vec::new();
        for entry in fs::read_dir(root).with_context(|| root.display().to_string())? {
            let dir = entry?.path();
            let name = dir
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let Some(name) = name.strip_prefix("checkpoint-").map(str::to_owned) else {
                continue;
            };
            let expected = root.join("expected").join(&name);
            if dir.is_dir() && expected.is_dir() {
                checkpoints.push(Checkpoint {
                    name,
                    dir,
                    expected,
                    images: root.join("images"),
                    root: root.to_owned(),
                });
            }
        }
        ensure!(
            !checkpoints.is_empty(),
            "{} has no checkpoint-NAME with expected/NAME",
            root.display()
        );
        checkpoints.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            root: root.to_owned(),
            checkpoints,
        })
    }
}

/// Reads a JSON file.
pub fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

/// Reads a JSON file that a directory may lack.
pub fn json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if path.exists() {
        json(path).map(Some)
    } else {
        Ok(None)
    }
}

/// A list of objects.
pub type Rows = Vec<Value>;

/// A number of an object.
pub fn number(row: &Value, key: &str) -> Result<f64> {
    row.get(key)
        .and_then(Value::as_f64)
        .with_context(|| format!("`{key}` is no number"))
}

/// A count of an object.
pub fn count(row: &Value, key: &str) -> Result<usize> {
    let count = row
        .get(key)
        .and_then(Value::as_u64)
        .with_context(|| format!("`{key}` is no count"))?;
    Ok(usize::try_from(count)?)
}

/// A string of an object.
pub fn string<'a>(row: &'a Value, key: &str) -> Result<&'a str> {
    row.get(key)
        .and_then(Value::as_str)
        .with_context(|| format!("`{key}` is no string"))
}

/// A list of token ids.
pub fn ids(row: &Value, key: &str) -> Result<Vec<u32>> {
    let list = row
        .get(key)
        .with_context(|| format!("`{key}` is missing"))?;
    serde_json::from_value(list.clone()).with_context(|| format!("`{key}` is no list of ids"))
}

/// A tensor's values, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<T> {
    pub shape: Vec<usize>,
    pub values: Vec<T>,
}

/// A safetensors file.
pub struct Tensors {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Tensors {
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        SafeTensors::deserialize(&bytes).with_context(|| path.display().to_string())?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
        })
    }

    pub fn has(&self, name: &str) -> bool {
        self.names().iter().any(|known| known == name)
    }

    pub fn names(&self) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.bytes);
        file.map(|file| file.names().into_iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    /// Values of any float type.
    pub fn f32(&self, name: &str) -> Result<Array<f32>> {
        self.array(name, |dtype, bytes| {
            Ok(match dtype {
                Dtype::F32 => chunks(bytes).map(f32::from_le_bytes).collect(),
                Dtype::BF16 => chunks(bytes)
                    .map(|b| bf16::from_le_bytes(b).to_f32())
                    .collect(),
                Dtype::F16 => chunks(bytes)
                    .map(|b| f16::from_le_bytes(b).to_f32())
                    .collect(),
                Dtype::F64 => chunks(bytes)
                    .map(|b| f64::from_le_bytes(b) as f32)
                    .collect(),
                other => bail!("{other:?} is no float type"),
            })
        })
    }

    /// Values of any integer type.
    pub fn i64(&self, name: &str) -> Result<Array<i64>> {
        self.array(name, |dtype, bytes| {
            Ok(match dtype {
                Dtype::U8 | Dtype::BOOL => bytes.iter().map(|b| i64::from(*b)).collect(),
                Dtype::I32 => chunks(bytes)
                    .map(|b| i64::from(i32::from_le_bytes(b)))
                    .collect(),
                Dtype::U32 => chunks(bytes)
                    .map(|b| i64::from(u32::from_le_bytes(b)))
                    .collect(),
                Dtype::I64 => chunks(bytes).map(i64::from_le_bytes).collect(),
                other => bail!("{other:?} is no integer type"),
            })
        })
    }

    /// Bytes, such as pixels.
    pub fn u8(&self, name: &str) -> Result<Array<u8>> {
        self.array(name, |dtype, bytes| {
            ensure!(dtype == Dtype::U8, "{dtype:?} is not U8");
            Ok(bytes.to_vec())
        })
    }

    fn array<T>(
        &self,
        name: &str,
        values: impl FnOnce(Dtype, &[u8]) -> Result<Vec<T>>,
    ) -> Result<Array<T>> {
        let place = || format!("`{name}` of {}", self.path.display());
        let file = SafeTensors::deserialize(&self.bytes)?;
        let tensor = file.tensor(name).with_context(place)?;
        let values = values(tensor.dtype(), tensor.data()).with_context(place)?;
        Ok(Array {
            shape: tensor.shape().to_vec(),
            values,
        })
    }
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}
