//! The checkpoints and the weights that a run writes.

use std::path::Path;

use super::{CHECKPOINT_FILE, MODEL_FILE, PREVIOUS_FILE};
use crate::disk::OwnFile;
use crate::error::Result;
use crate::model::WeightFile;
use crate::train::Checkpoint;

/// These files of one process. What somebody else puts in their place while it trains gets another name.
pub(super) struct SavedFiles {
    checkpoint: OwnFile,
    previous: OwnFile,
    model: OwnFile,
}

impl SavedFiles {
    /// Those in `out`: of a run that is resumed, which have been checked, or none yet.
    pub(super) fn new(out: &Path, is_resumed: bool) -> Self {
        let own = |name| if is_resumed { OwnFile::taken_over(out.join(name)) } else { OwnFile::new(out.join(name)) };
        Self { checkpoint: own(CHECKPOINT_FILE), previous: own(PREVIOUS_FILE), model: own(MODEL_FILE) }
    }

    /// Writes a checkpoint and keeps the one before.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.checkpoint.write_keeping(&checkpoint.encode()?, &mut self.previous)?;
        log::info!("checkpoint of step {} written", checkpoint.step);
        Ok(())
    }

    /// Writes the weights.
    ///
    /// # Errors
    /// They cannot be written.
    pub(super) fn finish(&mut self, weights: &WeightFile) -> Result<()> {
        self.model.write(&weights.encode()?)
    }
}
