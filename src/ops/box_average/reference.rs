//! n-fold box average (Method §6), by its definition in O(k²) per pixel: `(G x)[p] = 1/|W(p)| Σ_{q in W(p)} x[q]`, where W(p) is
//! the k x k window around p, cut at the border; `y = Gⁿ x`. The adjoint spreads `dy[p] / |W(p)|` over W(p), n times.

use std::ops::Range;

use super::{BoxAverage, BoxAverageSpec};
use crate::backend::Real;

pub(in crate::ops) fn run<T: Real>(call: BoxAverage<'_, Vec<T>>) {
    match call {
        BoxAverage::Forward { spec, x, y } => {
            y.copy_from_slice(x);
            for _ in 0..spec.repeats {
                let previous = y.clone();
                y.fill(T::zero());
                each_entry(spec, |p, q, area| y[p] += previous[q] / T::of(area));
            }
        }
        BoxAverage::InputGrad { spec, dy, dx } => {
            let mut gradient = dy.clone();
            for _ in 0..spec.repeats {
                let previous = gradient.clone();
                gradient.fill(T::zero());
                each_entry(spec, |p, q, area| gradient[q] += previous[p] / T::of(area));
            }
            dx.iter_mut().zip(gradient).for_each(|(dx, gradient)| *dx += gradient);
        }
    }
}

/// Every pixel p, every pixel q of its window, and the window's area `|W(p)|`.
fn each_entry(spec: &BoxAverageSpec, mut visit: impl FnMut(usize, usize, f64)) {
    let [n, h, w, size] = [spec.n, spec.h, spec.w, spec.size].map(|extent| extent as usize);
    for image in 0..n {
        for p in 0..h * w {
            let (rows, columns) = (window(p / w, size, h), window(p % w, size, w));
            let area = (rows.len() * columns.len()) as f64;
            for row in rows {
                for column in columns.clone() {
                    visit(image * h * w + p, (image * h + row) * w + column, area);
                }
            }
        }
    }
}

/// Positions within `size / 2` of `centre` along one axis.
fn window(centre: usize, size: usize, extent: usize) -> Range<usize> {
    centre.saturating_sub(size / 2)..(centre + size / 2 + 1).min(extent)
}
