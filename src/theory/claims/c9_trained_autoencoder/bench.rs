//! Trains all cases with their controls and measures them on unseen samples.

use ndarray::Array1;
use rayon::prelude::*;

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::norm;
use crate::theory::claim::Setting;
use crate::theory::manifold::Manifold;
use crate::theory::resemblance::{CorruptedSample, Measures};

use super::case::Case;
use super::constants::NUMBER;
use super::experiment::{Experiment, Trained};

/// Standard deviation of the white noise in general position.
const NOISE: f64 = 0.4;
/// Number of samples in the galleries.
const SHOWN: usize = 3;

/// Measurements of one network on unseen samples.
pub(super) struct Side {
    /// Under the corruption of training.
    pub trained_on: Measures,
    /// Under white noise on a square.
    pub noise: Measures,
    /// f(x̂) of the first samples.
    pub images: Vec<Array1<f64>>,
}

impl Side {
    fn measure(trained: &Trained, samples: &[CorruptedSample], noisy: &[CorruptedSample]) -> Result<Self> {
        let inputs: Vec<_> = samples.iter().take(SHOWN).map(|sample| sample.corrupted.clone()).collect();
        Ok(Self { trained_on: trained.measures(samples)?, noise: trained.measures(noisy)?, images: trained.apply(&inputs)? })
    }
}

/// Measurements of maps that are not π, on the samples of one case.
pub(super) struct WrongMaps {
    /// The target of the next sample instead of f(x̂): a point of D, but not the nearest.
    pub another: Measures,
    /// 2π(x̂) - x̂: not idempotent.
    pub reflection: Measures,
    /// π(x̂) moved along T by the distance of x̂ from D: not orthogonal.
    pub sheared: Measures,
}

impl WrongMaps {
    fn measure(manifold: &dyn Manifold, samples: &[CorruptedSample]) -> Result<Self> {
        let next = |index: usize| samples[(index + 1) % samples.len()].target.clone();
        let each = |map: fn(&dyn Manifold, &Array1<f64>) -> Result<Array1<f64>>| {
            Measures::of(manifold, samples, |points| points.par_iter().map(|y| map(manifold, y)).collect())
        };
        Ok(Self {
            another: Measures::of(manifold, samples, |points| Ok((0..points.len()).map(next).collect()))?,
            reflection: each(reflection)?,
            sheared: each(sheared)?,
        })
    }
}

fn reflection(manifold: &dyn Manifold, y: &Array1<f64>) -> Result<Array1<f64>> {
    Ok(2.0 * manifold.project_point(y)? - y)
}

fn sheared(manifold: &dyn Manifold, y: &Array1<f64>) -> Result<Array1<f64>> {
    let projection = manifold.project_point(y)?;
    let basis = manifold.tangent_basis(&projection)?;
    Ok(&projection + norm(&(y - &projection)) * &basis.column(0))
}

/// The measurements of one case.
pub(super) struct Outcome {
    pub case: Case,
    /// Trained with corruption.
    pub subject: Side,
    /// Trained without.
    pub control: Side,
    pub wrong: WrongMaps,
    /// The first samples, with π(x̂).
    pub shown: Vec<(CorruptedSample, Array1<f64>)>,
}

impl Outcome {
    /// The number of pixels, H W.
    pub(super) fn pixels(&self) -> f64 {
        (self.case.side * self.case.side) as f64
    }
}

/// Trains and measures all cases, subjects and controls in parallel.
pub(super) fn outcomes(setting: &Setting) -> Result<Vec<Outcome>> {
    let cases = Case::all(setting.effort());
    let one = |(index, case)| outcome(case, setting, &mut setting.stream(NUMBER, index as u32));
    cases.into_par_iter().enumerate().map(one).collect()
}

fn outcome(case: Case, setting: &Setting, stream: &mut Stream) -> Result<Outcome> {
    let experiment = case.experiment(setting)?;
    let manifold = experiment.pictures.manifold();
    let samples = experiment.pictures.samples(setting.pick(256, 128))?;
    let noisy: Vec<_> = samples.iter().map(|sample| noisy(sample, case.side, stream)).collect();
    let plain = experiment.without_corruption();
    let side = |experiment: &Experiment| Side::measure(&experiment.train()?, &samples, &noisy);
    let (subject, control) = rayon::join(|| side(&experiment), || side(&plain));
    let shown = samples.iter().take(SHOWN).map(|sample| Ok((sample.clone(), manifold.project_point(&sample.corrupted)?)));
    Ok(Outcome {
        case,
        subject: subject?,
        control: control?,
        wrong: WrongMaps::measure(manifold, &samples)?,
        shown: shown.collect::<Result<_>>()?,
    })
}

/// The x of `sample` with white noise, equal in all channels, on a square of half the side: in general position (C7).
fn noisy(sample: &CorruptedSample, side: usize, stream: &mut Stream) -> CorruptedSample {
    let channels = sample.target.len() / (side * side);
    let half = side / 2;
    let [top, left] = [0; 2].map(|_: usize| stream.below(half as u32 + 1) as usize);
    let inside = |pixel: usize| (top..top + half).contains(&(pixel / side)) && (left..left + half).contains(&(pixel % side));
    let noise = Array1::from_shape_fn(side * side, |pixel| if inside(pixel) { NOISE * stream.normal() } else { 0.0 });
    let n = sample.target.len();
    CorruptedSample {
        target: sample.target.clone(),
        corrupted: &sample.target + Array1::from_shape_fn(n, |index| noise[index / channels]),
        region: Array1::from_shape_fn(n, |index| inside(index / channels)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{Net, World};
    use super::*;
    use crate::theory::claim::Effort;

    fn samples(count: usize) -> (Experiment, Vec<CorruptedSample>) {
        let case = Case { world: World::Disks, net: Net::ModelI, side: 16 };
        let experiment = case.experiment(&Setting::new(3, Effort::Quick).unwrap()).unwrap();
        let samples = experiment.pictures.samples(count).unwrap();
        (experiment, samples)
    }

    #[test]
    fn white_noise_stays_on_its_square_and_is_grey() {
        let sample = samples(1).1.remove(0);
        let noisy = noisy(&sample, 16, &mut Setting::new(3, Effort::Quick).unwrap().stream(NUMBER, 0));
        let changed = |index: usize| noisy.corrupted[index] != noisy.target[index];
        assert!((0..768).all(|index| changed(index) == noisy.region[index]));
        assert_eq!(noisy.region.iter().filter(|inside| **inside).count(), 3 * 64);
        let noise = |index: usize| noisy.corrupted[index] - noisy.target[index];
        assert!((0..256).all(|pixel| (noise(3 * pixel) - noise(3 * pixel + 2)).abs() < 1e-12));
    }

    #[test]
    fn each_wrong_map_fails_where_it_should() {
        let (experiment, samples) = samples(12);
        let wrong = WrongMaps::measure(experiment.pictures.manifold(), &samples).unwrap();
        assert!(wrong.another.to_target() > 1.0 && wrong.another.idempotence() == 0.0);
        assert!(wrong.reflection.idempotence() > 1.0 && wrong.reflection.tangential_cosine() < 0.3);
        assert!((wrong.sheared.tangential_cosine() - 0.5_f64.sqrt()).abs() < 0.1);
        assert!((wrong.sheared.residual_of_distance() - 2.0_f64.sqrt()).abs() < 0.1);
        assert!(wrong.another.change_outside() > 0.5 && wrong.another.fixed_point() > 1.0);
        assert!(wrong.another.rank_correlation().unwrap() < 0.85);
    }
}
