//! Max-pool as a selection: `y[n, p, q, c] = v[argmax of x over window (p, q)]`. Windows do not overlap; rows and columns left
//! over at the far borders belong to none. The first of equal maxima, in reading order, wins.

use super::{Reference, check_lengths};
use crate::backend::{MaxPool, Real};
use crate::error::Result;
use crate::shape::PoolSpec;

const OP: &str = "max_pool";

impl<T: Real> MaxPool for Reference<T> {
    fn max_pool(&self, spec: &PoolSpec, x: &Vec<T>, v: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        let (input, output) = lengths(spec);
        check_lengths(OP, &[("x", x.len(), input), ("v", v.len(), input), ("y", y.len(), output)])?;
        each_selection(spec, x, |to, from| y[to] = v[from]);
        Ok(())
    }

    fn max_pool_grad(&self, spec: &PoolSpec, x: &Vec<T>, dy: &Vec<T>, dv: &mut Vec<T>) -> Result<()> {
        let (input, output) = lengths(spec);
        check_lengths(OP, &[("x", x.len(), input), ("dy", dy.len(), output), ("dv", dv.len(), input)])?;
        each_selection(spec, x, |to, from| dv[from] += dy[to]);
        Ok(())
    }
}

/// Elements of x and of y.
fn lengths(spec: &PoolSpec) -> (usize, usize) {
    let [n, h, w, c, window] = [spec.n, spec.h, spec.w, spec.c, spec.window].map(|extent| extent as usize);
    (n * h * w * c, n * (h / window) * (w / window) * c)
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
