//! Vectors that are matrices in row-major order: the tangent and normal vectors of manifolds of matrices.

use std::f64::consts::FRAC_1_SQRT_2;

use crate::theory::algebra::{Matrix, add_scaled};

/// `u vᵀ`.
pub(super) fn outer(u: &[f64], v: &[f64]) -> Vec<f64> {
    u.iter().flat_map(|u| v.iter().map(move |v| u * v)).collect()
}

/// `(a bᵀ + sign c dᵀ) / √2`, of norm 1 if the two parts are orthonormal.
pub(super) fn pair([a, b]: [&[f64]; 2], sign: f64, [c, d]: [&[f64]; 2]) -> Vec<f64> {
    add_scaled(&outer(a, b), sign, &outer(c, d)).iter().map(|value| FRAC_1_SQRT_2 * value).collect()
}

/// All columns of a matrix.
pub(super) fn columns(a: &Matrix) -> Vec<Vec<f64>> {
    (0..a.columns()).map(|column| a.column(column)).collect()
}
