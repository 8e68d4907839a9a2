//! What image and reconstruction are compared by, as [`Residual`] computes it.

use super::builder::{Builder, CHANNELS, Value};
use super::similarity::{dissimilarity, gradient_similarity, structural_similarity};
use crate::detect::{CHROMA, LINEAR_LIGHT, Residual, WHITE, XYZ};

/// The weighted sum `[N, 1, H, W]` for an image and its reconstruction `[N, 3, H, W]`.
pub(super) fn residual(graph: &mut Builder, images: [Value; 2], weights: &Residual) -> Value {
    graph.enter("residual");
    let mut terms = Vec::new();
    if weights.squared > 0.0 {
        terms.push((weights.squared, mean_square(graph, images)));
    }
    if weights.root > 0.0 {
        let mean = mean_square(graph, images);
        terms.push((weights.root, graph.apply("Sqrt", [mean])));
    }
    if weights.gradient > 0.0 {
        let greys = images.map(|image| graph.apply_with("ReduceMean", [image], &CHANNELS));
        terms.push((weights.gradient, dissimilarity(graph, greys, weights.scales, gradient_similarity)));
    }
    if weights.ssim > 0.0 {
        let ssim = |graph: &mut Builder, images| structural_similarity(graph, images, weights.ssim_window);
        terms.push((weights.ssim, dissimilarity(graph, images, weights.ssim_scales, ssim)));
    }
    if weights.chroma > 0.0 {
        terms.push((weights.chroma, chroma_distance(graph, images)));
    }
    let weighted: Vec<Value> = terms.into_iter().map(|(weight, term)| scaled(graph, term, weight)).collect();
    graph.apply("Sum", weighted)
}

fn scaled(graph: &mut Builder, term: Value, weight: f64) -> Value {
    let weight = graph.float(weight);
    graph.apply("Mul", [term, weight])
}

fn mean_square(graph: &mut Builder, images: [Value; 2]) -> Value {
    let difference = graph.apply("Sub", images);
    let square = graph.apply("Mul", [difference, difference]);
    graph.apply_with("ReduceMean", [square], &CHANNELS)
}

/// (Δa)² + (Δb)² of CIELAB.
fn chroma_distance(graph: &mut Builder, images: [Value; 2]) -> Value {
    let colours = images.map(|image| chroma(graph, image));
    let difference = graph.apply("Sub", colours);
    let square = graph.apply("Mul", [difference, difference]);
    let channels = graph.ints(&[1]);
    graph.apply("ReduceSum", [square, channels])
}

/// a and b `[N, 2, H, W]` of sRGB `[N, 3, H, W]`; values outside [0, 1] are cut off.
fn chroma(graph: &mut Builder, rgb: Value) -> Value {
    let [black, white] = [0.0, 1.0].map(|value| graph.float(value));
    let rgb = graph.apply("Clip", [rgb, black, white]);
    let linear = linear_light(graph, rgb);
    let matrix: Vec<f32> = XYZ.iter().zip(WHITE).flat_map(|(row, white)| row.map(|value| (value / white) as f32)).collect();
    let to_xyz = graph.floats(&[3, 3, 1, 1], matrix);
    let xyz = graph.apply("Conv", [linear, to_xyz]);
    let compressed = compressed(graph, xyz);
    let [none, two, end, channels] = [0, 2, 3, 1].map(|value| graph.ints(&[value]));
    let first = graph.apply("Slice", [compressed, none, two, channels]);
    let second = graph.apply("Slice", [compressed, channels, end, channels]);
    let difference = graph.apply("Sub", [first, second]);
    let factors = graph.floats(&[2, 1, 1], CHROMA.map(|value| value as f32));
    graph.apply("Mul", [difference, factors])
}

/// sRGB without its gamma.
fn linear_light(graph: &mut Builder, rgb: Value) -> Value {
    let [limit, slope, offset, scale, power] = LINEAR_LIGHT.map(|value| graph.float(value));
    let dark = graph.apply("LessOrEqual", [rgb, limit]);
    let below = graph.apply("Div", [rgb, slope]);
    let shifted = graph.apply("Add", [rgb, offset]);
    let shifted = graph.apply("Div", [shifted, scale]);
    let above = graph.apply("Pow", [shifted, power]);
    graph.apply("Where", [dark, below, above])
}

/// The cube root of CIELAB, continued by a line near 0.
fn compressed(graph: &mut Builder, xyz: Value) -> Value {
    let delta = 6.0_f64 / 29.0;
    let [limit, third, slope, offset] =
        [delta.powi(3), 1.0 / 3.0, 1.0 / (3.0 * delta.powi(2)), 4.0 / 29.0].map(|value| graph.float(value));
    let bright = graph.apply("Greater", [xyz, limit]);
    let root = graph.apply("Pow", [xyz, third]);
    let line = graph.apply("Mul", [xyz, slope]);
    let line = graph.apply("Add", [line, offset]);
    graph.apply("Where", [bright, root, line])
}
