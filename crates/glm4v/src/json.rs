//! Small JSON files of a checkpoint.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Reads one file; a failure names it and the place in it.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    serde_json::from_slice(&text).map_err(|error| Error::file(path, error.to_string()))
}
