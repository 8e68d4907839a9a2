//! The laws of π at points of one manifold.

use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, add_scaled, dot, norm, normalised, solve, sub, svd, symmetric_eigen};
use crate::theory::claim::{Relation, Row};
use crate::theory::claims::zoo::normal_vector;
use crate::theory::derivative::central_differences;
use crate::theory::manifold::Manifold;
use crate::theory::statistics::{larger, smaller};

/// Steps of central differences off D, as parts of the reach.
const STEP: f64 = 1e-5;
/// The same around points of D. There a search for π ends where ½‖y-z‖² no longer tells better from worse, at an error of
/// √(ε‖y-x‖), so that longer steps are better.
const STEP_ON: f64 = 1e-4;
/// Part of the reach at which points off D are.
const PART: f64 = 0.5;
/// Part of the reach by which arbitrary points leave D.
const AROUND: f64 = 0.3;
/// Longest reach that is used: of flat manifolds it is infinite.
const LONGEST: f64 = 1.0;
/// Points of D, and points of D near π(y), that must not be nearer.
const OTHERS: [usize; 2] = [50, 20];
/// Pairs of arbitrary points for what holds in all of Rⁿ.
const PAIRS: usize = 20;

const DIFFERENCES: &str = "central differences with step 1e-5 of the reach: truncation near 1e-9, rounding near 1e-10";
const DIFFERENCES_ON: &str =
    "central differences with step h = 1e-4 of the reach: truncation near 1e-8; where π is a search, √(ε/h)";

/// A law as a row without its measured value.
pub(super) struct Law {
    pub(super) quantity: &'static str,
    relation: Relation,
    tolerance: f64,
    because: &'static str,
}

const fn law(quantity: &'static str, relation: Relation, tolerance: f64, because: &'static str) -> Law {
    Law { quantity, relation, tolerance, because }
}

/// All predict 0.
pub(super) const LAWS: [Law; 13] = [
    law("‖π(π(y)) - π(y)‖ / (1+‖x‖)", Relation::Equal, 1e-10, "rounding, and where π is iterative its last step"),
    law("cosine between y - π(y) and T", Relation::Equal, 1e-8, "as before, over ‖y - π(y)‖"),
    law("‖π(x+v) - x‖ / (1+‖x‖), v normal", Relation::Equal, 1e-9, "as before, magnified by at most 2 at half of the reach"),
    law("‖y - π(y)‖ less ‖y - z‖ for the nearest other z of D", Relation::AtMost, 1e-12, "an inequality, but for rounding"),
    law("‖Jπ - Jπᵀ‖_F off D", Relation::Equal, 1e-6, DIFFERENCES),
    law("least eigenvalue of Jπ off D", Relation::AtLeast, 1e-6, DIFFERENCES),
    law("‖Jπ(x) - P_T‖_F on D", Relation::Equal, 1e-5, DIFFERENCES_ON),
    law("|tr Jπ(x) - d| on D", Relation::Equal, 1e-5, DIFFERENCES_ON),
    law("‖Jπ(x+v) - (I-S_v)⁻¹P_T‖_F", Relation::Equal, 1e-6, DIFFERENCES),
    law("‖Jπ(x+v)‖₂ less τ/(τ-‖v‖)", Relation::AtMost, 1e-6, DIFFERENCES),
    law("|∂φ(y)/∂u - ⟨π(y), u⟩|, φ = ½‖y‖² - ½‖y-π(y)‖²", Relation::Equal, 1e-6, DIFFERENCES),
    law("φ at a midpoint less the mean of φ", Relation::AtMost, 1e-10, "φ is convex in all of Rⁿ; rounding of squares"),
    law("-⟨π(y)-π(y'), y-y'⟩ / ‖y-y'‖²", Relation::AtMost, 1e-10, "π is monotone in all of Rⁿ; rounding"),
];

/// How far off each law is; larger is worse.
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

    /// The worse of both; what is not a number is worst.
    pub(super) fn worse(&self, other: &Self) -> Self {
        let errors = std::array::from_fn(|law| larger(self.errors[law], other.errors[law]));
        Self { errors, flat: larger(self.flat, other.flat) }
    }
}

/// The row of a law, under the name `quantity`.
pub(super) fn row(law: &Law, quantity: String, error: f64) -> Row {
    let row = Row::equal(quantity, 0.0, signed(law, error), law.tolerance, law.because);
    Row { relation: law.relation, ..row }
}

/// The error of a law as its row states it.
pub(super) fn signed(law: &Law, error: f64) -> f64 {
    if law.relation == Relation::AtLeast { -error } else { error }
}

/// A point of D, its neighbourhood, and a normal vector at it.
struct Place<'a> {
    manifold: &'a dyn Manifold,
    x: Vec<f64>,
    room: f64,
    basis: Matrix,
    v: Vec<f64>,
}

impl<'a> Place<'a> {
    fn sample(manifold: &'a dyn Manifold, stream: &mut Stream) -> Result<Self> {
        let x = manifold.sample(stream);
        let room = manifold.local_reach(&x)?.min(LONGEST);
        let v = normal_vector(manifold, &x, PART * room, stream)?;
        Ok(Self { manifold, basis: manifold.tangent_basis(&x)?, x, room, v })
    }

    fn measure(&self, stream: &mut Stream) -> Result<Found> {
        let [idempotence, residual, recovery, nearest] = self.nearest_point(stream)?;
        let ([symmetry, least, formula, norm], flat) = self.off_manifold()?;
        let [tangent, trace] = self.on_manifold()?;
        let [gradient, convex, monotone] = self.convexity(stream)?;
        let errors = [
            idempotence,
            residual,
            recovery,
            nearest,
            symmetry,
            least,
            tangent,
            trace,
            formula,
            norm,
            gradient,
            convex,
            monotone,
        ];
        Ok(Found { errors, flat })
    }

    fn size(&self) -> f64 {
        1.0 + norm(&self.x)
    }

    fn nearest_point(&self, stream: &mut Stream) -> Result<[f64; 4]> {
        let pi = |y: &[f64]| self.manifold.project_point(y);
        let y = add_scaled(&self.x, AROUND * self.room, &scaled(&stream.normals(self.x.len()), 1.0)?);
        let z = pi(&y)?;
        let idempotence = norm(&sub(&pi(&z)?, &z)) / self.size();
        let residual = sub(&y, &z);
        let along = norm(&self.manifold.tangent_basis(&z)?.apply_transposed(&residual)) / norm(&residual);
        let recovery = norm(&sub(&pi(&add_scaled(&self.x, 1.0, &self.v))?, &self.x)) / self.size();
        let mut least = f64::INFINITY;
        for _ in 0..OTHERS[0] {
            least = smaller(least, norm(&sub(&y, &self.manifold.sample(stream))));
        }
        for step in 0..OTHERS[1] {
            let width = self.room * 10.0_f64.powi(-(step as i32 % 4));
            least = smaller(least, norm(&sub(&y, &pi(&add_scaled(&z, width, &scaled(&stream.normals(z.len()), 1.0)?))?)));
        }
        Ok([idempotence, along, recovery, norm(&residual) - least])
    }

    fn jacobian(&self, y: &[f64], step: f64) -> Result<Matrix> {
        central_differences(y, step * self.room, |y| self.manifold.project_point(y))
    }

    fn on_manifold(&self) -> Result<[f64; 2]> {
        let j = self.jacobian(&self.x, STEP_ON)?;
        let tangent = j.minus(&self.basis.times(&self.basis.transposed())).frobenius();
        Ok([tangent, (j.trace() - self.manifold.dimension() as f64).abs()])
    }

    /// Symmetry, minus the least eigenvalue, the formula and the norm; then what a flat D would have in the formula's place.
    fn off_manifold(&self) -> Result<([f64; 4], f64)> {
        let j = self.jacobian(&add_scaled(&self.x, 1.0, &self.v), STEP)?;
        let eigen = symmetric_eigen(&j.add_scaled(1.0, &j.transposed()).scaled(0.5));
        let least = eigen.values.iter().copied().fold(f64::INFINITY, smaller);
        let s = shape_operator(self.manifold, &self.x, &self.v, STEP * self.room)?;
        let inverse = solve(&Matrix::identity(s.rows()).minus(&s), &Matrix::identity(s.rows()))
            .ok_or_else(|| Error::argument("I - S_v has no inverse within the reach"))?;
        let formula = self.basis.times(&inverse).times(&self.basis.transposed());
        let largest = 1.0 / (1.0 - norm(&self.v) / self.manifold.local_reach(&self.x)?);
        let flat = j.minus(&self.basis.times(&self.basis.transposed())).frobenius();
        let excess = svd(&j).values[0] - largest;
        Ok(([j.minus(&j.transposed()).frobenius(), -least, j.minus(&formula).frobenius(), excess], flat))
    }

    /// The gradient of φ near D; convexity of φ and monotony of π anywhere.
    fn convexity(&self, stream: &mut Stream) -> Result<[f64; 3]> {
        let n = self.x.len();
        let y = add_scaled(&self.x, AROUND * self.room, &scaled(&stream.normals(n), 1.0)?);
        let (step, z) = (STEP_ON * self.room, self.manifold.project_point(&y)?);
        let mut found = [0.0, f64::NEG_INFINITY, f64::NEG_INFINITY];
        for _ in 0..PAIRS {
            let u = scaled(&stream.normals(n), 1.0)?;
            let slope = (self.phi(&add_scaled(&y, step, &u))? - self.phi(&add_scaled(&y, -step, &u))?) / (2.0 * step);
            found[0] = larger(found[0], (slope - dot(&z, &u)).abs());
            let [a, b] = [(); 2].map(|()| add_scaled(&self.x, 2.0 * self.room, &stream.normals(n)));
            let middle = add_scaled(&a, 0.5, &sub(&b, &a));
            let excess = self.phi(&middle)? - 0.5 * (self.phi(&a)? + self.phi(&b)?);
            found[1] = larger(found[1], excess / (1.0 + dot(&middle, &middle)));
            let (way, moved) = (sub(&a, &b), sub(&self.manifold.project_point(&a)?, &self.manifold.project_point(&b)?));
            found[2] = larger(found[2], -dot(&moved, &way) / dot(&way, &way));
        }
        Ok(found)
    }

    /// `½‖y‖² - ½‖y-π(y)‖²`.
    fn phi(&self, y: &[f64]) -> Result<f64> {
        let residual = sub(y, &self.manifold.project_point(y)?);
        Ok(0.5 * dot(y, y) - 0.5 * dot(&residual, &residual))
    }
}

/// S_v at `x` in the coordinates of [`Manifold::tangent_basis`], d x d: its columns are the derivatives of `P_T v` along curves
/// in D. (Along one with velocity a, ⟨v, b'⟩ = ⟨v, II(a, b)⟩ for tangent fields b, so (P_T v)' = S_v a.)
pub(super) fn shape_operator(manifold: &dyn Manifold, x: &[f64], v: &[f64], step: f64) -> Result<Matrix> {
    let basis = manifold.tangent_basis(x)?;
    let along = |a: &[f64], t: f64| manifold.project_tangent(&manifold.project_point(&add_scaled(x, t, a))?, v);
    let column = |a: Vec<f64>| {
        let change = sub(&along(&a, step)?, &along(&a, -step)?);
        Ok(basis.apply_transposed(&change).into_iter().map(|value| value / (2.0 * step)).collect())
    };
    let columns = (0..basis.columns()).map(|axis| column(basis.column(axis))).collect::<Result<Vec<Vec<f64>>>>()?;
    Ok(Matrix::from_columns(basis.columns(), &columns))
}

/// `v` with the length `length`.
fn scaled(v: &[f64], length: f64) -> Result<Vec<f64>> {
    let unit = normalised(v).ok_or_else(|| Error::argument("a random direction has no length"))?;
    Ok(unit.into_iter().map(|value| length * value).collect())
}
