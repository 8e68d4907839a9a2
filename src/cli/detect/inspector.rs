use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::data::{Image, Levels, Strips, read_size, shown, stored_pixels};
use crate::detect::{Cutoffs, Detector, ImageScores, Regions};
use crate::disk::{Draft, Outputs};
use crate::ops::Backend;
use crate::report::detections::strips::{self, Examined, Files};
use crate::report::detections::{Finding, JSON, Part, Parts, file_of};
use crate::{Error, Result};
use indicatif::ProgressBar;

use super::super::progress::show_stage;
use super::super::signals::Stop;
use super::pictures::Picture;

/// A file of at least this many bytes is not read to learn its size in pixels.
const LONG_FILE: u64 = 4 << 20;

/// What became of a picture.
pub enum Outcome {
    /// It was inspected.
    Found(Box<Found>),
    /// It cannot be inspected; the others can.
    Skipped(Error),
    /// Its results cannot be written, and neither could those of the others, unless something is in the way of its files alone.
    Failed(Error),
    /// It was not begun, or not finished, because of Ctrl-C.
    Stopped,
}

/// What was found in a picture.
pub struct Found {
    /// Its files, the JSON last. They are complete and have no names yet.
    pub drafts: Vec<Draft>,
    pub finding: Finding,
    /// Its largest value, if it has more than 8 bits per sample.
    pub levels: Option<Levels>,
}

/// What was found, or what became of the picture otherwise.
type Inspected = std::result::Result<Found, Outcome>;

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Skipped(error)
    }
}

/// Inspects pictures and writes their files, several at a time.
pub struct Inspector<'a, B: Backend> {
    pub detector: &'a Detector<B>,
    pub cutoffs: Cutoffs,
    pub parts: &'a Parts,
    pub outputs: &'a Outputs,
    pub stop: &'a Stop,
    pub bar: &'a ProgressBar,
}

impl<B: Backend> Inspector<'_, B> {
    /// Inspects one picture.
    pub fn inspect(&self, picture: &Picture) -> Outcome {
        match self.found(picture) {
            Ok(found) => Outcome::Found(Box::new(found)),
            Err(outcome) => outcome,
        }
    }

    fn found(&self, picture: &Picture) -> Inspected {
        if self.stop.is_set() {
            return Err(Outcome::Stopped);
        }
        picture.check_name(self.parts)?;
        let settings = self.detector.settings();
        let mut found = match Strips::of_large(&picture.path, settings.preparation.white_level)? {
            Some(strips) => self.of_strips(picture, strips)?,
            None => self.of_whole(picture)?,
        };
        found.drafts.push(self.json(picture, &found.finding).map_err(Outcome::Failed)?);
        Ok(found)
    }

    /// The file that lists the regions, which may be many.
    fn json(&self, picture: &Picture, finding: &Finding) -> Result<Draft> {
        let file = self.file(picture, JSON);
        let mut draft = self.outputs.draft(&file)?;
        let written = serde_json::to_writer_pretty(&mut draft, finding).map_err(io::Error::from);
        let written = written.and_then(|()| draft.write_all(b"\n")).and_then(|()| draft.flush());
        written.map(|()| draft).map_err(|error| Error::write(&file, error))
    }

    fn file(&self, picture: &Picture, ending: &str) -> PathBuf {
        file_of(self.outputs.folder(), &picture.name, ending)
    }

    /// Of a picture that is too large for the memory.
    fn of_strips(&self, picture: &Picture, strips: Strips) -> Inspected {
        let files = Files::of(|part| self.file(picture, part.ending()));
        let size = strips.size();
        let places = (self.outputs, &files, self.parts);
        let begins = |stage| match self.stop.is_set() {
            true => Err(Error::argument("interrupted")),
            false => {
                show_stage(self.bar, &picture.path, stage);
                Ok(())
            }
        };
        let examined = strips::examine(self.detector, self.cutoffs, (&picture.path, strips), places, begins);
        self.bar.set_message("");
        let Examined { drafts, found, marked, levels } = examined.map_err(|error| match error.is_of_writing() {
            true => Outcome::Failed(error),
            false if self.stop.is_set() => Outcome::Stopped,
            false => Outcome::Skipped(error),
        })?;
        let finding = Finding {
            anomalous: found.anomalous,
            score: found.score,
            scores: found.scores,
            regions: found.regions,
            anomalous_pixels: marked,
            unlike_training: found.unlike,
            ..self.blank(&picture.path, size, found.scores)
        };
        Ok(Found { drafts, finding, levels })
    }

    /// Of a picture in memory.
    fn of_whole(&self, picture: &Picture) -> Inspected {
        let path = &picture.path;
        let (image, levels) = self.detector.settings().preparation.read_with_levels(path)?;
        let image: &Image = &image;
        let found = self.detector.examine_with(image, self.cutoffs).map_err(|error| error.in_file(path))?;
        let draft = |part: &Part| {
            let bytes = part.encode(image, &found).map_err(|error| error.in_file(path))?;
            let file = self.file(picture, part.ending());
            self.outputs.filled(&file, &bytes).map_err(Outcome::Failed)
        };
        let drafts = self.parts.iter().map(draft).collect::<std::result::Result<_, _>>()?;
        let finding = Finding {
            anomalous: found.anomalous,
            score: found.score,
            anomalous_pixels: found.mask.iter().filter(|&&marked| marked).count(),
            regions: found.regions,
            unlike_training: self.detector.unlike(image).map_err(|error| error.in_file(path))?,
            ..self.blank(path, found.mask.dim(), found.scores)
        };
        Ok(Found { drafts, finding, levels })
    }

    /// What is known of a picture of this size before it was inspected, beside its scores.
    fn blank(&self, path: &Path, (height, width): (usize, usize), scores: ImageScores) -> Finding {
        let score_kind = self.detector.settings().detection.score;
        Finding {
            image: shown(path.as_os_str()),
            score: scores.get(score_kind),
            threshold: self.cutoffs.image.map(|threshold| threshold.value),
            anomalous: None,
            score_kind,
            scores,
            pixel_threshold: self.cutoffs.pixel.map(|threshold| threshold.value),
            anomalous_pixels: 0,
            height,
            width,
            regions: Regions::default(),
            unlike_training: None,
        }
    }
}

/// Pixels of a picture, for which memory is taken, as far as its header tells.
pub fn pixels(picture: &Picture) -> u64 {
    match (stored_pixels(&picture.path), picture.path.metadata()) {
        (Ok(pixels), _) if pixels > 0 => pixels,
        (_, Ok(about)) if about.len() >= LONG_FILE => u64::MAX,
        // What cannot be read takes no memory either.
        _ => read_size(&picture.path).map_or(0, |[height, width]| u64::from(height) * u64::from(width)),
    }
}
