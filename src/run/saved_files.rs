//! The checkpoints and the weights that a run writes.

use std::path::Path;

use super::config::{Config, OutputConfig};
use super::resume::read_checkpoint;
use super::{CHECKPOINT_FILE, MODEL_FILE, PREVIOUS_FILE};
use crate::detect::{Provenance, Settings};
use crate::disk::OwnFile;
use crate::error::Result;
use crate::model::WeightFile;
use crate::train::{Checkpoint, Lengthening};

/// These files of one process. What it did not write in their places gets another name.
pub(super) struct SavedFiles {
    checkpoint: OwnFile,
    previous: OwnFile,
    model: OwnFile,
}

/// A run that is resumed.
pub(super) struct Resumed<'a> {
    pub(super) config: &'a Config,
    /// `[output]` when the checkpoint was written.
    pub(super) output_then: OutputConfig,
    /// The fingerprint of the training images, now and when the checkpoint was written.
    pub(super) images: [Option<String>; 2],
    /// Whether earlier steps were made with others than these.
    pub(super) had_other_images: bool,
    /// Where the run got more steps.
    pub(super) lengthened: &'a [Lengthening],
}

/// Why weights are not taken for those of the run.
const OTHER_SETTINGS: &str = "was trained with other settings than this run has now or had at its last checkpoint";
const OTHER_IMAGES: &str = "was trained on other images than this run has now or had at its last checkpoint";
const IMAGES_UNKNOWN: &str = "does not say which images it was trained on, so it is not known whether this run wrote it";

impl Resumed<'_> {
    /// The doubt about a file that may be a checkpoint of the run, perhaps before it was lengthened.
    fn doubt_about_checkpoint(&self, path: &Path) -> Result<Option<&'static str>> {
        let is_same = |mut found: Config| {
            found.output = self.config.output.clone();
            found.train.steps = self.config.train.steps;
            found == *self.config
        };
        // The run may have had other images then, and earlier versions did not record them.
        let had = |images: &Option<String>| self.had_other_images || images.is_none() || self.images.contains(images);
        let is_own = readable(read_checkpoint(path))?.is_some_and(|(found, config)| had(&found.images) && is_same(config));
        Ok((!is_own).then_some(OwnFile::FOREIGN))
    }

    /// The doubt about a file that may be the weights of the run, perhaps before it was lengthened.
    fn doubt_about_weights(&self, path: &Path) -> Result<Option<&'static str>> {
        let read = readable(WeightFile::read(path))?.filter(|file| file.architecture == self.config.architecture());
        let own = read.and_then(|file| Settings::from_metadata(&file.metadata).ok()?.provenance);
        let Some(own) = own.filter(|own| own.seed == self.config.seed && self.had_steps(own)) else {
            return Ok(Some(OwnFile::FOREIGN));
        };
        Ok(match own.images {
            _ if !self.had_settings(&own) => Some(OTHER_SETTINGS),
            images if self.images.contains(&images) => None,
            None => Some(IMAGES_UNKNOWN),
            Some(_) => Some(OTHER_IMAGES),
        })
    }

    /// Whether the run ended at this step once, or ends there now, with these lengthenings before.
    fn had_steps(&self, weights: &Provenance) -> bool {
        let ends = self.lengthened.iter().map(|own| own.from).chain([self.config.train.steps]);
        let before = self.lengthened.iter().filter(|own| own.from < weights.steps).map(ToString::to_string);
        let told =
            weights.lengthened.iter().flat_map(|words| words.split(" and ")).filter(|words| words.starts_with("lengthened"));
        ends.into_iter().any(|end| end == weights.steps) && told.eq(before)
    }

    /// Whether weights have the hash of the run's config, with the steps that they have.
    fn had_settings(&self, weights: &Provenance) -> bool {
        [&self.config.output, &self.output_then].into_iter().any(|output| {
            let mut config = Config { output: output.clone(), ..self.config.clone() };
            config.train.steps = weights.steps;
            config.hash().is_ok_and(|hash| hash == weights.config_hash)
        })
    }
}

/// What a file holds, if it can be read. That memory is short says nothing about the file.
fn readable<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if error.is_out_of_memory() => Err(error),
        found => Ok(found.ok()),
    }
}

impl SavedFiles {
    /// Those in `out`: none yet, or those of a run that is resumed, as far as it wrote what is there.
    ///
    /// # Errors
    /// Too little memory to look at them.
    pub(super) fn new(out: &Path, resumed: Option<&Resumed<'_>>) -> Result<Self> {
        let own = |name, doubt: fn(&Resumed<'_>, &Path) -> Result<Option<&'static str>>| {
            let path = out.join(name);
            let doubt = resumed.map_or(Ok(Some(OwnFile::FOREIGN)), |run| doubt(run, &path))?;
            Ok(OwnFile::found(path, doubt))
        };
        Ok(Self {
            // It was continued from.
            checkpoint: own(CHECKPOINT_FILE, |_, _| Ok(None))?,
            previous: own(PREVIOUS_FILE, |run, path| run.doubt_about_checkpoint(path))?,
            model: own(MODEL_FILE, |run, path| run.doubt_about_weights(path))?,
        })
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
