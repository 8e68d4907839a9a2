//! Max-pool as a selection: `y[n, p, q, c] = v[argmax of x over window (p, q)]`. Windows do not overlap; leftover rows and
//! columns at the far borders are ignored. Of equal maxima, the first in row-major order is used.

use super::{MaxPool, PoolSpec};
use crate::backend::Real;
use crate::ops::pointwise::reference::finish;

pub(in crate::ops) fn run<T: Real>(call: MaxPool<'_, Vec<T>>) {
    match call {
        MaxPool::Forward { spec, x, v, y } => each_selection(spec, x, |to, from| y[to] = v[from]),
        MaxPool::InputGrad { spec, x, dy, dv, slope } => {
            each_selection(spec, x, |to, from| dv[from] += dy[to]);
            finish(slope, dv);
        }
    }
}

/// Every output element with the flat index of the largest x in its window.
fn each_selection<T: Real>(spec: &PoolSpec, x: &[T], mut visit: impl FnMut(usize, usize)) {
    let [n, h, w, c, window] = [spec.n, spec.h, spec.w, spec.c, spec.window].map(|extent| extent as usize);
    let (h_out, w_out) = (h / window, w / window);
    for image in 0..n {
        for p in 0..h_out {
            for q in 0..w_out {
                for channel in 0..c {
                    let at = |row: usize, column: usize| ((image * h + row) * w + column) * c + channel;
                    let mut best = at(p * window, q * window);
                    for tap in 0..window * window {
                        let candidate = at(p * window + tap / window, q * window + tap % window);
                        if x[candidate] > x[best] {
                            best = candidate;
                        }
                    }
                    visit(((image * h_out + p) * w_out + q) * c + channel, best);
                }
            }
        }
    }
}
