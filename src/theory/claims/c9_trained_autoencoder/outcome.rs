//! All that is measured of one case.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::case::{Case, World};
use super::linear::LinearMaps;
use super::references::References;
use super::registration::Registration;
use super::second_moment::BestJacobian;
use super::test_set::{Errors, TestSet};
use super::trial::{Trial, VariantTrial, trial};
use crate::error::Result;
use crate::theory::claim::{Effort, Setting};

/// A case with its pictures, references and trainings.
pub(super) struct Outcome {
    pub(super) case: Case,
    pub(super) set: TestSet,
    pub(super) references: References,
    pub(super) best: Option<BestJacobian>,
    /// One for each seed.
    trials: Vec<Trial>,
}

impl Outcome {
    /// All cases, one after the other, so that an interrupted run has complete ones, which are not measured again.
    pub(super) fn all(registration: &Registration, setting: &Setting) -> Result<Vec<Self>> {
        let cases = registration.cases(setting.effort());
        let mut linear: HashMap<(World, usize), LinearMaps> = HashMap::new();
        let mut outcomes = vec![];
        for case in cases {
            let maps = match linear.entry((case.world, case.budget.side)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(none) => none.insert(LinearMaps::new(&case, registration)?),
            };
            outcomes.push(Self::new(case, registration, setting, maps)?);
        }
        Ok(outcomes)
    }

    /// One case.
    pub(super) fn new(case: Case, registration: &Registration, setting: &Setting, linear: &LinearMaps) -> Result<Self> {
        let set = TestSet::new(&case, registration)?;
        let references = References::new(&case, registration, &set, linear)?;
        let has_variants = setting.effort() == Effort::Full && registration.has_variants(&case);
        let best = if has_variants { Some(BestJacobian::new(&case, registration)?) } else { None };
        // One after the other: threads that wait inside a trial would begin others, and an interrupt would find all of them
        // unfinished.
        let one = |&seed: &u64| trial(&case, registration, seed, setting, &set, best.as_ref());
        let trials = registration.seeds.training.iter().map(one).collect::<Result<_>>()?;
        Ok(Self { case, set, references, best, trials })
    }

    /// The errors of the network for each seed.
    pub(super) fn subjects(&self) -> Vec<&Errors> {
        self.trials.iter().map(|trial| &trial.subject).collect()
    }

    /// The errors of the plain autoencoder for each seed; none in the quick form.
    pub(super) fn plain(&self) -> Vec<&Errors> {
        self.trials.iter().filter_map(|trial| trial.plain.as_ref()).collect()
    }

    /// The errors of ½(x̂ + f(x̂)) for each seed.
    pub(super) fn halfway(&self) -> Vec<&Errors> {
        self.trials.iter().map(|trial| &trial.halfway).collect()
    }

    pub(super) fn variants(&self) -> Vec<&VariantTrial> {
        self.trials.iter().filter_map(|trial| trial.variants.as_ref()).collect()
    }

    /// The first training, whose results are shown.
    pub(super) fn first(&self) -> &Trial {
        &self.trials[0]
    }
}
