//! Area under the receiver operating characteristic.

use super::Ranking;
use crate::backend::Real;

/// AUROC: the probability that an anomalous sample scores higher than a normal one, ties counting one half (Method §7).
///
/// The sum over pairs is an exact integer; the only rounding is in the final division.
pub fn auroc<T: Real>(ranking: &Ranking<T>) -> f64 {
    // A normal sample ranks below the anomalous ones of the levels above, and half below those of its own level.
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
