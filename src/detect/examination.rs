use std::fmt;

use ndarray::{Array2, Zip};
use serde::Serialize;

use super::detector::{ImageScores, Inspection};
use super::metrics::{Components, Metrics, Score, resize_bilinear};
use super::settings::{Settings, Source};
use crate::data::{Image, Plane, resize};
use crate::error::Result;

/// Where a threshold comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin {
    /// This quantile over held-out normal images, set when the model was trained.
    HeldOut(f64),
    /// This quantile over the images that the model was trained on, because none were held out.
    Training(f64),
    /// This quantile over normal images that the user has given.
    Given(f64),
    /// Given by the user.
    User,
    /// The threshold with the largest F1 on the test set that is evaluated.
    TestSet,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeldOut(quantile) => write!(f, "{}\u{a0}% quantile of held-out normal images", 100.0 * quantile),
            Self::Training(quantile) => write!(f, "{}\u{a0}% quantile of the training images", 100.0 * quantile),
            Self::Given(quantile) => write!(f, "{}\u{a0}% quantile of given normal images", 100.0 * quantile),
            Self::User => write!(f, "given by the user"),
            Self::TestSet => write!(f, "largest F1, chosen on the test set"),
        }
    }
}

/// A value above which something counts as anomalous.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// The value.
    pub value: f64,
    /// Where it comes from.
    pub origin: Origin,
}

/// The thresholds that give an image its verdict and its mask.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cutoffs {
    /// For the image score.
    pub image: Option<Threshold>,
    /// For the values of the heatmap.
    pub pixel: Option<Threshold>,
}

impl Cutoffs {
    /// The thresholds in the settings of a model.
    pub(super) fn of(settings: &Settings) -> Self {
        let detection = &settings.detection;
        let thresholds = settings.thresholds;
        // Versions that did not record the source wrote thresholds from held-out images, if there were any.
        let origin = match thresholds.and_then(|own| own.calibration).map(|calibration| calibration.source) {
            Some(Source::Training | Source::TrainingFolder) => Origin::Training,
            Some(Source::Given) => Origin::Given,
            Some(Source::HeldOut) | None => Origin::HeldOut,
        };
        let of_value = |value, quantile| Threshold { value, origin: origin(quantile) };
        Self {
            image: thresholds.map(|own| of_value(own.image, detection.image_quantile)),
            pixel: thresholds.map(|own| of_value(own.pixel, detection.pixel_quantile)),
        }
    }

    /// The thresholds that a user has given.
    pub fn given(image: Option<f64>, pixel: Option<f64>) -> Self {
        let of_user = |value| Threshold { value, origin: Origin::User };
        Self { image: image.map(of_user), pixel: pixel.map(of_user) }
    }

    /// The thresholds with the largest F1 on a test set. They are optimistic, because they are chosen on the set they are used
    /// on.
    pub fn best_on_test_set(metrics: &Metrics) -> Self {
        let best = |value| Some(Threshold { value, origin: Origin::TestSet });
        Self { image: best(metrics.image_f1_threshold), pixel: best(metrics.pixel_f1_threshold) }
    }

    /// These thresholds, with missing ones taken from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { image: self.image.or(other.image), pixel: self.pixel.or(other.pixel) }
    }
}

/// A connected region of the mask: anomalous pixels that touch by a side or a corner.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Region {
    /// First row of the bounding box.
    pub top: usize,
    /// First column of the bounding box.
    pub left: usize,
    /// Rows of the bounding box.
    pub height: usize,
    /// Columns of the bounding box.
    pub width: usize,
    /// Pixels of the region.
    pub area: usize,
    /// Largest heatmap value in the region.
    pub peak: f64,
    /// Mean heatmap value of the region.
    pub mean: f64,
}

/// Result for one image at the image's own size.
#[derive(Clone, Debug, PartialEq)]
pub struct Examination {
    /// Heatmap `[h, w]`, resized bilinearly from the working resolution.
    pub heatmap: Plane,
    /// Whether the heatmap exceeds the pixel threshold. All false without a pixel threshold.
    pub mask: Array2<bool>,
    /// f(x̂) `[h, w, 3]`, resized from the working resolution.
    pub reconstruction: Image,
    /// Image scores, computed at working resolution.
    pub scores: ImageScores,
    /// The one of the scores that is compared with the image threshold.
    pub score: f64,
    /// Whether the score exceeds the image threshold; `None` without an image threshold.
    pub anomalous: Option<bool>,
    /// The thresholds used for the mask and the verdict.
    pub cutoffs: Cutoffs,
    /// The connected regions of the mask, the one with the highest peak first.
    pub regions: Vec<Region>,
}

impl Examination {
    pub(super) fn new(inspection: Inspection, image: &Image, which: Score, cutoffs: Cutoffs) -> Result<Self> {
        let (height, width, _) = image.dim();
        let heatmap = resize_bilinear(&inspection.heatmap, height, width)?;
        let mask = match cutoffs.pixel {
            Some(threshold) => heatmap.mapv(|value| f64::from(value) > threshold.value),
            None => Array2::from_elem(heatmap.dim(), false),
        };
        let score = inspection.scores.get(which);
        Ok(Self {
            regions: regions(&heatmap, &mask),
            reconstruction: resize(&inspection.reconstruction, height, width)?,
            scores: inspection.scores,
            anomalous: cutoffs.image.map(|threshold| score > threshold.value),
            heatmap,
            mask,
            score,
            cutoffs,
        })
    }
}

/// Sums and bounds of one region, collected pixel by pixel.
struct Gathered {
    rows: [usize; 2],
    columns: [usize; 2],
    area: usize,
    peak: f64,
    sum: f64,
}

/// The connected regions of `mask`, the one with the highest peak first; regions of equal peaks in reading order.
fn regions(heatmap: &Plane, mask: &Array2<bool>) -> Vec<Region> {
    let components = Components::of(mask);
    let empty = || Gathered { rows: [usize::MAX, 0], columns: [usize::MAX, 0], area: 0, peak: f64::NEG_INFINITY, sum: 0.0 };
    let mut gathered: Vec<Gathered> = components.areas.iter().map(|_| empty()).collect();
    Zip::indexed(heatmap).and(&components.labels).for_each(|(row, column), &value, &label| {
        let Some(own) = (label as usize).checked_sub(1).and_then(|index| gathered.get_mut(index)) else { return };
        own.rows = [own.rows[0].min(row), own.rows[1].max(row)];
        own.columns = [own.columns[0].min(column), own.columns[1].max(column)];
        own.area += 1;
        own.peak = own.peak.max(f64::from(value));
        own.sum += f64::from(value);
    });
    let region = |own: &Gathered| Region {
        top: own.rows[0],
        left: own.columns[0],
        height: own.rows[1] - own.rows[0] + 1,
        width: own.columns[1] - own.columns[0] + 1,
        area: own.area,
        peak: own.peak,
        mean: own.sum / own.area as f64,
    };
    let mut regions: Vec<Region> = gathered.iter().map(region).collect();
    regions.sort_by(|a, b| b.peak.total_cmp(&a.peak));
    regions
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn regions_have_boxes_and_statistics_and_are_sorted_by_peak() {
        let heatmap = array![[2.0, 0.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 9.0]];
        let expected = [
            Region { top: 2, left: 3, height: 1, width: 1, area: 1, peak: 9.0, mean: 9.0 },
            Region { top: 0, left: 0, height: 2, width: 2, area: 2, peak: 4.0, mean: 3.0 },
        ];
        assert_eq!(regions(&heatmap, &heatmap.mapv(|value| value > 1.0)), expected);
        assert!(regions(&heatmap, &heatmap.mapv(|value| value > 9.0)).is_empty());
    }

    fn examined(cutoffs: Cutoffs) -> Examination {
        let heatmap = array![[0.0, 1.0], [0.0, 1.0]];
        let inspection =
            Inspection { scores: ImageScores::of(&heatmap, 0.5), heatmap, reconstruction: Image::from_elem((2, 2, 3), 0.25) };
        Examination::new(inspection, &Image::zeros((6, 4, 3)), Score::Sum, cutoffs).unwrap()
    }

    #[test]
    fn results_have_the_size_of_the_image_and_scores_come_from_the_working_resolution() {
        let found = examined(Cutoffs::given(Some(1.5), Some(0.5)));
        assert_eq!((found.heatmap.dim(), found.mask.dim(), found.reconstruction.dim()), ((6, 4), (6, 4), (6, 4, 3)));
        assert_eq!((found.score, found.anomalous), (2.0, Some(true)));
        assert_eq!(found.mask.row(0), array![false, false, true, true]);
        assert_eq!(found.regions.len(), 1);
        assert_eq!(examined(Cutoffs::given(Some(2.0), None)).anomalous, Some(false));
    }

    #[test]
    fn without_thresholds_there_is_no_verdict_and_no_region() {
        let found = examined(Cutoffs::default());
        assert!(found.anomalous.is_none() && found.regions.is_empty() && !found.mask.iter().any(|&marked| marked));
    }

    #[test]
    fn thresholds_of_a_user_take_precedence() {
        let of_model = Cutoffs::given(Some(1.0), Some(2.0));
        let mixed = Cutoffs::given(None, Some(3.0)).or(of_model);
        assert_eq!((mixed.image, mixed.pixel.unwrap().value), (of_model.image, 3.0));
    }
}
