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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use crate::theory::manifold::Gratings;

    fn samples(gratings: &Gratings) -> Vec<CorruptedSample> {
        let mut stream = Stream::new(5, Purpose::Test, 0, 0);
        let sample = |_| {
            let target = gratings.sample(&mut stream);
            let region = Array1::from_shape_fn(target.len(), |index| index % 7 == 0);
            let corrupted = &target + region.map(|inside| if *inside { 0.3 * stream.normal() } else { 0.0 });
            CorruptedSample { target, corrupted, region }
        };
        (0..20).map(sample).collect()
    }

    #[test]
    fn the_projection_resembles_itself() {
        let gratings = Gratings::standard(10, 2).unwrap();
        let f = |points: &[Array1<f64>]| points.iter().map(|y| gratings.project_point(y)).collect();
        let found = Measures::of(&gratings, &samples(&gratings), f).unwrap();
        let zero = [found.to_projection(), found.idempotence(), found.fixed_point(), found.tangential_cosine()];
        assert!(zero.iter().all(|value| *value < 1e-12), "{zero:?}");
        assert!((found.rank_correlation().unwrap() - 1.0).abs() < 1e-12 && (found.residual_of_distance() - 1.0).abs() < 1e-12);
        assert_eq!(found.to_target(), found.projection_to_target());
        assert!(found.change_outside() <= found.to_target());
        // For random noise √(d/n) = 0.14.
        assert!((0.07..0.28).contains(&found.to_target()), "{}", found.to_target());
    }

    #[test]
    fn the_identity_does_not_resemble_it() {
        let gratings = Gratings::standard(10, 2).unwrap();
        let found = Measures::of(&gratings, &samples(&gratings), |points| Ok(points.to_vec())).unwrap();
        assert_eq!([found.to_target(), found.idempotence(), found.change_outside(), found.fixed_point()], [1.0, 0.0, 0.0, 0.0]);
        assert!(found.to_projection() > 0.9 && found.rank_correlation().is_err());
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let gratings = Gratings::standard(8, 1).unwrap();
        let grey = Array1::from_elem(64, 0.5);
        let sample = CorruptedSample { target: grey.clone(), corrupted: grey, region: Array1::from_elem(64, true) };
        let of = |sample: &CorruptedSample, images: Vec<Array1<f64>>| {
            Measures::of(&gratings, std::slice::from_ref(sample), |_| Ok(images.clone())).unwrap_err().to_string()
        };
        assert!(
            of(&sample, vec![]).contains("were not mapped") && of(&sample, vec![Array1::zeros(3)]).contains("were not mapped")
        );
        assert!(of(&sample, vec![Array1::zeros(64)]).contains("no amplitude"));
        assert!(
            of(&CorruptedSample { region: Array1::default(0), ..sample }, vec![Array1::zeros(64)]).contains("0 of its region")
        );
    }
}
