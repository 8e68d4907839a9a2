//! **C4, the nonlinear denoiser.** y = x + ε with ε ~ N(0, σ²I) and x on D. The optimum of E‖f(y) - x‖² is f(y) = E[x|y]. For x
//! uniform on the sphere S^{n-1} of radius R it is, with κ = R‖y‖/σ² (x|y has the law of von Mises and Fisher),
//!
//! ```text
//! E[x|y] = R · I_{n/2}(κ) / I_{n/2-1}(κ) · y/‖y‖        n = 2: R I₁(κ)/I₀(κ),  n = 3: R (coth κ - 1/κ)
//! ‖E[x|y] - π(y)‖ = σ² (n-1)/(2‖y‖) + O(σ⁴)             slope 2 in σ; O(σ²) on every smooth D within its reach
//! ∂E[x|y]/∂y = Cov[x|y]/σ²                              symmetric and positive semidefinite
//! E[x|y] = y + σ² ∇log p_σ(y)                           Tweedie
//! ```
//!
//! Formulas are compared with quadratures of Bayes' rule that know nothing of them, and a trained network with the formula.
//!
//! *Control:* noise of covariance σ²S, S ≠ I. Then E[x|y] tends to the point of D nearest in the norm of S⁻¹ instead: the
//! distance to π(y) does not fall, and ∂E[x|y]/∂y = Cov[x|y] S⁻¹/σ² is not symmetric.

mod bessel;
mod derivatives;
mod network;
mod posterior;
mod rates;

use crate::backend::Reference;
use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{norm, sub};
use crate::theory::claim::{Claim, Evidence, Row, Setting};
use crate::theory::manifold::{Manifold, Sphere};
use crate::theory::statistics::larger;
use bessel::bessel_ratio;
use posterior::{Law, Noise};

const NUMBER: u32 = 4;

/// Dimension of the space around the highest sphere.
const HIGH: usize = 6;
const QUADRATURE: (f64, &str) = (1e-12, "both are exact but for rounding, 1e-14: the quadratures converge exponentially");

/// See the [module](self).
pub struct Denoiser;

impl Claim for Denoiser {
    fn id(&self) -> &'static str {
        "C4"
    }

    fn title(&self) -> &'static str {
        "The nonlinear denoiser"
    }

    fn statement(&self) -> &'static str {
        "The optimal denoiser for normal noise of variance σ² is E[x|y]. For x uniform on the sphere S^(n-1) of radius R it is \
         R·I_(n/2)(κ)/I_(n/2-1)(κ)·y/‖y‖ with κ = R‖y‖/σ². Its distance to the orthogonal projection π(y) is O(σ²), a slope of \
         2 in log-log, on every smooth manifold. Its Jacobian is Cov[x|y]/σ², symmetric and positive semidefinite, and E[x|y] = \
         y + σ²∇log p(y). A network trained on the circle is compared with the formula. Control: noise that is not isotropic, \
         for which E[x|y] tends to the point nearest in another norm, and its Jacobian is not symmetric."
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let mut rows = formula_rows(setting)?;
        let (rates, figure) = rates::rows(setting)?;
        rows.extend(rates);
        rows.extend(derivatives::rows(setting)?);
        let (trained, profile) = network::rows(&Reference::<f64>::default(), setting)?;
        rows.extend(trained);
        Ok(Evidence { rows, figures: vec![figure, profile] })
    }
}

/// `E[x|y]` for x uniform on the unit sphere in R^n, as its factor before y/‖y‖.
fn sphere_factor(n: usize, length: f64, sigma: f64) -> f64 {
    bessel_ratio(0.5 * n as f64 - 1.0, length / (sigma * sigma))
}

/// A point at this distance from the centre, in a random direction.
fn point_at(stream: &mut Stream, n: usize, length: f64) -> Result<Vec<f64>> {
    Ok(Sphere::new(n, length)?.sample(stream))
}

/// The largest difference of quadrature and formula for x on the unit sphere in Rⁿ, over some σ and the y that `point` gives at
/// random lengths. The control takes the formula of another n.
fn formula_row(
    stream: &mut Stream,
    (quantity, law): (&str, &Law),
    [n, wrong]: [usize; 2],
    point: impl Fn(&mut Stream, f64) -> Result<Vec<f64>>,
) -> Result<Row> {
    let mut worst = [0.0_f64; 2];
    for sigma in [0.2, 0.35, 0.6, 1.0] {
        for _ in 0..5 {
            let length = 0.3 + 1.4 * stream.uniform_f64();
            let y = point(stream, length)?;
            let mean = law.given(&y, Noise { variances: &vec![sigma * sigma; y.len()] }).mean;
            for (worst, n) in worst.iter_mut().zip([n, wrong]) {
                let factor = sphere_factor(n, length, sigma) / length;
                let formula: Vec<f64> = y.iter().map(|value| factor * value).collect();
                *worst = larger(*worst, norm(&sub(&mean, &formula)));
            }
        }
    }
    let (tolerance, because) = QUADRATURE;
    Ok(Row::equal(quantity, 0.0, worst[0], tolerance, because).control(format!("formula of n = {wrong}"), worst[1]))
}

fn formula_rows(setting: &Setting) -> Result<Vec<Row>> {
    let mut stream = setting.stream(NUMBER, 0);
    let nodes = setting.pick(80, 160);
    let (circle, sphere, high) = (Law::circle(1.0, 4 * nodes), Law::sphere(1.0, nodes), Law::meridian(1.0, HIGH, 4 * nodes));
    Ok(vec![
        formula_row(&mut stream, ("‖quadrature - R I₁/I₀ y/‖y‖‖, circle", &circle), [2, 3], |s, r| {
            point_at(s, 2, r)
        })?,
        formula_row(&mut stream, ("‖quadrature - R (coth κ - 1/κ) y/‖y‖‖, S²", &sphere), [3, 2], |s, r| {
            point_at(s, 3, r)
        })?,
        formula_row(&mut stream, ("‖quadrature - R I₃/I₂ y/‖y‖‖, S⁵", &high), [HIGH, HIGH - 1], |_, r| {
            Ok(vec![r, 0.0])
        })?,
    ])
}
