//! How close a map f (usually a trained network) is to the orthogonal projection π, measured on unseen corrupted samples.

use ndarray::{Array1, Zip};
use rayon::prelude::*;

use super::manifold::Manifold;
use super::statistics::rank_correlation;
use crate::error::{Error, Result};
use crate::theory::algebra::norm;

/// A point x of D, its partially corrupted copy x̂ and the corrupted region S: outside S, `corrupted` equals `target`.
#[derive(Clone, Debug, PartialEq)]
pub struct CorruptedSample {
    /// x `[n]`.
    pub target: Array1<f64>,
    /// x̂ `[n]`.
    pub corrupted: Array1<f64>,
    /// Whether a coordinate belongs to S `[n]`.
    pub region: Array1<bool>,
}

/// Lengths measured on one sample, all Euclidean norms in Rⁿ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lengths {
    /// `‖x̂ - x‖`, the reference for the others.
    pub corruption: f64,
    /// `‖f(x̂) - x‖`.
    pub to_target: f64,
    /// `‖f(x̂) - π(x̂)‖`.
    pub to_projection: f64,
    /// `‖π(x̂) - x‖`. By the theory this is √(d/n) times a corruption in general position, not 0.
    pub projection_to_target: f64,
    /// `‖x̂ - π(x̂)‖`, the true distance to D.
    pub distance: f64,
    /// `‖x̂ - f(x̂)‖`, the residual that the detector scores.
    pub residual: f64,
    /// `‖f(f(x̂)) - f(x̂)‖`.
    pub idempotence: f64,
    /// `‖P_T (x̂ - f(x̂))‖` with T the tangent space at π(x̂).
    pub tangential: f64,
    /// `‖(f(x̂) - x̂) outside S‖`.
    pub change_outside: f64,
    /// `‖f(x) - x‖`.
    pub fixed_point: f64,
}

/// The measurements of all samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// n.
    pub ambient: usize,
    /// d.
    pub dimension: usize,
    /// One entry per sample, in order.
    pub samples: Vec<Lengths>,
}

impl Measures {
    /// Measures `f`, which maps a batch of points, on `samples` of `manifold`.
    ///
    /// # Errors
    /// Errors of `f`, or values of the wrong number or length; a sample of the wrong length, or without a unique π(x̂).
    pub fn of(
        manifold: &dyn Manifold,
        samples: &[CorruptedSample],
        mut f: impl FnMut(&[Array1<f64>]) -> Result<Vec<Array1<f64>>>,
    ) -> Result<Self> {
        let n = manifold.ambient();
        let mut apply = |points: &[Array1<f64>]| f(points).and_then(|images| checked(images, points.len(), n));
        let inputs: Vec<_> = samples.iter().map(|sample| sample.corrupted.clone()).collect();
        let targets: Vec<_> = samples.iter().map(|sample| sample.target.clone()).collect();
        let once = apply(&inputs)?;
        let twice = apply(&once)?;
        let fixed = apply(&targets)?;
        let one = |index: usize| lengths(manifold, &samples[index], [&once[index], &twice[index], &fixed[index]]);
        let samples = (0..samples.len()).into_par_iter().map(one).collect::<Result<_>>()?;
        Ok(Self { ambient: n, dimension: manifold.dimension(), samples })
    }

    /// Root mean square of `length` divided by that of the corruption; NaN if nothing is corrupted.
    pub fn relative(&self, length: impl Fn(&Lengths) -> f64) -> f64 {
        self.ratio(length, |sample| sample.corruption)
    }

    /// Root mean square of `length` divided by that of `other`.
    pub fn ratio(&self, length: impl Fn(&Lengths) -> f64, other: impl Fn(&Lengths) -> f64) -> f64 {
        let [above, below] =
            [self.values(length), self.values(other)].map(|lengths| lengths.iter().map(|length| length * length).sum::<f64>());
        (above / below).sqrt()
    }

    /// One length of every sample.
    pub fn values(&self, length: impl Fn(&Lengths) -> f64) -> Vec<f64> {
        self.samples.iter().map(length).collect()
    }

    /// `‖f(x̂) - x‖ / ‖x̂ - x‖`.
    pub fn to_target(&self) -> f64 {
        self.relative(|sample| sample.to_target)
    }

    /// `‖f(x̂) - π(x̂)‖ / ‖x̂ - x‖`.
    pub fn to_projection(&self) -> f64 {
        self.relative(|sample| sample.to_projection)
    }

    /// `‖π(x̂) - x‖ / ‖x̂ - x‖`, a property of manifold and corruption.
    pub fn projection_to_target(&self) -> f64 {
        self.relative(|sample| sample.projection_to_target)
    }

    /// `‖f(f(x̂)) - f(x̂)‖ / ‖x̂ - x‖`.
    pub fn idempotence(&self) -> f64 {
        self.relative(|sample| sample.idempotence)
    }

    /// `‖f(x) - x‖ / ‖x̂ - x‖`.
    pub fn fixed_point(&self) -> f64 {
        self.relative(|sample| sample.fixed_point)
    }

    /// `‖(f(x̂) - x̂) outside S‖ / ‖x̂ - x‖`.
    pub fn change_outside(&self) -> f64 {
        self.relative(|sample| sample.change_outside)
    }

    /// `‖x̂ - f(x̂)‖ / ‖x̂ - π(x̂)‖`.
    pub fn residual_of_distance(&self) -> f64 {
        self.ratio(|sample| sample.residual, |sample| sample.distance)
    }

    /// Cosine of the angle between the residual x̂ - f(x̂) and the tangent space: 0 for an orthogonal projection.
    pub fn tangential_cosine(&self) -> f64 {
        self.ratio(|sample| sample.tangential, |sample| sample.residual)
    }

    /// Spearman's correlation of the residual `‖x̂ - f(x̂)‖` with the true distance `‖x̂ - π(x̂)‖`.
    ///
    /// # Errors
    /// Fewer than two samples, or all are equal.
    pub fn rank_correlation(&self) -> Result<f64> {
        rank_correlation(&self.values(|sample| sample.residual), &self.values(|sample| sample.distance))
    }
}

fn checked(images: Vec<Array1<f64>>, count: usize, n: usize) -> Result<Vec<Array1<f64>>> {
    match images.len() == count && images.iter().all(|image| image.len() == n) {
        true => Ok(images),
        false => Err(Error::argument(format!(
            "resemblance: {count} points of {n} values were not mapped to {count} points of {n} values"
        ))),
    }
}

fn lengths(manifold: &dyn Manifold, sample: &CorruptedSample, [once, twice, fixed]: [&Array1<f64>; 3]) -> Result<Lengths> {
    let CorruptedSample { target, corrupted, region } = sample;
    if [target.len(), region.len()] != [manifold.ambient(); 2] {
        let name = manifold.name();
        return Err(Error::argument(format!("{name}: {} values of x and {} of its region", target.len(), region.len())));
    }
    let projected = manifold.project_point(corrupted)?;
    let residual = corrupted - once;
    let mut change = once - corrupted;
    Zip::from(&mut change).and(region).for_each(|change, &inside| *change = if inside { 0.0 } else { *change });
    let between = |a: &Array1<f64>, b: &Array1<f64>| norm(&(a - b));
    Ok(Lengths {
        corruption: between(corrupted, target),
        to_target: between(once, target),
        to_projection: between(once, &projected),
        projection_to_target: between(&projected, target),
        distance: between(corrupted, &projected),
        residual: norm(&residual),
        idempotence: between(twice, once),
        tangential: norm(&manifold.project_tangent(&projected, &residual)?),
        change_outside: norm(&change),
        fixed_point: between(fixed, target),
    })
}
