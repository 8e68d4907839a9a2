//! The exact minimiser on an ellipse of uneven density, by Fourier collocation, beside the optimal denoiser.

use std::f64::consts::{PI, TAU};

use ndarray::{Array1, Array2, Axis};

use crate::error::Result;
use crate::theory::algebra::{norm, solve};
use crate::theory::claim::Check;
use crate::theory::claims::uneven_density::{HALF_AXES, Uneven};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::statistics::{larger, log_log_slope, root_mean_square};

/// Odd, so that differentiation has no zero mode but constants; coefficients of everything here fall below rounding at half of this.
const NODES: usize = 101;
const GAMMAS: [f64; 4] = [4e-3, 2e-3, 1e-3, 5e-4];
/// γ = σ² at which RCAE and DAE are compared.
const SMALL: f64 = 4e-4;

const SLOPE: (f64, &str) = (0.05, "the term of order γ³");
const BOUND: &str = "an inequality; rounding of a linear system of 101 equations";
const RATIO: (f64, &str) = (0.02, "the terms of order γ² and σ⁴");

pub(super) fn checks() -> Result<(Vec<Check>, Figure)> {
    let curve = Curve::new()?;
    let biases = GAMMAS.iter().map(|&gamma| curve.bias(gamma)).collect::<Result<Vec<_>>>()?;
    let remainder = |curvature: f64, density: f64| -> Vec<(f64, f64)> {
        let of = |(&gamma, bias): (&f64, &Array2<f64>)| {
            (gamma, curve.mean_norm(&(gamma * bias - gamma * &curve.field(curvature, density))))
        };
        GAMMAS.iter().zip(&biases).map(of).collect()
    };
    let slope = |curvature: f64, density: f64| log_log_slope(&remainder(curvature, density));
    // ‖Δ_p V‖ of the bound.
    let laplacian = curve.mean_norm(&curve.laplacian.dot(&curve.field(1.0, 1.0)));
    let over_bound =
        |density: f64| remainder(1.0, density).iter().map(|(gamma, size)| size / (gamma * gamma * laplacian)).fold(0.0, larger);
    let half_h = "½H + ∇log p, the limit of the DAE";
    let mut checks = vec![
        Check::equal("slope of ‖g_γ - x - γ(H + ∇log p)‖ in γ, ellipse, uneven density", 2.0, slope(1.0, 1.0)?, SLOPE.0, SLOPE.1)
            .control(half_h, slope(0.5, 1.0)?)
            .notices("(1-ε)H in place of H", |size| slope(1.0 - size, 1.0))?,
        Check::at_most("largest ‖g_γ - x - γV‖ / (γ²‖Δ_p V‖), ellipse, uneven density", 1.0, over_bound(1.0), 1e-6, BOUND)
            .control("V = H, without ∇log p", over_bound(0.0))
            .notices("the share ε of ∇log p is missing", |size| Ok(over_bound(1.0 - size)))?,
    ];
    checks.extend(curve.beside_denoiser()?);
    Ok((checks, curve.figure(&biases)?))
}

/// The ellipse at equally spaced parameters.
struct Curve {
    uneven: Uneven,
    angles: Vec<f64>,
    points: Array2<f64>,
    speeds: Array1<f64>,
    weights: Array1<f64>,
    /// d/ds along the curve.
    derivative: Array2<f64>,
    /// Δ_p.
    laplacian: Array2<f64>,
}

impl Curve {
    fn new() -> Result<Self> {
        let uneven = Uneven::ellipse()?;
        let angles: Vec<f64> = (0..NODES).map(|k| TAU * k as f64 / NODES as f64).collect();
        let points = rows(angles.iter().map(|&angle| uneven.point(&[angle])));
        let speeds: Array1<f64> = angles.iter().map(|t| (HALF_AXES[0] * t.sin()).hypot(HALF_AXES[1] * t.cos())).collect();
        let density: Array1<f64> = angles.iter().map(|&angle| uneven.log_density(&[angle]).exp()).collect();
        let by_parameter = differentiation();
        let derivative = &by_parameter / &speeds.view().insert_axis(Axis(1));
        let flux = &derivative * &density.view().insert_axis(Axis(1));
        let laplacian = derivative.dot(&flux) / density.view().insert_axis(Axis(1));
        let weights = &density * &speeds;
        let weights = &weights / weights.sum();
        Ok(Self { uneven, angles, points, speeds, weights, derivative, laplacian })
    }

    /// `(g_γ - x)/γ` of the solution of `(1 - γΔ_p) g = x`.
    fn bias(&self, gamma: f64) -> Result<Array2<f64>> {
        let operator = Array2::eye(NODES) - gamma * &self.laplacian;
        Ok((solve(&operator, &self.points)? - &self.points) / gamma)
    }

    /// Unit tangents.
    fn tangents(&self) -> Array2<f64> {
        let tangent = |t: &f64| Array1::from(vec![-HALF_AXES[0] * t.sin(), HALF_AXES[1] * t.cos()]);
        rows(self.angles.iter().map(tangent)) / self.speeds.view().insert_axis(Axis(1))
    }

    /// `curvature · H + density · ∇log p` in closed form: H has the length ab/|speed|³ and points inwards.
    fn field(&self, curvature: f64, density: f64) -> Array2<f64> {
        let [a, b] = HALF_AXES;
        let inwards = rows(self.angles.iter().map(|t| Array1::from(vec![-b * t.cos(), -a * t.sin()])));
        let h = inwards * &(a * b / self.speeds.mapv(|speed| speed.powi(4))).insert_axis(Axis(1));
        let logarithms: Array1<f64> = self.angles.iter().map(|&angle| self.uneven.log_density(&[angle])).collect();
        let slopes = self.derivative.dot(&logarithms);
        curvature * h + density * self.tangents() * slopes.insert_axis(Axis(1))
    }

    /// √E‖·‖² of a field on the curve.
    fn mean_norm(&self, field: &Array2<f64>) -> f64 {
        let squares: Array1<f64> = field.rows().into_iter().map(|row| row.dot(&row)).collect();
        self.weights.dot(&squares).sqrt()
    }

    /// The bias of the RCAE over that of the denoiser for γ = σ²: 2 in the normal direction, 1 along the curve.
    fn beside_denoiser(&self) -> Result<[Check; 2]> {
        let tangents = self.tangents();
        let contractive = self.bias(SMALL)?;
        let denoiser = |y: Array1<f64>| Ok((self.uneven.posterior_mean(&y, SMALL.sqrt())? - &y) / SMALL);
        let denoising =
            rows(self.points.rows().into_iter().map(|y| denoiser(y.to_owned())).collect::<Result<Vec<_>>>()?.into_iter());
        let parts = |field: &Array2<f64>| -> [f64; 2] {
            let along: Array1<f64> = field.rows().into_iter().zip(tangents.rows()).map(|(v, t)| v.dot(&t)).collect();
            let across = field - &(&tangents * &along.view().insert_axis(Axis(1)));
            [root_mean_square(along), root_mean_square(across.rows().into_iter().map(|row| norm(&row)))]
        };
        let ratios = |contractive: &Array2<f64>| {
            let (a, b) = (parts(contractive), parts(&denoising));
            [a[0] / b[0], a[1] / b[1]]
        };
        let [along, across] = ratios(&contractive);
        let mixed = |size: f64| ratios(&((1.0 - size) * &contractive + size * &denoising));
        let fault = "the share ε of the denoiser's bias in that of the RCAE";
        let taken = |size: f64| ratios(&((1.0 - size) * &contractive))[0];
        Ok([
            Check::equal("bias of the RCAE over that of the DAE, γ = σ², normal part, ellipse", 2.0, across, RATIO.0, RATIO.1)
                .control("tangential part", along)
                .notices(fault, |size| Ok(mixed(size)[1]))?,
            Check::equal("bias of the RCAE over that of the DAE, γ = σ², tangential part, ellipse", 1.0, along, RATIO.0, RATIO.1)
                .control("normal part", across)
                .notices("the RCAE's bias too small by the factor 1-ε", |size| Ok(taken(size)))?,
        ])
    }

    fn figure(&self, biases: &[Array2<f64>]) -> Result<Figure> {
        let size = |field: &Array2<f64>| -> Vec<(f64, f64)> {
            self.angles.iter().zip(field.rows()).map(|(&angle, row)| (angle / PI, norm(&row))).collect()
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

/// The derivative of trigonometric polynomials at equally spaced nodes (an odd number of them).
fn differentiation() -> Array2<f64> {
    Array2::from_shape_fn((NODES, NODES), |(row, column)| {
        if row == column {
            return 0.0;
        }
        let sign = if (row + column) % 2 == 0 { 1.0 } else { -1.0 };
        0.5 * sign / (PI * (row as f64 - column as f64) / NODES as f64).sin()
    })
}

/// Vectors as rows.
fn rows(vectors: impl Iterator<Item = Array1<f64>>) -> Array2<f64> {
    let values: Vec<f64> = vectors.flatten().collect();
    Array2::from_shape_fn((values.len() / 2, 2), |(row, column)| values[2 * row + column])
}
