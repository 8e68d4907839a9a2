//! Spheres, whose denoiser has a closed form.

use ndarray::Array1;

use super::bessel::bessel_ratio;
use crate::error::Result;
use crate::rng::Stream;
use crate::theory::manifold::{Manifold, Sphere};

/// Number of the claim.
pub(super) const NUMBER: u32 = 4;

/// Dimension of the space of the largest sphere.
pub(super) const HIGH: usize = 6;

/// The factor of y/‖y‖ in `E[x|y]`, for x uniform on the unit sphere in Rⁿ.
pub(super) fn sphere_factor(n: usize, length: f64, sigma: f64) -> f64 {
    bessel_ratio(0.5 * n as f64 - 1.0, length / (sigma * sigma))
}

/// A point at this distance from the centre, in a random direction.
pub(super) fn point_at(stream: &mut Stream, n: usize, length: f64) -> Result<Array1<f64>> {
    Ok(Sphere::new(n, length)?.sample(stream))
}
