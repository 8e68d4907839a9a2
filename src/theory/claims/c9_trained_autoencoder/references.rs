//! Maps whose errors are known or easily had: the identity, π, the best linear maps, and f* as a robust fit.

use ndarray::Array1;
use rayon::prelude::*;

use super::case::{Case, Kind, World};
use super::linear::{Linear, LinearMaps};
use super::registration::Registration;
use super::repetition::Gate;
use super::test_set::{Errors, Picture, TestSet};
use crate::error::Result;
use crate::theory::algebra::square_norm;
use crate::theory::resemblance::CorruptedSample;

/// Repetitions of π with smaller and smaller κ.
const REPETITIONS: [(f64, usize); 3] = [(0.2, 4), (0.05, 8), (0.0125, 12)];

/// The errors of all references on the test pictures.
pub(super) struct References {
    pub(super) identity: Errors,
    pub(super) projection: Errors,
    /// π repeated once, with the gate of the variants: a step from π towards f*.
    pub(super) repeated: Errors,
    /// The linear maps on the way to x.
    pub(super) principal: Errors,
    pub(super) ridge: Errors,
    /// L: the better of them on other pictures; and the same on the way to π(x̂).
    pub(super) linear: Errors,
    pub(super) linear_to_projection: Errors,
    /// `‖f*(x̂)-x‖` and `‖π(x̂)-x‖` on the first pictures, as root mean squares over that of the corruption.
    pub(super) restored: Option<[f64; 2]>,
}

impl References {
    pub(super) fn new(case: &Case, registration: &Registration, set: &TestSet, maps: &LinearMaps) -> Result<Self> {
        let errors =
            |linear: &Linear| set.errors(|points| points.iter().map(|y| set.lifted(|grey| Ok(linear.apply(grey)), y)).collect());
        let (manifold, _) = case.world.manifold(case.budget.side, registration.pictures.amplitude)?;
        let project =
            |points: &[Array1<f64>]| points.par_iter().map(|y| set.lifted(|grey| manifold.project_point(grey), y)).collect();
        let gate = Gate { kappa: registration.variants.kappa };
        let nearest: Vec<Array1<f64>> = set.pictures.iter().map(|picture| picture.projection.clone()).collect();
        let [principal, ridge] = [errors(&maps.to_target.principal)?, errors(&maps.to_target.ridge)?];
        let first = &set.pictures[..set.pictures.len().min(registration.restored.pictures)];
        Ok(Self {
            repeated: set.errors_of(&gate.next(&set.corrupted(), &nearest, project)?)?,
            identity: set.errors(|points| Ok(points.to_vec()))?,
            projection: set.errors_of(&nearest)?,
            linear: if maps.to_target.ridge_is_better { ridge.clone() } else { principal.clone() },
            linear_to_projection: errors(maps.to_projection.better())?,
            principal,
            ridge,
            restored: if is_restored(case) { Some(restored(first, project)?) } else { None },
        })
    }
}

/// Whether f* is computed: once for gratings and disks of each size. For bars the repetition of π often ends elsewhere.
fn is_restored(case: &Case) -> bool {
    case.world != World::Bars && case.budget.kind == Kind::Mlp
}

/// f* by repeating π (Theorem C: reweighted least squares), with a gate that closes more and more; and π alone.
fn restored(pictures: &[Picture], project: impl Fn(&[Array1<f64>]) -> Result<Vec<Array1<f64>>> + Sync) -> Result<[f64; 2]> {
    let one = |picture: &Picture| -> Result<[f64; 3]> {
        let CorruptedSample { target, corrupted, .. } = &picture.sample;
        let mut z = vec![picture.projection.clone()];
        for (kappa, repetitions) in REPETITIONS {
            for _ in 0..repetitions {
                z = Gate { kappa }.next(std::slice::from_ref(corrupted), &z, &project)?;
            }
        }
        let square = |point: &Array1<f64>| square_norm(&(point - target));
        Ok([square(&z[0]), square(&picture.projection), square(corrupted)])
    };
    let squares = pictures.par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let [own, projection, all] = [0, 1, 2].map(|index: usize| squares.iter().map(|square| square[index]).sum::<f64>());
    Ok([(own / all).sqrt(), (projection / all).sqrt()])
}
