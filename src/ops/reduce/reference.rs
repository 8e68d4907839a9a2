//! Sum of all elements, `y[0] = Σ_i x[i]`, and its adjoint. Summed from first to last in f64, to avoid the rounding error of a
//! long f32 sum.

use super::Reduce;
use crate::backend::Real;

pub(in crate::ops) fn run<T: Real>(call: Reduce<'_, Vec<T>>) {
    match call {
        Reduce::Sum { x, y } => y[0] = T::of(x.iter().map(|x| x.f64()).sum()),
        Reduce::SumGrad { alpha, dy, dx } => dx.iter_mut().for_each(|dx| *dx += T::of(alpha) * dy[0]),
    }
}
