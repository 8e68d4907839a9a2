//! Working resolution, padding, and the way back to the size of the image.
//!
//! Resizing is a product with a matrix for each axis, built in the graph from the sides. Its rows are the triangles of
//! [`data::resize`](crate::data::resize), which ONNX's `Resize` has only in later versions and few programs: with n old and m new
//! pixels, pixel i weighs `max(0, 2 r - |(2 i + 1) m - (2 j + 1) n|)` for output j, divided by the sum of the row, where r =
//! max(n, m), or r = m for maps, which are interpolated without a filter. The numerators are whole numbers, exact before they
//! become f32, whose rounding is all that is left.

use super::builder::{Attribute, Builder, Value};
use crate::data::{Fit, Preparation};

/// Height and width in pixels, as whole numbers of the graph.
#[derive(Clone, Copy)]
pub(super) struct Sides {
    pub(super) height: Value,
    pub(super) width: Value,
}

impl Sides {
    /// Of an array `[N, C, H, W]`.
    pub(super) fn of(graph: &mut Builder, x: Value) -> Self {
        graph.enter("sides");
        let mut side = |axis: i64| {
            let span = [("start", Attribute::Int(axis)), ("end", Attribute::Int(axis + 1))];
            let list = graph.apply_with("Shape", [x], &span);
            graph.apply("Squeeze", [list])
        };
        Self { height: side(2), width: side(3) }
    }

    fn both(self) -> [Value; 2] {
        [self.height, self.width]
    }

    fn each(self, mut side: impl FnMut(Value) -> Value) -> Self {
        Self { height: side(self.height), width: side(self.width) }
    }

    /// The two sides as a list, as operators take it.
    fn list(self, graph: &mut Builder) -> Value {
        let shape = graph.ints(&[1]);
        let lists = self.both().map(|side| graph.apply("Reshape", [side, shape]));
        graph.apply_with("Concat", lists, &[("axis", Attribute::Int(0))])
    }
}

/// Whether shrinking averages over the covered area or only interpolates.
#[derive(Clone, Copy, PartialEq)]
enum Filter {
    Area,
    None,
}

/// The image at working resolution, with its sides.
pub(super) fn prepared(graph: &mut Builder, image: Value, size: Sides, preparation: Preparation) -> (Value, Sides) {
    graph.enter("prepare");
    let working = match (preparation.fit, preparation.shorter_side) {
        (Fit::Crop, 0) | (Fit::Native, _) => return (image, size),
        (Fit::Stretch, _) => {
            let side = graph.int(preparation.size as i64);
            Sides { height: side, width: side }
        }
        (Fit::Crop, side) => {
            let shorter = graph.apply("Min", size.both());
            size.each(|extent| scaled(graph, extent, side as i64, shorter))
        }
    };
    (resized(graph, image, size, working, Filter::Area), working)
}

/// `extent side / shorter`, rounded, half upwards, and at least `side`.
fn scaled(graph: &mut Builder, extent: Value, side: i64, shorter: Value) -> Value {
    let [twice, two, least] = [2 * side, 2, side].map(|value| graph.int(value));
    let product = graph.apply("Mul", [extent, twice]);
    let dividend = graph.apply("Add", [product, shorter]);
    let divisor = graph.apply("Mul", [shorter, two]);
    let quotient = graph.apply("Div", [dividend, divisor]);
    graph.apply("Max", [quotient, least])
}

/// Reflection at the bottom and right to sides divisible by 8, without repeating the edge.
pub(super) fn padded(graph: &mut Builder, x: Value, size: Sides) -> Value {
    graph.enter("pad");
    let [rows, columns] = size.both().map(|side| reflected(graph, side));
    let x = graph.apply_with("Gather", [x, rows], &[("axis", Attribute::Int(2))]);
    graph.apply_with("Gather", [x, columns], &[("axis", Attribute::Int(3))])
}

/// The pixels that a padded side reads. A side of n pixels repeats itself after 2 (n - 1), forwards and backwards.
fn reflected(graph: &mut Builder, side: Value) -> Value {
    let [zero, one, two, seven, eight] = [0, 1, 2, 7, 8].map(|value| graph.int(value));
    let above = graph.apply("Add", [side, seven]);
    let blocks = graph.apply("Div", [above, eight]);
    let padded = graph.apply("Mul", [blocks, eight]);
    let places = graph.apply("Range", [zero, padded, one]);
    let last = graph.apply("Sub", [side, one]);
    let around = graph.apply("Mul", [last, two]);
    let period = graph.apply("Max", [around, one]);
    let within = graph.apply("Mod", [places, period]);
    let backwards = graph.apply("Sub", [period, within]);
    graph.apply("Min", [within, backwards, last])
}

/// The top left part of these sides.
pub(super) fn cropped(graph: &mut Builder, x: Value, size: Sides) -> Value {
    graph.enter("crop");
    let [starts, axes] = [graph.ints(&[0, 0]), graph.ints(&[2, 3])];
    let ends = size.list(graph);
    graph.apply("Slice", [x, starts, ends, axes])
}

/// An image `[N, C, H, W]` at another size, as [`data::resize`](crate::data::resize) does it.
pub(super) fn resized_image(graph: &mut Builder, x: Value, from: Sides, to: Sides) -> Value {
    graph.enter("resize");
    resized(graph, x, from, to, Filter::Area)
}

/// A map `[N, 1, H, W]` at another size, interpolated bilinearly, as `[N, H, W]`.
pub(super) fn resized_map(graph: &mut Builder, x: Value, from: Sides, to: Sides) -> Value {
    graph.enter("resize_map");
    let map = interpolated(graph, x, from, to);
    let channel = graph.ints(&[1]);
    graph.apply("Squeeze", [map, channel])
}

/// An array `[.., H, W]` at another size, interpolated bilinearly.
pub(super) fn interpolated(graph: &mut Builder, x: Value, from: Sides, to: Sides) -> Value {
    resized(graph, x, from, to, Filter::None)
}

fn resized(graph: &mut Builder, x: Value, from: Sides, to: Sides, filter: Filter) -> Value {
    let rows = weights(graph, from.height, to.height, filter);
    let columns = weights(graph, from.width, to.width, filter);
    let columns = graph.apply("Transpose", [columns]);
    let wide = graph.apply("MatMul", [x, columns]);
    graph.apply("MatMul", [rows, wide])
}

/// The matrix `[new, old]` of the module's overview.
fn weights(graph: &mut Builder, old: Value, new: Value, filter: Filter) -> Value {
    let of_old = centres(graph, old, new);
    let of_new = centres(graph, new, old);
    let column = graph.ints(&[1]);
    let of_new = graph.apply("Unsqueeze", [of_new, column]);
    let apart = graph.apply("Sub", [of_old, of_new]);
    let distance = graph.apply("Abs", [apart]);
    let reach = match filter {
        Filter::Area => graph.apply("Max", [old, new]),
        Filter::None => new,
    };
    let [two, zero] = [2, 0].map(|value| graph.int(value));
    let twice = graph.apply("Mul", [reach, two]);
    let left = graph.apply("Sub", [twice, distance]);
    let triangle = graph.apply("Max", [left, zero]);
    let triangle = graph.float_of(triangle);
    normalised(graph, triangle)
}

/// `(2 i + 1) scale` for each pixel i of a side.
fn centres(graph: &mut Builder, side: Value, scale: Value) -> Value {
    let [zero, one, two] = [0, 1, 2].map(|value| graph.int(value));
    let pixels = graph.apply("Range", [zero, side, one]);
    let twice = graph.apply("Mul", [pixels, two]);
    let odd = graph.apply("Add", [twice, one]);
    graph.apply("Mul", [odd, scale])
}

/// A matrix whose rows sum to 1.
fn normalised(graph: &mut Builder, matrix: Value) -> Value {
    let rows = graph.ints(&[1]);
    let sums = graph.apply("ReduceSum", [matrix, rows]);
    graph.apply("Div", [matrix, sums])
}
