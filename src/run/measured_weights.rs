//! Which weights an evaluation has measured, so that its results are not taken for those of later ones.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::detect::{Detector, Settings};
use crate::error::Result;
use crate::model::{WeightFile, weight_digest};
use crate::ops::Backend;

/// The weights behind the numbers of a `metrics.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredWeights {
    /// The optimiser step after which they were written; `None` for weights of another program.
    pub steps: Option<u64>,
    /// Their [digest](weight_digest).
    pub digest: String,
}

impl MeasuredWeights {
    /// Those of a detector.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn of<B: Backend>(detector: &Detector<B>) -> Result<Self> {
        let parameters = detector.parameters();
        let digest = weight_digest(parameters.architecture(), &parameters.to_values(detector.backend())?)?;
        Ok(Self { steps: steps_of(detector.settings()), digest })
    }

    /// Those of a weight file.
    ///
    /// # Errors
    /// As [`WeightFile::read`]; settings that cannot be read.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let file = WeightFile::read(path)?;
        let settings = Settings::from_metadata(&file.metadata).map_err(|error| error.in_file(path))?;
        Ok(Self { steps: steps_of(&settings), digest: weight_digest(&file.architecture, &file.values)? })
    }

    /// e.g. `step 4`.
    pub fn words(&self) -> String {
        self.steps.map_or_else(|| "an unknown step".to_owned(), |steps| format!("step {steps}"))
    }
}

fn steps_of(settings: &Settings) -> Option<u64> {
    settings.provenance.as_ref().map(|own| own.steps)
}
