use std::f64::consts::{FRAC_PI_2, PI};

use super::root::increasing_root;
use super::{Manifold, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::Matrix;

/// Beyond this neither `sin` nor the period is resolved well enough to speak of a nearest point.
const FARTHEST: f64 = 1e9;
/// Points drawn are from this many half periods on either side of 0.
const HALF_PERIODS: f64 = 3.0;

/// The curve `t ↦ (t, sin t)`, t in R, in R²; dimension 1.
///
/// The curve is its own mirror image in the lines `x = π/2 + kπ`. So for y = (p, q) between two of them, |p - kπ| < π/2, a
/// nearest point lies between them too: its mirror image would be nearer otherwise. There, with v = t - kπ, u = p - kπ and q' =
/// (-1)ᵏ q, it is a root of `g(v) = v - u + (sin v - q') cos v`. g is below 0 at -π/2 and above 0 at π/2, and its derivative `2
/// cos² v + q' sin v`, a concave parabola in sin v with the values ∓q' at the ends, changes sign at most once. So g has exactly
/// one root: the nearest point is unique, and bisection finds it.
///
/// On the lines themselves it is unique on the side of the crest, and on the other side up to height 0, the centre of curvature
/// of the crest; beyond that there are two, mirror images, and [`Manifold::project_point`] reports an error (also within rounding
/// of the line). So the points without a unique nearest point are these half lines, no point of them is nearer to D than 1, and
/// their ends are at distance 1: the reach is 1, the smallest radius of curvature `(1 + cos² t)^{3/2} / |sin t|`. No bottleneck
/// is narrower.
///
/// Points drawn are uniform in arc length over three periods about 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct SineCurve;

impl SineCurve {
    /// t of the nearest point.
    fn parameter(&self, y: &[f64]) -> Result<f64> {
        check_vector(&self.name(), 2, y)?;
        let (p, q) = (y[0], y[1]);
        if p.abs() > FARTHEST {
            return Err(Error::argument(format!("{}: not resolved beyond |x| = {FARTHEST}, got {p}", self.name())));
        }
        let half_period = (p / PI).round();
        let centre = half_period * PI;
        let u = p - centre;
        let q = if half_period % 2.0 == 0.0 { q } else { -q };
        if FRAC_PI_2 - u.abs() <= 4.0 * f64::EPSILON * p.abs().max(1.0) && u * q < 0.0 {
            return Err(Error::argument(format!("{}: two points are nearest to {y:?}", self.name())));
        }
        Ok(centre + increasing_root(-FRAC_PI_2, FRAC_PI_2, |v| v - u + (v.sin() - q) * v.cos()))
    }
}

impl Manifold for SineCurve {
    fn name(&self) -> String {
        "sine curve in R^2".to_owned()
    }

    fn ambient(&self) -> usize {
        2
    }

    fn dimension(&self) -> usize {
        1
    }

    fn project_point(&self, y: &[f64]) -> Result<Vec<f64>> {
        let t = self.parameter(y)?;
        Ok(vec![t, t.sin()])
    }

    fn tangent_basis(&self, x: &[f64]) -> Result<Matrix> {
        let slope = self.parameter(x)?.cos();
        let length = 1.0_f64.hypot(slope);
        Ok(Matrix::from_columns(2, &[vec![1.0 / length, slope / length]]))
    }

    fn reach(&self) -> f64 {
        1.0
    }

    /// Arc length grows by √(1 + cos² t) dt: values of t are drawn until one passes a coin of that weight.
    fn sample(&self, stream: &mut Stream) -> Vec<f64> {
        loop {
            let t = HALF_PERIODS * PI * (2.0 * stream.uniform_f64() - 1.0);
            if std::f64::consts::SQRT_2 * stream.uniform_f64() < 1.0_f64.hypot(t.cos()) {
                return vec![t, t.sin()];
            }
        }
    }
}
