use super::{Stencil, StencilSpec};
use crate::backend::Real;

pub(in crate::ops) fn run<T: Real>(call: Stencil<'_, Vec<T>>) {
    match call {
        Stencil::Forward { spec, x, y } => {
            y.fill(T::zero());
            each_entry(spec, |to, from, tap| y[to] += T::of(tap) * x[from]);
        }
        Stencil::InputGrad { spec, dy, dx } => each_entry(spec, |to, from, tap| dx[from] += T::of(tap) * dy[to]),
    }
}

/// Every entry of the map: flat index of y, flat index of x, tap.
fn each_entry(spec: &StencilSpec, mut visit: impl FnMut(usize, usize, f64)) {
    let [n, h, w, c, filters, size, stride] =
        [spec.n, spec.h, spec.w, spec.c, spec.filters, spec.size, spec.stride].map(|extent| extent as usize);
    let (rows, columns) = (h / stride, w / stride);
    for pixel in 0..n * rows * columns {
        let (image, p, q) = (pixel / columns / rows, pixel / columns % rows, pixel % columns);
        for (filter, taps) in spec.taps.chunks_exact(size * size).take(filters).enumerate() {
            for (tap, &weight) in taps.iter().enumerate() {
                let (row, column) = (spec.position(p, tap / size, h), spec.position(q, tap % size, w));
                for channel in 0..c {
                    visit(pixel * filters + filter, ((image * h + row) * w + column) * c + channel, f64::from(weight));
                }
            }
        }
    }
}
