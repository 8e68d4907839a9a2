//! Convolution (strictly, cross-correlation) with zero padding:
//!
//! `z[n, p, q, o] = b[o] + Σ_{a, b, i} w[o, a, b, i] x[n, p·stride + a·dilation - padding, q·stride + b·dilation - padding, i]`,
//! `y = A(z)`.

use super::{Conv2d, Conv2dSpec};
use crate::backend::Real;
use crate::ops::pointwise::reference::{activate_all, finish};
use crate::ops::pool::{self, MaxPool};

pub(in crate::ops) fn run<T: Real>(call: Conv2d<'_, Vec<T>>) {
    match call {
        Conv2d::Forward { spec, x, w, b, y } => {
            let c_out = spec.c_out as usize;
            for (index, y) in y.iter_mut().enumerate() {
                *y = b.map_or(T::zero(), |b| b[index % c_out]);
            }
            each_product(spec, |p| y[p.pixel * c_out + p.o] += x[p.x] * w[p.w]);
            activate_all(spec.activation, y);
        }
        Conv2d::ForwardPooled { spec, pool, x, w, b, y, pooled } => {
            run(Conv2d::Forward { spec, x, w, b, y: &mut *y });
            pool::reference::run(MaxPool::Forward { spec: pool, x: y, v: y, y: pooled });
        }
        Conv2d::InputGrad { spec, dz, w, dx, slope } => {
            each_product(spec, |p| dx[p.x] += dz[p.pixel * spec.c_out as usize + p.o] * w[p.w]);
            finish(slope, dx);
        }
        Conv2d::WeightGrad { spec, x, dz, dw, db } => {
            let c_out = spec.c_out as usize;
            each_product(spec, |p| dw[p.w] += x[p.x] * dz[p.pixel * c_out + p.o]);
            if let Some(db) = db {
                dz.iter().enumerate().for_each(|(index, &dz)| db[index % c_out] += dz);
            }
        }
    }
}

/// One term of the sum, `z[pixel, o] += x[x] w[w]`, with the flat indices of x and w.
pub(in crate::ops) struct Product {
    pub(in crate::ops) pixel: usize,
    pub(in crate::ops) o: usize,
    pub(in crate::ops) x: usize,
    pub(in crate::ops) w: usize,
}

/// Every term of the convolution whose tap is inside the image.
pub(in crate::ops) fn each_product(spec: &Conv2dSpec, mut visit: impl FnMut(Product)) {
    let [c_in, c_out, taps] = [spec.c_in, spec.c_out, spec.kernel * spec.kernel].map(|extent| extent as usize);
    each_tap(spec, |pixel, x_pixel, tap| {
        for o in 0..c_out {
            for i in 0..c_in {
                visit(Product { pixel, o, x: x_pixel * c_in + i, w: (o * taps + tap) * c_in + i });
            }
        }
    });
}

/// Every (output pixel, input pixel, tap) with the tap inside the image.
fn each_tap(spec: &Conv2dSpec, mut visit: impl FnMut(usize, usize, usize)) {
    let [n, h, w] = [spec.n, spec.h, spec.w].map(|extent| extent as usize);
    let [h_out, w_out, kernel] = [spec.h_out, spec.w_out, spec.kernel].map(|extent| extent as usize);
    for image in 0..n {
        for p in 0..h_out {
            for q in 0..w_out {
                for tap in 0..kernel * kernel {
                    let row = input_position(spec, p, tap / kernel, h);
                    let column = input_position(spec, q, tap % kernel, w);
                    if let (Some(row), Some(column)) = (row, column) {
                        visit((image * h_out + p) * w_out + q, (image * h + row) * w + column, tap);
                    }
                }
            }
        }
    }
}

/// Input position of tap `tap` for output position `output` along one axis; `None` in the padding.
fn input_position(spec: &Conv2dSpec, output: usize, tap: usize, extent: usize) -> Option<usize> {
    let padded = output * spec.stride as usize + tap * spec.dilation as usize;
    padded.checked_sub(spec.padding as usize).filter(|&position| position < extent)
}
