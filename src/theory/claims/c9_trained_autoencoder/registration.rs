//! What is tested, written down before the first run that counts: `paper/c9.toml`.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::case::{Case, Kind, World};
use crate::error::{Error, Result};
use crate::theory::claim::{Effort, Setting};

const TEXT: &str = include_str!("../../../../paper/c9.toml");
/// Hexadecimal digits of the digest in every row.
const DIGITS: usize = 12;
/// Test pictures of the quick form, and steps of its training.
const QUICK: (usize, u64) = (512, 2000);
/// What seeds of the full form are apart for the next seed of `verify`, so that no two runs share a training; and test from
/// training seeds in the quick form.
const APART: u64 = 100;

/// The content of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registration {
    pub(super) seeds: Seeds,
    pub(super) pictures: PictureNumbers,
    pub(super) statistics: Statistics,
    pub(super) training: Training,
    network: Vec<NetworkBudget>,
    pub(super) variants: Variants,
    pub(super) jacobian: JacobianNumbers,
    pub(super) linear: LinearNumbers,
    pub(super) restored: Restored,
    pub(super) hypotheses: Hypotheses,
    /// The first digits of the file's SHA-256.
    #[serde(skip)]
    pub(super) digest: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seeds {
    pub(super) training: Vec<u64>,
    pub(super) test: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PictureNumbers {
    pub(super) test: usize,
    pub(super) amplitude: f64,
    pub(super) clean: f32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Statistics {
    pub(super) level: f64,
    pub(super) resamples: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Training {
    pub(super) lambda: f64,
    pub(super) plain: u64,
}

/// A network and how it is trained.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkBudget {
    pub(super) kind: Kind,
    pub(super) side: usize,
    /// Widths of the hidden layers of an MLP.
    #[serde(default)]
    pub(super) hidden: Vec<usize>,
    /// Base width of Models I and II.
    #[serde(default)]
    pub(super) width: usize,
    pub(super) steps: u64,
    pub(super) batch: usize,
    pub(super) learning_rate: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variants {
    pub(super) repetitions: usize,
    pub(super) kappa: f64,
    pub(super) noise: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JacobianNumbers {
    pub(super) points: usize,
    pub(super) rows: usize,
    pub(super) corruptions: usize,
    pub(super) floor: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinearNumbers {
    pub(super) pictures_per_pixel: usize,
    pub(super) choosing: usize,
    pub(super) components: Vec<usize>,
    pub(super) penalties: Vec<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Restored {
    pub(super) pictures: usize,
    pub(super) limit: f64,
}

/// The limits of H1 to H7.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hypotheses {
    pub(super) target: f64,
    pub(super) projection: f64,
    pub(super) tangential: f64,
    pub(super) idempotence: f64,
    pub(super) jacobian: f64,
    pub(super) noise: f64,
    pub(super) repetition: f64,
}

impl Registration {
    /// As registered for seed 0 of the full form. Another seed is added to all seeds, a hundred times. The quick form has one
    /// training with the seed itself.
    pub(super) fn of(setting: &Setting) -> Result<Self> {
        let mut own: Self = toml::from_str(TEXT).map_err(|error| Error::format(format!("paper/c9.toml: {error}")))?;
        let digest = Sha256::digest(TEXT.as_bytes());
        own.digest = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..DIGITS].to_owned();
        match setting.effort() {
            Effort::Full => {
                let further = APART.wrapping_mul(setting.seed());
                own.seeds.training.iter_mut().for_each(|seed| *seed = seed.wrapping_add(further));
                own.seeds.test = own.seeds.test.wrapping_add(further);
            }
            Effort::Quick => {
                own.seeds = Seeds { training: vec![setting.seed()], test: setting.seed().wrapping_add(APART) };
                own.pictures.test = QUICK.0;
                own.network.truncate(1);
                own.network.iter_mut().for_each(|network| network.steps = QUICK.1);
            }
        }
        Ok(own)
    }

    /// The first training seed.
    pub(super) fn first_seed(&self) -> Result<u64> {
        self.seeds.training.first().copied().ok_or_else(|| Error::format("paper/c9.toml: no training seed"))
    }

    /// All cases, ordered by network and world; of the quick form, gratings alone.
    pub(super) fn cases(&self, effort: Effort) -> Vec<Case> {
        let worlds = if effort == Effort::Quick { &World::ALL[..1] } else { &World::ALL };
        let of = |budget: &NetworkBudget| worlds.iter().map(|&world| Case { world, budget: budget.clone() }).collect::<Vec<_>>();
        self.network.iter().flat_map(of).collect()
    }

    /// Next to no pictures and training, for tests.
    #[cfg(test)]
    pub(super) fn shrink(&mut self) {
        self.seeds.training.truncate(2);
        self.pictures.test = 24;
        (self.statistics.resamples, self.training.plain) = (50, 1);
        (self.jacobian.points, self.jacobian.rows, self.jacobian.corruptions) = (2, 2, 800);
        (self.linear.choosing, self.restored.pictures) = (64, 24);
        self.network.truncate(1);
        self.network.iter_mut().for_each(|network| network.steps = 5);
    }

    /// The network whose variants are trained too.
    pub(super) fn has_variants(&self, case: &Case) -> bool {
        self.network.first() == Some(&case.budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_test_seed_is_a_training_seed_and_no_two_runs_share_one() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..3 {
            for effort in [Effort::Quick, Effort::Full] {
                let registration = Registration::of(&Setting::new(seed, effort).unwrap()).unwrap();
                assert!(!registration.seeds.training.contains(&registration.seeds.test));
                assert!(registration.seeds.training.iter().all(|&own| seen.insert(own)), "{effort:?} {seed}");
                assert!(!registration.digest.is_empty() && !registration.seeds.training.is_empty());
            }
        }
    }
}
