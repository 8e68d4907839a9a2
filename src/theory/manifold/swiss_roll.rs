use std::f64::consts::{FRAC_PI_2, PI, TAU};

use ndarray::{Array1, Array2, array};

use super::root::{accepted, increasing_root};
use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// All turns are searched, so their number must be limited.
const LARGEST_ANGLE: f64 = 1e4;
/// Distances whose relative difference is below this are equal.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
/// Candidates whose t differ by less than this are the same point.
const SAME: f64 = 1e-6;

/// The Swiss roll `(t, h) ↦ (a t cos t, h, a t sin t)` in R³, `1 ≤ from ≤ t ≤ to`, h in R; dimension 2.
///
/// **Edges.** D is unbounded in h but ends at t = `from` and t = `to`; these two lines are its boundary. The nearest point may
/// lie on an edge ([`SwissRoll::on_edge`] tests that). Then the residual is orthogonal to the edge but not to the tangent plane
/// of the spiral. π is not differentiable at points of an edge.
///
/// **Nearest point.** With (r, θ) the polar coordinates of (y_0, y_2) / a and χ(t) = t - θ + atan t, the derivative of half the
/// squared distance in t is `t - r √(1+t²) cos χ`. It changes from negative to positive, at a local minimum, only where `χ -
/// arccos(t / (r √(1+t²))) = 2πk` for an integer k. The left side increases in t (the arccos decreases), so each turn k has at
/// most one local minimum and bisection finds it. π(y) is the nearest of these and the two edges; [`Manifold::project_point`]
/// returns an error if two are equally near up to rounding (between two turns).
///
/// **Reach.** With K = (4/π²) t₀ (t₀ + π) and t₀ = `from`, [`Manifold::reach`] is the lower bound
/// `a min( ρ √(t₀(t₀+π) / (1+(t₀+π)²)), π √(K/(1+K)), ½ √(t₀² + (t₀+π/2)²) )`, ρ = (1+t₀²)^{3/2} / (2+t₀²) the smallest radius of
/// curvature over a. It bounds ‖q-p‖² / (2 dist(q-p, T_p)) over all p, q of D, whose infimum is the reach (Federer 1959, 4.18).
/// The height only increases the quotient, so consider points of the plane, p at t and q at t ± φ, φ > 0, and let a = 1.
/// * A chord that spans φ ≥ π: its square is `φ² + 2 t t'(1 - cos φ)`, and 1 - cos φ ≥ (2/π²)(2π - φ)² up to 2π, so it is at
///   least 4π² K/(1+K). The quotient is at least half the chord.
/// * φ < π and q farther out on the roll: q is on the inner side of the tangent at p and outside the osculating disk there,
///   because the osculating disks of a spiral are nested (Kneser 1912). The quotient is at least ρ.
/// * φ < π and q farther in: q is on the inner side too. An arc of curvature ≤ 1/ρ and length ≤ πρ stays outside the tangent disk
///   of radius ρ, so the quotient is at least ρ. A longer arc has φ > πρ/√(1+t²), so its chord² `≥ (4/π²) t t' φ²` is at
///   least 4ρ² t t'/(1+t²), with t' ≥ max(t₀, t-π): least at t' = t₀ = t-π, because t ≥ 1.
/// * On the edge t₀ the tangent cone is a half plane. This matters only for q behind it, which needs φ > π/2, and then the chord²
///   is at least t₀² + (t₀+π/2)². On the edge `to`, q ahead of it needs φ > π.
///
/// Samples are uniform in area, with h from 0 to `width`.
#[derive(Clone, Debug)]
pub struct SwissRoll {
    scale: f64,
    from: f64,
    to: f64,
    width: f64,
}

impl SwissRoll {
    /// a = `scale`, t from `from` to `to`; samples cover the width `width`.
    ///
    /// # Errors
    /// A value is not a finite number above 0; `from` is below 1 or not below `to`; `to` is above 10⁴, about 1600 turns.
    pub fn new(scale: f64, from: f64, to: f64, width: f64) -> Result<Self> {
        check::length("Swiss roll: the scale", scale)?;
        check::length("Swiss roll: the first angle", from)?;
        check::length("Swiss roll: the last angle", to)?;
        check::length("Swiss roll: the width", width)?;
        if from < 1.0 || from >= to || to > LARGEST_ANGLE {
            return Err(Error::argument(format!(
                "Swiss roll: the angles must increase from at least 1 to at most {LARGEST_ANGLE}, got {from} to {to}"
            )));
        }
        Ok(Self { scale, from, to, width })
    }

    /// Whether π(y) is on an edge.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    pub fn on_edge(&self, y: &Array1<f64>) -> Result<bool> {
        let t = self.parameter(y)?;
        Ok(t == self.from || t == self.to)
    }

    /// t of the nearest point.
    fn parameter(&self, y: &Array1<f64>) -> Result<f64> {
        check_vector(&self.name(), 3, y)?;
        let (across, up) = (y[0] / self.scale, y[2] / self.scale);
        let distance = |t: f64| (t * t.cos() - across).hypot(t * t.sin() - up);
        let candidates: Vec<(f64, f64)> = self.candidates(across, up).map(|t| (t, distance(t))).collect();
        let &(best, least) = candidates.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(&(self.from, 0.0));
        let rounding = ROUNDING * (across.hypot(up) + self.to);
        let is_other = |&&(t, other): &&(f64, f64)| (t - best).abs() > SAME && other - least <= rounding;
        match candidates.iter().find(is_other) {
            None => Ok(best),
            Some((other, _)) => {
                let name = self.name();
                Err(Error::argument(format!("{name}: the points at t = {best} and t = {other} are equally near to {y}")))
            }
        }
    }

    /// The two edges and the local minimum of each turn.
    fn candidates(&self, across: f64, up: f64) -> impl Iterator<Item = f64> {
        let (r, theta) = (across.hypot(up), up.atan2(across));
        let phase = move |t: f64| t - theta + t.atan() - (t / (r * 1.0_f64.hypot(t))).min(1.0).acos();
        let (first, last) = ((phase(self.from) / TAU).ceil() as i64, (phase(self.to) / TAU).floor() as i64);
        let (from, to) = (self.from, self.to);
        let minima = (first..=last).map(move |turn| increasing_root(from, to, |t| phase(t) - turn as f64 * TAU));
        [from, to].into_iter().chain(minima)
    }

    /// The unit tangent of the spiral at t, in the plane of the coordinates 0 and 2.
    fn direction(t: f64) -> [f64; 2] {
        let (sin, cos) = t.sin_cos();
        let length = 1.0_f64.hypot(t);
        [(cos - t * sin) / length, (sin + t * cos) / length]
    }
}

impl Manifold for SwissRoll {
    fn name(&self) -> String {
        format!("Swiss roll of scale {}, angles {} to {}", self.scale, self.from, self.to)
    }

    fn dimensions(&self) -> [usize; 2] {
        [2, 3]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        let t = self.parameter(y)?;
        let (sin, cos) = t.sin_cos();
        Ok(array![self.scale * t * cos, y[1], self.scale * t * sin])
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        let [across, up] = Self::direction(self.parameter(x)?);
        Ok(array![[across, 0.0], [0.0, 1.0], [up, 0.0]])
    }

    fn reach(&self) -> f64 {
        let t = self.from;
        let radius = (1.0 + t * t) * 1.0_f64.hypot(t) / (2.0 + t * t);
        let bend = radius * (t * (t + PI)).sqrt() / 1.0_f64.hypot(t + PI);
        let k = 4.0 / (PI * PI) * t * (t + PI);
        let between_turns = PI * (k / (1.0 + k)).sqrt();
        let edge = 0.5 * t.hypot(t + FRAC_PI_2);
        self.scale * bend.min(between_turns).min(edge)
    }

    /// Area grows by √(1 + t²) dt, so values of t are accepted with a probability proportional to that.
    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        let height = self.width * stream.uniform_f64();
        let draw = |stream: &mut Stream| self.from + (self.to - self.from) * stream.uniform_f64();
        let t = accepted(stream, 1.0_f64.hypot(self.to), draw, |t| 1.0_f64.hypot(t));
        array![self.scale * t * t.cos(), height, self.scale * t * t.sin()]
    }

    fn normal_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        let [across, up] = Self::direction(self.parameter(x)?);
        Ok(array![[-up], [0.0], [across]])
    }
}
