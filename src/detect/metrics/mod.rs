//! The metrics of Method §7, as pure functions, for one category at a time.
//!
//! [`evaluate`] computes all of them from one [`Record`] per test image. Every metric is one pass over a [`Ranking`]: scores
//! sorted from the most to the least anomalous, so that every distinct score is used as a threshold. Counts are integers,
//! fractions are f64. A score at or above the threshold is marked anomalous. A mask pixel is anomalous if its value exceeds one
//! half. A metric that is undefined for the data (no anomalous sample, no normal sample, a NaN score) is an error, never NaN.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::backend::Real;
use crate::data::Plane;
use crate::error::{Error, Result};

mod components;
mod curves;
mod delong;
mod partial;
mod pro;
mod ranking;
mod resize;

pub use components::{Components, is_anomalous};
pub use curves::{Curves, area_under};
pub use delong::PlacedAuroc;
pub use partial::{evaluate_partial, is_of_images};
pub use pro::{FPR_LIMIT, RankedPixels, THRESHOLDS, au_pro, au_pro_200};
pub use ranking::{Counts, F1Max, Level, Ranking, auroc, auroc_standard_error, average_precision, f1_max, image_auroc_by_kind};
pub use resize::{resize_bilinear, resize_bilinear_rows, resize_nearest};

/// How an anomaly map becomes the score of its image (Method §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Score {
    /// The highest value of the map.
    Max,
    /// The sum of the map.
    Sum,
    /// The mean of the largest values of the map, a stated share of all. Not in the paper.
    Top,
}

impl Score {
    /// All of them, with their names in configs and on the command line.
    pub const NAMES: [(&str, Self); 3] = [("max", Self::Max), ("sum", Self::Sum), ("top", Self::Top)];

    /// What it is of the heatmap, e.g. `maximum`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Max => "maximum",
            Self::Sum => "sum",
            Self::Top => "top mean",
        }
    }
}

/// Scores, map and mask of one test image; pixels are ranked in the type of the map.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<T = f32> {
    /// Image score, maximum of the map at the model's resolution.
    pub score_max: f64,
    /// Image score, sum of the map at the model's resolution.
    pub score_sum: f64,
    /// Image score, mean of the largest values of the map at the model's resolution.
    pub score_top: f64,
    /// Whether the image is anomalous.
    pub anomalous: bool,
    /// Anomaly map at the resolution of the pixel metrics, `[height, width]`.
    pub map: Array2<T>,
    /// Mask of the same size, anomalous above one half; all zero for a good image.
    pub mask: Plane,
}

/// All metrics of one category. Each is in [0, 1], except the two thresholds. The field names are the names in files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// AUROC over images, with the score that the caller selects.
    pub image_auroc: f64,
    /// AUROC over images, score = maximum.
    pub image_auroc_max: f64,
    /// AUROC over images, score = sum.
    pub image_auroc_sum: f64,
    /// AUROC over images, score = mean of the largest values. `None` only in a file of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_auroc_top: Option<f64>,
    /// AUROC over all pixels of all images, good ones included.
    pub pixel_auroc: f64,
    /// AP over images, with the score that the caller selects.
    pub image_ap: f64,
    /// AP over pixels.
    pub pixel_ap: f64,
    /// F1-max over images, with the score that the caller selects. The threshold is chosen on the test set.
    pub image_f1_max: f64,
    /// F1-max over pixels. The threshold is chosen on the test set.
    pub pixel_f1_max: f64,
    /// AU-PRO, exact, up to FPR 0.3.
    pub au_pro: f64,
    /// AU-PRO with 200 linear thresholds, for comparison with published tables only.
    pub au_pro_200: f64,
    /// The test-selected image score that attains `image_f1_max`.
    pub image_f1_threshold: f64,
    /// The test-selected pixel score that attains `pixel_f1_max`.
    pub pixel_f1_threshold: f64,
}

/// The values of [`Metrics`], or of a map of those that are defined, by their names in files. What is no number is left out.
pub fn by_name(metrics: &impl Serialize) -> BTreeMap<String, f64> {
    let value = serde_json::to_value(metrics).unwrap_or_default();
    let fields = value.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
}

/// All metrics of one category. `score` selects the image score for `image_auroc`, `image_ap` and `image_f1_max`.
///
/// An anomalous image may have an empty mask (its defect can vanish when the mask is resized).
///
/// # Errors
/// Sizes of a map and its mask differ, an image labelled good has a marked mask, a score is NaN or infinite, or there is no
/// anomalous or no normal image or pixel.
pub fn evaluate<T: Real>(records: &[Record<T>], score: Score) -> Result<Metrics> {
    evaluate_with_curves(records, score).map(|(metrics, _)| metrics)
}

/// The same with the curves that the metrics are areas of.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_with_curves<T: Real>(records: &[Record<T>], score: Score) -> Result<(Metrics, Curves)> {
    check_masks_of_good_images(records)?;
    let max = rank_images("image AUROC (max)", records, |record| record.score_max)?;
    let sum = rank_images("image AUROC (sum)", records, |record| record.score_sum)?;
    let top = rank_images("image AUROC (top)", records, |record| record.score_top)?;
    let image = match score {
        Score::Max => &max,
        Score::Sum => &sum,
        Score::Top => &top,
    };
    let pixels = RankedPixels::new(records.iter().map(|record| (&record.map, &record.mask)))?;
    let (image_f1, pixel_f1) = (f1_max(image), f1_max(&pixels.ranking));
    let metrics = Metrics {
        image_auroc: auroc(image),
        image_auroc_max: auroc(&max),
        image_auroc_sum: auroc(&sum),
        image_auroc_top: Some(auroc(&top)),
        pixel_auroc: auroc(&pixels.ranking),
        image_ap: average_precision(image),
        pixel_ap: average_precision(&pixels.ranking),
        image_f1_max: image_f1.f1,
        pixel_f1_max: pixel_f1.f1,
        au_pro: au_pro(&pixels),
        au_pro_200: au_pro_200(&pixels),
        image_f1_threshold: image_f1.threshold,
        pixel_f1_threshold: pixel_f1.threshold,
    };
    Ok((metrics, Curves::new(image, &pixels)))
}

fn rank_images<T>(metric: &'static str, records: &[Record<T>], score: impl Fn(&Record<T>) -> f64) -> Result<Ranking<f64>> {
    let scores: Vec<f64> = records.iter().map(score).collect();
    let labels: Vec<bool> = records.iter().map(|record| record.anomalous).collect();
    Ranking::new(metric, &scores, &labels)
}

fn check_masks_of_good_images<T>(records: &[Record<T>]) -> Result<()> {
    for (index, record) in records.iter().enumerate().filter(|(_, record)| !record.anomalous) {
        let marked = record.mask.iter().filter(|&&value| is_anomalous(value)).count();
        if marked > 0 {
            return Err(Error::argument(format!("image {index} is labelled good, but its mask marks {marked} pixels")));
        }
    }
    Ok(())
}
