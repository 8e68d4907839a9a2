//! Curves and surfaces with an uneven density, and the optimal denoiser near them by quadrature.

use std::f64::consts::TAU;

use ndarray::{Array1, array};

use crate::error::Result;
use crate::theory::algebra::norm;
use crate::theory::derivative::central_differences;
use crate::theory::manifold::{Ellipse, Manifold, Torus};

/// Half of the width of a quadrature around π(y), in σ, and the nodes along it. The posterior is wider than σ by a factor of at
/// most √2 for y within half of the reach, and the trapezoidal rule converges exponentially.
const HALF_WIDTH: f64 = 12.0;
const NODES: i32 = 60;
/// Steps of central differences of π, and of what is made of them.
const STEPS: [f64; 2] = [1e-4, 1e-3];

/// A manifold with parameters that are angles, and a density.
pub(super) enum Uneven {
    /// Half axes 1.5 and 1, density ∝ exp(0.8 cos(t - 0.7)) in arc length.
    Ellipse(Ellipse),
    /// Radii 2 and 0.7, density ∝ exp(0.8 cos(u - 0.7) + 0.4 sin w) in area.
    Torus(Torus),
}

pub(super) const HALF_AXES: [f64; 2] = [1.5, 1.0];
const RADII: [f64; 2] = [2.0, 0.7];

/// How much of each term of the bias is taken: 1 and ½ in the theorem.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// Of `∇ log p∘π`.
    pub(super) density: f64,
    /// Of `-∇ log det(I - S_v)`, whose value on D is H.
    pub(super) curvature: f64,
}

impl Terms {
    pub(super) const THEOREM: Self = Self { density: 1.0, curvature: 0.5 };
}

impl Uneven {
    pub(super) fn ellipse() -> Result<Self> {
        Ok(Self::Ellipse(Ellipse::new(HALF_AXES[0], HALF_AXES[1])?))
    }

    pub(super) fn torus() -> Result<Self> {
        Ok(Self::Torus(Torus::new(RADII[0], RADII[1])?))
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ellipse(_) => "ellipse",
            Self::Torus(_) => "torus",
        }
    }

    pub(super) fn manifold(&self) -> &dyn Manifold {
        match self {
            Self::Ellipse(ellipse) => ellipse,
            Self::Torus(torus) => torus,
        }
    }

    /// The point with these angles.
    pub(super) fn point(&self, angles: &[f64]) -> Array1<f64> {
        match self {
            Self::Ellipse(_) => array![HALF_AXES[0] * angles[0].cos(), HALF_AXES[1] * angles[0].sin()],
            Self::Torus(_) => {
                let rho = RADII[0] + RADII[1] * angles[1].cos();
                array![rho * angles[0].cos(), rho * angles[0].sin(), RADII[1] * angles[1].sin()]
            }
        }
    }

    /// The angles of a point of D.
    fn angles(&self, x: &Array1<f64>) -> Vec<f64> {
        match self {
            Self::Ellipse(_) => vec![(x[1] / HALF_AXES[1]).atan2(x[0] / HALF_AXES[0])],
            Self::Torus(_) => vec![x[1].atan2(x[0]), x[2].atan2(x[0].hypot(x[1]) - RADII[0])],
        }
    }

    /// Lengths of the derivatives of a point by its angles, which are orthogonal.
    pub(super) fn speeds(&self, angles: &[f64]) -> Vec<f64> {
        match self {
            Self::Ellipse(_) => vec![(HALF_AXES[0] * angles[0].sin()).hypot(HALF_AXES[1] * angles[0].cos())],
            Self::Torus(_) => vec![RADII[0] + RADII[1] * angles[1].cos(), RADII[1]],
        }
    }

    /// log p up to a constant.
    pub(super) fn log_density(&self, angles: &[f64]) -> f64 {
        let along = 0.8 * (angles[0] - 0.7).cos();
        match self {
            Self::Ellipse(_) => along,
            Self::Torus(_) => along + 0.4 * angles[1].sin(),
        }
    }

    /// `∇log p` on D, in closed form.
    pub(super) fn density_gradient(&self, angles: &[f64]) -> Array1<f64> {
        let mut slopes = vec![-0.8 * (angles[0] - 0.7).sin()];
        if let Self::Torus(_) = self {
            slopes.push(0.4 * angles[1].cos());
        }
        let parts = self.tangents(angles).into_iter().zip(slopes.into_iter().zip(self.speeds(angles)));
        parts.fold(Array1::zeros(self.manifold().ambient()), |sum, (tangent, (slope, speed))| sum + slope / speed * tangent)
    }

    /// Unit tangents along each angle, in closed form. They are orthogonal.
    pub(super) fn tangents(&self, angles: &[f64]) -> Vec<Array1<f64>> {
        match self {
            Self::Ellipse(_) => {
                let along = array![-HALF_AXES[0] * angles[0].sin(), HALF_AXES[1] * angles[0].cos()];
                vec![&along / norm(&along)]
            }
            Self::Torus(_) => {
                let ((s, c), (sin, cos)) = (angles[0].sin_cos(), angles[1].sin_cos());
                vec![array![-s, c, 0.0], array![-sin * c, -sin * s, cos]]
            }
        }
    }

    /// H, the trace of the second fundamental form, in closed form. On the ellipse it has the length ab/speed³; on the torus it
    /// is the sum of the curvatures 1/r and cos(w)/(R + r cos(w)). It points inwards, but for the inner side of the torus.
    pub(super) fn curvature(&self, angles: &[f64]) -> Array1<f64> {
        let speeds = self.speeds(angles);
        match self {
            Self::Ellipse(_) => {
                let [a, b] = HALF_AXES;
                a * b / speeds[0].powi(4) * array![-b * angles[0].cos(), -a * angles[0].sin()]
            }
            Self::Torus(_) => {
                let ((s, c), (sin, cos)) = (angles[0].sin_cos(), angles[1].sin_cos());
                -(1.0 / RADII[1] + cos / speeds[0]) * array![cos * c, cos * s, sin]
            }
        }
    }

    /// `E[x|y]` for Gaussian noise of standard deviation σ.
    pub(super) fn posterior_mean(&self, y: &Array1<f64>, sigma: f64) -> Result<Array1<f64>> {
        let centre = self.angles(&self.manifold().project_point(y)?);
        let speeds = self.speeds(&centre);
        let mut nodes: Vec<Vec<f64>> = vec![vec![]];
        for (angle, speed) in centre.iter().zip(&speeds) {
            let along = |k: i32| angle + HALF_WIDTH * sigma / (speed * f64::from(NODES)) * f64::from(k);
            let longer = |node: &Vec<f64>| (-NODES..=NODES).map(|k| [node.clone(), vec![along(k)]].concat()).collect::<Vec<_>>();
            nodes = nodes.iter().flat_map(longer).collect();
        }
        let nearest = norm(&(y - &self.point(&centre))).powi(2);
        let (mut sum, mut total) = (Array1::zeros(y.len()), 0.0);
        for angles in &nodes {
            let x = self.point(angles);
            let exponent = self.log_density(angles) - (norm(&(y - &x)).powi(2) - nearest) / (2.0 * sigma * sigma);
            let weight = exponent.exp() * self.speeds(angles).iter().product::<f64>();
            sum.scaled_add(weight, &x);
            total += weight;
        }
        Ok(sum / total)
    }

    /// `∇_y (density · log p(π(y)) - curvature · log det(I - S_v))`. The second determinant is the inverse of that of Jπ(y) on T.
    pub(super) fn bias(&self, y: &Array1<f64>, terms: Terms) -> Result<Array1<f64>> {
        let manifold = self.manifold();
        let potential = |y: &Array1<f64>| -> Result<Array1<f64>> {
            let x = manifold.project_point(y)?;
            let basis = manifold.tangent_basis(&x)?;
            let within = basis.t().dot(&central_differences(y, STEPS[0], |y| manifold.project_point(y))?).dot(&basis);
            let determinant = if within.nrows() == 1 {
                within[[0, 0]]
            } else {
                within[[0, 0]] * within[[1, 1]] - within[[0, 1]] * within[[1, 0]]
            };
            Ok(array![terms.density * self.log_density(&self.angles(&x)) + terms.curvature * determinant.ln()])
        };
        Ok(central_differences(y, STEPS[1], potential)?.row(0).to_owned())
    }

    /// Points inside, on and outside D, at distances of up to 0.4 of the reach.
    pub(super) fn places(&self) -> Result<Vec<Array1<f64>>> {
        let mut places = Vec::new();
        for (k, share) in [-0.4, -0.2, 0.0, 0.2, 0.4].into_iter().enumerate() {
            let turn = TAU * (0.11 + 0.2 * k as f64);
            let x = self.point(&[turn, 1.7 * turn]);
            let normal = self.manifold().normal_basis(&x)?.column(0).to_owned();
            places.push(x + share * self.manifold().reach() * normal);
        }
        Ok(places)
    }
}
