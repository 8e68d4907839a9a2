//! Elementwise functions and arithmetic.

use rayon::prelude::*;

use super::activation::{activate, slope_derivative, through_slope};
use super::columns::add_column_sums;
use super::elementwise::{CHUNK, update};
use super::storage::Buffer;
use super::strips::Range;
use super::{Cpu, check_lengths};
use crate::backend::Pointwise;
use crate::error::{Error, Result};
use crate::shape::Activation;

/// `y = f(x)` with `f` working in place on a chunk.
fn mapped(x: &[f32], y: &mut [f32], f: impl Fn(&mut [f32]) + Sync) {
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
        y.copy_from_slice(x);
        f(y);
    });
}

/// Checks that a buffer of `len` elements is whole rows of `channels`.
fn check_rows(op: &'static str, len: usize, channels: usize) -> Result<()> {
    if channels > 0 && len.is_multiple_of(channels) {
        Ok(())
    } else {
        Err(Error::shape(op, format!("{len} elements are not whole rows of {channels} channels")))
    }
}

impl Pointwise for Cpu {
    fn activation(&self, activation: Activation, x: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("activation", &[(y.len(), x.len())])?;
        mapped(x, y, |chunk| activate(self.simd, activation, chunk));
        Ok(())
    }

    fn activation_grad(&self, activation: Activation, y: &Buffer, dz: &mut Buffer) -> Result<()> {
        check_lengths("activation_grad", &[(dz.len(), y.len())])?;
        through_slope(self.simd, activation, y, dz);
        Ok(())
    }

    fn activation_slope(&self, activation: Activation, order: u32, y: &Buffer, s: &mut Buffer) -> Result<()> {
        check_lengths("activation_slope", &[(s.len(), y.len())])?;
        mapped(y, s, |chunk| slope_derivative(self.simd, activation, order, chunk));
        Ok(())
    }

    fn add(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("add", &[(a.len(), y.len()), (b.len(), y.len())])?;
        update(self.simd, y, [a, b], |y, [a, b]| *y = a + b);
        Ok(())
    }

    fn sub(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("sub", &[(a.len(), y.len()), (b.len(), y.len())])?;
        update(self.simd, y, [a, b], |y, [a, b]| *y = a - b);
        Ok(())
    }

    fn mul(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("mul", &[(a.len(), y.len()), (b.len(), y.len())])?;
        update(self.simd, y, [a, b], |y, [a, b]| *y = a * b);
        Ok(())
    }

    fn mul_add(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("mul_add", &[(a.len(), y.len()), (b.len(), y.len())])?;
        update(self.simd, y, [a, b], |y, [a, b]| *y += a * b);
        Ok(())
    }

    fn affine(&self, alpha: f64, beta: f64, x: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("affine", &[(x.len(), y.len())])?;
        let (alpha, beta) = (alpha as f32, beta as f32);
        update(self.simd, y, [x], |y, [x]| *y = alpha * x + beta);
        Ok(())
    }

    fn axpy(&self, alpha: f64, x: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("axpy", &[(x.len(), y.len())])?;
        let alpha = alpha as f32;
        update(self.simd, y, [x], |y, [x]| *y += alpha * x);
        Ok(())
    }

    fn add_bias(&self, x: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("add_bias", &[(x.len(), y.len())])?;
        check_rows("add_bias", x.len(), b.len())?;
        let rows = CHUNK.div_ceil(b.len()) * b.len();
        y.par_chunks_mut(rows).zip(x.par_chunks(rows)).for_each(|(y, x)| {
            for (y, x) in y.chunks_exact_mut(b.len()).zip(x.chunks_exact(b.len())) {
                y.iter_mut().zip(x).zip(&**b).for_each(|((y, x), b)| *y = x + b);
            }
        });
        Ok(())
    }

    fn bias_grad(&self, dy: &Buffer, db: &mut Buffer) -> Result<()> {
        check_rows("bias_grad", dy.len(), db.len())?;
        add_column_sums(self.simd, dy, Range::all(db.len()), db);
        Ok(())
    }
}
