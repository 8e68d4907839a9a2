use std::f64::consts::TAU;

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{add_scaled, sub};
use crate::theory::claims::zoo::normal_vector;
use crate::theory::manifold::{Gratings, Manifold};

/// One grating: a circle of radius R in Rⁿ about the grey picture ½, with its phase as angle.
pub(super) struct Circle {
    gratings: Gratings,
}

impl Circle {
    /// Four pixels, R = 1.
    pub(super) fn small() -> Result<Self> {
        Ok(Self { gratings: Gratings::new(4, 1, &[[1, 0]], 0.5_f64.sqrt())? })
    }

    /// 8 x 8 pixels, R = √8.
    pub(super) fn wide() -> Result<Self> {
        Ok(Self { gratings: Gratings::standard(8, 1)? })
    }

    pub(super) fn manifold(&self) -> &Gratings {
        &self.gratings
    }

    pub(super) fn ambient(&self) -> usize {
        self.gratings.ambient()
    }

    /// R².
    fn radius_squared(&self) -> f64 {
        self.gratings.radius().powi(2)
    }

    /// `1/(1 + γ/R²)`.
    pub(super) fn factor(&self, gamma: f64) -> f64 {
        1.0 / (1.0 + gamma / self.radius_squared())
    }

    /// V = H at x, `-(x - c)/R²`: the law is uniform.
    pub(super) fn curvature(&self, x: &[f64]) -> Vec<f64> {
        sub(&vec![0.5; x.len()], x).iter().map(|value| value / self.radius_squared()).collect()
    }

    /// K² = 1/R².
    pub(super) fn curvature_square(&self) -> f64 {
        1.0 / self.radius_squared()
    }

    /// Equally spaced points.
    pub(super) fn grid(&self, count: usize) -> Vec<Vec<f64>> {
        (0..count).map(|node| self.at(node as f64 / count as f64)).collect()
    }

    /// One point at random in each of `count` equal arcs. Arcs leave less to chance than independent angles, and every point is
    /// still uniform.
    pub(super) fn samples(&self, stream: &mut Stream, count: usize) -> Vec<Vec<f64>> {
        (0..count).map(|arc| self.at((arc as f64 + stream.uniform_f64()) / count as f64)).collect()
    }

    /// `x + v` with v normal to D at x, of this length in a random direction.
    pub(super) fn beside(&self, x: &[f64], length: f64, stream: &mut Stream) -> Result<Vec<f64>> {
        Ok(add_scaled(x, 1.0, &normal_vector(&self.gratings, x, length, stream)?))
    }

    fn at(&self, turn: f64) -> Vec<f64> {
        self.gratings.point(&[TAU * turn])
    }
}
