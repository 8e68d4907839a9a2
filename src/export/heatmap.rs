//! Smoothing and image score.

use super::builder::{Attribute, Builder, Value};
use super::resample::{Sides, interpolated};
use crate::detect::metrics::Score;
use crate::detect::{Expected, Settings, Smoothing};
use crate::error::Result;

/// Parts of a pixel that shares are counted in, so that counting takes whole numbers only; 64 bits hold those of 64 Mi pixels.
const PARTS: f64 = 1e11;
/// A share of pixels that comes out this many parts above a whole number is meant to be that number.
const EXCESS: i64 = 100_000;

/// A map `[N, 1, H, W]` after n times the k x k average over the pixels inside the image. It is taken along columns, then along
/// rows.
pub(super) fn smoothed(graph: &mut Builder, part: &str, mut x: Value, Smoothing { window, repeats }: Smoothing) -> Value {
    graph.enter(part);
    let (k, r) = (window as i64, (window / 2) as i64);
    let mut along = |x, kernel: [i64; 2], pads: [i64; 4]| {
        let attributes = [("kernel_shape", Attribute::Ints(&kernel)), ("pads", Attribute::Ints(&pads))];
        graph.apply_with("AveragePool", [x], &attributes)
    };
    for _ in 0..repeats {
        x = along(x, [k, 1], [r, 0, r, 0]);
        x = along(x, [1, k], [0, r, 0, r]);
    }
    x
}

/// The image score `[N]` of a heatmap `[N, 1, H, W]` of this size.
///
/// # Errors
/// Expected values that are not usable.
pub(super) fn score(graph: &mut Builder, heatmap: Value, size: Sides, settings: &Settings) -> Result<Value> {
    graph.enter("score");
    let detection = &settings.detection;
    let judged = match settings.expected.as_ref().filter(|_| detection.relative_score) {
        Some(expected) => relative(graph, heatmap, size, expected)?,
        None => heatmap,
    };
    Ok(match detection.score {
        Score::Max => graph.apply_with("ReduceMax", [judged], &OVER_PIXELS),
        Score::Sum => sum(graph, judged),
        Score::Top => top(graph, judged, size, detection.top_share),
    })
}

const OVER_PIXELS: [(&str, Attribute<'_>); 2] = [("axes", Attribute::Ints(&[1, 2, 3])), ("keepdims", Attribute::Int(0))];

fn relative(graph: &mut Builder, heatmap: Value, size: Sides, expected: &Expected) -> Result<Value> {
    let cells = expected.denominators()?;
    let (rows, columns) = cells.dim();
    let [height, width] = [rows, columns].map(|side| graph.int(side as i64));
    let cells = graph.floats(&[1, 1, rows, columns], cells);
    let denominators = interpolated(graph, cells, Sides { height, width }, size);
    Ok(graph.apply("Div", [heatmap, denominators]))
}

/// Row by row, so that f32 does not lose the small values of a large map.
fn sum(graph: &mut Builder, map: Value) -> Value {
    let [columns, rows] = [graph.ints(&[3]), graph.ints(&[1, 2])];
    let of_rows = graph.apply_with("ReduceSum", [map, columns], &[("keepdims", Attribute::Int(0))]);
    graph.apply_with("ReduceSum", [of_rows, rows], &[("keepdims", Attribute::Int(0))])
}

/// Mean of the largest values, `share` of all, rounded up to whole pixels.
fn top(graph: &mut Builder, map: Value, size: Sides, share: f64) -> Value {
    let [share, round, parts, one] =
        [(share * PARTS).round() as i64, PARTS as i64 - 1 - EXCESS, PARTS as i64, 1].map(|value| graph.int(value));
    let pixels = graph.apply("Mul", [size.height, size.width]);
    let wanted = graph.apply("Mul", [pixels, share]);
    let wanted = graph.apply("Add", [wanted, round]);
    let count = graph.apply("Div", [wanted, parts]);
    let count = graph.apply("Max", [count, one]);
    let (list, rest) = (graph.ints(&[1]), graph.ints(&[0, -1]));
    let [count, values] = [graph.apply("Reshape", [count, list]), graph.apply("Reshape", [map, rest])];
    let largest = graph.top_k(values, count);
    graph.apply_with("ReduceMean", [largest], &[("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(0))])
}
