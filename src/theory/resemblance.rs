//! How nearly a map f (a trained network, as a rule) is the orthogonal projection π, over corrupted samples it has not seen.

use rayon::prelude::*;

use super::algebra::{norm, sub};
use super::manifold::Manifold;
use super::statistics::rank_correlation;
use crate::error::{Error, Result};

/// A point x of D, its partially corrupted copy x̂ and the region S of the corruption: `corrupted` equals `target` off it.
#[derive(Clone, Debug, PartialEq)]
pub struct CorruptedSample {
    /// x `[n]`.
    pub target: Vec<f64>,
    /// x̂ `[n]`.
    pub corrupted: Vec<f64>,
    /// Whether a coordinate belongs to S `[n]`.
    pub region: Vec<bool>,
}

/// Lengths found on one sample; all Euclidean norms in Rⁿ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lengths {
    /// `‖x̂ - x‖`, to which the others are relative.
    pub corruption: f64,
    /// `‖f(x̂) - x‖`.
    pub to_target: f64,
    /// `‖f(x̂) - π(x̂)‖`.
    pub to_projection: f64,
    /// `‖π(x̂) - x‖`, which the theory gives as √(d/n) of a corruption in general position, not as 0.
    pub projection_to_target: f64,
    /// `‖x̂ - π(x̂)‖`, the true distance to D.
    pub distance: f64,
    /// `‖x̂ - f(x̂)‖`, the residual that the detector scores.
    pub residual: f64,
    /// `‖f(f(x̂)) - f(x̂)‖`.
    pub idempotence: f64,
    /// `‖P_T (x̂ - f(x̂))‖` with T the tangent space at π(x̂).
    pub tangential: f64,
    /// `‖(f(x̂) - x̂) off S‖`.
    pub change_outside: f64,
    /// `‖f(x) - x‖`.
    pub fixed_point: f64,
}

/// What was found over all samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// n.
    pub ambient: usize,
    /// d.
    pub dimension: usize,
    /// One entry per sample, in their order.
    pub samples: Vec<Lengths>,
}

impl Measures {
    /// Measures `f`, which maps a batch of points to their images, on `samples` of `manifold`.
    ///
    /// # Errors
    /// What `f` reports, or images of another number or length; a sample of another length, or without a unique π(x̂).
    pub fn of(
        manifold: &dyn Manifold,
        samples: &[CorruptedSample],
        mut f: impl FnMut(&[Vec<f64>]) -> Result<Vec<Vec<f64>>>,
    ) -> Result<Self> {
        let n = manifold.ambient();
        let mut apply = |points: &[Vec<f64>]| f(points).and_then(|images| checked(images, points.len(), n));
        let inputs: Vec<_> = samples.iter().map(|sample| sample.corrupted.clone()).collect();
        let targets: Vec<_> = samples.iter().map(|sample| sample.target.clone()).collect();
        let once = apply(&inputs)?;
        let twice = apply(&once)?;
        let fixed = apply(&targets)?;
        let one = |index: usize| lengths(manifold, &samples[index], [&once[index], &twice[index], &fixed[index]]);
        let samples = (0..samples.len()).into_par_iter().map(one).collect::<Result<_>>()?;
        Ok(Self { ambient: n, dimension: manifold.dimension(), samples })
    }

    /// Root mean square of `length` over that of the corruption; NaN where nothing is corrupted.
    pub fn relative(&self, length: impl Fn(&Lengths) -> f64) -> f64 {
        self.ratio(length, |sample| sample.corruption)
    }

    /// Root mean square of `length` over that of `other`.
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

    /// `‖(f(x̂) - x̂) off S‖ / ‖x̂ - x‖`.
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
    /// Fewer than two samples, or all equal.
    pub fn rank_correlation(&self) -> Result<f64> {
        rank_correlation(&self.values(|sample| sample.residual), &self.values(|sample| sample.distance))
    }
}

fn checked(images: Vec<Vec<f64>>, count: usize, n: usize) -> Result<Vec<Vec<f64>>> {
    match images.len() == count && images.iter().all(|image| image.len() == n) {
        true => Ok(images),
        false => Err(Error::argument(format!("resemblance: {count} points of {n} values did not map to as many of that length"))),
    }
}

fn lengths(manifold: &dyn Manifold, sample: &CorruptedSample, [once, twice, fixed]: [&[f64]; 3]) -> Result<Lengths> {
    let CorruptedSample { target, corrupted, region } = sample;
    if [target.len(), region.len()] != [manifold.ambient(); 2] {
        let name = manifold.name();
        return Err(Error::argument(format!("{name}: {} values of x and {} of its region", target.len(), region.len())));
    }
    let projected = manifold.project_point(corrupted)?;
    let residual = sub(corrupted, once);
    let outside = |y: &[f64]| {
        let change = y.iter().zip(corrupted).zip(region).filter(|(_, inside)| !**inside).map(|((y, x), _)| y - x);
        norm(&change.collect::<Vec<_>>())
    };
    let between = |a: &[f64], b: &[f64]| norm(&sub(a, b));
    Ok(Lengths {
        corruption: between(corrupted, target),
        to_target: between(once, target),
        to_projection: between(once, &projected),
        projection_to_target: between(&projected, target),
        distance: between(corrupted, &projected),
        residual: norm(&residual),
        idempotence: between(twice, once),
        tangential: norm(&manifold.project_tangent(&projected, &residual)?),
        change_outside: outside(once),
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
            let region: Vec<bool> = (0..target.len()).map(|index| index % 7 == 0).collect();
            let noise = |inside: &bool| if *inside { stream.normal() * 0.3 } else { 0.0 };
            let corrupted = region.iter().map(noise).zip(&target).map(|(noise, x)| x + noise).collect();
            CorruptedSample { target, corrupted, region }
        };
        (0..20).map(sample).collect()
    }

    #[test]
    fn the_projection_resembles_itself() {
        let gratings = Gratings::standard(10, 2).unwrap();
        let f = |points: &[Vec<f64>]| points.iter().map(|y| gratings.project_point(y)).collect();
        let found = Measures::of(&gratings, &samples(&gratings), f).unwrap();
        let zero = [found.to_projection(), found.idempotence(), found.fixed_point(), found.tangential_cosine()];
        assert!(zero.iter().all(|value| *value < 1e-12), "{zero:?}");
        assert!((found.rank_correlation().unwrap() - 1.0).abs() < 1e-12 && (found.residual_of_distance() - 1.0).abs() < 1e-12);
        assert_eq!(found.to_target(), found.projection_to_target());
        assert!(found.change_outside() <= found.to_target());
        // Random noise: √(d/n) = 0.14.
        assert!((0.07..0.28).contains(&found.to_target()), "{}", found.to_target());
    }

    #[test]
    fn the_identity_does_not() {
        let gratings = Gratings::standard(10, 2).unwrap();
        let found = Measures::of(&gratings, &samples(&gratings), |points| Ok(points.to_vec())).unwrap();
        assert_eq!([found.to_target(), found.idempotence(), found.change_outside(), found.fixed_point()], [1.0, 0.0, 0.0, 0.0]);
        assert!(found.to_projection() > 0.9 && found.rank_correlation().is_err());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let gratings = Gratings::standard(8, 1).unwrap();
        let sample = CorruptedSample { target: vec![0.5; 64], corrupted: vec![0.5; 64], region: vec![true; 64] };
        let of = |sample: &CorruptedSample, images: Vec<Vec<f64>>| {
            Measures::of(&gratings, std::slice::from_ref(sample), |_| Ok(images.clone())).unwrap_err().to_string()
        };
        assert!(of(&sample, vec![]).contains("did not map") && of(&sample, vec![vec![0.0; 3]]).contains("did not map"));
        assert!(of(&sample, vec![vec![0.0; 64]]).contains("no amplitude"));
        assert!(of(&CorruptedSample { region: vec![], ..sample }, vec![vec![0.0; 64]]).contains("0 of its region"));
    }
}
