use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use serde::Serialize;

use super::measured_weights::MeasuredWeights;
use super::{COMMIT, METRICS_FILE, TestSet};
use crate::backend::Arithmetic;
use crate::backend::Real;
use crate::data::{Category, Image, Plane, Skipped, SkippedShare, TestImage, held_out_number, make_folder, write_bytes};
use crate::detect::metrics::{Curves, Metrics, Score, by_name, is_of_images};
use crate::detect::{
    Detector, Evaluation, ImageResult, ImageScores, Inspection, Provenance, Resolution, Settings, Source, ThresholdReport,
    Tiling, evaluate, evaluate_partial, is_share,
};
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::shape::in_pixels;

/// The content of `metrics.json`.
#[derive(Clone, Debug, Serialize)]
pub struct TestReport<M> {
    /// Method §7, one key each.
    #[serde(flatten)]
    pub metrics: M,
    /// The score that image metrics are of.
    pub image_score: Score,
    /// Everything one must know to compare these numbers with others.
    pub protocol: String,
    /// The weights that were measured; `None` for maps from files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<MeasuredWeights>,
    /// Image AUROC of each defect kind against the good images; empty without good images.
    pub image_auroc_by_kind: BTreeMap<String, f64>,
    /// The image threshold: the false alarms to expect, and what came out; `None` without one, and for a validation set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_threshold: Option<ThresholdReport>,
    /// Scores of every test image.
    pub images: Vec<ImageResult>,
    /// The files of the test set that could not be used.
    pub skipped: Vec<Skipped>,
    /// The curves behind the metrics, for figures, which need all metrics; not in the file.
    #[serde(skip)]
    pub curves: Curves,
}

/// The content for a test set that defines all metrics.
pub type EvaluationReport = TestReport<Metrics>;

/// The content for one that does not: those that it defines, by name.
pub type PartialReport = TestReport<BTreeMap<String, f64>>;

impl<M> TestReport<M> {
    fn new(evaluation: Evaluation<M>, category: &Category, image_score: Score, protocol: String) -> Self {
        let Evaluation { metrics, curves, by_kind: image_auroc_by_kind, images } = evaluation;
        let (skipped, image_threshold, weights) = (category.skipped.clone(), None, None);
        Self { metrics, image_score, protocol, weights, image_auroc_by_kind, image_threshold, images, skipped, curves }
    }

    /// With the threshold and the weights of a detector.
    fn measured_by<B: Backend>(self, detector: &Detector<B>) -> Result<Self> {
        let image_threshold = ThresholdReport::new(detector.settings(), &self.images);
        Ok(Self { image_threshold, weights: Some(MeasuredWeights::of(detector)?), ..self })
    }
}

/// What an evaluation writes: the content of `metrics.json`.
pub trait MetricsFile: Serialize {
    /// Writes `metrics.json` into `folder`, which is created if necessary.
    ///
    /// # Errors
    /// The file cannot be written.
    fn write(&self, folder: &Path) -> Result<()> {
        let (path, bytes) = self.file(folder)?;
        make_folder(folder)?;
        write_bytes(&path, &bytes)
    }

    /// The path and the content of `metrics.json` in `folder`.
    ///
    /// # Errors
    /// None that can occur: the metrics are numbers.
    fn file(&self, folder: &Path) -> Result<(PathBuf, Vec<u8>)> {
        let path = folder.join(METRICS_FILE);
        let json = serde_json::to_string_pretty(self).map_err(|error| Error::file(&path, error))?;
        Ok((path, format!("{json}\n").into_bytes()))
    }
}

impl<M: Serialize> MetricsFile for TestReport<M> {}

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
    report(detector, (category, Split::Test), resolution, |test, image| {
        let inspection = detector.inspect(image).map_err(|error| error.in_file(&test.path))?;
        keep(test, image, &inspection.heatmap)?;
        Ok(inspection)
    })
}

/// Evaluates a detector on a validation set that [`write_validation_set`](crate::data::write_validation_set) has written, each
/// image as if the one that it is a copy of had been left out of the calibration.
///
/// # Errors
/// As [`evaluate_detector`]; a file that is not the copy of a held-out image.
pub(super) fn evaluate_validation_set<B: Backend>(
    detector: &Detector<B>,
    held_out: &[Image],
    category: &Category,
) -> Result<EvaluationReport> {
    let judge = detector.leave_one_out(held_out)?;
    let report = report(detector, (category, Split::Validation), Resolution::Native, |test, image| {
        judge.inspect(image, held_out_number(&test.path)?).map_err(|error| error.in_file(&test.path))
    })?;
    // The good images are those that set the threshold, so what is above it says nothing about others.
    Ok(EvaluationReport { image_threshold: None, ..report })
}

/// The report on a set of images, of what `inspect` finds in them.
fn report<B: Backend>(
    detector: &Detector<B>,
    (category, split): (&Category, Split),
    resolution: Resolution,
    mut inspect: impl FnMut(&TestImage, &Image) -> Result<Inspection>,
) -> Result<EvaluationReport> {
    let settings = detector.settings();
    let images = (category, settings.preparation.white_level);
    let evaluation = evaluate(images, resolution, settings.detection.score, |test, image| {
        let inspection = inspect(test, image)?;
        log::debug!("{}: score {}", test.path.display(), inspection.scores.get(settings.detection.score));
        Ok((inspection.heatmap, inspection.scores))
    })?;
    let line = detector_protocol(detector, (category, split), Some(resolution))?;
    EvaluationReport::new(evaluation, category, settings.detection.score, line).measured_by(detector)
}

/// The protocol line of a detector; without a resolution there are no pixel metrics.
fn detector_protocol<B: Backend>(
    detector: &Detector<B>,
    set: (&Category, Split),
    resolution: Option<Resolution>,
) -> Result<String> {
    let (settings, device) = (detector.settings(), device_words(detector.backend()));
    let score = (settings.detection.score, settings.detection.top_share);
    Ok(protocol(set, resolution, score, Some((settings, &device, detector.tiling()?))))
}

impl From<EvaluationReport> for PartialReport {
    fn from(report: EvaluationReport) -> Self {
        Self {
            metrics: by_name(&report.metrics),
            image_score: report.image_score,
            protocol: report.protocol,
            weights: report.weights,
            image_auroc_by_kind: report.image_auroc_by_kind,
            image_threshold: report.image_threshold,
            images: report.images,
            skipped: report.skipped,
            curves: report.curves,
        }
    }
}

/// The evaluation of a test set that may lack something.
pub enum Measured {
    /// It defines all metrics.
    Complete(EvaluationReport),
    /// It does not.
    Partial(PartialReport),
}

/// Evaluates a detector on a test set as far as it goes. `keep` gets every test image with its file and its heatmap at
/// working resolution.
///
/// # Errors
/// An unreadable image or mask; an error of `keep`.
pub fn evaluate_test_set<B: Backend>(
    detector: &Detector<B>,
    TestSet { category, counts, .. }: &TestSet,
    resolution: Resolution,
    keep: impl FnMut(&TestImage, &Image, &Plane) -> Result<()>,
) -> Result<Measured> {
    match counts.defines_all_metrics() {
        true => evaluate_with_maps(detector, category, resolution, keep).map(Measured::Complete),
        false => evaluate_detector_partly(detector, category, resolution, keep).map(Measured::Partial),
    }
}

/// Evaluates a detector on a test set that lacks good images, defects or masks ([`Category::open_incomplete`]). `keep` gets every
/// test image with its file and its heatmap at working resolution.
///
/// # Errors
/// An unreadable image or mask; an error of `keep`.
fn evaluate_detector_partly<B: Backend>(
    detector: &Detector<B>,
    category: &Category,
    resolution: Resolution,
    mut keep: impl FnMut(&TestImage, &Image, &Plane) -> Result<()>,
) -> Result<PartialReport> {
    let settings = detector.settings();
    let images = (category, settings.preparation.white_level);
    let partial = evaluate_partial(images, resolution, settings.detection.score, |test, image| {
        let inspection = detector.inspect(image).map_err(|error| error.in_file(&test.path))?;
        keep(test, image, &inspection.heatmap)?;
        Ok((inspection.heatmap, inspection.scores))
    })?;
    let has_pixels = partial.metrics.keys().any(|name| !is_of_images(name));
    let line = detector_protocol(detector, (category, Split::Test), has_pixels.then_some(resolution))?;
    PartialReport::new(partial, category, settings.detection.score, line).measured_by(detector)
}

/// Evaluates anomaly maps made elsewhere: `maps/DEFECT/NAME.npy`, f32 or f64 `[h, w]`, one per test image. Pixels are ranked in
/// that type.
///
/// # Errors
/// A map that is missing, unreadable or transposed; an unreadable mask; a metric that is not defined; a share that is not above 0
/// and at most 1.
pub fn evaluate_maps<T: Real>(
    category: &Category,
    resolution: Resolution,
    (score, top_share): (Score, f64),
    read: impl Fn(&TestImage) -> Result<Array2<T>>,
) -> Result<EvaluationReport> {
    if !is_share(top_share) {
        return Err(Error::argument(format!("the top share must be above 0 and at most 1, got {top_share}")));
    }
    let evaluation = evaluate((category, 0.0), resolution, score, |test, image| {
        let map = read(test)?;
        check_orientation(test, map.dim(), image)?;
        let scores = ImageScores::of(&map, top_share);
        Ok((map, scores))
    })?;
    let line = protocol((category, Split::Test), Some(resolution), (score, top_share), None);
    Ok(EvaluationReport::new(evaluation, category, score, line))
}

/// Checks that a map is not turned by a quarter, where that can be seen: with the sides of its image in the other order.
fn check_orientation(test: &TestImage, (h, w): (usize, usize), image: &Image) -> Result<()> {
    let (height, width, _) = image.dim();
    if height != width && h * height == w * width {
        let [map, image] = [in_pixels(h, w), in_pixels(height, width)];
        let reason = format!("its map has {map}, the image {image}: the map is transposed");
        return Err(Error::file(&test.path, reason));
    }
    Ok(())
}

/// The images that a category is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Its test set.
    Test,
    /// Held-out training images with drawn defects.
    Validation,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Test => "test",
            Self::Validation => "validation",
        })
    }
}

/// The device, its precision and its instructions.
fn device_words(backend: &impl Backend) -> String {
    let (description, Arithmetic { precision, instructions, .. }) = (backend.description(), backend.arithmetic());
    // Some descriptions end with the precision.
    let device = description.strip_suffix(&format!(", {precision}")).unwrap_or(&description);
    let instructions = if instructions.is_empty() { String::new() } else { format!("; instructions {instructions}") };
    format!("{device}; precision {precision}{instructions}")
}

/// The protocol line: what one must know to compare numbers with others. Of the test set its category, the resolution of pixel
/// metrics if there are some, the split with what was skipped, and the image score. Of a detector the white level, the heatmap, tiles, and
/// thresholds of unusual origin; the run (step, seed, config, how it was lengthened, what was skipped in training, what it was
/// trained on, options that the paper does not have), and the device. Last the version and the commit.
pub fn protocol(
    (category, split): (&Category, Split),
    resolution: Option<Resolution>,
    score: (Score, f64),
    detector: Option<(&Settings, &str, Option<Tiling>)>,
) -> String {
    let mut parts = of_test_set((category, split), resolution, score);
    match detector {
        None => parts.push("maps from files".to_owned()),
        Some((settings, device, tiles)) => {
            parts.extend(of_detection(settings, tiles));
            parts.extend(of_training(settings.provenance.as_ref()));
            parts.push(format!("device {device}"));
        }
    }
    parts.push(format!("orthoscope {} commit {COMMIT}", env!("CARGO_PKG_VERSION")));
    parts.join("; ")
}

fn of_test_set(
    (category, split): (&Category, Split),
    resolution: Option<Resolution>,
    (score, top_share): (Score, f64),
) -> Vec<String> {
    let good = category.test.iter().filter(|test| test.is_good()).count();
    let anomalous = category.test.len() - good;
    let score = match score {
        Score::Sum | Score::Max => format!("{} of the heatmap", score.word()),
        Score::Top => format!("mean of the top {top_share} of the heatmap (not in the paper)"),
    };
    let skipped = SkippedShare::new(&category.skipped, category.test.len());
    let skipped = skipped.map(|share| format!("; {share}")).unwrap_or_default();
    vec![
        format!("category {}", category.name),
        resolution.map_or_else(|| "no pixel metrics".to_owned(), |side| format!("pixel metrics at {side} resolution")),
        format!("split {split} ({good} good, {anomalous} anomalous{skipped})"),
        format!("image score {score}"),
    ]
}

fn of_detection(settings: &Settings, tiles: Option<Tiling>) -> Vec<String> {
    let detection = &settings.detection;
    let mut parts = Vec::new();
    if settings.preparation.white_level > 0.0 {
        parts.push(format!("white level {}", settings.preparation.white_level));
    }
    let residual = match detection.residual.is_of_the_paper() {
        true => String::new(),
        false => format!(" of {} (not in the paper)", detection.residual),
    };
    parts.push(format!("heatmap {}{residual}", detection.smoothing()));
    let own = detection.own_score_smoothing();
    parts.extend(own.map(|own| format!("image score from a heatmap {own} of its own (not in the paper)")));
    if detection.relative_score {
        parts.push("image score relative to the heatmap of normal images (not in the paper)".to_owned());
    }
    parts.extend(tiles.map(|tiles| format!("larger images in {tiles}")));
    let calibration = settings.thresholds.and_then(|own| own.calibration).filter(|own| own.source != Source::HeldOut);
    parts.extend(calibration.map(|own| format!("thresholds from {own}")));
    parts
}

fn of_training(run: Option<&Provenance>) -> Vec<String> {
    let Some(run) = run else { return vec!["weights of unknown origin".to_owned()] };
    let mut parts = vec![format!("last step {}", run.steps), format!("seed {}", run.seed), format!("config {}", run.config_hash)];
    parts.extend(run.lengthened.clone());
    parts.extend(run.skipped.map(|share| format!("training set: {share}")));
    parts.extend(run.computed_on.as_ref().map(|device| format!("trained on {device}")));
    parts.extend(run.training.clone());
    parts.extend(run.loss_terms.as_ref().map(|terms| format!("loss with {terms} (not in the paper)")));
    parts.extend(run.corruption_options.as_ref().map(|options| format!("corruption with {options} (not in the paper)")));
    parts
}
