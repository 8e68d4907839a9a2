use ndarray::{Array1, Array2, array};

use super::root::{accepted, angle, increasing_root};
use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// The ellipse `(x/a)² + (y/b)² = 1` in R², dimension 1. a and b may be given in any order; in the text below a ≥ b.
///
/// The nearest point to (p, q) is `(a² p / (s + a²), b² q / (s + b²))`, with s the largest root of
/// `(a p / (s + a²))² + (b q / (s + b²))² = 1` (Eberly, *Distance from a point to an ellipse*). Bisection finds it.
///
/// Only points of the major axis with |p| < (a² - b²)/a (for a circle: its centre) have more than one nearest point, and
/// [`Manifold::project_point`] returns an error there. The ends of that segment are the centres of curvature of the vertices (±a,
/// 0), where the radius of curvature is smallest, b²/a. No other point of the segment is nearer to D, so the reach is b²/a.
/// Samples are uniform in arc length.
#[derive(Clone, Debug)]
pub struct Ellipse {
    axes: [f64; 2],
}

impl Ellipse {
    /// With semi-axis `a` along the first coordinate and `b` along the second.
    ///
    /// # Errors
    /// A semi-axis is not a finite number above 0.
    pub fn new(a: f64, b: f64) -> Result<Self> {
        let axes = [check::length("ellipse: the first semi-axis", a)?, check::length("ellipse: the second semi-axis", b)?];
        Ok(Self { axes })
    }

    /// Index of the longer semi-axis; the longer and the shorter one.
    fn sorted(&self) -> (usize, f64, f64) {
        let [first, second] = self.axes;
        if first >= second { (0, first, second) } else { (1, second, first) }
    }

    /// The unit vector (cos φ, sin φ) of the point (cos φ, b sin φ) nearest to (p, q), both at least 0, where the longer
    /// semi-axis is 1; None where it is not unique.
    fn nearest(b: f64, p: f64, q: f64) -> Option<[f64; 2]> {
        // 1 - b², without cancellation.
        let gap = (1.0 - b) * (1.0 + b);
        let low = b * q;
        if low == 0.0 {
            return (p > 0.0 && p >= gap).then_some([1.0, 0.0]);
        }
        // As a function of tau = s + b² the root has full relative accuracy, however close the point is to the major axis.
        let tau = increasing_root(low, p.hypot(low), |tau| 1.0 - (p / (tau + gap)).hypot(low / tau));
        let (cos, sin) = (p / (tau + gap), low / tau);
        let length = cos.hypot(sin);
        Some([cos / length, sin / length])
    }
}

impl Manifold for Ellipse {
    fn name(&self) -> String {
        format!("ellipse of semi-axes {} and {} in R^2", self.axes[0], self.axes[1])
    }

    fn dimensions(&self) -> [usize; 2] {
        [1, 2]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        check_vector(&self.name(), 2, y)?;
        let (long, a, b) = self.sorted();
        let (p, q) = (y[long], y[1 - long]);
        let Some([cos, sin]) = Self::nearest(b / a, p.abs() / a, q.abs() / a) else {
            return Err(Error::argument(format!("{}: two or more points are nearest to {y}", self.name())));
        };
        let mut point = Array1::zeros(2);
        point[long] = (a * cos).copysign(p);
        point[1 - long] = (b * sin).copysign(q);
        Ok(point)
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        check_vector(&self.name(), 2, x)?;
        let [a, b] = self.axes;
        let (across, along) = (-a * (x[1] / b), b * (x[0] / a));
        let length = across.hypot(along);
        if length > 0.0 {
            return Ok(array![[across / length], [along / length]]);
        }
        Err(Error::argument(format!("{}: the centre has no tangent", self.name())))
    }

    fn reach(&self) -> f64 {
        let (_, a, b) = self.sorted();
        b * (b / a)
    }

    /// Arc length grows by √(a² sin² φ + b² cos² φ) dφ, so angles are accepted with a probability proportional to that.
    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        let [a, b] = self.axes;
        let angle = accepted(stream, a.max(b), angle, |angle| (a * angle.sin()).hypot(b * angle.cos()));
        array![a * angle.cos(), b * angle.sin()]
    }
}
