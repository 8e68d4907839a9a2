//! The JSON files of a reproduction.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::write_bytes;
use crate::disk::bounded;
use crate::error::{Error, Result};

/// Reads a JSON file.
pub(super) fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let bytes = bounded::read(path, bounded::TEXT)?;
    serde_json::from_slice(&bytes).map_err(|error| Error::file(path, error))
}

/// Writes pretty JSON with a line feed at the end.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let (path, bytes) = json_file(path.to_owned(), value)?;
    write_bytes(&path, &bytes)
}

/// The same as a file that is not written yet.
pub(super) fn json_file(path: PathBuf, value: &impl Serialize) -> Result<(PathBuf, Vec<u8>)> {
    let json = serde_json::to_string_pretty(value).map_err(|error| Error::file(&path, error))?;
    Ok((path, format!("{json}\n").into_bytes()))
}
