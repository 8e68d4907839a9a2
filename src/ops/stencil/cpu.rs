//! Small fixed filters on the CPU: rows of y, or of dx, on all threads.

use rayon::prelude::*;

use super::{Stencil, StencilSpec};
use crate::backend::cpu::Buffer;

pub(in crate::ops) fn run(call: Stencil<'_, Buffer>) {
    match call {
        Stencil::Forward { spec, x, y } => {
            let image = Extents::new(spec);
            y.par_chunks_mut(image.columns * image.filters).enumerate().for_each(|(row, y)| forward(spec, &image, x, row, y));
        }
        Stencil::InputGrad { spec, dy, dx } => {
            let image = Extents::new(spec);
            dx.par_chunks_mut(image.w * image.c).enumerate().for_each(|(row, dx)| input_grad(spec, &image, dy, row, dx));
        }
    }
}

/// The extents of the spec, and rows and columns of y.
struct Extents {
    h: usize,
    w: usize,
    c: usize,
    filters: usize,
    size: usize,
    rows: usize,
    columns: usize,
}

impl Extents {
    fn new(spec: &StencilSpec) -> Self {
        let [h, w, c, filters, size, stride] =
            [spec.h, spec.w, spec.c, spec.filters, spec.size, spec.stride].map(|extent| extent as usize);
        Self { h, w, c, filters, size, rows: h / stride, columns: w / stride }
    }
}

/// Row number `row` of the batch y.
fn forward(spec: &StencilSpec, image: &Extents, x: &[f32], row: usize, y: &mut [f32]) {
    let &Extents { h, w, c, filters, size, rows, .. } = image;
    let (start, p) = (row / rows * h, row % rows);
    y.fill(0.0);
    for (q, y) in y.chunks_exact_mut(filters).enumerate() {
        for tap in 0..size * size {
            let (row, column) = (spec.position(p, tap / size, h), spec.position(q, tap % size, w));
            let first = ((start + row) * w + column) * c;
            let sum: f32 = x[first..first + c].iter().sum();
            for (y, taps) in y.iter_mut().zip(spec.taps.chunks_exact(size * size)) {
                *y += taps[tap] * sum;
            }
        }
    }
}

/// Adds row number `row` of the batch dx. All channels of a pixel have the same gradient.
fn input_grad(spec: &StencilSpec, image: &Extents, dy: &[f32], row: usize, dx: &mut [f32]) {
    let &Extents { h, w, c, filters, size, rows, columns } = image;
    let (start, at) = (row / h * rows, row % h);
    for (column, dx) in dx.chunks_exact_mut(c).enumerate() {
        let mut gradient = 0.0;
        for p in spec.readers(at, h) {
            for q in spec.readers(column, w) {
                let first = ((start + p) * columns + q) * filters;
                for tap in 0..size * size {
                    if spec.position(p, tap / size, h) != at || spec.position(q, tap % size, w) != column {
                        continue;
                    }
                    for (dy, taps) in dy[first..first + filters].iter().zip(spec.taps.chunks_exact(size * size)) {
                        gradient += taps[tap] * dy;
                    }
                }
            }
        }
        dx.iter_mut().for_each(|dx| *dx += gradient);
    }
}
