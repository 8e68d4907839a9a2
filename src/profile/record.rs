//! Records of `profile --json`, read again.

use std::path::Path;

use serde_json::Value;

use super::Profile;
use super::predict::Prediction;
use crate::disk::bounded;
use crate::error::{Error, Result};

impl Profile {
    /// Reads the record of a measurement.
    ///
    /// # Errors
    /// The file cannot be read, is no such record, or has peaks that no machine has.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = bounded::read(path, bounded::TEXT)?;
        let profile: Self =
            serde_json::from_slice(&bytes).map_err(|error| Error::file(path, format!("is not a record of profile: {error}")))?;
        profile.peaks.fault().map_or(Ok(profile), |fault| Err(Error::file(path, fault)))
    }
}

impl Prediction {
    /// Reads the record of a prediction; None if the file has another record.
    ///
    /// # Errors
    /// The file cannot be read, or the prediction is damaged or of another version.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = bounded::read(path, bounded::TEXT)?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if value.get("predicted_ms").is_none() {
            return Ok(None);
        }
        let damaged = |error| Error::file(path, format!("is a damaged prediction, or of another version: {error}"));
        serde_json::from_value(value).map(Some).map_err(damaged)
    }
}
