//! The trainings: which pictures, which network, how long; each beside its control.

use std::sync::Arc;

use rayon::prelude::*;

use crate::data::corruption::{CorruptionConfig, Patches};
use crate::error::Result;
use crate::rng::Stream;
use crate::theory::claim::{Effort, Setting};
use crate::theory::manifold::{Gratings, Manifold, Rendered};
use crate::theory::pictures::Pictures;
use crate::theory::resemblance::{CorruptedSample, Measures};
use crate::train::{ObjectiveConfig, OptimiserConfig};

use super::NUMBER;
use super::experiment::{Experiment, Network, Trained};

/// λ, the weight of the corrupted region. Below ½, as the region is the harder part and otherwise pays for errors off it.
const LAMBDA: f64 = 0.2;
/// Standard deviation of the white noise that is in general position.
const NOISE: f64 = 0.4;

/// What the pictures show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum World {
    Gratings,
    Disks,
}

impl World {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gratings => "gratings",
            Self::Disks => "disks",
        }
    }

    fn manifold(self, side: usize) -> Result<Arc<dyn Manifold>> {
        Ok(match self {
            Self::Gratings => Arc::new(Gratings::standard(side, 2)?),
            Self::Disks => Arc::new(Rendered::disk(side)?),
        })
    }
}

/// Which kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Net {
    Mlp,
    ModelI,
    ModelII,
}

impl Net {
    pub(super) const ALL: [Self; 3] = [Self::Mlp, Self::ModelI, Self::ModelII];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mlp => "MLP",
            Self::ModelI => "Model I",
            Self::ModelII => "Model II",
        }
    }

    fn network(self) -> Network {
        match self {
            Self::Mlp => Network::Mlp(vec![64, 256, 64]),
            Self::ModelI => Network::Model { number: 1, width: 8 },
            Self::ModelII => Network::Model { number: 2, width: 8 },
        }
    }

    /// Steps, pictures per step and learning rate that two cores can afford.
    fn budget(self, side: usize, effort: Effort) -> (u64, usize, f64) {
        match (self, side, effort) {
            (Self::Mlp, _, Effort::Quick) => (2000, 64, 8e-3),
            (Self::Mlp, ..=16, _) => (3500, 64, 8e-3),
            (Self::Mlp, ..=32, _) => (2000, 32, 8e-3),
            (Self::Mlp, ..) => (1000, 32, 5e-3),
            (Self::ModelI, ..=16, _) => (1500, 16, 1.5e-3),
            (Self::ModelI, ..=32, _) => (1500, 8, 2e-3),
            (Self::ModelII, ..=16, _) => (800, 16, 4e-3),
            (Self::ModelII, ..=32, _) => (800, 8, 4e-3),
            _ => (400, 4, 3e-3),
        }
    }
}

/// One training and its control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub world: World,
    pub net: Net,
    pub side: usize,
}

impl Case {
    /// What is measured with this effort.
    pub(super) fn all(effort: Effort) -> Vec<Self> {
        let quick = vec![Self { world: World::Gratings, net: Net::Mlp, side: 16 }];
        let sides = |world, net| [16, 32, 64].map(|side| Self { world, net, side });
        let worlds = [World::Gratings, World::Disks];
        match effort {
            Effort::Quick => quick,
            Effort::Full => {
                worlds.iter().flat_map(|&world| Net::ALL.into_iter().flat_map(move |net| sides(world, net))).collect()
            }
        }
    }

    /// e.g. `gratings 16x16, MLP`.
    pub(super) fn name(&self) -> String {
        format!("{} {side}x{side}, {}", self.world.name(), self.net.name(), side = self.side)
    }

    fn experiment(&self, setting: &Setting) -> Result<Experiment> {
        let network = self.net.network();
        let (steps, batch, rate) = self.net.budget(self.side, setting.effort());
        let grey = self.world.manifold(self.side)?;
        let pictures = Pictures::new(grey, self.side, network.layout(), Some(corruption()), setting.seed())?;
        let objective = ObjectiveConfig { lambda: LAMBDA, ..ObjectiveConfig::default() };
        let optimiser = OptimiserConfig { steps, batch, rate, beta2: 0.99, ..OptimiserConfig::default() };
        Ok(Experiment { pictures, network, objective, optimiser, seed: setting.seed() })
    }
}

/// The corruption of Method §2 with one or two patches, so that most of a picture is kept, without the source "noise" (the
/// white noise of [`noisy`] is then new to the network) and with smooth outlines, which small pictures resolve. Every changed
/// pixel belongs to the region.
fn corruption() -> CorruptionConfig {
    let mut config =
        CorruptionConfig { region_threshold: 0.0, patches: Patches { min: 1, max: 2 }, ..CorruptionConfig::default() };
    config.weights.noise = 0.0;
    config.deformation.smoothing = 1.0;
    config
}

/// One network on samples that it has not seen.
pub(super) struct Side {
    /// Under the corruption of training.
    pub trained_on: Measures,
    /// Under white noise on a square.
    pub noise: Measures,
    /// f(x̂) of the first samples.
    pub images: Vec<Vec<f64>>,
}

impl Side {
    fn measure(trained: &Trained, samples: &[CorruptedSample], noisy: &[CorruptedSample], shown: usize) -> Result<Self> {
        let inputs: Vec<_> = samples.iter().take(shown).map(|sample| sample.corrupted.clone()).collect();
        Ok(Self { trained_on: trained.measures(samples)?, noise: trained.measures(noisy)?, images: trained.apply(&inputs)? })
    }
}

/// What one case found.
pub(super) struct Outcome {
    pub case: Case,
    /// Trained with corruption.
    pub subject: Side,
    /// Trained without.
    pub control: Side,
    /// The first samples, with π(x̂).
    pub shown: Vec<(CorruptedSample, Vec<f64>)>,
}

/// Trains and measures all cases, subjects and controls beside each other.
pub(super) fn outcomes(setting: &Setting) -> Result<Vec<Outcome>> {
    let cases = Case::all(setting.effort());
    let one = |(index, case)| outcome(case, setting, &mut setting.stream(NUMBER, index as u32));
    cases.into_par_iter().enumerate().map(one).collect()
}

fn outcome(case: Case, setting: &Setting, stream: &mut Stream) -> Result<Outcome> {
    const SHOWN: usize = 3;
    let experiment = case.experiment(setting)?;
    let samples = experiment.pictures.samples(setting.pick(256, 128))?;
    let noisy: Vec<_> = samples.iter().map(|sample| noisy(sample, case.side, stream)).collect();
    let plain = experiment.without_corruption();
    let side = |experiment: &Experiment| Side::measure(&experiment.train()?, &samples, &noisy, SHOWN);
    let (subject, control) = rayon::join(|| side(&experiment), || side(&plain));
    let manifold = experiment.pictures.manifold();
    let shown = samples.iter().take(SHOWN).map(|sample| Ok((sample.clone(), manifold.project_point(&sample.corrupted)?)));
    Ok(Outcome { case, subject: subject?, control: control?, shown: shown.collect::<Result<_>>()? })
}

/// The x of `sample` with white noise, the same in all channels, on a square of half the side: in general position (C7).
fn noisy(sample: &CorruptedSample, side: usize, stream: &mut Stream) -> CorruptedSample {
    let channels = sample.target.len() / (side * side);
    let half = side / 2;
    let [top, left] = [0; 2].map(|_: usize| stream.below(half as u32 + 1) as usize);
    let inside = |pixel: usize| (top..top + half).contains(&(pixel / side)) && (left..left + half).contains(&(pixel % side));
    let noise: Vec<f64> = (0..side * side).map(|pixel| if inside(pixel) { NOISE * stream.normal() } else { 0.0 }).collect();
    CorruptedSample {
        target: sample.target.clone(),
        corrupted: sample.target.iter().enumerate().map(|(index, x)| x + noise[index / channels]).collect(),
        region: (0..sample.target.len()).map(|index| inside(index / channels)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_once() {
        let full = Case::all(Effort::Full);
        assert_eq!((full.len(), Case::all(Effort::Quick).len()), (18, 1));
        assert!(full.iter().enumerate().all(|(index, case)| !full[..index].contains(case)));
        assert_eq!(full[5].name(), "gratings 64x64, Model I");
    }

    #[test]
    fn white_noise_stays_on_its_square_and_is_grey() {
        let setting = Setting::new(3, Effort::Quick).unwrap();
        let case = Case { world: World::Disks, net: Net::ModelI, side: 16 };
        let sample = case.experiment(&setting).unwrap().pictures.samples(1).unwrap().remove(0);
        let noisy = noisy(&sample, 16, &mut setting.stream(NUMBER, 0));
        let changed = |index: usize| noisy.corrupted[index] != noisy.target[index];
        assert!((0..768).all(|index| changed(index) == noisy.region[index]));
        assert_eq!(noisy.region.iter().filter(|inside| **inside).count(), 3 * 64);
        let noise = |index: usize| noisy.corrupted[index] - noisy.target[index];
        assert!((0..256).all(|pixel| (noise(3 * pixel) - noise(3 * pixel + 2)).abs() < 1e-12));
    }
}
