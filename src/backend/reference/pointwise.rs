//! Elementwise functions and arithmetic. `S` is the slope of an activation as a function of its output: `S(A(x)) = A'(x)`.
//!
//! | activation | `A(x)` | `S(y)` | `S'(y)` | `S''(y)` |
//! |---|---|---|---|---|
//! | identity | x | 1 | 0 | 0 |
//! | ELU, x > 0 | x | 1 | 0 | 0 |
//! | ELU, x ≤ 0 | exp(x) - 1 | 1 + y | 1 | 0 |
//! | tanh | tanh(x) | 1 - y² | -2y | -2 |
//! | sigmoid | 1 / (1 + exp(-x)) | y - y² | 1 - 2y | -2 |
//! | softplus | log(1 + exp(x)) | 1 - exp(-y) | exp(-y) | -exp(-y) |

use super::{Reference, check_lengths};
use crate::backend::{Pointwise, Real};
use crate::error::{Error, Result};
use crate::shape::Activation;

impl<T: Real> Pointwise for Reference<T> {
    fn activation(&self, activation: Activation, x: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        map("activation", x, y, |y, x| *y = activate(activation, x))
    }

    fn activation_grad(&self, activation: Activation, y: &Vec<T>, dz: &mut Vec<T>) -> Result<()> {
        map("activation_grad", y, dz, |dz, y| *dz *= slope(activation, 0, y))
    }

    fn activation_slope(&self, activation: Activation, order: u32, y: &Vec<T>, s: &mut Vec<T>) -> Result<()> {
        map("activation_slope", y, s, |s, y| *s = slope(activation, order, y))
    }

    fn add(&self, a: &Vec<T>, b: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        map2("add", a, b, y, |y, a, b| *y = a + b)
    }

    fn sub(&self, a: &Vec<T>, b: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        map2("sub", a, b, y, |y, a, b| *y = a - b)
    }

    fn mul(&self, a: &Vec<T>, b: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        map2("mul", a, b, y, |y, a, b| *y = a * b)
    }

    fn mul_add(&self, a: &Vec<T>, b: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        map2("mul_add", a, b, y, |y, a, b| *y += a * b)
    }

    fn affine(&self, alpha: f64, beta: f64, x: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        map("affine", x, y, |y, x| *y = T::of(alpha) * x + T::of(beta))
    }

    fn axpy(&self, alpha: f64, x: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        map("axpy", x, y, |y, x| *y += T::of(alpha) * x)
    }

    fn add_bias(&self, x: &Vec<T>, b: &Vec<T>, y: &mut Vec<T>) -> Result<()> {
        check_rows("add_bias", x.len(), b.len())?;
        check_lengths("add_bias", &[("y", y.len(), x.len())])?;
        for (index, y) in y.iter_mut().enumerate() {
            *y = x[index] + b[index % b.len()];
        }
        Ok(())
    }

    fn bias_grad(&self, dy: &Vec<T>, db: &mut Vec<T>) -> Result<()> {
        check_rows("bias_grad", dy.len(), db.len())?;
        let channels = db.len();
        dy.iter().enumerate().for_each(|(index, &dy)| db[index % channels] += dy);
        Ok(())
    }
}

/// `A(x)`. No branch overflows: the argument of every exponential is at most 0.
fn activate<T: Real>(activation: Activation, x: T) -> T {
    let one = T::one();
    match activation {
        Activation::Identity => x,
        Activation::Elu if x > T::zero() => x,
        Activation::Elu => x.exp_m1(),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid if x > T::zero() => one / (one + (-x).exp()),
        Activation::Sigmoid => x.exp() / (one + x.exp()),
        Activation::Softplus => x.max(T::zero()) + (-x.abs()).exp().ln_1p(),
    }
}

/// `y = A(y)` in place.
pub(super) fn activate_all<T: Real>(activation: Activation, y: &mut [T]) {
    y.iter_mut().for_each(|y| *y = activate(activation, *y));
}

/// `S⁽ᵏ⁾(y)` for the order k.
fn slope<T: Real>(activation: Activation, order: u32, y: T) -> T {
    let (zero, one, two) = (T::zero(), T::one(), T::of(2.0));
    match (activation, order) {
        (Activation::Identity, 0) => one,
        (Activation::Elu, 0) if y > zero => one,
        (Activation::Elu, 0) => one + y,
        (Activation::Elu, 1) if y <= zero => one,
        (Activation::Tanh, 0) => one - y * y,
        (Activation::Tanh, 1) => -two * y,
        (Activation::Sigmoid, 0) => y - y * y,
        (Activation::Sigmoid, 1) => one - two * y,
        (Activation::Tanh | Activation::Sigmoid, 2) => -two,
        (Activation::Softplus, 0) => -(-y).exp_m1(),
        (Activation::Softplus, odd) if odd % 2 == 1 => (-y).exp(),
        (Activation::Softplus, _) => -(-y).exp(),
        (Activation::Identity | Activation::Elu | Activation::Tanh | Activation::Sigmoid, _) => zero,
    }
}

fn map<T: Real>(op: &'static str, x: &[T], y: &mut [T], f: impl Fn(&mut T, T)) -> Result<()> {
    check_lengths(op, &[("the output", y.len(), x.len())])?;
    y.iter_mut().zip(x).for_each(|(y, &x)| f(y, x));
    Ok(())
}

fn map2<T: Real>(op: &'static str, a: &[T], b: &[T], y: &mut [T], f: impl Fn(&mut T, T, T)) -> Result<()> {
    check_lengths(op, &[("the second operand", b.len(), a.len()), ("the output", y.len(), a.len())])?;
    y.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| f(y, a, b));
    Ok(())
}

/// Checks that `elements` is a whole number of rows of `channels`.
fn check_rows(op: &'static str, elements: usize, channels: usize) -> Result<()> {
    if channels == 0 || !elements.is_multiple_of(channels) {
        return Err(Error::shape(op, format!("{elements} elements are no whole number of rows of {channels} channels")));
    }
    Ok(())
}
