//! Sum of all elements, `y[0] = Σ_i x[i]`, and its adjoint. Summed in f64 in a fixed order, to avoid the rounding error of a long
//! f32 sum.

pub(super) mod cpu;
pub(super) mod cuda;
pub(super) mod reference;
mod tape;

use super::contract::{Contract, Length};
use crate::backend::Phase;

/// A call.
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum Reduce<'a, T> {
    /// `y[0] = Σ x`.
    Sum { x: &'a T, y: &'a mut T },
    /// `dx += alpha dy[0]` for every element: the adjoint of `alpha Σ x`.
    SumGrad { alpha: f64, dy: &'a T, dx: &'a mut T },
}

impl<T> Reduce<'_, T> {
    pub(super) fn contract(&self, len: Length<'_, T>) -> Contract<'_, T> {
        let contract = Contract::<T>::new("sum");
        match self {
            Self::Sum { x, y } => contract.read("x", x, len(x)).write("y", y, 1).flops(len(x) as u64),
            Self::SumGrad { dy, dx, .. } => {
                let contract = contract.phase(Phase::InputGradient).read("dy", dy, 1);
                contract.update("dx", dx, len(dx)).flops(len(dx) as u64)
            }
        }
    }
}
