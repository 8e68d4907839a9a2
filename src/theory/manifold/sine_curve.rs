use std::f64::consts::{FRAC_PI_2, PI, SQRT_2};

use ndarray::{Array1, Array2, array};

use super::root::{accepted, increasing_root};
use super::{Manifold, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// Beyond this `sin` and the period are not resolved well enough to define a nearest point.
const FARTHEST: f64 = 1e9;
/// Samples come from this many half periods on either side of 0.
const HALF_PERIODS: f64 = 3.0;

/// The curve `t ↦ (t, sin t)`, t in R, in R²; dimension 1.
///
/// The curve is symmetric about the lines `x = π/2 + kπ`. So if y = (p, q) lies between two of them, |p - kπ| < π/2, its nearest
/// point does too: otherwise the mirror image would be nearer. With v = t - kπ, u = p - kπ and q' = (-1)ᵏ q, the nearest point is
/// a root of `g(v) = v - u + (sin v - q') cos v`. g is negative at -π/2 and positive at π/2. Its derivative
/// `2 cos² v + q' sin v` is a concave parabola in sin v with the values ∓q' at the ends, so it changes sign at most once and g
/// has exactly one root. The nearest point is unique, and bisection finds it.
///
/// On the lines themselves it is unique on the side of the crest, and on the other side down to height 0, the centre of curvature
/// of the crest. Beyond that two mirror images are nearest, and [`Manifold::project_point`] returns an error (also within
/// rounding of the line). The ends of these half lines have distance 1 from D and all other points of them are farther away. So
/// the reach is 1, which is also the smallest radius of curvature `(1 + cos² t)^{3/2} / |sin t|`.
///
/// Samples are uniform in arc length over three periods about 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct SineCurve;

impl SineCurve {
    /// t of the nearest point.
    fn parameter(&self, y: &Array1<f64>) -> Result<f64> {
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
            return Err(Error::argument(format!("{}: two points are nearest to {y}", self.name())));
        }
        Ok(centre + increasing_root(-FRAC_PI_2, FRAC_PI_2, |v| v - u + (v.sin() - q) * v.cos()))
    }
}

impl Manifold for SineCurve {
    fn name(&self) -> String {
        "sine curve in R^2".to_owned()
    }

    fn dimensions(&self) -> [usize; 2] {
        [1, 2]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        let t = self.parameter(y)?;
        Ok(array![t, t.sin()])
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        let slope = self.parameter(x)?.cos();
        let length = 1.0_f64.hypot(slope);
        Ok(array![[1.0 / length], [slope / length]])
    }

    fn reach(&self) -> f64 {
        1.0
    }

    /// Arc length grows by √(1 + cos² t) dt, so values of t are accepted with a probability proportional to that.
    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        let draw = |stream: &mut Stream| HALF_PERIODS * PI * (2.0 * stream.uniform_f64() - 1.0);
        let t = accepted(stream, SQRT_2, draw, |t| 1.0_f64.hypot(t.cos()));
        array![t, t.sin()]
    }
}
