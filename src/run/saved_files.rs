//! The checkpoints and the weights that a run writes.

use std::path::Path;

use super::config::Config;
use super::resume::read_checkpoint;
use super::{CHECKPOINT_FILE, MODEL_FILE, PREVIOUS_FILE};
use crate::detect::Settings;
use crate::disk::OwnFile;
use crate::error::Result;
use crate::model::WeightFile;
use crate::train::Checkpoint;

/// These files of one process. What it did not write in their places gets another name.
pub(super) struct SavedFiles {
    checkpoint: OwnFile,
    previous: OwnFile,
    model: OwnFile,
}

/// A run that is resumed.
pub(super) struct Resumed<'a> {
    pub(super) config: &'a Config,
    /// The fingerprint of the training images, now and when the checkpoint was written.
    pub(super) images: [Option<&'a str>; 2],
}

impl Resumed<'_> {
    /// Whether a file is a checkpoint of the run, perhaps before it was lengthened.
    fn wrote_checkpoint(&self, path: &Path) -> bool {
        let is_same = |mut found: Config| {
            found.output = self.config.output.clone();
            found.train.steps = self.config.train.steps;
            found == *self.config
        };
        read_checkpoint(path).is_ok_and(|(_, config)| is_same(config))
    }

    /// Whether a file is the weights of the run. Those of a version that did not record the training images are not known.
    fn wrote_weights(&self, path: &Path) -> bool {
        let is_same = |file: WeightFile| {
            let provenance = Settings::from_metadata(&file.metadata).ok().and_then(|own| own.provenance);
            let is_of_run = provenance.is_some_and(|own| {
                own.seed == self.config.seed && own.images.is_some() && self.images.contains(&own.images.as_deref())
            });
            is_of_run && file.architecture == self.config.architecture()
        };
        WeightFile::read(path).is_ok_and(is_same)
    }
}

impl SavedFiles {
    /// Those in `out`: none yet, or those of a run that is resumed, as far as it wrote what is there.
    pub(super) fn new(out: &Path, resumed: Option<&Resumed<'_>>) -> Self {
        let own = |name, is_of_run: fn(&Resumed<'_>, &Path) -> bool| {
            let path = out.join(name);
            if resumed.is_some_and(|run| is_of_run(run, &path)) { OwnFile::taken_over(path) } else { OwnFile::new(path) }
        };
        Self {
            // It was continued from.
            checkpoint: own(CHECKPOINT_FILE, |_, _| true),
            previous: own(PREVIOUS_FILE, |run, path| run.wrote_checkpoint(path)),
            model: own(MODEL_FILE, |run, path| run.wrote_weights(path)),
        }
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
