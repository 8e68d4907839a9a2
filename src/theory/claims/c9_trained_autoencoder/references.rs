//! Maps whose errors are known or easily had: the identity, π, the best linear maps, and f* as a robust fit.

use ndarray::{Array1, Array2, ArrayRef2, Axis, s};
use rayon::prelude::*;

use super::case::{Case, Kind, World};
use super::constants::NUMBER;
use super::registration::Registration;
use super::repetition::Gate;
use super::test_set::{Errors, Picture, TestSet};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::theory::algebra::{gaussian_matrix, orthonormal_basis, solve, square_norm};
use crate::theory::claim::Setting;
use crate::theory::pictures::Layout;
use crate::theory::resemblance::CorruptedSample;

/// Pictures that linear maps are fitted to, for each value of a picture; and others to choose among them.
const FITTED: usize = 8;
const CHOOSING: usize = 1024;
/// Numbers of principal components that are tried.
const COMPONENTS: [usize; 9] = [2, 3, 4, 6, 8, 12, 16, 24, 32];
/// Iterations of the power method for them.
const ITERATIONS: usize = 60;
/// Ridge penalties that are tried, relative to the mean eigenvalue.
const PENALTIES: [f64; 4] = [1e-3, 1e-2, 1e-1, 1.0];
/// Pictures that f* is computed for by repeating π, which takes long for shapes.
const REPEATED: usize = 256;
/// Repetitions of π with smaller and smaller κ.
const REPETITIONS: [(f64, usize); 3] = [(0.2, 4), (0.05, 8), (0.0125, 12)];

/// `y ↦ b + M (y - a)`.
struct Linear {
    from: Array1<f64>,
    to: Array1<f64>,
    matrix: Array2<f64>,
}

impl Linear {
    fn apply(&self, y: &Array1<f64>) -> Array1<f64> {
        &self.to + self.matrix.dot(&(y - &self.from))
    }

    /// `Σ ‖f(x̂) - x‖²` over x̂ and x as rows.
    fn error(&self, [seen, wanted]: &[Array2<f64>; 2]) -> f64 {
        square_norm(&((seen - &self.from).dot(&self.matrix.t()) + &self.to - wanted))
    }
}

/// The errors of all references on the test pictures.
pub(super) struct References {
    pub(super) identity: Errors,
    pub(super) projection: Errors,
    /// π repeated once, with the gate of the variants: a step from π towards f*.
    pub(super) repeated: Errors,
    /// The better of the two linear maps on pictures that neither was fitted to and that are not tested, and the other.
    pub(super) linear: [(&'static str, Errors); 2],
    /// Of f* on the first pictures, for gratings and disks: the root of the summed squared errors over that of the corruption. For bars the
    /// repetition of π often ends elsewhere.
    pub(super) restored: Option<f64>,
}

impl References {
    /// Seeds of the fits are those of the trainings.
    pub(super) fn new(case: &Case, registration: &Registration, set: &TestSet, setting: &Setting) -> Result<Self> {
        let seed = registration.seeds.training.first().copied().unwrap_or(setting.seed());
        let count = FITTED * case.budget.side * case.budget.side;
        // RGB pictures whose x is grey: exchanging channels changes nothing, so the best linear map sees the mean over the channels only.
        let samples = case.corrupted_pictures(registration, Layout::Grey, seed)?.samples(count + CHOOSING)?;
        let (fitted, others) = samples.split_at(count);
        let chosen = [rows(others, |sample| &sample.corrupted)?, rows(others, |sample| &sample.target)?];
        let candidates = [("PCA", principal_components(fitted, &chosen, seed)?), ("ridge regression", ridge(fitted, &chosen)?)];
        let errors =
            |linear: &Linear| set.errors(|points| points.iter().map(|y| set.lifted(|grey| Ok(linear.apply(grey)), y)).collect());
        let [pca, ridge] = &candidates;
        let own = [(pca.0, errors(&pca.1)?), (ridge.0, errors(&ridge.1)?)];
        let [first, second] = own;
        let linear = if pca.1.error(&chosen) <= ridge.1.error(&chosen) { [first, second] } else { [second, first] };
        let (manifold, _) = case.world.manifold(case.budget.side, registration.pictures.amplitude)?;
        let project =
            |points: &[Array1<f64>]| points.par_iter().map(|y| set.lifted(|grey| manifold.project_point(grey), y)).collect();
        let gate = Gate { kappa: registration.variants.kappa };
        let corrupted: Vec<Array1<f64>> = set.pictures.iter().map(|picture| picture.sample.corrupted.clone()).collect();
        let nearest: Vec<Array1<f64>> = set.pictures.iter().map(|picture| picture.projection.clone()).collect();
        Ok(Self {
            repeated: set.errors_of(&gate.next(&corrupted, &nearest, project)?)?,
            identity: set.errors(|points| Ok(points.to_vec()))?,
            projection: set.errors_of(&nearest)?,
            linear,
            restored: if is_restored(case) { Some(restored(set, project)?) } else { None },
        })
    }
}

/// Whether f* is computed: once for each kind and size of pictures.
fn is_restored(case: &Case) -> bool {
    case.world != World::Bars && case.budget.kind == Kind::Mlp
}

/// f* by repeating π (Theorem C: reweighted least squares), with a gate that closes more and more.
fn restored(set: &TestSet, project: impl Fn(&[Array1<f64>]) -> Result<Vec<Array1<f64>>> + Sync) -> Result<f64> {
    let pictures = &set.pictures[..set.pictures.len().min(REPEATED)];
    let one = |picture: &Picture| -> Result<[f64; 2]> {
        let CorruptedSample { target, corrupted, .. } = &picture.sample;
        let mut z = vec![picture.projection.clone()];
        for (kappa, repetitions) in REPETITIONS {
            for _ in 0..repetitions {
                z = Gate { kappa }.next(std::slice::from_ref(corrupted), &z, &project)?;
            }
        }
        Ok([square_norm(&(&z[0] - target)), square_norm(&(corrupted - target))])
    };
    let squares = pictures.par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let [error, all] = [0, 1].map(|index: usize| squares.iter().map(|square| square[index]).sum::<f64>());
    Ok((error / all).sqrt())
}

/// One sample in each row.
fn rows(samples: &[CorruptedSample], of: impl Fn(&CorruptedSample) -> &Array1<f64>) -> Result<Array2<f64>> {
    let n = samples.first().map_or(0, |sample| sample.target.len());
    let values = samples.iter().flat_map(|sample| of(sample).iter().copied()).collect();
    Array2::from_shape_vec((samples.len(), n), values).map_err(|error| Error::shape("rows", error))
}

/// Rows less their mean, and that.
fn centred(rows: Array2<f64>) -> Result<(Array2<f64>, Array1<f64>)> {
    let mean = rows.mean_axis(Axis(0)).ok_or_else(|| Error::argument("no pictures to fit a linear map to"))?;
    Ok((rows - &mean, mean))
}

/// The projector onto the mean and the first principal components of clean pictures, as many as restore best.
fn principal_components(fitted: &[CorruptedSample], chosen: &[Array2<f64>; 2], seed: u64) -> Result<Linear> {
    let (points, mean) = centred(rows(fitted, |sample| &sample.target)?)?;
    let covariance = points.t().dot(&points);
    let most = COMPONENTS[COMPONENTS.len() - 1];
    let mut stream = Stream::new(seed, Purpose::Theory, NUMBER, u32::MAX);
    let mut basis = orthonormal_basis(&gaussian_matrix(&mut stream, covariance.nrows(), most));
    for _ in 0..ITERATIONS {
        basis = orthonormal_basis(&covariance.dot(&basis));
    }
    let projector = |count: usize| {
        let directions = basis.slice(s![.., ..count]);
        Linear { from: mean.clone(), to: mean.clone(), matrix: directions.dot(&directions.t()) }
    };
    // Fewer where D has a small hull.
    best(COMPONENTS.into_iter().filter(|&count| count <= basis.ncols()).map(projector), chosen)
}

/// The affine map from x̂ to x with the least squared error and a ridge penalty, the best of several.
fn ridge(fitted: &[CorruptedSample], chosen: &[Array2<f64>; 2]) -> Result<Linear> {
    let (seen, from) = centred(rows(fitted, |sample| &sample.corrupted)?)?;
    let (wanted, to) = centred(rows(fitted, |sample| &sample.target)?)?;
    let (gram, right) = (seen.t().dot(&seen), seen.t().dot(&wanted));
    let scale = gram.diag().sum() / gram.nrows() as f64;
    let map = |penalty: f64| {
        let matrix = solve(&with_diagonal(&gram, penalty * scale), &right)?.reversed_axes();
        Ok(Linear { from: from.clone(), to: to.clone(), matrix })
    };
    best(PENALTIES.into_iter().map(map).collect::<Result<Vec<_>>>()?, chosen)
}

fn with_diagonal(matrix: &ArrayRef2<f64>, value: f64) -> Array2<f64> {
    let mut sum = matrix.to_owned();
    sum.diag_mut().iter_mut().for_each(|entry| *entry += value);
    sum
}

fn best(maps: impl IntoIterator<Item = Linear>, chosen: &[Array2<f64>; 2]) -> Result<Linear> {
    let with_error = maps.into_iter().map(|map| (map.error(chosen), map));
    let least = with_error.min_by(|a, b| a.0.total_cmp(&b.0));
    least.map(|(_, map)| map).ok_or_else(|| Error::argument("no linear map to choose from"))
}
