use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ndarray::Array2;
use serde::Serialize;

use super::metrics::{self, Curves, Metrics, Record, Score, image_auroc_by_kind, resize_bilinear, resize_nearest};
use super::scores::ImageScores;
use crate::backend::Real;
use crate::data::{Category, GOOD, Image, Plane, TestImage};
use crate::error::{Error, Result};

/// Resolution of the pixel metrics. Maps are resized bilinearly, masks by nearest neighbour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolution {
    /// Each image's own.
    #[default]
    Native,
    /// The working resolution of the model.
    Model,
    /// A square of this side.
    Side(usize),
}

impl FromStr for Resolution {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse()) {
            ("native", _) => Ok(Self::Native),
            ("model", _) => Ok(Self::Model),
            (_, Ok(side @ 1..=8192)) => Ok(Self::Side(side)),
            _ => Err(Error::argument(format!("resolution must be `native`, `model` or 1 to 8192 pixels, got `{text}`"))),
        }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => write!(f, "native"),
            Self::Model => write!(f, "model"),
            Self::Side(side) => write!(f, "{side}x{side}"),
        }
    }
}

/// Scores of one test image.
#[derive(Clone, Debug, Serialize)]
pub struct ImageResult {
    /// The file below the test folder, `KIND/NAME.png` with subfolders; bytes that are not UTF-8 are written as `\xff`.
    pub path: String,
    /// `good`, or the kind of defect.
    pub kind: String,
    /// Image scores of the heatmap.
    #[serde(flatten)]
    pub scores: ImageScores,
}

impl ImageResult {
    /// Whether the image is normal.
    pub fn is_good(&self) -> bool {
        self.kind == GOOD
    }
}

/// Metrics of a category with the scores of its images.
#[derive(Clone, Debug)]
pub struct Evaluation<M = Metrics> {
    /// Method §7.
    pub metrics: M,
    /// The curves behind them; empty for a test set that does not define all metrics.
    pub curves: Curves,
    /// Image AUROC of each defect kind against the good images; empty without good images.
    pub by_kind: BTreeMap<String, f64>,
    /// One entry per test image, in the order of the category.
    pub images: Vec<ImageResult>,
}

/// Evaluates heatmaps on a test set, in whose images this value is white ([`read_image_with`](crate::data::read_image_with)).
/// `heatmap` returns the heatmap of a test image at the model's resolution with the scores of the image, from a
/// [`Detector`](super::Detector) or from a file.
///
/// # Errors
/// An unreadable image or mask; an error of `heatmap`; a metric that is not defined (no good image, no defect).
pub fn evaluate<T: Real>(
    (category, white_level): (&Category, f64),
    resolution: Resolution,
    score: Score,
    heatmap: impl FnMut(&TestImage, &Image) -> Result<(Array2<T>, ImageScores)>,
) -> Result<Evaluation> {
    check_classes(category)?;
    let (records, images) = measure((category, white_level), resolution, heatmap)?;
    let (metrics, curves) = metrics::evaluate_with_curves(&records, score)?;
    Ok(Evaluation { metrics, curves, by_kind: auroc_by_kind(&images, score)?, images })
}

fn auroc_by_kind(images: &[ImageResult], score: Score) -> Result<BTreeMap<String, f64>> {
    let scores: Vec<f64> = images.iter().map(|image| image.scores.get(score)).collect();
    let kinds: Vec<_> = images.iter().map(|image| (!image.is_good()).then_some(image.kind.as_str())).collect();
    image_auroc_by_kind(&scores, &kinds)
}

/// The same for a test set that lacks good images, defects or masks ([`Category::open_incomplete`]): the metrics that it defines,
/// by their names in files. If a defect image has no mask, there are no pixel metrics.
///
/// # Errors
/// An unreadable image or mask; an error of `heatmap`.
pub fn evaluate_partial(
    (category, white_level): (&Category, f64),
    resolution: Resolution,
    score: Score,
    heatmap: impl FnMut(&TestImage, &Image) -> Result<(Plane, ImageScores)>,
) -> Result<Evaluation<BTreeMap<String, f64>>> {
    let (records, images) = measure((category, white_level), resolution, heatmap)?;
    let by_kind = if check_classes(category).is_ok() { auroc_by_kind(&images, score)? } else { BTreeMap::new() };
    let mut metrics = metrics::evaluate_partial(records, score)?;
    if category.test.iter().any(|test| !test.is_good() && test.masks.is_empty()) {
        metrics.retain(|name, _| metrics::is_of_images(name));
    }
    Ok(Evaluation { metrics, curves: Curves::default(), by_kind, images })
}

/// The record and the scores of every test image.
fn measure<T: Real>(
    (category, white_level): (&Category, f64),
    resolution: Resolution,
    mut heatmap: impl FnMut(&TestImage, &Image) -> Result<(Array2<T>, ImageScores)>,
) -> Result<(Vec<Record<T>>, Vec<ImageResult>)> {
    let mut records = Vec::with_capacity(category.test.len());
    let mut images = Vec::with_capacity(category.test.len());
    for test in &category.test {
        let (image, mask) = test.read(white_level)?;
        let (map, scores) = heatmap(test, &image)?;
        let (height, width) = match resolution {
            Resolution::Native => mask.dim(),
            Resolution::Model => map.dim(),
            Resolution::Side(side) => (side, side),
        };
        records.push(Record {
            score_max: scores.max,
            score_sum: scores.sum,
            score_top: scores.top,
            anomalous: !test.is_good(),
            map: resize_bilinear(&map, height, width)?,
            mask: resize_nearest(&mask, height, width)?,
        });
        images.push(ImageResult { path: test.full_name(), kind: test.defect.clone(), scores });
    }
    Ok((records, images))
}

/// Checks that there are good and anomalous images, before any of them is inspected.
fn check_classes(category: &Category) -> Result<()> {
    let good = category.test.iter().filter(|test| test.is_good()).count();
    let anomalous = category.test.len() - good;
    if good == 0 || anomalous == 0 {
        let reason =
            format!("the test set of {} has {good} good and {anomalous} anomalous images; both are needed", category.name);
        return Err(Error::metric("image AUROC", reason));
    }
    Ok(())
}
