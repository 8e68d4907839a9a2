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

pub(super) mod cpu;
pub(super) mod cuda;
pub(super) mod reference;
mod tape;

use super::contract::{Contract, Length};
use crate::backend::Phase;
use crate::shape::Activation;

/// A call. All buffers have the same length, except biases.
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Pointwise<'a, T> {
    /// `y = A(x)`.
    Activation { activation: Activation, x: &'a T, y: &'a mut T },
    /// `dz = dy ⊙ S(y)` in place; on entry dz holds dy.
    ActivationGrad { activation: Activation, y: &'a T, dz: &'a mut T },
    /// `s = S⁽ᵏ⁾(y)`, the derivative of order k of the slope, which tangents of tangents need.
    ActivationSlope { activation: Activation, order: u32, y: &'a T, s: &'a mut T },
    /// `y = a + b`.
    Add { a: &'a T, b: &'a T, y: &'a mut T },
    /// `y = a - b`.
    Sub { a: &'a T, b: &'a T, y: &'a mut T },
    /// `y = a ⊙ b`.
    Mul { a: &'a T, b: &'a T, y: &'a mut T },
    /// `y = a / b`, elementwise.
    Div { a: &'a T, b: &'a T, y: &'a mut T },
    /// `y = √x`, elementwise.
    Sqrt { x: &'a T, y: &'a mut T },
    /// `y += a ⊙ b`.
    MulAdd { a: &'a T, b: &'a T, y: &'a mut T },
    /// `y = alpha x + beta`.
    Affine { alpha: f64, beta: f64, x: &'a T, y: &'a mut T },
    /// `y += alpha x`.
    Axpy { alpha: f64, x: &'a T, y: &'a mut T },
    /// `y = x + b` with b `[c]` added to each row of x `[rows, c]`.
    AddBias { x: &'a T, b: &'a T, y: &'a mut T },
    /// `db += Σ_rows dy`.
    BiasGrad { dy: &'a T, db: &'a mut T },
}

impl<T> Pointwise<'_, T> {
    pub(super) fn contract(&self, len: Length<'_, T>) -> Contract<'_, T> {
        match self {
            Self::Activation { x, y, .. } => unary("activation", x, y, len(y), 2),
            Self::ActivationGrad { y, dz, .. } => {
                let (contract, len) = (Contract::<T>::new("activation").phase(Phase::InputGradient), len(dz));
                contract.read("y", y, len).update("dz", dz, len).flops(3 * len as u64)
            }
            Self::ActivationSlope { y, s, .. } => unary("activation_slope", y, s, len(s), 2),
            Self::Add { a, b, y } => binary::<T>("add", [a, b], len(y)).write("y", y, len(y)).flops(len(y) as u64),
            Self::Sub { a, b, y } => binary::<T>("sub", [a, b], len(y)).write("y", y, len(y)).flops(len(y) as u64),
            Self::Mul { a, b, y } => binary::<T>("mul", [a, b], len(y)).write("y", y, len(y)).flops(len(y) as u64),
            Self::Div { a, b, y } => binary::<T>("div", [a, b], len(y)).write("y", y, len(y)).flops(len(y) as u64),
            Self::Sqrt { x, y } => unary("sqrt", x, y, len(y), 1),
            Self::MulAdd { a, b, y } => binary::<T>("mul_add", [a, b], len(y)).update("y", y, len(y)).flops(2 * len(y) as u64),
            Self::Affine { x, y, .. } => unary("affine", x, y, len(y), 2),
            Self::Axpy { x, y, .. } => {
                Contract::<T>::new("axpy").read("x", x, len(y)).update("y", y, len(y)).flops(2 * len(y) as u64)
            }
            Self::AddBias { x, b, y } => {
                let (elements, channels) = (len(y), len(b));
                let contract = whole_rows(Contract::<T>::new("add_bias"), elements, channels).read("x", x, elements);
                contract.read("b", b, channels).write("y", y, elements).flops(elements as u64)
            }
            Self::BiasGrad { dy, db } => {
                let (elements, channels) = (len(dy), len(db));
                let contract = whole_rows(Contract::<T>::new("bias").phase(Phase::WeightGradient), elements, channels);
                contract.read("dy", dy, elements).update("db", db, channels).flops(elements as u64)
            }
        }
    }
}

/// `y =` a function of x.
fn unary<'a, T>(op: &'static str, x: &'a T, y: &'a T, len: usize, flops: usize) -> Contract<'a, T> {
    Contract::<T>::new(op).read("x", x, len).write("y", y, len).flops((flops * len) as u64)
}

/// A function of a and b.
fn binary<'a, T>(op: &'static str, [a, b]: [&'a T; 2], len: usize) -> Contract<'a, T> {
    Contract::<T>::new(op).read("a", a, len).read("b", b, len)
}

fn whole_rows<T>(contract: Contract<'_, T>, elements: usize, channels: usize) -> Contract<'_, T> {
    contract.require(channels > 0 && elements.is_multiple_of(channels), || {
        format!("{elements} elements are not a whole number of rows of {channels} channels")
    })
}
