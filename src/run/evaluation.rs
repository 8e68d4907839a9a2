use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::{COMMIT, METRICS_FILE};
use crate::data::{Category, Image, Plane, TestImage, make_folder, write_bytes};
use crate::detect::metrics::{Metrics, Score};
use crate::detect::{Detector, Evaluation, ImageResult, Resolution, Settings, evaluate};
use crate::error::{Error, Result};
use crate::ops::Backend;

/// The content of `metrics.json`.
#[derive(Clone, Debug, Serialize)]
pub struct EvaluationReport {
    /// Method §7, one key each.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Everything one must know to compare these numbers with others.
    pub protocol: String,
    /// Image AUROC of each defect kind against the good images.
    pub image_auroc_by_kind: BTreeMap<String, f64>,
    /// Scores of every test image.
    pub images: Vec<ImageResult>,
}

impl EvaluationReport {
    fn new(evaluation: Evaluation, protocol: String) -> Self {
        let Evaluation { metrics, by_kind, images } = evaluation;
        Self { metrics, protocol, image_auroc_by_kind: by_kind, images }
    }

    /// Writes `metrics.json` into `folder`, which is created if necessary.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(METRICS_FILE);
        let json = serde_json::to_string_pretty(self).map_err(|error| Error::file(&path, error))?;
        make_folder(folder)?;
        write_bytes(&path, format!("{json}\n").as_bytes())
    }
}

/// Evaluates a detector on the test set of a category; `done` is called after every image.
///
/// # Errors
/// An unreadable image or mask; a metric that is not defined.
pub fn evaluate_detector<B: Backend>(
    detector: &Detector<B>,
    category: &Category,
    resolution: Resolution,
    mut done: impl FnMut(),
) -> Result<EvaluationReport> {
    evaluate_with_maps(detector, category, resolution, |_, _, _| {
        done();
        Ok(())
    })
}

/// The same. `keep` gets every test image with its file and its heatmap at working resolution.
///
/// # Errors
/// As [`evaluate_detector`], or an error of `keep`.
pub fn evaluate_with_maps<B: Backend>(
    detector: &Detector<B>,
    category: &Category,
    resolution: Resolution,
    mut keep: impl FnMut(&TestImage, &Image, &Plane) -> Result<()>,
) -> Result<EvaluationReport> {
    let settings = detector.settings();
    let evaluation = evaluate(category, resolution, settings.detection.score, |test, image| {
        let inspection = detector.inspect(image).map_err(|error| error.in_file(&test.path))?;
        log::debug!("{}: score {}", test.path.display(), inspection.scores.get(settings.detection.score));
        keep(test, image, &inspection.heatmap)?;
        Ok(inspection.heatmap)
    })?;
    let device = detector.backend().description();
    let line = protocol(category, resolution, settings.detection.score, Some((settings, &device)));
    Ok(EvaluationReport::new(evaluation, line))
}

/// Evaluates anomaly maps made elsewhere: `maps/DEFECT/NAME.npy`, f32 or f64 `[h, w]`, one per test image.
///
/// # Errors
/// A map that is missing or unreadable; an unreadable mask; a metric that is not defined.
pub fn evaluate_maps(
    category: &Category,
    resolution: Resolution,
    score: Score,
    read: impl Fn(&TestImage) -> Result<Plane>,
) -> Result<EvaluationReport> {
    let evaluation = evaluate(category, resolution, score, |test, _| read(test))?;
    Ok(EvaluationReport::new(evaluation, protocol(category, resolution, score, None)))
}

/// The protocol line: resolution, split, score, checkpoint rule, seed, config hash, commit, device.
pub fn protocol(category: &Category, resolution: Resolution, score: Score, detector: Option<(&Settings, &str)>) -> String {
    let good = category.test.iter().filter(|test| test.is_good()).count();
    let score = match score {
        Score::Sum => "sum",
        Score::Max => "maximum",
    };
    let mut line = format!(
        "category {}; pixel metrics at {resolution} resolution; split test ({good} good, {} anomalous); image score {score} of the heatmap",
        category.name,
        category.test.len() - good
    );
    match detector {
        None => line += "; maps from files",
        Some((settings, device)) => {
            let (k, n) = (settings.detection.window, settings.detection.repeats);
            line += &format!("; heatmap k={k} n={n}");
            if !settings.detection.residual.is_of_the_paper() {
                line += &format!(" of {} (not in the paper)", settings.detection.residual);
            }
            line += &match &settings.provenance {
                Some(run) => format!("; last step {}; seed {}; config {}", run.steps, run.seed, run.config_hash),
                None => "; weights of unknown origin".into(),
            };
            line += &format!("; device {device}");
        }
    }
    format!("{line}; orthoscope {} commit {COMMIT}", env!("CARGO_PKG_VERSION"))
}
