//! The exact minimiser on an ellipse and a torus of uneven density, by Fourier collocation, beside the optimal denoiser.

use std::f64::consts::{PI, TAU};

use ndarray::{Array1, Array2, Axis};

use crate::error::Result;
use crate::theory::algebra::{norm, solve};
use crate::theory::claim::Check;
use crate::theory::claims::uneven_density::Uneven;
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::statistics::{larger, log_log_slope, root_mean_square};

/// Nodes along the angle of the ellipse, and along each of the torus. Odd, so that differentiation has no zero mode but
/// constants; coefficients of everything here fall below 1e-9 at half of this.
const NODES: [usize; 2] = [101, 25];
/// Nodes at which the denoiser is computed, at most.
const COMPARED: usize = 30;
const GAMMAS: [f64; 4] = [4e-3, 2e-3, 1e-3, 5e-4];
/// γ = σ² at which RCAE and DAE are compared.
const SMALL: f64 = 4e-4;

const SLOPE: (f64, &str) = (0.05, "the term of order γ³");
const BOUND: &str = "an inequality; rounding of a linear system of 101 or 625 equations";
const RATIO: (f64, &str) = (0.02, "the terms of order γ² and σ⁴");

pub(super) fn checks() -> Result<(Vec<Check>, Figure)> {
    let [ellipse, torus] = [Surface::new(Uneven::ellipse()?, NODES[0])?, Surface::new(Uneven::torus()?, NODES[1])?];
    let (mut checks, biases) = ellipse.checks()?;
    checks.extend(torus.checks()?.0);
    Ok((checks, ellipse.figure(&biases)?))
}

/// D at equally spaced angles.
struct Surface {
    uneven: Uneven,
    /// The angles of each node.
    angles: Vec<Vec<f64>>,
    points: Array2<f64>,
    weights: Array1<f64>,
    /// Δ_p.
    laplacian: Array2<f64>,
}

impl Surface {
    fn new(uneven: Uneven, nodes: usize) -> Result<Self> {
        let d = uneven.manifold().dimension();
        let angle = |index: usize, axis: usize| TAU * (index / nodes.pow(axis as u32) % nodes) as f64 / nodes as f64;
        let angles: Vec<Vec<f64>> =
            (0..nodes.pow(d as u32)).map(|index| (0..d).map(|axis| angle(index, axis)).collect()).collect();
        let of = |value: &dyn Fn(&[f64]) -> f64| angles.iter().map(|angles| value(angles)).collect::<Array1<f64>>();
        // The density of x by the angles: p times the volume.
        let weights = of(&|angles| uneven.log_density(angles).exp() * uneven.speeds(angles).iter().product::<f64>());
        let mut laplacian = Array2::zeros((angles.len(), angles.len()));
        for axis in 0..d {
            let derivative = along(axis, nodes, d);
            let inverse = of(&|angles| uneven.speeds(angles)[axis].powi(-2));
            let flux = &derivative * &(&weights * &inverse).insert_axis(Axis(1));
            laplacian += &(derivative.dot(&flux) / weights.view().insert_axis(Axis(1)));
        }
        let points = rows(angles.iter().map(|angles| uneven.point(angles)));
        let weights = &weights / weights.sum();
        Ok(Self { uneven, angles, points, weights, laplacian })
    }

    /// The checks, and the bias for each of [`GAMMAS`].
    fn checks(&self) -> Result<(Vec<Check>, Vec<Array2<f64>>)> {
        let name = self.uneven.name();
        let biases = GAMMAS.iter().map(|&gamma| self.bias(gamma)).collect::<Result<Vec<_>>>()?;
        let remainder = |curvature: f64, density: f64| -> Vec<(f64, f64)> {
            let field = self.field(curvature, density);
            GAMMAS.iter().zip(&biases).map(|(&gamma, bias)| (gamma, self.mean_norm(&(gamma * (bias - &field))))).collect()
        };
        let slope = |curvature: f64, density: f64| log_log_slope(&remainder(curvature, density));
        // ‖Δ_p V‖ of the bound.
        let laplacian = self.mean_norm(&self.laplacian.dot(&self.field(1.0, 1.0)));
        let over_bound = |density: f64| {
            remainder(1.0, density).iter().map(|(gamma, size)| size / (gamma * gamma * laplacian)).fold(0.0, larger)
        };
        let half_h = "½H + ∇log p, the limit of the DAE";
        let quantity = format!("slope of ‖g_γ - x - γ(H + ∇log p)‖ in γ, {name}, uneven density");
        let bound = format!("largest ‖g_γ - x - γV‖ / (γ²‖Δ_p V‖), {name}, uneven density");
        let mut checks = vec![
            Check::equal(quantity, 2.0, slope(1.0, 1.0)?, SLOPE.0, SLOPE.1)
                .control(half_h, slope(0.5, 1.0)?)
                .notices("(1-ε)H in place of H", |size| slope(1.0 - size, 1.0))?,
            Check::at_most(bound, 1.0, over_bound(1.0), 1e-6, BOUND)
                .control("V = H, without ∇log p", over_bound(0.0))
                .notices("the share ε of ∇log p is missing", |size| Ok(over_bound(1.0 - size)))?,
        ];
        checks.extend(self.beside_denoiser()?);
        Ok((checks, biases))
    }

    /// `(g_γ - x)/γ` of the solution of `(1 - γΔ_p) g = x`.
    fn bias(&self, gamma: f64) -> Result<Array2<f64>> {
        let operator = Array2::eye(self.angles.len()) - gamma * &self.laplacian;
        Ok((solve(&operator, &self.points)? - &self.points) / gamma)
    }

    /// `curvature · H + density · ∇log p` in closed form.
    fn field(&self, curvature: f64, density: f64) -> Array2<f64> {
        let at = |angles: &Vec<f64>| curvature * self.uneven.curvature(angles) + density * self.uneven.density_gradient(angles);
        rows(self.angles.iter().map(at))
    }

    /// √E‖·‖² of a field on D.
    fn mean_norm(&self, field: &Array2<f64>) -> f64 {
        let squares: Array1<f64> = field.rows().into_iter().map(|row| row.dot(&row)).collect();
        self.weights.dot(&squares).sqrt()
    }

    /// The bias of the RCAE over that of the denoiser for γ = σ²: 2 in the normal direction, 1 along D.
    fn beside_denoiser(&self) -> Result<[Check; 2]> {
        // A step that is prime to the number of nodes along an angle goes through all of each.
        let count = self.angles.len();
        let chosen: Vec<usize> = (0..count).step_by(count.div_ceil(COMPARED) | 1).collect();
        let contractive = self.bias(SMALL)?.select(Axis(0), &chosen);
        let denoiser = |&index: &usize| {
            let y = self.points.row(index).to_owned();
            Ok((self.uneven.posterior_mean(&y, SMALL.sqrt())? - &y) / SMALL)
        };
        let denoising = rows(chosen.iter().map(denoiser).collect::<Result<Vec<_>>>()?.into_iter());
        let parts = |field: &Array2<f64>| -> [f64; 2] {
            let split = |(v, &index): (ndarray::ArrayView1<'_, f64>, &usize)| {
                let tangents = self.uneven.tangents(&self.angles[index]);
                let tangential = tangents.iter().fold(Array1::zeros(v.len()), |sum, tangent| sum + tangent.dot(&v) * tangent);
                (norm(&tangential), norm(&(&v - &tangential)))
            };
            let (along, across): (Vec<f64>, Vec<f64>) = field.rows().into_iter().zip(&chosen).map(split).unzip();
            [root_mean_square(along), root_mean_square(across)]
        };
        let ratios = |contractive: &Array2<f64>| {
            let (a, b) = (parts(contractive), parts(&denoising));
            [a[0] / b[0], a[1] / b[1]]
        };
        let [along, across] = ratios(&contractive);
        let mixed = |size: f64| ratios(&((1.0 - size) * &contractive + size * &denoising));
        let fault = "the share ε of the denoiser's bias in that of the RCAE";
        let taken = |size: f64| ratios(&((1.0 - size) * &contractive))[0];
        let quantity = |part: &str| format!("bias of the RCAE over that of the DAE, γ = σ², {part} part, {}", self.uneven.name());
        Ok([
            Check::equal(quantity("normal"), 2.0, across, RATIO.0, RATIO.1)
                .control("tangential part", along)
                .notices(fault, |size| Ok(mixed(size)[1]))?,
            Check::equal(quantity("tangential"), 1.0, along, RATIO.0, RATIO.1)
                .control("normal part", across)
                .notices("the RCAE's bias too small by the factor 1-ε", |size| Ok(taken(size)))?,
        ])
    }

    /// For a curve.
    fn figure(&self, biases: &[Array2<f64>]) -> Result<Figure> {
        let size = |field: &Array2<f64>| -> Vec<(f64, f64)> {
            self.angles.iter().zip(field.rows()).map(|(angles, row)| (angles[0] / PI, norm(&row))).collect()
        };
        let last = biases.len() - 1;
        Ok(Figure {
            stem: "c5_bias".into(),
            title: "The bias of the contractive autoencoder around an ellipse".into(),
            caption: format!(
                "‖g_γ(x) - x‖/γ of the exact minimiser for γ = {} and {}, with an uneven density, against its limit ‖H + ∇log p‖. That of the \
                 denoising autoencoder is ‖½H + ∇log p‖.",
                GAMMAS[0], GAMMAS[last]
            ),
            content: Content::chart(
                [AxisSpec::linear("angle / π"), AxisSpec::linear("‖g_γ(x) - x‖ / γ")],
                vec![
                    Series::line(format!("γ = {}", GAMMAS[0]), size(&biases[0])),
                    Series::line(format!("γ = {}", GAMMAS[last]), size(&biases[last])),
                    Series::dashed("‖H + ∇log p‖", size(&self.field(1.0, 1.0))),
                    Series::dashed("‖½H + ∇log p‖ (DAE)", size(&self.field(0.5, 1.0))),
                ],
            ),
        })
    }
}

/// The derivative of trigonometric polynomials by one of d angles, at `nodes` equally spaced values of each (an odd number).
fn along(axis: usize, nodes: usize, d: usize) -> Array2<f64> {
    let (count, stride) = (nodes.pow(d as u32), nodes.pow(axis as u32));
    Array2::from_shape_fn((count, count), |(row, column)| {
        let place = |index: usize| index / stride % nodes;
        let (i, j) = (place(row), place(column));
        let same_elsewhere = row - i * stride == column - j * stride;
        if i == j || !same_elsewhere {
            return 0.0;
        }
        let sign = if (i + j) % 2 == 0 { 1.0 } else { -1.0 };
        0.5 * sign / (PI * (i as f64 - j as f64) / nodes as f64).sin()
    })
}

/// Vectors as rows.
fn rows(vectors: impl Iterator<Item = Array1<f64>>) -> Array2<f64> {
    let vectors: Vec<Array1<f64>> = vectors.collect();
    let n = vectors.first().map_or(0, |vector| vector.len());
    Array2::from_shape_fn((vectors.len(), n), |(row, column)| vectors[row][column])
}
