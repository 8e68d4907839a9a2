//! Scores sorted from the most to the least anomalous, and the metrics that need only one pass over them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rayon::slice::ParallelSliceMut;

use crate::backend::Real;
use crate::error::{Error, Result};

/// One image or pixel: its score, and the number of its component in the mask, counted from 1; 0 if it is normal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<T> {
    pub(super) score: T,
    pub(super) component: u32,
}

/// Numbers of samples at or above a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// True positives TP.
    pub anomalous: u64,
    /// False positives FP.
    pub normal: u64,
}

/// All samples with the same score. With this score as the threshold, they and all samples before them are marked anomalous.
#[derive(Clone, Copy, Debug)]
pub struct Level<'a, T> {
    /// The score, which is also the threshold: `score >= threshold` means anomalous.
    pub score: T,
    /// Counts at the next higher threshold.
    pub before: Counts,
    /// Counts at this threshold.
    pub after: Counts,
    pub(super) samples: &'a [Sample<T>],
}

/// Scores and labels in descending order of score, with at least one anomalous and one normal sample.
#[derive(Clone, Debug)]
pub struct Ranking<T> {
    samples: Vec<Sample<T>>,
    total: Counts,
}

impl<T: Real> Ranking<T> {
    /// Sorts `scores` with their labels, `true` for anomalous. `metric` names the metric in errors.
    ///
    /// # Errors
    /// Lengths differ, a score is NaN or infinite, or one of the two classes is empty.
    pub fn new(metric: &'static str, scores: &[T], anomalous: &[bool]) -> Result<Self> {
        if scores.len() != anomalous.len() {
            return Err(Error::shape(metric, format!("{} scores but {} labels", scores.len(), anomalous.len())));
        }
        let labelled = scores.iter().zip(anomalous);
        let samples = labelled.map(|(&score, &anomalous)| Sample { score, component: anomalous.into() });
        Self::from_samples(metric, samples.collect())
    }

    pub(super) fn from_samples(metric: &'static str, mut samples: Vec<Sample<T>>) -> Result<Self> {
        if let Some(index) = samples.iter().position(|sample| !sample.score.is_finite()) {
            return Err(Error::metric(metric, format!("score {index} of {} is {}", samples.len(), samples[index].score)));
        }
        let mut total = Counts::default();
        total.add(&samples);
        for (count, class) in [(total.anomalous, "anomalous"), (total.normal, "normal")] {
            if count == 0 {
                return Err(Error::metric(metric, format!("none of the {} samples is {class}", samples.len())));
            }
        }
        samples.par_sort_unstable_by(falling);
        Ok(Self { samples, total })
    }

    /// Number of anomalous and normal samples, both at least 1.
    pub fn total(&self) -> Counts {
        self.total
    }

    /// One level per distinct score, highest first.
    pub fn levels(&self) -> impl Iterator<Item = Level<'_, T>> {
        self.samples.chunk_by(|a, b| a.score == b.score).scan(Counts::default(), |counts, samples| {
            let before = *counts;
            counts.add(samples);
            Some(Level { score: samples[0].score, before, after: *counts, samples })
        })
    }

    /// Samples in descending order of score.
    pub(super) fn samples(&self) -> &[Sample<T>] {
        &self.samples
    }
}

impl Counts {
    fn add<T>(&mut self, samples: &[Sample<T>]) {
        let anomalous = samples.iter().filter(|sample| sample.component != 0).count() as u64;
        self.anomalous += anomalous;
        self.normal += samples.len() as u64 - anomalous;
    }
}

/// Higher scores first. Scores are finite, so the order is total. -0 and 0 tie.
fn falling<T: Real>(a: &Sample<T>, b: &Sample<T>) -> Ordering {
    b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal)
}

/// AUROC: the probability that an anomalous sample scores higher than a normal one, ties counting one half (Method §7).
///
/// The sum over pairs is an exact integer; the only rounding is in the final division.
pub fn auroc<T: Real>(ranking: &Ranking<T>) -> f64 {
    // A normal sample forms a full pair with each anomalous sample of a higher level, and half a pair with each of its own level.
    let twice_pairs: u128 = ranking
        .levels()
        .map(|level| {
            let normal = u128::from(level.after.normal - level.before.normal);
            normal * u128::from(level.before.anomalous + level.after.anomalous)
        })
        .sum();
    let total = ranking.total();
    twice_pairs as f64 / (2.0 * total.anomalous as f64 * total.normal as f64)
}

/// Standard error of an AUROC over this many samples (Hanley and McNeil, Radiology 143:29, 1982).
///
/// It is 0 for a perfect AUROC, so with few samples it underestimates the uncertainty.
pub fn auroc_standard_error(auroc: f64, total: Counts) -> f64 {
    let (anomalous, normal) = (total.anomalous as f64, total.normal as f64);
    let two_anomalous = auroc / (2.0 - auroc);
    let two_normal = 2.0 * auroc * auroc / (1.0 + auroc);
    let square = auroc * auroc;
    let variance = auroc * (1.0 - auroc) + (anomalous - 1.0) * (two_anomalous - square) + (normal - 1.0) * (two_normal - square);
    (variance / (anomalous * normal)).max(0.0).sqrt()
}

/// AP = Σ_k (R_k - R_{k-1}) P_k over the distinct scores from high to low, without interpolation (Method §7).
pub fn average_precision<T: Real>(ranking: &Ranking<T>) -> f64 {
    let weighted: f64 = ranking
        .levels()
        .map(|level| {
            let precision = level.after.anomalous as f64 / (level.after.anomalous + level.after.normal) as f64;
            (level.after.anomalous - level.before.anomalous) as f64 * precision
        })
        .sum();
    weighted / ranking.total().anomalous as f64
}

/// The best F1 of a ranking. The threshold is chosen with the labels of the same set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct F1Max {
    /// F1 = 2 P R / (P + R), in (0, 1].
    pub f1: f64,
    /// The highest score that attains it; `score >= threshold` means anomalous.
    pub threshold: f64,
}

/// F1-max: the largest F1 over all thresholds, with its test-selected threshold (Method §7).
pub fn f1_max<T: Real>(ranking: &Ranking<T>) -> F1Max {
    let mut best = F1Max { f1: 0.0, threshold: f64::INFINITY };
    for level in ranking.levels() {
        // 2 P R / (P + R) = 2 TP / (TP + FP + number of anomalous samples).
        let marked = level.after.anomalous + level.after.normal;
        let f1 = 2.0 * level.after.anomalous as f64 / (marked + ranking.total().anomalous) as f64;
        if f1 > best.f1 {
            best = F1Max { f1, threshold: level.score.f64() };
        }
    }
    best
}

/// Image AUROC of each kind of defect against all good images, by the name of the kind.
///
/// `scores[i]` is the score of image i, and `kinds[i]` is its kind of defect, or `None` if the image is good.
///
/// # Errors
/// Lengths differ, a score is NaN or infinite, or there is no good or no anomalous image.
pub fn image_auroc_by_kind(scores: &[f64], kinds: &[Option<&str>]) -> Result<BTreeMap<String, f64>> {
    const METRIC: &str = "image AUROC by kind of defect";
    if scores.len() != kinds.len() {
        return Err(Error::shape(METRIC, format!("{} scores but {} kinds", scores.len(), kinds.len())));
    }
    let mut defects: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut good = Vec::new();
    for (&score, kind) in scores.iter().zip(kinds) {
        kind.map_or(&mut good, |kind| defects.entry(kind).or_default()).push(score);
    }
    if defects.is_empty() {
        return Err(Error::metric(METRIC, format!("all {} images are good", good.len())));
    }
    let against_good = |(kind, own): (&str, Vec<f64>)| {
        let labels: Vec<bool> = (0..own.len() + good.len()).map(|index| index < own.len()).collect();
        let ranking = Ranking::new(METRIC, &[own, good.clone()].concat(), &labels)?;
        Ok((kind.to_owned(), auroc(&ranking)))
    };
    defects.into_iter().map(against_good).collect()
}
