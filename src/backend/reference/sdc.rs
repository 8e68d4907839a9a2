//! Stacked dilated convolution: branch k is the 3x3 convolution with dilation `dilations[k]` and writes channels
//! `k·c_out .. (k+1)·c_out` of the joined result; `y = A(join_k(w_k * x + b_k))`. No branch is left out, however few of its
//! taps fall inside the image.

use super::conv2d::{Lengths, each_product};
use super::pointwise::activate_all;
use super::{Reference, check_lengths};
use crate::backend::{Real, Sdc};
use crate::error::{Error, Result};
use crate::shape::SdcSpec;

const OP: &str = "sdc";

impl<T: Real> Sdc for Reference<T> {
    fn sdc(&self, spec: &SdcSpec, x: &Vec<T>, w: &[&Vec<T>], b: &[&Vec<T>], y: &mut Vec<T>) -> Result<()> {
        check_ends(spec, ("x", x.len()), ("y", y.len()))?;
        check_branches(spec, ("w", w), ("b", b))?;
        let join = Join::of(spec);
        for (k, (w, b)) in w.iter().zip(b).enumerate() {
            for pixel in 0..join.pixels {
                for o in 0..join.c_out {
                    y[join.index(k, pixel, o)] = b[o];
                }
            }
            each_product(&spec.branch(k), |p| y[join.index(k, p.pixel, p.o)] += x[p.x] * w[p.w]);
        }
        activate_all(spec.activation, y);
        Ok(())
    }

    fn sdc_input_grad(&self, spec: &SdcSpec, dz: &Vec<T>, w: &[&Vec<T>], dx: &mut Vec<T>) -> Result<()> {
        check_ends(spec, ("dx", dx.len()), ("dz", dz.len()))?;
        check_each(spec, "w", w, Lengths::of(&spec.branch(0)).w)?;
        let join = Join::of(spec);
        for (k, w) in w.iter().enumerate() {
            each_product(&spec.branch(k), |p| dx[p.x] += dz[join.index(k, p.pixel, p.o)] * w[p.w]);
        }
        Ok(())
    }

    fn sdc_weight_grad(&self, spec: &SdcSpec, x: &Vec<T>, dz: &Vec<T>, dw: &mut [Vec<T>], db: &mut [Vec<T>]) -> Result<()> {
        check_ends(spec, ("x", x.len()), ("dz", dz.len()))?;
        check_branches(spec, ("dw", &*dw), ("db", &*db))?;
        let join = Join::of(spec);
        for (k, (dw, db)) in dw.iter_mut().zip(db).enumerate() {
            for pixel in 0..join.pixels {
                for o in 0..join.c_out {
                    db[o] += dz[join.index(k, pixel, o)];
                }
            }
            each_product(&spec.branch(k), |p| dw[p.w] += x[p.x] * dz[join.index(k, p.pixel, p.o)]);
        }
        Ok(())
    }
}

/// Where the branches lie in the joined result.
struct Join {
    pixels: usize,
    branches: usize,
    c_out: usize,
}

impl Join {
    fn of(spec: &SdcSpec) -> Self {
        let [n, h, w] = [spec.n, spec.h, spec.w].map(|extent| extent as usize);
        Self { pixels: n * h * w, branches: spec.branches as usize, c_out: spec.c_out as usize }
    }

    /// Flat index of channel `o` of branch `k` at `pixel`.
    fn index(&self, k: usize, pixel: usize, o: usize) -> usize {
        (pixel * self.branches + k) * self.c_out + o
    }
}

/// Checks the input and the joined result, each `(name, elements)`.
fn check_ends(spec: &SdcSpec, x: (&str, usize), y: (&str, usize)) -> Result<()> {
    let lengths = Lengths::of(&spec.branch(0));
    check_lengths(OP, &[(x.0, x.1, lengths.x), (y.0, y.1, lengths.y * spec.branches as usize)])
}

/// Checks that there is one weight and one bias buffer per branch, each of the right length; each is `(name, buffers)`.
fn check_branches<T, V: AsRef<[T]>>(spec: &SdcSpec, w: (&'static str, &[V]), b: (&'static str, &[V])) -> Result<()> {
    check_each(spec, w.0, w.1, Lengths::of(&spec.branch(0)).w)?;
    check_each(spec, b.0, b.1, spec.c_out as usize)
}

fn check_each<T, V: AsRef<[T]>>(spec: &SdcSpec, name: &'static str, buffers: &[V], wanted: usize) -> Result<()> {
    let branches = spec.branches as usize;
    if buffers.len() != branches {
        return Err(Error::shape(OP, format!("{name} must have {branches} branches, has {}", buffers.len())));
    }
    buffers.iter().try_for_each(|buffer| check_lengths(OP, &[(name, buffer.as_ref().len(), wanted)]))
}
