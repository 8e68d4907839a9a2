//! The JSON files of a reproduction.

use std::path::Path;

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
    let json = serde_json::to_string_pretty(value).map_err(|error| Error::file(path, error))?;
    write_bytes(path, format!("{json}\n").as_bytes())
}
