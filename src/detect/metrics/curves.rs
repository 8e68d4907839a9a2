//! ROC and PRO curves as points, for drawing: the area under them is the metric of the same name.

use super::RankedPixels;
use super::ranking::Ranking;
use crate::backend::Real;

/// Points closer than this on both axes are merged, so that the curve of millions of pixels is short. The area changes by less
/// than half of this.
const RESOLUTION: f64 = 1e-3;

/// Curves of one category, from (0, 0) to FPR 1; at each distinct score, from high to low, one point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// (FPR, TPR) over images, with the score that the caller selects; every point.
    pub image_roc: Vec<(f64, f64)>,
    /// (FPR, TPR) over pixels, thinned to steps of 0.001.
    pub pixel_roc: Vec<(f64, f64)>,
    /// (FPR, mean overlap with the components) over pixels, thinned to steps of 0.001.
    pub pro: Vec<(f64, f64)>,
}

impl Curves {
    /// The curves of these images.
    pub(super) fn new<T: Real, U: Real>(images: &Ranking<T>, pixels: &RankedPixels<U>) -> Self {
        Self { image_roc: roc(images).collect(), pixel_roc: thinned(roc(&pixels.ranking)), pro: thinned(pro(pixels)) }
    }
}

/// (FPR, TPR) at each distinct score.
fn roc<T: Real>(ranking: &Ranking<T>) -> impl Iterator<Item = (f64, f64)> {
    let total = ranking.total();
    let share =
        move |normal: u64, anomalous: u64| (normal as f64 / total.normal as f64, anomalous as f64 / total.anomalous as f64);
    let levels = ranking.levels().map(move |level| share(level.after.normal, level.after.anomalous));
    [(0.0, 0.0)].into_iter().chain(levels)
}

/// (FPR, PRO) at each distinct score.
fn pro<T: Real>(pixels: &RankedPixels<T>) -> impl Iterator<Item = (f64, f64)> {
    let (normal, components) = (pixels.ranking.total().normal as f64, pixels.areas.len() as f64);
    let levels = pixels.ranking.levels().scan(0.0, move |overlap, level| {
        let gained = |component: u32| 1.0 / pixels.areas[component as usize - 1] as f64;
        *overlap +=
            level.samples.iter().filter(|sample| sample.component > 0).map(|sample| gained(sample.component)).sum::<f64>();
        Some((level.after.normal as f64 / normal, (*overlap / components).min(1.0)))
    });
    [(0.0, 0.0)].into_iter().chain(levels)
}

/// The first and the last of a rising sequence of points, and between them all that differ from the one before by [`RESOLUTION`]
/// in a coordinate, each after the last point before it.
fn thinned(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut last = None;
    for point in points {
        let is_near = kept.last().is_some_and(|&(x, y)| point.0 - x < RESOLUTION && point.1 - y < RESOLUTION);
        if is_near {
            last = Some(point);
        } else {
            kept.extend(last.take());
            kept.push(point);
        }
    }
    kept.extend(last);
    kept
}

/// The area under a curve up to `limit` on the horizontal axis, by the trapezoid rule, divided by `limit`.
pub fn area_under(curve: &[(f64, f64)], limit: f64) -> f64 {
    let piece = |pair: &[(f64, f64)]| {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let end = x1.min(limit);
        if end <= x0 {
            return 0.0;
        }
        let y = y0 + (y1 - y0) * (end - x0) / (x1 - x0);
        0.5 * (end - x0) * (y0 + y)
    };
    curve.windows(2).map(piece).sum::<f64>() / limit
}

#[cfg(test)]
mod tests {
    use super::super::{FPR_LIMIT, Record, Score, evaluate_with_curves};
    use super::*;
    use crate::data::Plane;
    use approx::assert_abs_diff_eq;

    /// Eight images, half of them with two defects each; scores overlap and tie. `levels` distinct values at most.
    fn records(levels: usize) -> Vec<Record> {
        let noise = |k: usize| (k * 7919 % 10_007) as f32 / 10_007.0;
        (0..8)
            .map(|image| {
                let is_marked = |row: usize, column: usize| image % 2 == 0 && row < 8 && (column < 5 || column > 20 + image);
                let mask = Plane::from_shape_fn((24, 40), |(row, column)| f32::from(is_marked(row, column)));
                let value = |(row, column): (usize, usize)| {
                    let value = noise(image * 960 + row * 40 + column) + 0.4 * mask[[row, column]];
                    (value * levels as f32).round() / levels as f32
                };
                let map = Plane::from_shape_fn((24, 40), value);
                let sum: f64 = map.iter().map(|&value| f64::from(value)).sum();
                let max = map.iter().fold(0.0f32, |a, &b| a.max(b));
                Record { score_max: max.into(), score_sum: sum, score_top: max.into(), anomalous: image % 2 == 0, map, mask }
            })
            .collect()
    }

    #[test]
    fn areas_are_the_metrics() {
        for (levels, tolerance) in [(9, 1e-12), (40, 1e-12), (1_000_000, RESOLUTION / 2.0)] {
            let records = records(levels);
            let (metrics, curves) = evaluate_with_curves(&records, Score::Sum).unwrap();
            assert_abs_diff_eq!(area_under(&curves.image_roc, 1.0), metrics.image_auroc, epsilon = 1e-12);
            assert_abs_diff_eq!(area_under(&curves.pixel_roc, 1.0), metrics.pixel_auroc, epsilon = tolerance);
            assert_abs_diff_eq!(area_under(&curves.pro, FPR_LIMIT), metrics.au_pro, epsilon = tolerance / FPR_LIMIT);
            let image_max = evaluate_with_curves(&records, Score::Max).unwrap().1.image_roc;
            assert_abs_diff_eq!(area_under(&image_max, 1.0), metrics.image_auroc_max, epsilon = 1e-12);
        }
    }

    #[test]
    fn curves_rise_from_the_origin_to_one_and_are_short() {
        let (_, Curves { image_roc, pixel_roc, pro }) = evaluate_with_curves(&records(1_000_000), Score::Max).unwrap();
        for curve in [&image_roc, &pixel_roc, &pro] {
            assert_eq!(curve[0], (0.0, 0.0));
            let (x, y) = curve[curve.len() - 1];
            assert_abs_diff_eq!(x, 1.0, epsilon = 1e-9);
            assert_abs_diff_eq!(y, 1.0, epsilon = 1e-9);
            assert!(curve.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
            assert!(curve.len() < 4_100, "{}", curve.len());
        }
    }

    #[test]
    fn areas_by_hand() {
        let curve = [(0.0, 0.0), (0.2, 0.8), (1.0, 1.0)];
        assert_abs_diff_eq!(area_under(&curve, 1.0), 0.08 + 0.72, epsilon = 1e-12);
        assert_abs_diff_eq!(area_under(&curve, 0.1), 0.2, epsilon = 1e-12);
        assert_abs_diff_eq!(area_under(&curve, 0.6), (0.08 + 0.34) / 0.6, epsilon = 1e-12);
        assert_abs_diff_eq!(area_under(&[(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)], 0.3), 1.0, epsilon = 1e-12);
    }

    #[test]
    fn steep_and_long_steps_survive_thinning() {
        let points = [(0.0, 0.0), (0.0001, 0.0001), (0.0002, 0.5), (0.0003, 0.5001), (1.0, 1.0)];
        assert_eq!(thinned(points.into_iter()), points);
        let close = (0..10_001).map(|k| (f64::from(k) / 10_000.0, f64::from(k) / 10_000.0));
        let kept = thinned(close);
        assert!((kept[0], kept[kept.len() - 1]) == ((0.0, 0.0), (1.0, 1.0)) && kept.len() < 2_010, "{}", kept.len());
    }
}
