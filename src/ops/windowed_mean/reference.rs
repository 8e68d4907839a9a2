use super::{WindowedMean, WindowedMeanSpec};
use crate::backend::Real;

pub(in crate::ops) fn run<T: Real>(call: WindowedMean<'_, Vec<T>>) {
    match call {
        WindowedMean::Forward { spec, a, b, y } => {
            y.fill(T::zero());
            each_entry(spec, |to, from, weight| y[to] += T::of(weight) * a[from] * factor(b, from));
        }
        WindowedMean::InputGrad { spec, dy, b, da } => {
            each_entry(spec, |to, from, weight| da[from] += T::of(weight) * dy[to] * factor(b, from));
        }
    }
}

fn factor<T: Real>(b: Option<&Vec<T>>, index: usize) -> T {
    b.map_or(T::one(), |b| b[index])
}

/// Every entry of G: flat index of y, flat index of a, weight.
fn each_entry(spec: &WindowedMeanSpec, mut visit: impl FnMut(usize, usize, f64)) {
    let [n, h, w, c] = [spec.n, spec.h, spec.w, spec.c].map(|extent| extent as usize);
    for image in 0..n {
        for p in 0..h {
            for q in 0..w {
                for (row, row_weight) in spec.window(p, h) {
                    for (column, column_weight) in spec.window(q, w) {
                        let (to, from) = ((image * h + p) * w + q, (image * h + row) * w + column);
                        for channel in 0..c {
                            visit(to * c + channel, from * c + channel, row_weight * column_weight);
                        }
                    }
                }
            }
        }
    }
}
