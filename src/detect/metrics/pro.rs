//! Area under the per-region-overlap curve.
//!
//! At a threshold, the overlap of a component is the fraction of its pixels that are marked anomalous, PRO is the mean of the
//! overlaps over all components, and FPR the fraction of all normal pixels, good images included, that are marked.

use super::RankedPixels;

/// AU-PRO integrates over FPR in [0, this].
pub const FPR_LIMIT: f64 = 0.3;
/// Number of thresholds of AU-PRO-200.
pub const THRESHOLDS: u32 = 200;

/// What one component has gathered on the way down the ranking, in pixels.
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
