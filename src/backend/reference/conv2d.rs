//! Convolution (cross-correlation, as the field says it), zero outside the image:
//!
//! `z[n, p, q, o] = b[o] + Σ_{a, b, i} w[o, a, b, i] x[n, p·stride + a·dilation - padding, q·stride + b·dilation - padding, i]`,
//! `y = A(z)`.

use super::pointwise::activate_all;
use super::{Reference, check_lengths};
use crate::backend::{Conv2d, Real};
use crate::error::Result;
use crate::shape::Conv2dSpec;

const OP: &str = "conv2d";

impl<T: Real> Conv2d for Reference<T> {
    fn conv2d(&self, spec: &Conv2dSpec, x: &Vec<T>, w: &Vec<T>, b: Option<&Vec<T>>, y: &mut Vec<T>) -> Result<()> {
        let lengths = Lengths::of(spec);
        let bias = b.map_or(lengths.b, Vec::len);
        let operands = [("x", x.len(), lengths.x), ("w", w.len(), lengths.w), ("b", bias, lengths.b), ("y", y.len(), lengths.y)];
        check_lengths(OP, &operands)?;
        for (index, y) in y.iter_mut().enumerate() {
            *y = b.map_or(T::zero(), |b| b[index % lengths.b]);
        }
        each_product(spec, |p| y[p.pixel * lengths.b + p.o] += x[p.x] * w[p.w]);
        activate_all(spec.activation, y);
        Ok(())
    }

    fn conv2d_input_grad(&self, spec: &Conv2dSpec, dz: &Vec<T>, w: &Vec<T>, dx: &mut Vec<T>) -> Result<()> {
        let lengths = Lengths::of(spec);
        check_lengths(OP, &[("dz", dz.len(), lengths.y), ("w", w.len(), lengths.w), ("dx", dx.len(), lengths.x)])?;
        each_product(spec, |p| dx[p.x] += dz[p.pixel * lengths.b + p.o] * w[p.w]);
        Ok(())
    }

    fn conv2d_weight_grad(
        &self,
        spec: &Conv2dSpec,
        x: &Vec<T>,
        dz: &Vec<T>,
        dw: &mut Vec<T>,
        db: Option<&mut Vec<T>>,
    ) -> Result<()> {
        let lengths = Lengths::of(spec);
        let bias = db.as_ref().map_or(lengths.b, |db| db.len());
        let operands =
            [("x", x.len(), lengths.x), ("dz", dz.len(), lengths.y), ("dw", dw.len(), lengths.w), ("db", bias, lengths.b)];
        check_lengths(OP, &operands)?;
        each_product(spec, |p| dw[p.w] += x[p.x] * dz[p.pixel * lengths.b + p.o]);
        if let Some(db) = db {
            dz.iter().enumerate().for_each(|(index, &dz)| db[index % lengths.b] += dz);
        }
        Ok(())
    }
}

/// Elements of each operand.
pub(super) struct Lengths {
    pub(super) x: usize,
    pub(super) w: usize,
    pub(super) b: usize,
    pub(super) y: usize,
}

impl Lengths {
    pub(super) fn of(spec: &Conv2dSpec) -> Self {
        let product = |extents: &[u32]| extents.iter().map(|&extent| extent as usize).product();
        Self {
            x: product(&[spec.n, spec.h, spec.w, spec.c_in]),
            w: product(&[spec.c_out, spec.kernel, spec.kernel, spec.c_in]),
            b: spec.c_out as usize,
            y: product(&[spec.n, spec.h_out, spec.w_out, spec.c_out]),
        }
    }
}

/// One product of the sum: `z[pixel, o] += x[x] w[w]`, with the flat indices of x and w.
pub(super) struct Product {
    pub(super) pixel: usize,
    pub(super) o: usize,
    pub(super) x: usize,
    pub(super) w: usize,
}

/// Every product of the convolution whose tap lies inside the image.
pub(super) fn each_product(spec: &Conv2dSpec, mut visit: impl FnMut(Product)) {
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

/// Where tap `tap` of output position `output` reads along one axis; `None` in the zero border.
fn input_position(spec: &Conv2dSpec, output: usize, tap: usize, extent: usize) -> Option<usize> {
    let padded = output * spec.stride as usize + tap * spec.dilation as usize;
    padded.checked_sub(spec.padding as usize).filter(|&position| position < extent)
}
