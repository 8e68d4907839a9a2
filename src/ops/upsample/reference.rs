//! Bilinear upsampling by two, half-pixel centres, clamped borders. Per axis
//! `y[2i] = ¼ x[i-1] + ¾ x[i]`, `y[2i+1] = ¾ x[i] + ¼ x[i+1]`; in two dimensions the product of both.

use super::{Upsample, UpsampleSpec};
use crate::backend::Real;
use crate::ops::pointwise::reference::finish;

pub(in crate::ops) fn run<T: Real>(call: Upsample<'_, Vec<T>>) {
    match call {
        Upsample::Forward { spec, x, y } => {
            y.fill(T::zero());
            each_entry(spec, |to, from, weight| y[to] += T::of(weight) * x[from]);
        }
        Upsample::InputGrad { spec, dy, dx, slope } => {
            each_entry(spec, |to, from, weight| dx[from] += T::of(weight) * dy[to]);
            finish(slope, dx);
        }
    }
}

/// Every entry of the map: flat index of y, flat index of x, weight.
fn each_entry(spec: &UpsampleSpec, mut visit: impl FnMut(usize, usize, f64)) {
    let [n, h, w, c] = [spec.n, spec.h, spec.w, spec.c].map(|extent| extent as usize);
    for image in 0..n {
        for p in 0..2 * h {
            for q in 0..2 * w {
                for (row, row_weight) in neighbours(p, h) {
                    for (column, column_weight) in neighbours(q, w) {
                        let (to, from) = ((image * 2 * h + p) * 2 * w + q, (image * h + row) * w + column);
                        for channel in 0..c {
                            visit(to * c + channel, from * c + channel, row_weight * column_weight);
                        }
                    }
                }
            }
        }
    }
}

/// The two input positions around output position `output` along one axis, with their weights.
fn neighbours(output: usize, extent: usize) -> [(usize, f64); 2] {
    let near = output / 2;
    let far = if output.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(extent - 1) };
    [(near, 0.75), (far, 0.25)]
}
