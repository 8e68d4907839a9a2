//! Matrices as vectors in row-major order: tangent and normal vectors of manifolds of matrices.

use std::f64::consts::FRAC_1_SQRT_2;

use ndarray::Array1;

/// `u vᵀ`.
pub(super) fn outer(u: &Array1<f64>, v: &Array1<f64>) -> Array1<f64> {
    u.iter().flat_map(|u| v.iter().map(move |v| u * v)).collect()
}

/// `(a bᵀ + sign c dᵀ) / √2`, of norm 1 if the two parts are orthonormal.
pub(super) fn pair([a, b]: [&Array1<f64>; 2], sign: f64, [c, d]: [&Array1<f64>; 2]) -> Array1<f64> {
    FRAC_1_SQRT_2 * (outer(a, b) + sign * outer(c, d))
}
