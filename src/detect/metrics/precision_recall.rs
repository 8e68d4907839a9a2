//! Precision and recall: average precision and the best F1.

use super::Ranking;
use crate::backend::Real;

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

/// The best F1 of a ranking. The threshold is chosen with the labels of the very set it is measured on.
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
