//! The trainings of one case with one seed, and what is measured of them.

use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::experiment::{Experiment, Trained};
use super::linear::rows;
use super::registration::Registration;
use super::repetition::Gate;
use super::second_moment::BestJacobian;
use super::test_set::{Errors, TestSet};
use crate::error::Result;
use crate::theory::bits;
use crate::theory::claim::Setting;

/// Repetitions at which networks are measured.
pub(super) const MEASURED: [usize; 5] = [0, 1, 2, 3, 6];

/// The measurements of one seed.
#[derive(Serialize, Deserialize)]
pub(super) struct Trial {
    /// Trained with corruption.
    pub(super) subject: Errors,
    /// The plain autoencoder, trained longer and without corruption; not in the quick form.
    pub(super) plain: Option<Errors>,
    /// ½(x̂ + f(x̂)), a map that undoes half as much.
    pub(super) halfway: Errors,
    /// f(x̂) of the pictures that are shown, one in each row.
    #[serde(with = "bits::matrix")]
    pub(super) shown: Array2<f64>,
    pub(super) variants: Option<VariantTrial>,
}

/// The measurements of variants of the network.
#[derive(Serialize, Deserialize)]
pub(super) struct VariantTrial {
    /// Trained with repetitions, after each number of [`MEASURED`].
    pub(super) repeated: Vec<Errors>,
    /// The network itself, repeated without having been trained for it.
    pub(super) reused: Vec<Errors>,
    /// [`BestJacobian::distances`] of the network.
    #[serde(with = "bits::matrix")]
    pub(super) jacobian: Array2<f64>,
    /// The same of the network trained with white noise on x̂.
    #[serde(with = "bits::matrix")]
    pub(super) noisy_jacobian: Array2<f64>,
}

/// Trains and measures, or reads what an interrupted run has measured.
pub(super) fn trial(
    case: &Case,
    registration: &Registration,
    seed: u64,
    setting: &Setting,
    set: &TestSet,
    best: Option<&BestJacobian>,
) -> Result<Trial> {
    setting.part(&format!("{}-{seed}", case.key()), || {
        let experiment = Experiment {
            pictures: case.training_pictures(registration, seed)?,
            recipe: case.recipe(registration, seed)?,
            cpu: setting.cpu()?,
        };
        let (trained, plain) = rayon::join(
            || experiment.train(0.0),
            || setting.pick(None, Some(())).map(|()| experiment.plain(registration.training.plain).train(0.0)).transpose(),
        );
        let (trained, plain) = (trained?, plain?);
        let errors = |trained: &Trained| set.errors(|points| trained.apply(points));
        let shown: Vec<Array1<f64>> = set.shown().iter().map(|&index| set.pictures[index].sample.corrupted.clone()).collect();
        Ok(Trial {
            subject: errors(&trained)?,
            halfway: set.errors(|points| halfway(&trained, points))?,
            plain: plain.as_ref().map(errors).transpose()?,
            shown: rows(trained.apply(&shown)?.iter())?,
            variants: best.map(|best| variants(&experiment, registration, set, best, &trained)).transpose()?,
        })
    })
}

fn variants(
    experiment: &Experiment,
    registration: &Registration,
    set: &TestSet,
    best: &BestJacobian,
    trained: &Trained,
) -> Result<VariantTrial> {
    let numbers = &registration.variants;
    let (repeated, noisy) = rayon::join(|| experiment.train_repeated(numbers), || experiment.train(numbers.noise));
    let (repeated, noisy) = (repeated?, noisy?);
    let gate = Gate { kappa: numbers.kappa };
    let corrupted = set.corrupted();
    let after = |trained: &Trained| -> Result<Vec<Errors>> {
        let results = gate.repeat(&corrupted, MEASURED[MEASURED.len() - 1], |points| trained.apply(points))?;
        MEASURED.iter().map(|&number| set.errors_of(&results[number])).collect()
    };
    let distances = |trained: &Trained| -> Result<Array2<f64>> { Ok(best.distances(&trained.jacobians(&best.points)?)) };
    Ok(VariantTrial {
        repeated: after(&repeated)?,
        reused: after(trained)?,
        jacobian: distances(trained)?,
        noisy_jacobian: distances(&noisy)?,
    })
}

fn halfway(trained: &Trained, points: &[Array1<f64>]) -> Result<Vec<Array1<f64>>> {
    Ok(points.iter().zip(trained.apply(points)?).map(|(point, image)| 0.5 * (point + &image)).collect())
}
