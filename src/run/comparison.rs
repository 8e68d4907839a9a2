//! Several runs side by side: what a `compare` reads of each folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::config::Config;
use super::log::{Log, LogLine};
use super::measured_weights::MeasuredWeights;
use super::{CONFIG_FILE, LOG_FILE, METRICS_FILE, MODEL_FILE};
use crate::data::GOOD;
use crate::detect::ThresholdReport;
use crate::detect::metrics::{PlacedAuroc, Score};
use crate::disk::{bounded, hint};
use crate::error::{Error, Result};

/// A folder that `train`, `demo`, `evaluate` or `reproduce` has written.
#[derive(Clone, Debug)]
pub struct ComparedRun {
    /// The folder, as given.
    pub folder: PathBuf,
    /// Its config, if it has one.
    pub config: Option<Config>,
    /// Step and loss of every optimiser step in its log.
    pub losses: Vec<(f64, f64)>,
    /// Step and image AUROC of every validation in its log.
    pub validations: Vec<(f64, f64)>,
    /// Its results on a test set, if it has some.
    pub results: Option<RunResults>,
    /// The weights that lie in the folder now, if there are some that can be read.
    pub weights: Option<MeasuredWeights>,
}

/// The part of `metrics.json` that is compared.
#[derive(Clone, Debug, Deserialize)]
pub struct RunResults {
    /// Image AUROC with the score of the run; None if the test set has one class only, as below.
    #[serde(default)]
    pub image_auroc: Option<f64>,
    /// The score that the image AUROC is of; None in a file of a version that did not record it.
    #[serde(default)]
    pub image_score: Option<Score>,
    /// AUROC over all pixels; None without masks, as below.
    #[serde(default)]
    pub pixel_auroc: Option<f64>,
    /// AU-PRO up to FPR 0.3.
    #[serde(default)]
    pub au_pro: Option<f64>,
    /// What one must know to compare these numbers with others.
    pub protocol: String,
    /// The weights that were measured; None in a file of a version that did not record them.
    #[serde(default)]
    pub weights: Option<MeasuredWeights>,
    /// False alarms and misses at the threshold of the run, if it has one.
    #[serde(default)]
    pub image_threshold: Option<ThresholdReport>,
    /// The scores of the test images.
    pub images: Vec<ScoredImage>,
}

/// A test image with its scores.
#[derive(Clone, Debug, Deserialize)]
pub struct ScoredImage {
    /// `KIND/NAME.png`.
    pub path: String,
    /// `good`, or the kind of defect.
    pub kind: String,
    score_max: f64,
    score_sum: f64,
    #[serde(default)]
    score_top: Option<f64>,
}

impl ScoredImage {
    fn score(&self, which: Score) -> Option<f64> {
        match which {
            Score::Max => Some(self.score_max),
            Score::Sum => Some(self.score_sum),
            Score::Top => self.score_top,
        }
    }
}

impl ComparedRun {
    /// Reads what a folder has of config, log and results.
    ///
    /// # Errors
    /// No such folder; one that has neither config nor results, or a file that cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        if !folder.exists() {
            return Err(Error::file(folder, format!("there is no such folder{}", hint(folder))));
        }
        let at = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
        let config = at(CONFIG_FILE).map(|path| Config::read(&path)).transpose()?;
        let (mut losses, mut validations) = (Vec::new(), Vec::new());
        let add = |line| match line {
            LogLine::Step(entry) => losses.push((entry.step as f64, entry.loss)),
            LogLine::Validation(entry) => validations.push((entry.step as f64, entry.validation.image_auroc)),
            LogLine::Warning(_) => {}
        };
        at(LOG_FILE).map_or(Ok(()), |path| Log::each(&path, add))?;
        let results = at(METRICS_FILE).map(|path| RunResults::read(&path)).transpose()?;
        if config.is_none() && results.is_none() {
            let reason = format!("has neither {CONFIG_FILE} nor {METRICS_FILE}, so there is nothing to compare");
            return Err(Error::file(folder, reason));
        }
        let weights = at(MODEL_FILE).and_then(|path| {
            let found = MeasuredWeights::read(&path).map_err(|error| log::warn!("{error}; these weights are not compared"));
            found.ok()
        });
        Ok(Self { folder: folder.to_owned(), config, losses, validations, results, weights })
    }

    /// The folder without links, which is equal for two names of the same folder.
    pub fn real_folder(&self) -> PathBuf {
        self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone())
    }

    /// The weights that its results are of.
    pub fn measured(&self) -> Option<&MeasuredWeights> {
        self.results.as_ref()?.weights.as_ref()
    }

    /// The optimiser step of its weights now, or of its config if there are none.
    pub fn steps_now(&self) -> Option<u64> {
        match &self.weights {
            Some(now) => now.steps,
            None => self.config.as_ref().map(|config| config.train.steps),
        }
    }

    /// Whether its results are of other weights than it has now, as far as that is known.
    pub fn is_outdated(&self) -> bool {
        self.measured().is_some_and(|measured| match &self.weights {
            Some(now) => now.digest != measured.digest,
            None => self.steps_now().is_some_and(|steps| measured.steps.is_some_and(|own| own != steps)),
        })
    }
}

impl RunResults {
    fn read(path: &Path) -> Result<Self> {
        let text = bounded::read_text(path, bounded::TEXT)?;
        serde_json::from_str(&text).map_err(|error| Error::file(path, format!("is not of an evaluation: {error}")))
    }

    /// The image AUROC with its interval, by the score that gave it: the recorded one, or in older files the first that gives
    /// this value. None if the score does not give it, as in a file that was edited.
    pub fn placed(&self) -> Option<PlacedAuroc> {
        let auroc = self.image_auroc?;
        let labels: Vec<bool> = self.images.iter().map(|image| image.kind != GOOD).collect();
        let possible = Score::NAMES.into_iter().map(|(_, which)| which);
        possible.filter(|which| self.image_score.is_none_or(|own| own == *which)).find_map(|which| {
            let scores: Option<Vec<f64>> = self.images.iter().map(|image| image.score(which)).collect();
            let placed = PlacedAuroc::new(&scores?, &labels).ok()?;
            ((placed.value() - auroc).abs() < 1e-9).then_some(placed)
        })
    }

    /// Whether both are of the same images in the same order.
    pub fn has_same_images(&self, other: &Self) -> bool {
        let names = |own: &Self| own.images.iter().map(|image| image.path.clone()).collect::<Vec<_>>();
        names(self) == names(other)
    }
}

/// The keys of the config whose values differ between the runs that have one, each with their values in order; `–` for a key that
/// a run lacks.
///
/// # Errors
/// As [`Config::to_toml`].
pub fn differing_keys(runs: &[ComparedRun]) -> Result<Vec<(String, Vec<String>)>> {
    let all = runs.iter().filter_map(|run| run.config.as_ref()).map(Config::leaves).collect::<Result<Vec<_>>>()?;
    let keys: BTreeSet<&String> = all.iter().flat_map(|leaves| leaves.keys()).collect();
    let row = |key: &String| {
        let value = |leaves: &BTreeMap<String, String>| leaves.get(key).cloned().unwrap_or_else(|| "–".to_owned());
        (key.clone(), all.iter().map(value).collect::<Vec<_>>())
    };
    Ok(keys.into_iter().map(row).filter(|(_, values)| values.iter().any(|value| *value != values[0])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results in which `max` and `sum` have the same AUROC, 5/8, with other orders of the images.
    fn results(about: &str) -> RunResults {
        let [max, sum] = [[1.0, 2.0, 3.0, 4.0, 2.5, 3.5], [1.0, 2.0, 3.0, 4.0, 1.5, 4.5]];
        let image = |number: usize| {
            let kind = if number < 4 { GOOD } else { "bent" };
            format!(r#"{{"path": "{number}", "kind": "{kind}", "score_max": {}, "score_sum": {}}}"#, max[number], sum[number])
        };
        let images = (0..6).map(image).collect::<Vec<_>>().join(", ");
        serde_json::from_str(&format!(r#"{{{about}"protocol": "", "images": [{images}]}}"#)).unwrap()
    }

    #[test]
    fn the_recorded_score_is_used_and_guessed_for_older_files_only() {
        let interval = |about: &str| results(about).placed().map(|placed| placed.interval());
        let [max, sum] = ["max", "sum"].map(|score| interval(&format!(r#""image_auroc": 0.625, "image_score": "{score}", "#)));
        assert!(max.is_some() && sum.is_some() && max != sum, "{max:?} {sum:?}");
        assert_eq!(interval(r#""image_auroc": 0.625, "#), max);
        // The recorded score does not give it, or there is none.
        assert_eq!(interval(r#""image_auroc": 0.625, "image_score": "top", "#), None);
        assert_eq!(interval(r#""image_auroc": 0.5, "image_score": "sum", "#), None);
        assert_eq!(interval(""), None);
    }
}
