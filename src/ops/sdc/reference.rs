//! Stacked dilated convolution: branch k is the 3x3 convolution with dilation `dilations[k]` and writes channels
//! `k·c_out .. (k+1)·c_out` of the concatenated result; `y = A(concat_k(w_k * x + b_k))`. Every branch is computed, even if few
//! of its taps are inside the image.

use super::{Sdc, SdcSpec};
use crate::backend::Real;
use crate::ops::conv2d::reference::each_product;
use crate::ops::pointwise::reference::{activate_all, finish};

pub(in crate::ops) fn run<T: Real>(call: Sdc<'_, Vec<T>>) {
    match call {
        Sdc::Forward { spec, x, w, b, y } => {
            let concat = Concat::of(spec);
            for (k, (w, b)) in w.iter().zip(b).enumerate() {
                for pixel in 0..concat.pixels {
                    for o in 0..concat.c_out {
                        y[concat.index(k, pixel, o)] = b[o];
                    }
                }
                each_product(&spec.branch(k), |p| y[concat.index(k, p.pixel, p.o)] += x[p.x] * w[p.w]);
            }
            activate_all(spec.activation, y);
        }
        Sdc::InputGrad { spec, dz, w, dx, slope } => {
            let concat = Concat::of(spec);
            for (k, w) in w.iter().enumerate() {
                each_product(&spec.branch(k), |p| dx[p.x] += dz[concat.index(k, p.pixel, p.o)] * w[p.w]);
            }
            finish(slope, dx);
        }
        Sdc::WeightGrad { spec, x, dz, dw, db } => {
            let concat = Concat::of(spec);
            for (k, (dw, db)) in dw.iter_mut().zip(db).enumerate() {
                for pixel in 0..concat.pixels {
                    for o in 0..concat.c_out {
                        db[o] += dz[concat.index(k, pixel, o)];
                    }
                }
                each_product(&spec.branch(k), |p| dw[p.w] += x[p.x] * dz[concat.index(k, p.pixel, p.o)]);
            }
        }
    }
}

/// Layout of the branches in the concatenated result.
struct Concat {
    pixels: usize,
    branches: usize,
    c_out: usize,
}

impl Concat {
    fn of(spec: &SdcSpec) -> Self {
        let [n, h, w] = [spec.n, spec.h, spec.w].map(|extent| extent as usize);
        Self { pixels: n * h * w, branches: spec.branches as usize, c_out: spec.c_out as usize }
    }

    /// Flat index of channel `o` of branch `k` at `pixel`.
    fn index(&self, k: usize, pixel: usize, o: usize) -> usize {
        (pixel * self.branches + k) * self.c_out + o
    }
}
