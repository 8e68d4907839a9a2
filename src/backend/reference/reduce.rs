//! Sum of all elements, `y[0] = Σ_i x[i]`, and its adjoint. Added up first to last in f64, so that a million f32 terms do
//! not swallow one another.

use super::{Reference, check_lengths};
use crate::backend::{Real, Reduce};
use crate::error::Result;

impl<T: Real> Reduce for Reference<T> {
    fn sum(&self, x: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        check_lengths("sum", &[("y", y.len(), 1)])?;
        y[0] = T::of(x.iter().map(|x| x.f64()).sum());
        Ok(())
    }

    fn sum_grad(&self, alpha: f64, dy: &Vec<T>, dx: &mut Vec<T>) -> Result<()> {
        check_lengths("sum_grad", &[("dy", dy.len(), 1)])?;
        dx.iter_mut().for_each(|dx| *dx += T::of(alpha) * dy[0]);
        Ok(())
    }
}
