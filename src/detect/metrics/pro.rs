//! All pixels of a test set in one ranking, and the area under the per-region-overlap curve.
//!
//! At a threshold, the overlap of a component is the fraction of its pixels that are marked anomalous, PRO is the mean of the
//! overlaps over all components, and FPR the fraction of all normal pixels, good images included, that are marked.

use super::ranking::Sample;
use super::{Components, Ranking, is_anomalous};
use crate::data::Plane;
use crate::error::{Error, Result};

/// The pixels of all test images of a category, good images included, ranked by score, with the component that each belongs to.
#[derive(Clone, Debug)]
pub struct RankedPixels {
    /// All pixels, the score of each as in its map.
    pub ranking: Ranking<f32>,
    /// Pixels of each component of all masks; those of the first image come first.
    pub areas: Vec<u64>,
}

impl RankedPixels {
    /// Ranks the pixels of `(anomaly map, mask)` pairs. A mask is anomalous above one half; that of a good image is all zero.
    /// Images may differ in size, a map and its mask may not.
    ///
    /// # Errors
    /// Sizes of a map and its mask differ, a score is NaN or infinite, or no pixel is anomalous, or none normal.
    pub fn new<'a>(images: impl IntoIterator<Item = (&'a Plane, &'a Plane)>) -> Result<Self> {
        let (mut samples, mut areas) = (Vec::new(), Vec::new());
        for (index, (map, mask)) in images.into_iter().enumerate() {
            let ((h, w), (mask_h, mask_w)) = (map.dim(), mask.dim());
            if (h, w) != (mask_h, mask_w) {
                let reason = format!("map of image {index} is {h}x{w}, its mask {mask_h}x{mask_w}");
                return Err(Error::shape("pixel metrics", reason));
            }
            let components = Components::of(&mask.mapv(is_anomalous));
            let earlier = areas.len() as u32;
            let global = |label: u32| if label == 0 { 0 } else { earlier + label };
            let labelled = map.iter().zip(&components.labels);
            samples.extend(labelled.map(|(&score, &label)| Sample { score, component: global(label) }));
            areas.extend(components.areas);
        }
        Ok(Self { ranking: Ranking::from_samples("pixel AUROC", samples)?, areas })
    }
}

/// AU-PRO integrates over FPR in [0, this].
pub const FPR_LIMIT: f64 = 0.3;
/// Number of thresholds of AU-PRO-200.
pub const THRESHOLDS: u32 = 200;

/// Running counts of one component on the way down the ranking, in pixels.
#[derive(Clone, Copy, Default)]
struct Gathered {
    /// Pixels marked before the limit is reached.
    inside: u64,
    /// Over those pixels, the sum of the false positives just before and just after each.
    twice_false: u128,
    /// Pixels whose score is the one at which the limit is crossed.
    crossing: u64,
}

/// AU-PRO (Method §7): PRO against FPR with every distinct score as threshold, joined by straight lines, integrated to
/// FPR 0.3 with linear interpolation there, divided by 0.3. Exact; in [0, 1].
///
/// PRO is a mean over components and the trapezoid rule is linear, so the area is the mean of the areas under each component's
/// own curve. In such a curve a pixel adds `1/area` along a ramp from the false positives `a` before its level to those after
/// it, `b`; up to `limit` false positives that is `limit - (a + b)/2`, or `(limit - a)²/(2(b - a))` where the ramp crosses the
/// limit. Counts are integers until the last division.
pub fn au_pro(pixels: &RankedPixels) -> f64 {
    let limit = FPR_LIMIT * pixels.ranking.total().normal as f64;
    let mut gathered = vec![Gathered::default(); pixels.areas.len()];
    let mut crossing_area = 0.0;
    for level in pixels.ranking.levels().take_while(|level| (level.before.normal as f64) < limit) {
        let (before, after) = (level.before.normal, level.after.normal);
        let crosses = after as f64 > limit;
        if crosses {
            crossing_area = (limit - before as f64).powi(2) / (2.0 * (after - before) as f64);
        }
        for component in level.samples.iter().filter_map(|sample| sample.component.checked_sub(1)) {
            let own = &mut gathered[component as usize];
            own.crossing += u64::from(crosses);
            own.inside += u64::from(!crosses);
            own.twice_false += if crosses { 0 } else { u128::from(before) + u128::from(after) };
        }
    }
    let area_under = |(own, &area): (&Gathered, &u64)| {
        let area = area as f64;
        let lost = own.twice_false as f64 / (2.0 * area * limit);
        own.inside as f64 / area - lost + own.crossing as f64 * crossing_area / (area * limit)
    };
    gathered.iter().zip(&pixels.areas).map(area_under).sum::<f64>() / pixels.areas.len() as f64
}

/// AU-PRO-200, the common form with 200 thresholds, for comparison with published tables only.
///
/// Thresholds are spaced linearly from the lowest to the highest score of the set, both included; `score > threshold` marks a
/// pixel. Of the 200 points those with FPR at most 0.3 are kept, FPR is divided by the largest kept one (not by 0.3, and
/// nothing is interpolated), and the trapezoid rule gives the area. Where scores are heavy-tailed nearly all pixels fall below
/// the second threshold, the curve ends at a very small FPR, and the value says little. Where every kept FPR is 0 the
/// common codes print NaN; here the value is the highest PRO among the kept points. In [0, 1].
pub fn au_pro_200(pixels: &RankedPixels) -> f64 {
    let total = pixels.ranking.total().normal as f64;
    let kept = curve_200(pixels).take_while(|&(normal, _)| normal as f64 / total <= FPR_LIMIT);
    let (mut area, mut last) = (0.0, (0, 0.0));
    for point in kept {
        area += (point.0 - last.0) as f64 * (last.1 + point.1) / 2.0;
        last = point;
    }
    if last.0 == 0 { last.1 } else { area / last.0 as f64 }
}

/// `(false positives, PRO)` at each of the 200 thresholds, highest first. The first is (0, 0): nothing exceeds the maximum.
fn curve_200(pixels: &RankedPixels) -> impl Iterator<Item = (u64, f64)> {
    let samples = pixels.ranking.samples();
    let score = |index: usize| samples.get(index).map(|sample| f64::from(sample.score));
    let (high, low) = (score(0).unwrap_or_default(), score(samples.len().wrapping_sub(1)).unwrap_or_default());
    let step = (high - low) / f64::from(THRESHOLDS - 1);
    let mut marked = vec![0u64; pixels.areas.len()];
    let (mut cursor, mut normal) = (0, 0);
    (0..THRESHOLDS).rev().map(move |index| {
        let threshold = if index == THRESHOLDS - 1 { high } else { low + f64::from(index) * step };
        while let Some(sample) = samples.get(cursor).filter(|sample| f64::from(sample.score) > threshold) {
            match sample.component.checked_sub(1) {
                Some(component) => marked[component as usize] += 1,
                None => normal += 1,
            }
            cursor += 1;
        }
        let overlaps = marked.iter().zip(&pixels.areas).map(|(&marked, &area)| marked as f64 / area as f64);
        (normal, overlaps.sum::<f64>() / pixels.areas.len() as f64)
    })
}
