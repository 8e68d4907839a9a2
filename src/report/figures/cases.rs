//! Test images with what the detector finds in them, and the rules by which they are chosen.

use std::collections::BTreeMap;

use super::super::colour::{Scale, overlay};
use super::super::example::{Example, shown};
use super::super::figure::FigureRow;
use super::super::number::readable;
use super::super::results::Results;
use crate::data::{Category, GOOD, Image, Plane};
use crate::detect::metrics::Curves;
use crate::detect::{Cutoffs, Detector, Threshold};
use crate::error::Result;
use crate::ops::Backend;
use crate::run::EvaluationReport;

/// Which image stands for its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pick {
    /// The one with the median image score of its kind; of an even number the lower of the two in the middle.
    #[default]
    Median,
    /// The first by name.
    First,
}

/// An evaluated model.
pub struct Test<'a, B: Backend> {
    detector: &'a Detector<B>,
    category: &'a Category,
    report: &'a EvaluationReport,
    cutoffs: Cutoffs,
    pick: Pick,
}

/// A test image with the results of the detector at the image's own size.
pub(super) struct Case {
    /// `KIND/NAME`.
    pub path: String,
    pub example: Example,
    /// The heatmap over the image.
    pub overlay: Image,
}

impl<'a, B: Backend> Test<'a, B> {
    /// A model with its evaluation on a category. Without thresholds of its own, the model gets those with the largest F1 on the
    /// test set.
    pub fn new(detector: &'a Detector<B>, category: &'a Category, report: &'a EvaluationReport, pick: Pick) -> Self {
        let results = Results::new(report, detector.settings().detection.score, None);
        let cutoffs = detector.cutoffs().or(Cutoffs::best_on_test_set(&results.metrics));
        Self { detector, category, report, cutoffs, pick }
    }

    pub(super) fn detector(&self) -> &Detector<B> {
        self.detector
    }

    pub(super) fn category(&self) -> &Category {
        self.category
    }

    pub(super) fn curves(&self) -> &Curves {
        &self.report.curves
    }

    pub(super) fn pixel_threshold(&self) -> Option<f64> {
        self.cutoffs.pixel.map(|threshold| threshold.value)
    }

    /// The evaluation with its image threshold.
    pub(super) fn results(&self) -> Results<'_> {
        let threshold = self.cutoffs.image.map(|threshold| threshold.value);
        Results::new(self.report, self.detector.settings().detection.score, threshold)
    }

    /// The scale of all heatmaps.
    pub(super) fn scale(&self) -> Scale {
        Scale::for_heatmap(&Plane::zeros((1, 1)), self.pixel_threshold())
    }

    /// The image that stands for each kind, defects by name and then the good one.
    pub(super) fn picked(&self) -> Vec<usize> {
        let kinds: Vec<&str> = self.report.images.iter().map(|image| image.kind.as_str()).collect();
        let scores: Vec<f64> = self.results().scores().into_iter().map(|(score, _)| score).collect();
        picked(&kinds, &scores, self.pick)
    }

    /// The same without the good one.
    pub(super) fn picked_defects(&self) -> Vec<usize> {
        self.picked().into_iter().filter(|&index| !self.report.images[index].is_good()).collect()
    }

    /// One sentence on how [`Test::picked`] chooses.
    pub(super) fn rule(&self) -> &'static str {
        match self.pick {
            Pick::Median => "Of each kind of defect, the image with the median image score is shown.",
            Pick::First => "Of each kind of defect, the first image by name is shown.",
        }
    }

    /// The pixel threshold in words.
    pub(super) fn pixel_rule(&self) -> String {
        self.cutoffs.pixel.as_ref().map(in_words).unwrap_or_default()
    }

    /// The image threshold in words.
    pub(super) fn image_rule(&self) -> String {
        self.cutoffs.image.as_ref().map(in_words).unwrap_or_default()
    }

    pub(super) fn case(&self, index: usize) -> Result<Case> {
        let test = &self.category.test[index];
        let (image, truth) = test.read(self.detector.settings().preparation.white_level)?;
        let found = self.detector.examine_with(&image, self.cutoffs).map_err(|error| error.in_file(&test.path))?;
        let scale = self.scale();
        Ok(Case {
            path: self.report.images[index].path.clone(),
            overlay: shown(&overlay(&image, &found.heatmap, scale)?)?,
            example: Example::new(test, &image, Some(&truth), &found, scale)?,
        })
    }
}

/// e.g. `0.0123 (99.9 % quantile of held-out normal images)`.
fn in_words(threshold: &Threshold) -> String {
    format!("{} ({})", readable(threshold.value, 3), threshold.origin)
}

impl Case {
    /// A row of a figure without its captions: kind, name, score and verdict to the left of the images.
    pub fn row<'a>(&'a self, images: Vec<&'a Image>) -> FigureRow<'a> {
        let own = &self.example;
        let note = format!("{}\nscore {}\n{}", own.name, readable(own.score, 3), own.verdict());
        FigureRow { label: own.kind.replace('_', " "), note, captions: Vec::new(), images }
    }

    /// The same with the true mask at the right, which every image of a complete test set has.
    pub fn row_to_truth<'a>(&'a self, images: &[&'a Image]) -> FigureRow<'a> {
        self.row(images.iter().copied().chain(&self.example.truth).collect())
    }
}

/// One image of each kind, by name, good ones last.
fn picked(kinds: &[&str], scores: &[f64], pick: Pick) -> Vec<usize> {
    let mut by_kind: BTreeMap<(bool, &str), Vec<usize>> = BTreeMap::new();
    for (index, kind) in kinds.iter().enumerate() {
        by_kind.entry((*kind == GOOD, kind)).or_default().push(index);
    }
    let one = |mut images: Vec<usize>| {
        if pick == Pick::Median {
            images.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        }
        let place = if pick == Pick::Median { (images.len() - 1) / 2 } else { 0 };
        images[place]
    };
    by_kind.into_values().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_image_of_each_kind_is_picked_by_rule() {
        let kinds = ["good", "good", "bend", "bend", "bend", "crack", "crack", "good"];
        let scores = [0.3, 0.1, 5.0, 9.0, 7.0, 2.0, 1.0, 0.2];
        assert_eq!(picked(&kinds, &scores, Pick::Median), [4, 6, 7]);
        assert_eq!(picked(&kinds, &scores, Pick::First), [2, 5, 0]);
        assert!(picked(&[], &[], Pick::Median).is_empty());
    }
}
