//! All pixels of a test set in one ranking, and the area under the per-region overlap (PRO) curve.
//!
//! At a threshold, the overlap of a component is the fraction of its pixels that are marked anomalous. PRO is the mean overlap
//! over all components. FPR is the fraction of all normal pixels, including those of good images, that are marked anomalous.

use ndarray::Array2;

use super::ranking::Sample;
use super::{Components, Ranking, is_anomalous};
use crate::backend::Real;
use crate::data::Plane;
use crate::error::{Error, Result};
use crate::shape::in_pixels;

/// The pixels of all test images of a category, including good images, ranked by score. Each has the number of its component.
#[derive(Clone, Debug)]
pub struct RankedPixels<T = f32> {
    /// All pixels, each with its score in the anomaly map.
    pub ranking: Ranking<T>,
    /// Number of pixels of each component, for all masks in the order of the images.
    pub areas: Vec<u64>,
}

impl<T: Real> RankedPixels<T> {
    /// Ranks the pixels of `(anomaly map, mask)` pairs. A mask pixel is anomalous if it exceeds one half; the mask of a good
    /// image is all zero. Images may differ in size, but a map and its mask must have the same size.
    ///
    /// # Errors
    /// Sizes of a map and its mask differ, a score is NaN or infinite, or there is no anomalous or no normal pixel.
    pub fn new<'a>(images: impl IntoIterator<Item = (&'a Array2<T>, &'a Plane)>) -> Result<Self> {
        let (mut samples, mut areas) = (Vec::new(), Vec::new());
        for (index, (map, mask)) in images.into_iter().enumerate() {
            let ((h, w), (mask_h, mask_w)) = (map.dim(), mask.dim());
            if (h, w) != (mask_h, mask_w) {
                let [map, mask] = [in_pixels(h, w), in_pixels(mask_h, mask_w)];
                let reason = format!("the map of image {index} has {map}, its mask {mask}");
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

/// Running pixel counts of one component while going down the ranking.
#[derive(Clone, Copy, Default)]
struct Gathered {
    /// Pixels marked anomalous before the FPR limit is reached.
    inside: u64,
    /// Sum, over these pixels, of the false positives immediately before and immediately after each.
    twice_false: u128,
    /// Pixels with the score at which the limit is crossed.
    crossing: u64,
}

/// AU-PRO (Method §7): the area under the curve of PRO against FPR up to FPR 0.3, divided by 0.3. Every distinct score is a
/// threshold, and the curve is linear between the points. Exact; in [0, 1].
///
/// PRO is a mean over components and the trapezoid rule is linear, so the area is the mean over components of the area under each
/// component's own curve. In this curve, a pixel adds a ramp of height `1/area` from `a`, the false positives before its level,
/// to `b`, the false positives after it. Up to `limit` false positives, the area under a ramp of height 1 is `limit - (a + b)/2`,
/// or `(limit - a)²/(2(b - a))` if the ramp crosses the limit. Counts are integers until the last division.
pub fn au_pro<T: Real>(pixels: &RankedPixels<T>) -> f64 {
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

/// AU-PRO-200, the common variant with 200 thresholds. Only for comparison with published tables.
///
/// The thresholds are spaced linearly from the lowest to the highest score of the set, both included; `score > threshold` marks a
/// pixel anomalous. Points with FPR above 0.3 are dropped, FPR is divided by the largest remaining FPR (not by 0.3, and without
/// interpolation), and the trapezoid rule gives the area. If the scores are heavy-tailed, nearly all pixels are below the second
/// threshold, so the curve ends at a very small FPR and the value means little. If every remaining FPR is 0, common
/// implementations print NaN; here the value is the highest remaining PRO. In [0, 1].
pub fn au_pro_200<T: Real>(pixels: &RankedPixels<T>) -> f64 {
    let total = pixels.ranking.total().normal as f64;
    let kept = curve_200(pixels).take_while(|&(normal, _)| normal as f64 / total <= FPR_LIMIT);
    let (mut area, mut last) = (0.0, (0, 0.0));
    for point in kept {
        area += (point.0 - last.0) as f64 * (last.1 + point.1) / 2.0;
        last = point;
    }
    if last.0 == 0 { last.1 } else { area / last.0 as f64 }
}

/// `(false positives, PRO)` at each of the 200 thresholds, highest first. The first point is (0, 0), because no score exceeds the
/// maximum.
fn curve_200<T: Real>(pixels: &RankedPixels<T>) -> impl Iterator<Item = (u64, f64)> {
    let samples = pixels.ranking.samples();
    let score = |index: usize| samples.get(index).map(|sample| sample.score.f64());
    let (high, low) = (score(0).unwrap_or_default(), score(samples.len().wrapping_sub(1)).unwrap_or_default());
    let step = (high - low) / f64::from(THRESHOLDS - 1);
    let mut marked = vec![0u64; pixels.areas.len()];
    let (mut cursor, mut normal) = (0, 0);
    (0..THRESHOLDS).rev().map(move |index| {
        let threshold = if index == THRESHOLDS - 1 { high } else { low + f64::from(index) * step };
        while let Some(sample) = samples.get(cursor).filter(|sample| sample.score.f64() > threshold) {
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
