//! Maps that fix D, or are onto it, and are not π: the controls and rivals of several claims.

use crate::error::Result;
use crate::theory::algebra::{Matrix, add_scaled, norm, sub};
use crate::theory::manifold::{AffineSubspace, Manifold};

/// `½(y + π(y))`: fixes D, J = P_T + ½P_N there; symmetric, but not idempotent and not onto D.
pub(super) fn half_way(manifold: &dyn Manifold, y: &[f64]) -> Result<Vec<f64>> {
    Ok(add_scaled(y, 0.5, &sub(&manifold.project_point(y)?, y)))
}

/// `π(y + ‖w‖^order A w)` with `w = y - π(y)`: fixes D, is idempotent, and not π. Its Jacobian on D is `P_T + P_T A P_N` for the
/// order 0, and `P_T` for higher ones.
pub(super) fn tilted(manifold: &dyn Manifold, tilt: &Matrix, order: i32, y: &[f64]) -> Result<Vec<f64>> {
    let w = sub(y, &manifold.project_point(y)?);
    manifold.project_point(&add_scaled(y, norm(&w).powi(order), &tilt.apply(&w)))
}

/// The plane of the first two axes of R³.
pub(super) fn plane() -> Result<AffineSubspace> {
    AffineSubspace::new(&Matrix::from_fn(3, 2, |row, column| f64::from(u8::from(row == column))), &[0.0; 3])
}

/// Onto the [`plane`] along (2, 0, 1): linear and idempotent, not symmetric.
pub(super) fn oblique(y: &[f64]) -> Vec<f64> {
    vec![y[0] - 2.0 * y[2], y[1], 0.0]
}

/// Along the ray to the centre onto the ellipse with these half-axes: idempotent, but not orthogonal.
pub(super) fn radial(axes: [f64; 2], y: &[f64]) -> Vec<f64> {
    let scale = (y[0] / axes[0]).hypot(y[1] / axes[1]);
    y.iter().map(|value| value / scale).collect()
}
