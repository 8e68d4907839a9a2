use std::path::Path;

use crate::data::{read_size, shown};
use crate::detect::{Cutoffs, Detector, Examination, Unlike};
use crate::disk::{Draft, Outputs};
use crate::ops::Backend;
use crate::report::detections::{Finding, Part, Parts};
use crate::{Error, Result};

use super::pictures::Picture;

/// A file of at least this many bytes is not read to learn its size in pixels.
const LONG_FILE: u64 = 4 << 20;

/// What became of a picture.
pub enum Outcome {
    /// It was inspected. The files are complete and have no names yet.
    Found(Vec<Draft>, Box<Finding>),
    /// It cannot be inspected; the others can.
    Skipped(Error),
    /// Its results cannot be written, and neither could those of the others.
    Failed(Error),
}

/// Inspects pictures and writes their files, several at a time.
pub struct Inspector<'a, B: Backend> {
    pub detector: &'a Detector<B>,
    pub cutoffs: Cutoffs,
    pub parts: &'a Parts,
    pub outputs: &'a Outputs,
}

impl<B: Backend> Inspector<'_, B> {
    /// Inspects one picture.
    pub fn inspect(&self, picture: &Picture) -> Outcome {
        match self.found(&picture.path).and_then(|(finding, files)| Ok((self.json(&finding)?, finding, files))) {
            Err(error) => Outcome::Skipped(error),
            Ok((json, finding, mut files)) => {
                files.push(json);
                match self.drafts(picture, &files) {
                    Ok(drafts) => Outcome::Found(drafts, Box::new(finding)),
                    Err(error) => Outcome::Failed(error),
                }
            }
        }
    }

    /// What is found, and the contents of the files but the JSON.
    fn found(&self, path: &Path) -> Result<(Finding, Vec<Vec<u8>>)> {
        let image = self.detector.settings().preparation.read(path)?;
        let found = self.detector.examine_with(&image, self.cutoffs).map_err(|error| error.in_file(path))?;
        let encode = |part: &Part| part.encode(&image, &found).map_err(|error| error.in_file(path));
        let files = self.parts.iter().map(encode).collect::<Result<_>>()?;
        Ok((self.finding(path, found, self.detector.unlike(&image)?), files))
    }

    fn finding(&self, path: &Path, found: Examination, unlike_training: Option<Unlike>) -> Finding {
        let (height, width) = found.mask.dim();
        Finding {
            image: shown(path.as_os_str()),
            score: found.score,
            threshold: self.cutoffs.image.map(|threshold| threshold.value),
            anomalous: found.anomalous,
            score_kind: self.detector.settings().detection.score,
            scores: found.scores,
            pixel_threshold: self.cutoffs.pixel.map(|threshold| threshold.value),
            anomalous_pixels: found.mask.iter().filter(|&&marked| marked).count(),
            height,
            width,
            regions: found.regions,
            unlike_training,
        }
    }

    fn json(&self, finding: &Finding) -> Result<Vec<u8>> {
        let json = serde_json::to_string_pretty(finding).map_err(Error::format)?;
        Ok(format!("{json}\n").into_bytes())
    }

    fn drafts(&self, picture: &Picture, contents: &[Vec<u8>]) -> Result<Vec<Draft>> {
        let files = picture.files(self.outputs.folder(), self.parts);
        files.iter().zip(contents).map(|(file, bytes)| self.outputs.filled(file, bytes)).collect()
    }
}

/// Pixels of a picture, for which memory is taken, as far as its header tells.
pub fn pixels(picture: &Picture) -> u64 {
    match picture.path.metadata() {
        Ok(about) if about.len() >= LONG_FILE => u64::MAX,
        // What cannot be read takes no memory either.
        _ => read_size(&picture.path).map_or(0, |[height, width]| u64::from(height) * u64::from(width)),
    }
}
