//! Values on disk under a key, for what is expensive to measure again.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::disk::bounded;
use crate::disk::write_bytes;
use crate::error::{Error, Result};

/// A folder of values that were made with one key. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) folder: PathBuf,
    /// What the values depend on: program, effort and instruction set.
    pub(super) key: String,
}

/// The content of a file.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry<T> {
    pub(super) key: String,
    value: T,
}

impl Kept {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    /// The folder `name` in it, with the same key.
    pub(super) fn within(&self, name: &str) -> Self {
        Self { folder: self.folder.join(name), key: self.key.clone() }
    }

    /// A value. None if it was written with another key or cannot be read.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let entry: Entry<T> = serde_json::from_slice(&bounded::read(&self.path(name), bounded::TEXT).ok()?).ok()?;
        (entry.key == self.key).then_some(entry.value)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write<T: Serialize>(&self, name: &str, value: T) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|error| Error::write(&self.folder, error))?;
        let path = self.path(name);
        let text = serde_json::to_vec(&Entry { key: self.key.clone(), value }).map_err(|error| Error::file(&path, error))?;
        write_bytes(&path, &text)
    }

    /// A value that was written, or what `make` returns, which is written.
    ///
    /// # Errors
    /// Those of `make`; the file cannot be written.
    pub(super) fn or_make<T: Serialize + DeserializeOwned>(&self, name: &str, make: impl FnOnce() -> Result<T>) -> Result<T> {
        if let Some(known) = self.read(name) {
            return Ok(known);
        }
        let made = make()?;
        self.write(name, &made)?;
        Ok(made)
    }

    /// Removes a value. What is left does no harm: another run overwrites it.
    pub(super) fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.path(name));
    }

    /// Removes the folder with all that is in it.
    pub(super) fn remove_all(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a file has been written with another key, or is damaged.
pub(super) fn has_other_key(path: &Path, key: &str) -> Option<bool> {
    let text = bounded::read(path, bounded::TEXT).ok()?;
    Some(serde_json::from_slice::<Entry<serde::de::IgnoredAny>>(&text).map_or(true, |entry| entry.key != key))
}
