//! Image AUROC by kind of defect.

use std::collections::BTreeMap;

use super::{Ranking, auroc};
use crate::error::{Error, Result};

/// Image AUROC of each kind of defect against all good images, by name of the kind.
///
/// `scores[i]` is the score of image i and `kinds[i]` its kind of defect, `None` where it is good.
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
