//! **C4, the nonlinear denoiser.**
//!
#![doc = include_str!("statement.md")]

mod bessel;
mod bias;
mod derivatives;
mod network;
mod posterior;
mod rates;
mod sphere;

use ndarray::{Array1, array};
use sphere::{HIGH, NUMBER, point_at, sphere_factor};

use crate::backend::Reference;
use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::norm;
use crate::theory::claim::{Check, Claim, Evidence, Setting};
use crate::theory::statistics::larger;
use posterior::{Distribution, Noise};

const QUADRATURE: (f64, &str) = (1e-12, "both are exact up to rounding, 1e-14: the quadratures converge exponentially");

/// See the [module](self).
pub const CLAIM: Claim = Claim::new("C4", "The nonlinear denoiser", include_str!("statement.md"), measure).seconds([2.1, 6.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let mut checks = formula_checks(setting)?;
    let (rates, figure) = rates::checks(setting)?;
    checks.extend(rates);
    checks.extend(bias::checks()?);
    checks.extend(derivatives::checks(setting)?);
    let (trained, profile) = network::checks(&Reference::<f64>::default(), setting)?;
    checks.extend(trained);
    Ok(Evidence { checks, figures: vec![figure, profile] })
}

/// The largest difference between quadrature and formula for x on the unit sphere in Rⁿ, over several σ and points y of random
/// length that `point` returns. The control is the formula for another n.
fn formula_check(
    stream: &mut Stream,
    (quantity, distribution): (&str, &Distribution),
    [n, wrong]: [usize; 2],
    point: impl Fn(&mut Stream, f64) -> Result<Array1<f64>>,
) -> Result<Check> {
    let mut samples = Vec::new();
    for sigma in [0.2, 0.35, 0.6, 1.0] {
        for _ in 0..5 {
            let length = 0.3 + 1.4 * stream.uniform_f64();
            let y = point(stream, length)?;
            let mean = distribution.given(&y, Noise { variances: &vec![sigma * sigma; y.len()] }).mean;
            let factors = [n, wrong].map(|n| sphere_factor(n, length, sigma) / length);
            samples.push((y, mean, factors));
        }
    }
    let worst = |share: f64| {
        let off = |(y, mean, [own, other]): &(Array1<f64>, Array1<f64>, [f64; 2])| {
            norm(&(mean - ((1.0 - share) * own + share * other) * y))
        };
        samples.iter().map(off).fold(0.0, larger)
    };
    let check = Check::equal(quantity, 0.0, worst(0.0), QUADRATURE.0, QUADRATURE.1);
    check.against(format!("formula of n = {wrong}"), |share| Ok(worst(share)))
}

fn formula_checks(setting: &Setting) -> Result<Vec<Check>> {
    let mut stream = setting.stream(NUMBER, 0);
    let nodes = setting.pick(80, 160);
    let (circle, sphere, high) =
        (Distribution::circle(1.0, 4 * nodes), Distribution::sphere(1.0, nodes), Distribution::meridian(1.0, HIGH, 4 * nodes));
    let anywhere = |n: usize| move |stream: &mut Stream, length: f64| point_at(stream, n, length);
    let on_axis = |_: &mut Stream, length: f64| Ok(array![length, 0.0]);
    Ok(vec![
        formula_check(&mut stream, ("‖quadrature - R I₁/I₀ y/‖y‖‖, circle", &circle), [2, 3], anywhere(2))?,
        formula_check(&mut stream, ("‖quadrature - R (coth κ - 1/κ) y/‖y‖‖, S²", &sphere), [3, 2], anywhere(3))?,
        formula_check(&mut stream, ("‖quadrature - R I₃/I₂ y/‖y‖‖, S⁵", &high), [HIGH, HIGH - 1], on_axis)?,
    ])
}
