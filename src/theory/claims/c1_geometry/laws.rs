//! The laws of π, measured at points of one manifold.

use ndarray::{Array1, Array2};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_vector, norm, projector, random_direction, solve, svd, symmetric_eigen};
use crate::theory::claim::{Check, Relation};
use crate::theory::claims::all_manifolds::normal_vector;
use crate::theory::derivative::central_differences;
use crate::theory::manifold::Manifold;
use crate::theory::statistics::{larger, smaller};

/// Step of central differences off D, relative to the reach.
const STEP: f64 = 1e-5;
/// The same at points of D. There a numerical search for π stops at an error of √(ε‖y-x‖), where ½‖y-z‖² can no longer be
/// compared, so longer steps are better.
const STEP_ON: f64 = 1e-4;
/// Distance of points off D, relative to the reach.
const OFF_MANIFOLD: f64 = 0.5;
/// Distance of arbitrary points from D, relative to the reach.
const AROUND: f64 = 0.3;
/// Upper limit of the reach that is used: flat manifolds have infinite reach.
const MAX_REACH: f64 = 1.0;
/// Number of points of D, and of points of D near π(y), that must not be nearer.
const OTHERS: [usize; 2] = [50, 20];
/// Pairs of arbitrary points, for laws that hold in all of Rⁿ.
const PAIRS: usize = 20;

const DIFFERENCES: &str = "central differences with step 1e-5 of the reach: truncation near 1e-9, rounding near 1e-10";
const DIFFERENCES_ON: &str =
    "central differences with step h = 1e-4 of the reach: truncation near 1e-8; where π is a search, √(ε/h)";

/// A law as a check without its measured value.
pub(super) struct Law {
    pub(super) quantity: &'static str,
    relation: Relation,
    /// Where π has a closed form or is found by bisection to the last bit, and where it is a search.
    tolerances: [f64; 2],
    because: &'static str,
}

const fn law(quantity: &'static str, relation: Relation, tolerances: [f64; 2], because: &'static str) -> Law {
    Law { quantity, relation, tolerances, because }
}

/// The laws; all predict 0.
pub(super) const LAWS: [Law; 13] = [
    law("‖π(π(y)) - π(y)‖ / (1+‖x‖)", Relation::Equal, [1e-13, 1e-10], "rounding; where π is a search, its last step"),
    law("cosine between y - π(y) and T", Relation::Equal, [1e-10, 1e-8], "as before, over ‖y - π(y)‖, which may be small"),
    law(
        "‖π(x+v) - x‖ / (1+‖x‖), v normal",
        Relation::Equal,
        [1e-12, 1e-9],
        "as before, amplified by at most 2 at half of the reach",
    ),
    law(
        "‖y - π(y)‖ less ‖y - z‖ for the nearest other z of D",
        Relation::AtMost,
        [1e-13, 1e-12],
        "an inequality, up to rounding",
    ),
    law("‖Jπ - Jπᵀ‖_F off D", Relation::Equal, [1e-7, 1e-6], DIFFERENCES),
    law("least eigenvalue of Jπ off D", Relation::AtLeast, [1e-7, 1e-6], DIFFERENCES),
    law("‖Jπ(x) - P_T‖_F on D", Relation::Equal, [1e-7, 1e-5], DIFFERENCES_ON),
    law("|tr Jπ(x) - d| on D", Relation::Equal, [1e-7, 1e-5], DIFFERENCES_ON),
    law("‖Jπ(x+v) - (I-S_v)⁻¹P_T‖_F", Relation::Equal, [1e-7, 1e-6], DIFFERENCES),
    law("‖Jπ(x+v)‖₂ less τ/(τ-‖v‖)", Relation::AtMost, [1e-7, 1e-6], DIFFERENCES),
    law("|∂φ(y)/∂u - ⟨π(y), u⟩|, φ = ½‖y‖² - ½‖y-π(y)‖²", Relation::Equal, [1e-7, 1e-6], DIFFERENCES),
    law("φ at a midpoint less the mean of φ", Relation::AtMost, [1e-12, 1e-10], "φ is convex in all of Rⁿ; rounding of squares"),
    law("-⟨π(y)-π(y'), y-y'⟩ / ‖y-y'‖²", Relation::AtMost, [1e-12, 1e-10], "π is monotone in all of Rⁿ; rounding"),
];

/// The error of each law; larger is worse.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) errors: [f64; LAWS.len()],
    /// `‖Jπ(x+v) - P_T‖_F`: what the law off D would show if D were flat.
    pub(super) flat: f64,
}

impl Found {
    /// The worst at some random points.
    pub(super) fn on(manifold: &dyn Manifold, stream: &mut Stream, points: usize) -> Result<Self> {
        let none = Self { errors: [f64::NEG_INFINITY; LAWS.len()], flat: 0.0 };
        (0..points).try_fold(none, |worst, _| Ok(worst.worse(&Place::sample(manifold, stream)?.measure(stream)?)))
    }

    /// The worse of both; NaN is worst.
    pub(super) fn worse(&self, other: &Self) -> Self {
        let errors = std::array::from_fn(|law| larger(self.errors[law], other.errors[law]));
        Self { errors, flat: larger(self.flat, other.flat) }
    }
}

/// The check of a law, named `quantity`, where π is a search or not.
pub(super) fn check(law: &Law, quantity: String, error: f64, is_search: bool) -> Check {
    let tolerance = law.tolerances[usize::from(is_search)];
    Check { relation: law.relation, ..Check::equal(quantity, 0.0, signed(law, error), tolerance, law.because) }
}

/// The error of a law with the sign that its check has.
pub(super) fn signed(law: &Law, error: f64) -> f64 {
    if law.relation == Relation::AtLeast { -error } else { error }
}

/// A point of D, its neighbourhood, and a normal vector at it.
struct Place<'a> {
    manifold: &'a dyn Manifold,
    x: Array1<f64>,
    room: f64,
    basis: Array2<f64>,
    v: Array1<f64>,
}

impl<'a> Place<'a> {
    fn sample(manifold: &'a dyn Manifold, stream: &mut Stream) -> Result<Self> {
        let x = manifold.sample(stream);
        let room = manifold.local_reach(&x)?.min(MAX_REACH);
        let v = normal_vector(manifold, &x, OFF_MANIFOLD * room, stream)?;
        Ok(Self { manifold, basis: manifold.tangent_basis(&x)?, x, room, v })
    }

    fn measure(&self, stream: &mut Stream) -> Result<Found> {
        let nearest_point = self.nearest_point(stream)?;
        let (off, formula, flat) = self.off_manifold()?;
        let (on, convexity) = (self.on_manifold()?, self.convexity(stream)?);
        let mut errors = [f64::NAN; LAWS.len()];
        let all = nearest_point.into_iter().chain(off).chain(on).chain(formula).chain(convexity);
        errors.iter_mut().zip(all).for_each(|(error, found)| *error = found);
        Ok(Found { errors, flat })
    }

    fn size(&self) -> f64 {
        1.0 + norm(&self.x)
    }

    /// The errors of idempotence, residual, recovery and nearest point.
    fn nearest_point(&self, stream: &mut Stream) -> Result<[f64; 4]> {
        let pi = |y: &Array1<f64>| self.manifold.project_point(y);
        let y = &self.x + AROUND * self.room * random_direction(stream, self.x.len())?;
        let z = pi(&y)?;
        let idempotence = norm(&(pi(&z)? - &z)) / self.size();
        let residual = &y - &z;
        let along = norm(&self.manifold.tangent_basis(&z)?.t().dot(&residual)) / norm(&residual);
        let recovery = norm(&(pi(&(&self.x + &self.v))? - &self.x)) / self.size();
        let mut least = f64::INFINITY;
        for _ in 0..OTHERS[0] {
            least = smaller(least, norm(&(&y - self.manifold.sample(stream))));
        }
        for step in 0..OTHERS[1] {
            let width = self.room * 10.0_f64.powi(-(step as i32 % 4));
            least = smaller(least, norm(&(&y - pi(&(&z + width * random_direction(stream, z.len())?))?)));
        }
        Ok([idempotence, along, recovery, norm(&residual) - least])
    }

    fn jacobian(&self, y: &Array1<f64>, step: f64) -> Result<Array2<f64>> {
        central_differences(y, step * self.room, |y| self.manifold.project_point(y))
    }

    /// The errors of Jπ = P_T and of its trace.
    fn on_manifold(&self) -> Result<[f64; 2]> {
        let j = self.jacobian(&self.x, STEP_ON)?;
        let tangent = norm(&(&j - projector(&self.basis)));
        Ok([tangent, (j.diag().sum() - self.manifold.dimension() as f64).abs()])
    }

    /// Symmetry and minus the smallest eigenvalue; the formula and the norm; the error of the formula for a flat D.
    fn off_manifold(&self) -> Result<([f64; 2], [f64; 2], f64)> {
        let j = self.jacobian(&(&self.x + &self.v), STEP)?;
        let eigen = symmetric_eigen(&j)?;
        let least = eigen.values.iter().copied().fold(f64::INFINITY, smaller);
        let s = shape_operator(self.manifold, &self.x, &self.v, STEP * self.room)?;
        let identity = Array2::eye(s.nrows());
        let inverse = solve(&(&identity - &s), &identity)?;
        let formula = self.basis.dot(&inverse).dot(&self.basis.t());
        let largest = 1.0 / (1.0 - norm(&self.v) / self.manifold.local_reach(&self.x)?);
        let flat = norm(&(&j - projector(&self.basis)));
        let excess = svd(&j).values[0] - largest;
        Ok(([norm(&(&j - &j.t())), -least], [norm(&(&j - &formula)), excess], flat))
    }

    /// The gradient of φ near D; convexity of φ and monotonicity of π anywhere.
    fn convexity(&self, stream: &mut Stream) -> Result<[f64; 3]> {
        let n = self.x.len();
        let y = &self.x + AROUND * self.room * random_direction(stream, n)?;
        let (step, z) = (STEP_ON * self.room, self.manifold.project_point(&y)?);
        let mut found = [0.0, f64::NEG_INFINITY, f64::NEG_INFINITY];
        for _ in 0..PAIRS {
            let u = random_direction(stream, n)?;
            let slope = (self.phi(&(&y + step * &u))? - self.phi(&(&y - step * &u))?) / (2.0 * step);
            found[0] = larger(found[0], (slope - z.dot(&u)).abs());
            let [a, b] = [(); 2].map(|()| &self.x + 2.0 * self.room * gaussian_vector(stream, n));
            let middle = 0.5 * (&a + &b);
            let excess = self.phi(&middle)? - 0.5 * (self.phi(&a)? + self.phi(&b)?);
            found[1] = larger(found[1], excess / (1.0 + middle.dot(&middle)));
            let (way, moved) = (&a - &b, self.manifold.project_point(&a)? - self.manifold.project_point(&b)?);
            found[2] = larger(found[2], -moved.dot(&way) / way.dot(&way));
        }
        Ok(found)
    }

    /// `½‖y‖² - ½‖y-π(y)‖²`.
    fn phi(&self, y: &Array1<f64>) -> Result<f64> {
        let residual = y - self.manifold.project_point(y)?;
        Ok(0.5 * y.dot(y) - 0.5 * residual.dot(&residual))
    }
}

/// S_v at `x` in the coordinates of [`Manifold::tangent_basis`], d x d. Its columns are the derivatives of `P_T v` along curves
/// in D: along a curve with velocity a, ⟨v, b'⟩ = ⟨v, II(a, b)⟩ for tangent fields b, so (P_T v)' = S_v a.
pub(super) fn shape_operator(manifold: &dyn Manifold, x: &Array1<f64>, v: &Array1<f64>, step: f64) -> Result<Array2<f64>> {
    let basis = manifold.tangent_basis(x)?;
    let along = |a: &Array1<f64>, t: f64| manifold.project_tangent(&manifold.project_point(&(x + t * a))?, v);
    let mut s = Array2::zeros((basis.ncols(), basis.ncols()));
    for (mut column, a) in s.columns_mut().into_iter().zip(basis.columns()) {
        let a = a.to_owned();
        let change = along(&a, step)? - along(&a, -step)?;
        column.assign(&(basis.t().dot(&change) / (2.0 * step)));
    }
    Ok(s)
}
