//! Scores sorted once, from the most to the least anomalous. Every metric is one walk over the result.

use std::cmp::Ordering;

use rayon::slice::ParallelSliceMut;

use crate::backend::Real;
use crate::error::{Error, Result};

/// One image or pixel: its score, and the component of the mask it lies in, counted from 1; 0 where it is normal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<T> {
    pub(super) score: T,
    pub(super) component: u32,
}

/// How many samples score at least some threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// True positives TP.
    pub anomalous: u64,
    /// False positives FP.
    pub normal: u64,
}

/// All samples that share one score. With this score as threshold they, and all before them, count as anomalous.
#[derive(Clone, Copy, Debug)]
pub struct Level<'a, T> {
    /// The score, and the threshold it stands for: `score >= threshold` means anomalous.
    pub score: T,
    /// Counts at the next higher threshold.
    pub before: Counts,
    /// Counts at this threshold.
    pub after: Counts,
    pub(super) samples: &'a [Sample<T>],
}

/// Scores and labels in falling order of score, with at least one anomalous and one normal sample.
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

    /// Samples in falling order of score.
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

/// Higher scores first. Scores are finite, so the order is total, and -0 ties with 0 as it should.
fn falling<T: Real>(a: &Sample<T>, b: &Sample<T>) -> Ordering {
    b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal)
}
