//! The circle, networks trained on it, and the means over D of their values and Jacobians.

use std::f64::consts::TAU;

use ndarray::{Array1, array};

use super::constants::NUMBER;
use crate::error::Result;
use crate::model::{Architecture, Parameters};
use crate::ops::Backend;
use crate::rng::Stream;
use crate::tape::Tensor;
use crate::theory::algebra::{gaussian_matrix, norm, projector, square_norm, svd};
use crate::theory::claim::Setting;
use crate::theory::claims::all_manifolds::normal_vector;
use crate::theory::claims::training::{batch, mean_square_error, minimise, network_jacobians, outputs, schedule, weighted_sum};
use crate::theory::derivative::{contraction, contraction_exact};
use crate::theory::manifold::{Gratings, Manifold};
use crate::theory::statistics::root_mean_square;

/// One grating: a circle of radius R in Rⁿ about the grey image ½, with its phase as the angle.
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

    pub(super) fn ambient(&self) -> usize {
        self.gratings.ambient()
    }

    fn radius_squared(&self) -> f64 {
        self.gratings.radius().powi(2)
    }

    /// `1/(1 + γ/R²)`.
    pub(super) fn factor(&self, gamma: f64) -> f64 {
        1.0 / (1.0 + gamma / self.radius_squared())
    }

    /// V = H at x, `-(x - c)/R²`: the distribution is uniform.
    fn curvature(&self, x: &Array1<f64>) -> Array1<f64> {
        (0.5 - x) / self.radius_squared()
    }

    /// K² = 1/R².
    pub(super) fn curvature_square(&self) -> f64 {
        1.0 / self.radius_squared()
    }

    /// Equally spaced points.
    pub(super) fn grid(&self, count: usize) -> Vec<Array1<f64>> {
        (0..count).map(|node| self.at(node as f64 / count as f64)).collect()
    }

    /// One random point in each of `count` equal arcs. Arcs have less variance than independent angles, and every point is still
    /// uniform.
    pub(super) fn samples(&self, stream: &mut Stream, count: usize) -> Vec<Array1<f64>> {
        (0..count).map(|arc| self.at((arc as f64 + stream.uniform_f64()) / count as f64)).collect()
    }

    /// `x + v` with v normal to D at x, of this length and in a random direction.
    pub(super) fn off(&self, x: &Array1<f64>, length: f64, stream: &mut Stream) -> Result<Array1<f64>> {
        Ok(x + normal_vector(&self.gratings, x, length, stream)?)
    }

    fn at(&self, turn: f64) -> Array1<f64> {
        self.gratings.point(&array![TAU * turn])
    }

    /// Root mean square of `‖f(y) - π(y)‖` over `points`.
    pub(super) fn distance<B: Backend>(&self, backend: &B, network: &Parameters<B>, points: &[Array1<f64>]) -> Result<f64> {
        let found = outputs(backend, network, points)?;
        let distance = |(y, f): (&Array1<f64>, Array1<f64>)| Ok(norm(&(f - self.gratings.project_point(y)?)));
        Ok(root_mean_square(points.iter().zip(found).map(distance).collect::<Result<Vec<_>>>()?))
    }
}

/// How ‖J‖_F² is computed in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Penalty {
    /// By n tangents.
    Exact,
    /// By one probe per sample.
    Probe,
}

/// How a network is trained.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) gamma: f64,
    pub(super) penalty: Penalty,
    pub(super) hidden: Vec<usize>,
    pub(super) steps: u64,
    pub(super) rate: f64,
    /// New points of D in each step.
    pub(super) batch: usize,
    /// Index of the stream of random numbers.
    pub(super) index: u32,
}

impl Plan {
    /// For the circle in R⁴.
    pub(super) fn small(setting: &Setting) -> Self {
        let (steps, batch) = (setting.pick(4000, 8000), 24);
        Self { gamma: 0.0, penalty: Penalty::Exact, hidden: vec![24, 24], steps, rate: 1e-2, batch, index: 0 }
    }
}

/// A trained network and its history.
pub(super) struct Trained<B: Backend> {
    pub(super) network: Parameters<B>,
    pub(super) gamma: f64,
    /// Step, and the singular values of J at that step, each a root mean square over D.
    pub(super) history: Vec<(f64, Array1<f64>)>,
}

/// Minimises L_γ from the weights of the setting's seed. With the same `index`, all γ are trained on the same samples.
pub(super) fn train<B: Backend>(backend: &B, circle: &Circle, plan: &Plan, setting: &Setting) -> Result<Trained<B>> {
    let architecture = Architecture::mlp(circle.ambient(), &plan.hidden)?;
    let mut network = Parameters::initialise(backend, &architecture, setting.seed())?;
    let [mut samples, mut probes] = [0, 1].map(|offset| setting.stream(NUMBER, plan.index + offset));
    let every = (plan.steps / 40).max(1);
    let mut history = Vec::new();
    minimise(backend, schedule(plan.steps, plan.rate), &mut network, |tape, network, step| {
        if step % every == 0 {
            history.push((step as f64, singular_values(backend, network, circle)?));
        }
        let points = batch(backend, &circle.samples(&mut samples, plan.batch))?;
        let bound = network.bind(tape, true);
        let x = tape.variable(points);
        let output = network.forward(tape, &bound, x)?;
        let error = mean_square_error(tape, output, x)?;
        if plan.gamma == 0.0 {
            return Ok((error, bound.vars().to_vec()));
        }
        let penalty = match plan.penalty {
            Penalty::Exact => contraction_exact(tape, x, output)?,
            Penalty::Probe => {
                let v = gaussian_matrix(&mut probes, plan.batch, circle.ambient());
                let v = tape.constant(Tensor::from_array(backend, &v)?);
                contraction(tape, x, output, v)?
            }
        };
        Ok((weighted_sum(tape, error, plan.gamma, penalty)?, bound.vars().to_vec()))
    })?;
    history.push((plan.steps as f64, singular_values(backend, &network, circle)?));
    Ok(Trained { network, gamma: plan.gamma, history })
}

/// Singular values in descending order, each the root mean square over a few points of D.
fn singular_values<B: Backend>(backend: &B, network: &Parameters<B>, circle: &Circle) -> Result<Array1<f64>> {
    let points = circle.grid(16);
    let mut squares = Array1::zeros(circle.ambient());
    for jacobian in network_jacobians(backend, network, &points)? {
        squares += &(svd(&jacobian).values.powi(2) / points.len() as f64);
    }
    Ok(squares.sqrt())
}

/// Means over D of values and Jacobian of f.
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
    /// Over `nodes` equally spaced points. f is C¹ and D is closed, so these sums are means over D up to an error of about
    /// nodes⁻².
    pub(super) fn of<B: Backend>(backend: &B, network: &Parameters<B>, circle: &Circle, nodes: usize) -> Result<Self> {
        let points = circle.grid(nodes);
        let (found, jacobians) = (outputs(backend, network, &points)?, network_jacobians(backend, network, &points)?);
        let mut sums = [0.0; 6];
        for ((x, f), jacobian) in points.iter().zip(&found).zip(&jacobians) {
            let residual = f - x;
            let singular = svd(jacobian).values;
            let others: f64 = singular.iter().skip(1).map(|value| value * value).sum();
            let terms = [
                square_norm(&residual),
                square_norm(jacobian),
                square_norm(&(jacobian - projector(&circle.gratings.tangent_basis(x)?))),
                residual.dot(&circle.curvature(x)),
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

    /// `ε + γK²` with ε = L_γ(f)/γ - d, an upper bound of E‖J_f - P_T‖².
    pub(super) fn jacobian_bound(&self, gamma: f64, curvature_square: f64) -> f64 {
        self.loss(gamma) / gamma - 1.0 + gamma * curvature_square
    }

    /// `γK + √(γ²K² + γε)`, an upper bound of √a. The radicand is at least γE‖J_f - P_T‖²; it counts as 0 where a wrong K makes
    /// it negative.
    pub(super) fn error_bound(&self, gamma: f64, curvature_square: f64) -> f64 {
        gamma * curvature_square.sqrt() + (gamma * self.jacobian_bound(gamma, curvature_square)).max(0.0).sqrt()
    }
}
