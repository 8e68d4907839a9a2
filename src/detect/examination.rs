use std::collections::BTreeMap;
use std::fmt;

use ndarray::Array2;

use super::detector::Inspection;
use super::metrics::{Score, resize_bilinear};
use super::regions::{RegionScan, Regions};
use super::scores::ImageScores;
use super::settings::{Settings, Source};
use crate::data::arrays::mapped;
use crate::data::{Image, Plane, resize};
use crate::error::Result;

/// Where a threshold comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin {
    /// This quantile over held-out normal images, set when the model was trained.
    HeldOut(f64),
    /// This quantile over the images that the model was trained on, or copies of them.
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
    /// on. `metrics` are those that the set defines, by their names in files.
    pub fn best_on_test_set(metrics: &BTreeMap<String, f64>) -> Self {
        let best = |name: &str| metrics.get(name).map(|&value| Threshold { value, origin: Origin::TestSet });
        Self { image: best("image_f1_threshold"), pixel: best("pixel_f1_threshold") }
    }

    /// Whether a heatmap value is in the mask: it exceeds the pixel threshold. Without one, none is.
    pub fn marks(&self, value: f32) -> bool {
        self.pixel.is_some_and(|threshold| f64::from(value) > threshold.value)
    }

    /// The verdict on an image of this score: whether it exceeds the image threshold; `None` without one.
    pub fn verdict(&self, score: f64) -> Option<bool> {
        self.image.map(|threshold| score > threshold.value)
    }

    /// These thresholds, with missing ones taken from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { image: self.image.or(other.image), pixel: self.pixel.or(other.pixel) }
    }
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
    /// The connected regions of the mask.
    pub regions: Regions,
}

impl Examination {
    pub(super) fn new(inspection: Inspection, image: &Image, which: Score, cutoffs: Cutoffs) -> Result<Self> {
        let (height, width, _) = image.dim();
        let heatmap = resize_bilinear(&inspection.heatmap, height, width)?;
        let is_marked = |value| cutoffs.marks(value);
        let mut regions = RegionScan::default();
        regions.add(heatmap.view(), is_marked)?;
        let score = inspection.scores.get(which);
        Ok(Self {
            regions: regions.finish()?,
            mask: mapped(&heatmap.view(), is_marked)?,
            reconstruction: resize(&inspection.reconstruction, height, width)?,
            scores: inspection.scores,
            anomalous: cutoffs.verdict(score),
            heatmap,
            score,
            cutoffs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

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
        assert_eq!(found.regions.count(), 1);
        assert_eq!(examined(Cutoffs::given(Some(2.0), None)).anomalous, Some(false));
    }

    #[test]
    fn without_thresholds_there_is_no_verdict_and_no_region() {
        let found = examined(Cutoffs::default());
        assert!(found.anomalous.is_none() && found.regions == Regions::default() && !found.mask.iter().any(|&marked| marked));
    }

    #[test]
    fn thresholds_of_a_user_take_precedence() {
        let of_model = Cutoffs::given(Some(1.0), Some(2.0));
        let mixed = Cutoffs::given(None, Some(3.0)).or(of_model);
        assert_eq!((mixed.image, mixed.pixel.unwrap().value), (of_model.image, 3.0));
    }
}
