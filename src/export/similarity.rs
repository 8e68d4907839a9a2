//! Similarity of two images, the operations of [`ops::similarity`](crate::ops) as ONNX nodes.

use super::builder::{Attribute, Builder, CHANNELS, Value};
use super::resample::{Sides, interpolated};
use crate::ops::{FLAT, GRADIENT, SMALLEST, SSIM, ssim_sigma};

/// Channels of the images that SSIM compares.
const COLOURS: usize = 3;

/// 1 - the mean over channels and scales of a similarity of images `[N, C, H, W]`, each scale resized to the first: `[N, 1, H,
/// W]`. A scale that a small image does not have counts 0 times.
pub(super) fn dissimilarity(
    graph: &mut Builder,
    mut images: [Value; 2],
    scales: u32,
    similarity: impl Fn(&mut Builder, [Value; 2]) -> Value,
) -> Value {
    let whole = Sides::of(graph, images[0]);
    let mut exists = graph.float(1.0);
    let (mut terms, mut counts) = (Vec::new(), Vec::new());
    for scale in 0..scales {
        let size = Sides::of(graph, images[0]);
        graph.enter(&format!("similarity.{scale}"));
        let map = similarity(graph, images);
        let mean = graph.apply_with("ReduceMean", [map], &CHANNELS);
        let one = graph.float(1.0);
        let difference = graph.apply("Sub", [one, mean]);
        let resized = interpolated(graph, difference, size, whole);
        terms.push(graph.apply("Mul", [resized, exists]));
        counts.push(exists);
        if scale + 1 < scales {
            let has_next = is_halved(graph, size);
            exists = graph.apply("Mul", [exists, has_next]);
            images = images.map(|image| halved(graph, image, size));
        }
    }
    let [sum, count] = [terms, counts].map(|values| graph.apply("Sum", values));
    graph.apply("Div", [sum, count])
}

/// 1 if an image of this size has a next scale, else 0.
fn is_halved(graph: &mut Builder, size: Sides) -> Value {
    let smallest = graph.int(SMALLEST as i64);
    let shorter = graph.apply("Min", [size.height, size.width]);
    let large = graph.apply("GreaterOrEqual", [shorter, smallest]);
    graph.float_of(large)
}

/// The image at half the size. One that is a pixel wide or high, and does not count any more, is padded, because no array may be
/// empty.
fn halved(graph: &mut Builder, image: Value, size: Sides) -> Value {
    let lacking = [size.height, size.width].map(|side| {
        let [two, none] = [2, 0].map(|value| graph.int(value));
        let lack = graph.apply("Sub", [two, side]);
        let lack = graph.apply("Max", [lack, none]);
        let list = graph.ints(&[1]);
        graph.apply("Reshape", [lack, list])
    });
    // Four sides before the image, and batch and channels after it.
    let nothing = graph.ints(&[0; 6]);
    let pads = graph.apply_with("Concat", [nothing, lacking[0], lacking[1]], &[("axis", Attribute::Int(0))]);
    let padded = graph.apply("Pad", [image, pads]);
    let two = Attribute::Ints(&[2, 2]);
    graph.apply_with("AveragePool", [padded], &[("kernel_shape", two), ("strides", two)])
}

/// Gradient magnitude similarity of grey images `[N, 1, H, W]`.
pub(super) fn gradient_similarity(graph: &mut Builder, images: [Value; 2]) -> Value {
    let squares = images.map(|image| squared_gradient(graph, image));
    let magnitudes = squares.map(|square| graph.apply("Sqrt", [square]));
    let product = graph.apply("Mul", magnitudes);
    let sum = graph.apply("Add", squares);
    let above = affine(graph, product, 2.0, GRADIENT);
    let below = affine(graph, sum, 1.0, GRADIENT);
    graph.apply("Div", [above, below])
}

/// By Prewitt's filters, the border repeated.
fn squared_gradient(graph: &mut Builder, grey: Value) -> Value {
    const T: f32 = 1.0 / 3.0;
    let down = [-T, -T, -T, 0.0, 0.0, 0.0, T, T, T];
    let right = [-T, 0.0, T, -T, 0.0, T, -T, 0.0, T];
    let filters = graph.floats(&[2, 1, 3, 3], [down, right].concat());
    let frame = graph.ints(&[0, 0, 1, 1, 0, 0, 1, 1]);
    let framed = graph.apply_with("Pad", [grey, frame], &[("mode", Attribute::Text("edge"))]);
    let gradient = graph.apply("Conv", [framed, filters]);
    let squares = graph.apply("Mul", [gradient, gradient]);
    let channels = graph.ints(&[1]);
    let sum = graph.apply("ReduceSum", [squares, channels]);
    affine(graph, sum, 1.0, FLAT)
}

/// SSIM of colour images `[N, 3, H, W]` with a Gaussian window.
pub(super) fn structural_similarity(graph: &mut Builder, images: [Value; 2], window: usize) -> Value {
    let mean = Window::new(graph, images[0], window);
    let means = images.map(|image| mean.of(graph, image));
    let product = graph.apply("Mul", images);
    let mixed = mean.of(graph, product);
    let squares = sum_of_squares(graph, images);
    let moment = mean.of(graph, squares);
    let product = graph.apply("Mul", means);
    let of_means = sum_of_squares(graph, means);
    let covariance = graph.apply("Sub", [mixed, product]);
    let variances = graph.apply("Sub", [moment, of_means]);
    let above = [affine(graph, product, 2.0, SSIM[0]), affine(graph, covariance, 2.0, SSIM[1])];
    let below = [affine(graph, of_means, 1.0, SSIM[0]), affine(graph, variances, 1.0, SSIM[1])];
    let [above, below] = [above, below].map(|factors| graph.apply("Mul", factors));
    graph.apply("Div", [above, below])
}

/// A Gaussian mean over the pixels of a window that are inside the image.
struct Window {
    /// `[3, 1, k, 1]` and `[3, 1, 1, k]`.
    filters: [Value; 2],
    radius: i64,
    /// Sum of the weights inside the image.
    total: Value,
}

impl Window {
    fn new(graph: &mut Builder, like: Value, size: usize) -> Self {
        let sigma = ssim_sigma(size);
        let weights: Vec<f64> = (0..size).map(|tap| (-0.5 * ((tap as f64 - (size / 2) as f64) / sigma).powi(2)).exp()).collect();
        let total: f64 = weights.iter().sum();
        let taps = || std::iter::repeat_n(&weights, COLOURS).flatten().map(|weight| (weight / total) as f32);
        let filters = [[COLOURS, 1, size, 1], [COLOURS, 1, 1, size]].map(|sides| graph.floats(&sides, taps()));
        let shape = graph.apply("Shape", [like]);
        let one = graph.float(1.0);
        let ones = graph.apply("Expand", [one, shape]);
        let mut own = Self { filters, radius: (size / 2) as i64, total: ones };
        own.total = own.sum(graph, ones);
        own
    }

    fn sum(&self, graph: &mut Builder, x: Value) -> Value {
        let (r, [down, across]) = (self.radius, self.filters);
        let mut along = |x, filter, pads: [i64; 4]| {
            let attributes = [("pads", Attribute::Ints(&pads)), ("group", Attribute::Int(COLOURS as i64))];
            graph.apply_with("Conv", [x, filter], &attributes)
        };
        let x = along(x, down, [r, 0, r, 0]);
        along(x, across, [0, r, 0, r])
    }

    fn of(&self, graph: &mut Builder, x: Value) -> Value {
        let sum = self.sum(graph, x);
        graph.apply("Div", [sum, self.total])
    }
}

fn sum_of_squares(graph: &mut Builder, images: [Value; 2]) -> Value {
    let squares = images.map(|image| graph.apply("Mul", [image, image]));
    graph.apply("Add", squares)
}

/// `scale x + offset`.
fn affine(graph: &mut Builder, x: Value, scale: f64, offset: f64) -> Value {
    let [scale, offset] = [scale, offset].map(|value| graph.float(value));
    let product = graph.apply("Mul", [x, scale]);
    graph.apply("Add", [product, offset])
}
