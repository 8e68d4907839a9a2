//! The results of an evaluation for the terminal, the figure and the page: which numbers, with how many digits, and which images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::table::{Column, Screen, Table};
use super::wrap::wrap;
use crate::data::{GOOD, Skipped, SkippedShare};
use crate::detect::metrics::{Counts, Score, auroc_standard_error, by_name, is_of_images};
use crate::detect::{ImageResult, ObservedRate, ThresholdReport};
use crate::run::TestReport;

/// Rows of the figure with a defect; one with a good image follows.
const FIGURE_DEFECTS: usize = 3;

/// What ± stands for under a table of metrics.
const SPREAD: &str = "± is one standard error, from the number of images.";

/// A metric only for comparison with published tables; the page has no card for it.
const COMPARISON: &str = "AU-PRO-200";

/// The metrics of pixels and those that follow the image AUROCs: name in files, label, and what it measures.
const METRICS: [(&str, &str, &str); 7] = [
    (
        "pixel_auroc",
        "pixel AUROC",
        "probability that an anomalous pixel has a higher heatmap value than a good one, over all test images",
    ),
    ("au_pro", "AU-PRO", "mean overlap with each defect region, up to 30\u{a0}% false positives"),
    ("au_pro_200", COMPARISON, "the common form with 200 thresholds, for comparison only"),
    ("image_ap", "image AP", "average precision over images"),
    ("pixel_ap", "pixel AP", "average precision over pixels"),
    ("image_f1_max", "image F1-max", BEST_F1),
    ("pixel_f1_max", "pixel F1-max", BEST_F1),
];
const BEST_F1: &str = "largest F1 over all thresholds; the threshold is chosen on the test set";

/// An evaluation, with the score and the threshold that classify an image. Metrics that the test set does not define are missing.
#[derive(Clone, Debug)]
pub struct Results<'a> {
    /// The metrics that are defined, by their names in files.
    pub metrics: BTreeMap<String, f64>,
    /// What one must know to compare them with others.
    pub protocol: &'a str,
    /// The score that is compared with the threshold.
    pub score: Score,
    /// An image is called anomalous if its score exceeds this; without a threshold no image is.
    pub threshold: Option<f64>,
    by_kind: &'a BTreeMap<String, f64>,
    image_threshold: Option<&'a ThresholdReport>,
    images: &'a [ImageResult],
    skipped: &'a [Skipped],
}

/// A metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// e.g. `image AUROC`.
    pub label: String,
    /// The value as text, e.g. `0.98 ± 0.01`.
    pub value: String,
    /// One sentence on what it measures.
    pub explanation: String,
}

/// The test images of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Kind of defect, `good` for none.
    pub name: String,
    /// Number of images.
    pub images: usize,
    /// Image AUROC against the good images as text; empty for the good images.
    pub auroc: String,
    /// Number of images called anomalous.
    pub flagged: usize,
}

impl<'a> Results<'a> {
    /// The results in a report, by this score and threshold.
    pub fn new<M: Serialize>(report: &'a TestReport<M>, score: Score, threshold: Option<f64>) -> Self {
        Self {
            metrics: by_name(&report.metrics),
            protocol: &report.protocol,
            score,
            threshold,
            by_kind: &report.image_auroc_by_kind,
            image_threshold: report.image_threshold.as_ref(),
            images: &report.images,
            skipped: &report.skipped,
        }
    }
}

impl Results<'_> {
    /// Indices of the images whose kind is wanted.
    fn of(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<usize> {
        (0..self.images.len()).filter(|&index| is_wanted(&self.images[index].kind)).collect()
    }

    fn counts(&self) -> Counts {
        Counts { anomalous: self.of(is_defect).len() as u64, normal: self.of(is_good).len() as u64 }
    }

    /// The number of these images that are called anomalous.
    fn flagged(&self, images: &[usize]) -> usize {
        images.iter().filter(|&&index| self.is_flagged(index)).count()
    }

    /// Whether image `index` is called anomalous.
    fn is_flagged(&self, index: usize) -> bool {
        self.threshold.is_some_and(|threshold| self.score_of(index) > threshold)
    }

    fn score_of(&self, index: usize) -> f64 {
        self.images[index].scores.get(self.score)
    }

    /// Score of every image, and whether it is anomalous in truth.
    pub fn scores(&self) -> Vec<(f64, bool)> {
        self.images.iter().map(|image| (image.scores.get(self.score), is_defect(&image.kind))).collect()
    }

    /// e.g. `sum of the heatmap`, or `sum of the heatmap, relative to normal images`.
    pub fn score_name(&self) -> String {
        self.name_of(self.score)
    }

    fn name_of(&self, score: Score) -> String {
        // Only a relative score makes the expected false alarms approximate, and every model with such a score has a threshold.
        let is_relative = self.image_threshold.is_some_and(|own| own.is_approximate);
        format!("{} of the heatmap{}", score.word(), if is_relative { ", relative to normal images" } else { "" })
    }

    /// The metrics with as many digits as this number of images justifies, and the image AUROC with its standard error.
    pub fn metrics(&self) -> Vec<Metric> {
        let counts = self.counts();
        let of_image = decimals(self.images.len());
        let auroc = |label: String, key: &str, explanation: String| {
            let value = with_error(*self.metrics.get(key)?, counts);
            Some(Metric { label, value, explanation })
        };
        let own = "probability that an anomalous image scores higher than a good one, ±\u{a0}one standard error";
        let mut all: Vec<Metric> = auroc("image AUROC".into(), "image_auroc", own.into()).into_iter().collect();
        let aurocs = [(Score::Sum, "image_auroc_sum"), (Score::Max, "image_auroc_max"), (Score::Top, "image_auroc_top")];
        all.extend(aurocs.into_iter().filter(|(score, _)| *score != self.score).filter_map(|(other, key)| {
            let explanation = format!("the same for another score: {}", self.name_of(other));
            auroc(format!("image AUROC ({})", other.word()), key, explanation)
        }));
        all.extend(METRICS.into_iter().filter_map(|(key, label, explanation)| {
            let decimals = of_image + usize::from(!is_of_images(key));
            let value = fraction(*self.metrics.get(key)?, decimals);
            Some(Metric { label: label.into(), value, explanation: explanation.into() })
        }));
        all
    }

    /// A sentence on the metrics of pixels if the masks of the defect images do not define them.
    fn missing(&self) -> Option<String> {
        let missing = METRICS.into_iter().filter(|(key, ..)| !is_of_images(key) && !self.metrics.contains_key(*key));
        let labels: Vec<&str> = missing.map(|(_, label, _)| label).collect();
        let (last, others) = labels.split_last().filter(|_| !self.of(is_defect).is_empty())?;
        Some(format!("Not measured, because they need masks that mark the defects: {} and {last}.", others.join(", ")))
    }

    /// Rates at the threshold of the model with their intervals: expected false alarms, then the false alarms and misses of this
    /// test set. Nothing without such a threshold, because rates at one that was chosen on the test set say nothing about other
    /// images.
    pub fn rates(&self) -> Vec<Metric> {
        let Some(threshold) = self.image_threshold else { return Vec::new() };
        let metric = |label: &str, value: String, explanation: String| Metric { label: label.into(), value, explanation };
        let expected = threshold.expected_false_alarms.zip(threshold.calibration).map(|(rate, calibration)| {
            let explanation = format!("share of new good images above the threshold, from {calibration}");
            metric("false alarms, expected", rate.to_string(), explanation)
        });
        let observed = |label: &str, rate: Option<ObservedRate>, explanation: &str| {
            rate.map(|rate| metric(label, rate.to_string(), explanation.into()))
        };
        let found = observed("false alarms, found", threshold.false_alarms, "share of good test images above the threshold");
        let missed = observed("misses, found", threshold.misses, "share of anomalous test images not above the threshold");
        expected.into_iter().chain(found).chain(missed).collect()
    }

    /// Sentences on metrics that are missing, on files that could not be used, and on the false alarms that the threshold of the
    /// model promises.
    pub fn notes(&self) -> Vec<String> {
        let skipped = SkippedShare::new(self.skipped, self.images.len()).map(|share| format!("{share}."));
        let threshold = self.image_threshold.into_iter().flat_map(ThresholdReport::sentences);
        self.missing().into_iter().chain(skipped).chain(threshold).collect()
    }

    /// Counts at the threshold: defects found, and false alarms.
    pub fn verdicts(&self) -> [Metric; 2] {
        let metric = |label: &str, images: Vec<usize>, explanation: &str| Metric {
            label: label.into(),
            value: format!("{} of\u{a0}{}", self.flagged(&images), images.len()),
            explanation: explanation.into(),
        };
        [
            metric("defects found", self.of(is_defect), "anomalous images that score above the threshold"),
            metric("false alarms", self.of(is_good), "good images that score above the threshold"),
        ]
    }

    /// The cards of the page: the metrics without the one for comparison, and after the image AUROC the verdicts and their rates.
    pub fn cards(&self) -> Vec<Metric> {
        let mut cards = self.metrics();
        cards.retain(|metric| metric.label != COMPARISON);
        let first = cards.len().min(1);
        cards.splice(first..first, self.counted_verdicts().chain(self.rates()));
        cards
    }

    /// The verdicts on kinds of images of which there is one.
    fn counted_verdicts(&self) -> impl Iterator<Item = Metric> {
        let has = [is_defect as fn(&str) -> bool, is_good].map(|is_wanted| !self.of(is_wanted).is_empty());
        self.verdicts().into_iter().zip(has).filter_map(|(metric, has)| has.then_some(metric))
    }

    /// One line for each kind of image: the hardest kind of defect first, good images last.
    pub fn kinds(&self) -> Vec<Kind> {
        let names: BTreeSet<&str> = self.images.iter().map(|image| image.kind.as_str()).collect();
        // Those without a value stay in the order of their names.
        let auroc_of = |name: &str| self.by_kind.get(name).copied();
        let mut sorted: Vec<&str> = names.into_iter().collect();
        sorted
            .sort_by(|a, b| is_good(a).cmp(&is_good(b)).then(auroc_of(a).unwrap_or(0.0).total_cmp(&auroc_of(b).unwrap_or(0.0))));
        let kind = |name: &str| {
            let images = self.of(|kind| kind == name);
            let counts = Counts { anomalous: images.len() as u64, ..self.counts() };
            Kind {
                name: name.to_owned(),
                images: images.len(),
                auroc: auroc_of(name).map(|value| with_error(value, counts)).unwrap_or_default(),
                flagged: self.flagged(&images),
            }
        };
        sorted.into_iter().map(kind).collect()
    }

    /// The metrics as a table for a terminal.
    pub fn table(&self, screen: Screen) -> String {
        let mut table = Table::new("", [Column::text("metric"), Column::number("value")]);
        let verdicts = self.threshold.map(|_| self.counted_verdicts());
        let verdicts = verdicts.into_iter().flatten().chain(self.rates());
        for Metric { label, value, .. } in self.metrics().into_iter().chain(verdicts) {
            table.row([label, value]);
        }
        for kind in self.kinds().into_iter().filter(|kind| !kind.auroc.is_empty()) {
            table.row([format!("image AUROC, {}", kind.name), kind.auroc]);
        }
        let mut text = table.render(screen);
        if text.contains('±') {
            text += &(wrap(SPREAD, screen.columns).join("\n") + "\n");
        }
        text
    }

    /// Indices of missed anomalies in ascending order of their scores, then of false alarms in descending order.
    pub fn mistakes(&self) -> Vec<usize> {
        let (mut misses, mut alarms) = (self.of(is_defect), self.of(is_good));
        misses.retain(|&index| !self.is_flagged(index));
        alarms.retain(|&index| self.is_flagged(index));
        misses.sort_by(|&a, &b| self.score_of(a).total_cmp(&self.score_of(b)));
        alarms.sort_by(|&a, &b| self.score_of(b).total_cmp(&self.score_of(a)));
        misses.into_iter().chain(alarms).collect()
    }

    /// Indices of all test images: the first image of each kind by name, then the second of each, and so on, defects before good
    /// images. The order does not depend on the results.
    pub fn by_name(&self) -> Vec<usize> {
        let mut kinds: BTreeMap<(bool, &str), Vec<usize>> = BTreeMap::new();
        for (index, image) in self.images.iter().enumerate() {
            kinds.entry((is_good(&image.kind), &image.kind)).or_default().push(index);
        }
        let rounds = kinds.values().map(Vec::len).max().unwrap_or(0);
        (0..rounds).flat_map(|round| kinds.values().filter_map(move |images| images.get(round).copied())).collect()
    }

    /// The images of the figure: the first by name of the first kinds of defect, and the first good one.
    pub fn of_figure(&self) -> Vec<usize> {
        let mut order = self.by_name();
        order.truncate(self.kinds().len());
        let good = order.pop_if(|index| is_good(&self.images[*index].kind));
        order.truncate(FIGURE_DEFECTS);
        order.extend(good);
        order
    }
}

fn is_good(kind: &str) -> bool {
    kind == GOOD
}

fn is_defect(kind: &str) -> bool {
    kind != GOOD
}

/// Digits after the point for this number of images: the standard error of a fraction of n images is about 1/(2 √n).
fn decimals(images: usize) -> usize {
    if images < 1000 { 2 } else { 3 }
}

/// A fraction with this number of decimals. A value below 1 gets more decimals, up to four, rather than being rounded to 1.
fn fraction(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if value < 1.0 && decimals < 4 && text.starts_with('1') { fraction(value, decimals + 1) } else { text }
}

/// An AUROC with its standard error.
fn with_error(auroc: f64, counts: Counts) -> String {
    let (error, decimals) = (auroc_standard_error(auroc, counts), decimals((counts.anomalous + counts.normal) as usize));
    let value = fraction(auroc, decimals);
    if error < 0.1_f64.powi(decimals as i32 + 1) {
        return value;
    }
    let shown = value.len() - 2;
    format!("{value}\u{a0}±\u{a0}{error:.shown$}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::detect::{Calibration, DetectionConfig, ImageResult, ImageScores, Settings, Source, Thresholds};
    use crate::run::{EvaluationReport, PartialReport};
    use std::num::NonZeroU32;

    #[test]
    fn digits_follow_the_number_of_images_and_nothing_is_rounded_up_to_one() {
        assert_eq!(
            [fraction(0.956, 2), fraction(0.998, 2), fraction(1.0, 2), fraction(0.999_99, 2)],
            ["0.96", "0.998", "1.00", "1.0000"]
        );
        let counts = Counts { anomalous: 60, normal: 20 };
        assert_eq!(with_error(0.9, counts), "0.90\u{a0}±\u{a0}0.03");
        assert_eq!(with_error(1.0, counts), "1.00");
        assert_eq!(with_error(0.9, Counts { anomalous: 3000, normal: 3000 }), "0.900\u{a0}±\u{a0}0.004");
    }

    /// A report with made-up metrics. The images have these kinds and maximum scores; their sums are ten times as large.
    pub(in crate::report) fn report(images: &[(&str, f64)], auroc_by_kind: &[(&str, f64)]) -> EvaluationReport {
        let metrics = r#"{"image_auroc": 0.9, "image_auroc_max": 0.9, "image_auroc_sum": 0.8, "pixel_auroc": 0.95, "image_ap": 0.9,
            "pixel_ap": 0.5, "image_f1_max": 0.9, "pixel_f1_max": 0.6, "au_pro": 0.85, "au_pro_200": 0.8,
            "image_f1_threshold": 1.0, "pixel_f1_threshold": 0.1}"#;
        let result = |(number, &(kind, score)): (usize, &(&str, f64))| ImageResult {
            path: format!("{kind}/{number}.png"),
            kind: kind.into(),
            scores: ImageScores { max: score, sum: 10.0 * score, top: score / 2.0 },
        };
        EvaluationReport {
            metrics: serde_json::from_str(metrics).unwrap(),
            image_score: crate::detect::metrics::Score::Max,
            protocol: String::new(),
            weights: None,
            skipped: Vec::new(),
            image_threshold: None,
            image_auroc_by_kind: auroc_by_kind.iter().map(|&(kind, auroc)| (kind.to_owned(), auroc)).collect(),
            images: images.iter().enumerate().map(result).collect(),
            curves: Default::default(),
        }
    }

    const IMAGES: [(&str, f64); 8] = [
        ("bend", 5.0),
        ("bend", 0.9),
        ("crack", 0.2),
        ("crack", 3.0),
        ("good", 0.1),
        ("good", 1.5),
        ("good", 4.0),
        ("good", 1.0),
    ];
    const AUROCS: [(&str, f64); 2] = [("crack", 0.7), ("bend", 0.9)];

    #[test]
    fn mistakes_come_worst_first_and_the_figure_is_chosen_by_name() {
        let report = report(&IMAGES, &AUROCS);
        let results = Results::new(&report, Score::Max, Some(1.0));
        assert_eq!(results.mistakes(), [2, 1, 6, 5], "misses from the lowest score on, then false alarms from the highest");
        assert_eq!(results.by_name(), [0, 2, 4, 1, 3, 5, 6, 7]);
        assert_eq!(results.of_figure(), [0, 2, 4]);
        assert!(Results::new(&report, Score::Max, None).mistakes().iter().all(|&index| index < 4));
    }

    #[test]
    fn kinds_are_sorted_by_difficulty_and_verdicts_are_counted() {
        let report = report(&IMAGES, &AUROCS);
        let results = Results::new(&report, Score::Max, Some(1.0));
        let kinds = results.kinds();
        let counts: Vec<_> = kinds.iter().map(|kind| (kind.name.as_str(), kind.images, kind.flagged)).collect();
        assert_eq!(counts, [("crack", 2, 1), ("bend", 2, 1), ("good", 4, 2)]);
        assert!(kinds[0].auroc.starts_with("0.70\u{a0}±") && kinds[2].auroc.is_empty());
        assert_eq!(results.verdicts().map(|metric| metric.value), ["2 of\u{a0}4", "2 of\u{a0}4"]);
        assert_eq!(results.cards().len(), results.metrics().len() + 1);
        let table = results.table(Screen { columns: 80, colour: false });
        assert!(table.contains("false alarms") && table.contains("AU-PRO-200"));
        assert!(results.rates().is_empty() && results.notes().is_empty() && !table.contains("expected"));
    }

    #[test]
    fn a_threshold_of_the_model_is_reported_with_expected_and_counted_rates() {
        let calibration = Calibration { images: NonZeroU32::new(9).unwrap(), source: Source::HeldOut, other_tiles: false };
        let settings = |calibration| Settings {
            detection: DetectionConfig { score: Score::Max, image_quantile: 1.0, ..DetectionConfig::default() },
            thresholds: Some(Thresholds { image: 1.0, image_interval: None, pixel: 0.5, calibration }),
            ..Settings::default()
        };
        let mut report = report(&IMAGES, &AUROCS);
        report.image_threshold = ThresholdReport::new(&settings(Some(calibration)), &report.images);
        let results = Results::new(&report, Score::Max, Some(1.0));
        let rates: Vec<_> = results.rates().into_iter().map(|rate| (rate.label, rate.value.replace('\u{a0}', " "))).collect();
        let expected = [
            ("false alarms, expected", "10 % (95 %: 0.3 to 34 %)"),
            ("false alarms, found", "50 % (95 %: 6.8 to 93 %)"),
            ("misses, found", "50 % (95 %: 6.8 to 93 %)"),
        ];
        assert_eq!(rates, expected.map(|(label, value)| (label.to_owned(), value.to_owned())));
        assert_eq!(results.notes(), ["Expected false alarms: 10\u{a0}% (95\u{a0}%: 0.3 to 34\u{a0}%), from 9 held-out images."]);
        assert_eq!(results.cards().len(), results.metrics().len() + 4);
        assert!(results.table(Screen { columns: 80, colour: false }).contains("0.3 to 34"));
        // Weights of an earlier version: the counts remain, the expected rate is not known.
        report.image_threshold = ThresholdReport::new(&settings(None), &report.images);
        let results = Results::new(&report, Score::Max, Some(1.0));
        assert_eq!(results.rates().len(), 2);
        assert!(results.notes()[0].contains("do not record how many images"));
    }

    /// A test set of these images that defines these metrics.
    fn partial(images: &[(&str, f64)], auroc_by_kind: &[(&str, f64)], is_kept: fn(&str) -> bool) -> PartialReport {
        let EvaluationReport { metrics, image_score, image_auroc_by_kind, images, .. } = report(images, auroc_by_kind);
        let metrics = by_name(&metrics).into_iter().filter(|(name, _)| is_kept(name)).collect();
        PartialReport {
            metrics,
            image_score,
            image_auroc_by_kind,
            images,
            protocol: String::new(),
            weights: None,
            image_threshold: None,
            skipped: Vec::new(),
            curves: Default::default(),
        }
    }

    #[test]
    fn without_masks_the_metrics_of_images_are_as_ever_and_the_others_are_named() {
        let screen = Screen { columns: 80, colour: false };
        let (whole, without) = (report(&IMAGES, &AUROCS), partial(&IMAGES, &AUROCS, is_of_images));
        let [whole, without] = [
            Results::new(&whole, Score::Max, Some(1.0)).table(screen),
            Results::new(&without, Score::Max, Some(1.0)).table(screen),
        ];
        let kept: Vec<&str> = whole.lines().filter(|line| !line.starts_with("pixel") && !line.starts_with("AU-PRO")).collect();
        assert!(kept.len() > 8 && without.lines().eq(kept), "{without}");
        let report = partial(&IMAGES, &AUROCS, is_of_images);
        let sentence = "Not measured, because they need masks that mark the defects: pixel AUROC, AU-PRO, AU-PRO-200, pixel AP and pixel F1-max.";
        assert_eq!(Results::new(&report, Score::Max, None).notes(), [sentence]);
    }

    #[test]
    fn kinds_need_no_good_image_and_no_defect() {
        let names = |images: &[(&str, f64)]| {
            let report = partial(images, &[], |_| false);
            let results = Results::new(&report, Score::Max, Some(1.0));
            let labels: Vec<String> = results.cards().into_iter().map(|card| card.label).collect();
            (results.kinds().into_iter().map(|kind| kind.name).collect::<Vec<_>>(), results.of_figure(), labels)
        };
        let own = |name: &str| vec![name.to_owned()];
        let kinds = ["bend", "crack"].map(str::to_owned).to_vec();
        assert_eq!(names(&IMAGES[..4]), (kinds, vec![0, 2], own("defects found")));
        assert_eq!(names(&IMAGES[4..]), (own("good"), vec![0], own("false alarms")));
        let report = partial(&IMAGES[4..], &[], |_| false);
        assert!(Results::new(&report, Score::Max, None).notes().is_empty(), "no mask is missing");
    }

    #[test]
    fn a_relative_score_is_named_as_such() {
        let mut report = report(&IMAGES, &AUROCS);
        let name = |report: &EvaluationReport| Results::new(report, Score::Max, Some(1.0)).score_name();
        assert_eq!(name(&report), "maximum of the heatmap");
        let settings = |relative_score| Settings {
            detection: DetectionConfig { relative_score, ..DetectionConfig::default() },
            thresholds: Some(Thresholds { image: 1.0, image_interval: None, pixel: 0.5, calibration: None }),
            ..Settings::default()
        };
        report.image_threshold = ThresholdReport::new(&settings(false), &report.images);
        assert_eq!(name(&report), "maximum of the heatmap");
        report.image_threshold = ThresholdReport::new(&settings(true), &report.images);
        assert_eq!(name(&report), "maximum of the heatmap, relative to normal images");
        let results = Results::new(&report, Score::Max, Some(1.0));
        assert!(results.metrics()[1].explanation.ends_with("sum of the heatmap, relative to normal images"));
    }
}
