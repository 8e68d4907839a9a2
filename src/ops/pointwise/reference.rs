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

use super::Pointwise;
use crate::backend::Real;
use crate::backend::Slope;
use crate::shape::Activation;

pub(in crate::ops) fn run<T: Real>(call: Pointwise<'_, Vec<T>>) {
    match call {
        Pointwise::Activation { activation, x, y } => map(x, y, |y, x| *y = activate(activation, x)),
        Pointwise::ActivationGrad { activation, y, dz } => map(y, dz, |dz, y| *dz *= slope(activation, 0, y)),
        Pointwise::ActivationSlope { activation, order, y, s } => map(y, s, |s, y| *s = slope(activation, order, y)),
        Pointwise::Add { a, b, y } => map2(a, b, y, |y, a, b| *y = a + b),
        Pointwise::Sub { a, b, y } => map2(a, b, y, |y, a, b| *y = a - b),
        Pointwise::Mul { a, b, y } => map2(a, b, y, |y, a, b| *y = a * b),
        Pointwise::Div { a, b, y } => map2(a, b, y, |y, a, b| *y = a / b),
        Pointwise::Sqrt { x, y } => map(x, y, |y, x| *y = x.sqrt()),
        Pointwise::MulAdd { a, b, y } => map2(a, b, y, |y, a, b| *y += a * b),
        Pointwise::Affine { alpha, beta, x, y } => map(x, y, |y, x| *y = T::of(alpha) * x + T::of(beta)),
        Pointwise::Axpy { alpha, x, y } => map(x, y, |y, x| *y += T::of(alpha) * x),
        Pointwise::AddBias { x, b, y } => {
            y.iter_mut().enumerate().for_each(|(index, y)| *y = x[index] + b[index % b.len()]);
        }
        Pointwise::BiasGrad { dy, db } => {
            let channels = db.len();
            dy.iter().enumerate().for_each(|(index, &dy)| db[index % channels] += dy);
        }
    }
}

/// `dx *= S(y)` if there is a slope.
pub(in crate::ops) fn finish<T: Real>(slope: Option<Slope<'_, Vec<T>>>, dx: &mut Vec<T>) {
    if let Some(Slope { activation, y }) = slope {
        run(Pointwise::ActivationGrad { activation, y, dz: dx });
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
pub(in crate::ops) fn activate_all<T: Real>(activation: Activation, y: &mut [T]) {
    y.iter_mut().for_each(|y| *y = activate(activation, *y));
}

/// `S⁽ᵏ⁾(y)` for the order k.
pub(in crate::ops) fn slope<T: Real>(activation: Activation, order: u32, y: T) -> T {
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

fn map<T: Real>(x: &[T], y: &mut [T], f: impl Fn(&mut T, T)) {
    y.iter_mut().zip(x).for_each(|(y, &x)| f(y, x));
}

fn map2<T: Real>(a: &[T], b: &[T], y: &mut [T], f: impl Fn(&mut T, T, T)) {
    y.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| f(y, a, b));
}
