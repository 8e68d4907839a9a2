use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::PlannedRun;
use crate::detect::{ObservedRate, ThresholdReport, Thresholds};
use crate::run::ImageCounts;

/// File name of the results of all runs.
pub const REPORT_FILE: &str = "report.json";
/// File name of the same results as a table.
pub const TABLES_FILE: &str = "tables.csv";
/// File name of the time that each run took. The report has no times, so that it does not depend on the machine's load.
pub const COSTS_FILE: &str = "costs.csv";
/// File name of the page.
pub const PAGE_FILE: &str = "index.html";
/// Folder in a run's folder for images that the page shows. They are written while data and weights are at hand, and `--merge`
/// copies them.
pub const GALLERY_FOLDER: &str = "gallery";

/// The folder of a run below that of the report: `CATEGORY/seed-S`. It has everything that `train` and `evaluate` write.
pub fn run_folder(out: &Path, category: &str, seed: u64) -> PathBuf {
    out.join(category).join(format!("seed-{seed}"))
}

/// Metrics by the names of `metrics.json`. A metric that the test set does not define is absent.
pub type Values = BTreeMap<String, f64>;

/// The content of `report.json`: no times, dates or paths, so that a report merged from shards equals that of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What all runs have in common.
    #[serde(flatten)]
    pub origin: Origin,
    /// The runs, sorted by category and seed.
    pub runs: Vec<RunReport>,
    /// Runs of the plan that have failed or are not done, in the same order.
    #[serde(default)]
    pub missing: Vec<PlannedRun>,
    /// Means over the seeds of each category, sorted by category.
    pub categories: Vec<CategoryReport>,
    /// Means of each metric over the categories that have it.
    pub mean: BTreeMap<String, Spread>,
    /// The same for the validation sets.
    pub validation_mean: BTreeMap<String, Spread>,
}

/// What the runs of a report must have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of the program.
    pub version: String,
    /// Commit that it was built from, or `unknown`.
    pub commit: String,
    /// The device, as in protocol lines.
    pub device: String,
    /// `f32` or `bf16`.
    pub precision: String,
    /// Hash of the base config, before the category's own file is put over it.
    pub base_config_hash: String,
}

/// One training with its results; also the content of `run.json`, whose presence says that the run is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Name of the category.
    pub category: String,
    /// Seed of the training.
    pub seed: u64,
    /// Hash of the complete config, as in the protocol line.
    pub config_hash: String,
    /// Whether the category has a config file of its own over the base.
    pub own_config: bool,
    /// Optimiser steps.
    pub steps: u64,
    /// Images per step.
    pub batch: u64,
    /// The protocol line of `metrics.json`; empty without a test set.
    pub protocol: String,
    /// Numbers of images.
    pub images: ImageCounts,
    /// Quantiles over the held-out images, from which verdicts are made.
    pub thresholds: Thresholds,
    /// Test images on the wrong and right side of the image threshold; none without a test set.
    pub verdicts: Option<Verdicts>,
    /// False alarms to expect at the image threshold, and what came out, with intervals; none without a test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_threshold: Option<ThresholdReport>,
    /// Image AUROC of each kind of defect against the good images.
    pub image_auroc_by_kind: Values,
    /// The same metrics on held-out images and copies of them with drawn defects; none if no defect can be seen on them.
    pub validation: Option<Validation>,
    /// One sentence about each thing that is missing or unusual in the data, and what follows from it.
    pub notes: Vec<String>,
    /// The metrics of `metrics.json`, under the same names.
    #[serde(flatten)]
    pub metrics: Values,
}

/// Test images at the image threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdicts {
    /// Anomalous images that score above the threshold.
    pub found: usize,
    /// Good images that score above the threshold.
    pub false_alarms: usize,
}

impl Verdicts {
    /// Those that a report on the image threshold counts.
    pub(super) fn of(report: &ThresholdReport) -> Self {
        let count = |of: fn(&ObservedRate) -> u64, rate: &Option<ObservedRate>| rate.as_ref().map_or(0, of) as usize;
        Self {
            found: count(|rate| rate.of - rate.count, &report.misses),
            false_alarms: count(|rate| rate.count, &report.false_alarms),
        }
    }
}

/// Metrics on the validation set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Image AUROC of each kind of drawn defect against the held-out images.
    pub image_auroc_by_kind: Values,
    /// The metrics, under the names of `metrics.json`.
    #[serde(flatten)]
    pub metrics: Values,
}

/// A category over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CategoryReport {
    /// Name of the category.
    pub category: String,
    /// Its seeds, ascending.
    pub seeds: Vec<u64>,
    /// Each metric over the seeds.
    pub metrics: BTreeMap<String, Spread>,
    /// Each validation metric over the seeds.
    pub validation: BTreeMap<String, Spread>,
}

/// A value over several runs or categories.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Number of values.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation with divisor `count - 1`; none for one value.
    pub deviation: Option<f64>,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of `values`; none if there are no values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self {
            count,
            mean,
            deviation: (count > 1).then(|| (squares / (count - 1) as f64).sqrt()),
            min: values.iter().copied().reduce(f64::min)?,
            max: values.iter().copied().reduce(f64::max)?,
        })
    }
}

impl Report {
    /// The report of the planned runs that are done. Both are in any order.
    pub fn new(origin: Origin, planned: &[PlannedRun], mut runs: Vec<RunReport>) -> Self {
        runs.sort_by(|a, b| (&a.category, a.seed).cmp(&(&b.category, b.seed)));
        let is_done =
            |planned: &&PlannedRun| runs.iter().any(|run| (&run.category, run.seed) == (&planned.category, planned.seed));
        let mut missing: Vec<PlannedRun> = planned.iter().filter(|planned| !is_done(planned)).cloned().collect();
        missing.sort();
        let categories: Vec<CategoryReport> = runs.chunk_by(|a, b| a.category == b.category).map(CategoryReport::new).collect();
        let mean = spreads(categories.iter().map(|category| means(&category.metrics)));
        let validation_mean = spreads(categories.iter().map(|category| means(&category.validation)));
        Self { origin, runs, missing, categories, mean, validation_mean }
    }
}

impl CategoryReport {
    /// A category from its runs, at least one, sorted by seed.
    fn new(runs: &[RunReport]) -> Self {
        Self {
            category: runs.first().map(|run| run.category.clone()).unwrap_or_default(),
            seeds: runs.iter().map(|run| run.seed).collect(),
            metrics: spreads(runs.iter().map(|run| run.metrics.clone())),
            validation: spreads(runs.iter().filter_map(|run| Some(run.validation.as_ref()?.metrics.clone()))),
        }
    }
}

/// The spread of each metric over the tables that have it.
fn spreads(tables: impl Iterator<Item = Values>) -> BTreeMap<String, Spread> {
    let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in tables.flatten() {
        found.entry(name).or_default().push(value);
    }
    found.into_iter().filter_map(|(name, values)| Some((name, Spread::of(&values)?))).collect()
}

fn means(spreads: &BTreeMap<String, Spread>) -> Values {
    spreads.iter().map(|(name, spread)| (name.clone(), spread.mean)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run with these metrics; everything else is the same.
    pub(crate) fn run(category: &str, seed: u64, metrics: &[(&str, f64)]) -> RunReport {
        let values: Values = metrics.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        RunReport {
            category: category.into(),
            seed,
            config_hash: format!("{seed:012}"),
            own_config: true,
            steps: 4,
            batch: 2,
            protocol: "one line".into(),
            images: ImageCounts { train: 5, held_out: 1, good: 3, anomalous: 5, ..ImageCounts::default() },
            thresholds: Thresholds { image: 0.5, image_interval: None, pixel: 0.25, calibration: None },
            verdicts: Some(Verdicts { found: 2, false_alarms: 1 }),
            image_threshold: None,
            image_auroc_by_kind: [("hole".to_owned(), 0.75)].into(),
            validation: Some(Validation { image_auroc_by_kind: [("crack".to_owned(), 1.0)].into(), metrics: values.clone() }),
            notes: Vec::new(),
            metrics: values,
        }
    }

    pub(crate) fn origin() -> Origin {
        Origin {
            version: "0.1.0".into(),
            commit: "unknown".into(),
            device: "cpu".into(),
            precision: "f32".into(),
            base_config_hash: "f2822389b9c0".into(),
        }
    }

    #[test]
    fn means_are_over_seeds_first_and_then_over_categories() {
        let runs = vec![
            run("b", 0, &[("image_auroc", 0.5)]),
            run("a", 1, &[("image_auroc", 1.0), ("pixel_auroc", 0.5)]),
            run("a", 0, &[("image_auroc", 0.5)]),
        ];
        let report = Report::new(origin(), &[], runs);
        assert_eq!(report.runs.iter().map(|run| (&*run.category, run.seed)).collect::<Vec<_>>(), [("a", 0), ("a", 1), ("b", 0)]);
        let [a, b] = &report.categories[..] else { panic!("{:?}", report.categories) };
        assert_eq!((&a.seeds[..], &b.seeds[..]), (&[0, 1][..], &[0][..]));
        // The mean of 0.75 and 0.5, not of the three runs.
        let deviation = 0.125 * 2f64.sqrt();
        let Spread { count, mean, deviation: Some(found), min, max } = report.mean["image_auroc"] else { panic!() };
        assert_eq!((count, mean, min, max), (2, 0.625, 0.5, 0.75));
        assert!((found - deviation).abs() < 1e-15, "{found}");
        assert_eq!(report.mean["pixel_auroc"], Spread { count: 1, mean: 0.5, deviation: None, min: 0.5, max: 0.5 });
        assert_eq!(report.validation_mean, report.mean);
    }

    #[test]
    fn a_report_survives_its_file_and_has_the_keys_of_metrics_json() {
        let report = Report::new(origin(), &[], vec![run("a", 0, &[("image_auroc", 1.0 / 3.0)])]);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["runs"][0]["image_auroc"], 1.0 / 3.0);
        assert_eq!(value["runs"][0]["validation"]["image_auroc"], 1.0 / 3.0);
        assert_eq!(value["version"], "0.1.0");
    }

    #[test]
    fn runs_that_are_not_done_are_missing() {
        let planned = [("b", 1), ("b", 0), ("a", 0)].map(|(category, seed)| PlannedRun { category: category.into(), seed });
        let report = Report::new(origin(), &planned, vec![run("b", 0, &[("image_auroc", 0.5)])]);
        assert_eq!(report.missing, [planned[2].clone(), planned[0].clone()]);
        let whole = planned.iter().map(|own| run(&own.category, own.seed, &[])).collect();
        assert!(Report::new(origin(), &planned, whole).missing.is_empty());
    }
}
