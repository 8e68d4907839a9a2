use crate::error::Result;
use crate::model::Parameters;
use crate::ops::Backend;
use crate::theory::algebra::{dot, sub, svd};
use crate::theory::claims::training::{network_jacobians, outputs};
use crate::theory::manifold::Manifold;

use super::circle::Circle;

/// Means over D of what values and Jacobian of f say.
pub(super) struct Jets {
    /// a = E‖f(x) - x‖².
    pub(super) error: f64,
    /// E‖J_f‖_F².
    pub(super) contraction: f64,
    /// E‖J_f - P_T‖_F².
    pub(super) from_tangent: f64,
    /// E⟨f(x) - x, V(x)⟩.
    pub(super) along_curvature: f64,
    /// Mean of the largest singular value.
    pub(super) tangent: f64,
    /// Root mean square of the n - 1 others.
    pub(super) normal: f64,
}

impl Jets {
    /// Over `nodes` equally spaced points. f is C¹ and D closed, so these sums are means over D up to about nodes⁻².
    pub(super) fn of<B: Backend>(backend: &B, network: &Parameters<B>, circle: &Circle, nodes: usize) -> Result<Self> {
        let points = circle.grid(nodes);
        let (found, jacobians) = (outputs(backend, network, &points)?, network_jacobians(backend, network, &points)?);
        let mut sums = [0.0; 6];
        for ((x, f), jacobian) in points.iter().zip(&found).zip(&jacobians) {
            let basis = circle.manifold().tangent_basis(x)?;
            let residual = sub(f, x);
            let singular = svd(jacobian).values;
            let others: f64 = singular.iter().skip(1).map(|value| value * value).sum();
            let from_tangent = jacobian.minus(&basis.times(&basis.transposed()));
            let terms = [
                dot(&residual, &residual),
                dot(jacobian.values(), jacobian.values()),
                dot(from_tangent.values(), from_tangent.values()),
                dot(&residual, &circle.curvature(x)),
                singular.first().copied().unwrap_or(f64::NAN),
                others / (singular.len() as f64 - 1.0),
            ];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term / nodes as f64);
        }
        let [error, contraction, from_tangent, along_curvature, tangent, others] = sums;
        Ok(Self { error, contraction, from_tangent, along_curvature, tangent, normal: others.sqrt() })
    }

    /// L_γ(f).
    pub(super) fn loss(&self, gamma: f64) -> f64 {
        self.error + gamma * self.contraction
    }

    /// ε = L_γ(f)/γ - d.
    fn excess(&self, gamma: f64) -> f64 {
        self.loss(gamma) / gamma - 1.0
    }

    /// `ε + γK²`, at least E‖J_f - P_T‖².
    pub(super) fn jacobian_bound(&self, gamma: f64, curvature_square: f64) -> f64 {
        self.excess(gamma) + gamma * curvature_square
    }

    /// `γK + √(γ²K² + γε)`, at least √a; what is under the root is at least γE‖J_f - P_T‖², and counts as 0 where a wrong K makes
    /// it negative.
    pub(super) fn error_bound(&self, gamma: f64, curvature_square: f64) -> f64 {
        gamma * curvature_square.sqrt() + (gamma * self.jacobian_bound(gamma, curvature_square)).max(0.0).sqrt()
    }
}
