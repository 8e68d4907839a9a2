//! The linear rivals of a network.

use ndarray::{Array1, Array2, ArrayRef2, Axis, s};
use rayon::prelude::*;

use super::case::Case;
use super::constants::NUMBER;
use super::registration::{LinearNumbers, Registration};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::theory::algebra::{gaussian_matrix, orthonormal_basis, solve, square_norm};
use crate::theory::pictures::Layout;
use crate::theory::resemblance::CorruptedSample;

/// Iterations of the power method for principal components.
const ITERATIONS: usize = 60;

/// `y ↦ b + M (y - a)`.
pub(super) struct Linear {
    from: Array1<f64>,
    to: Array1<f64>,
    matrix: Array2<f64>,
}

impl Linear {
    pub(super) fn apply(&self, y: &Array1<f64>) -> Array1<f64> {
        &self.to + self.matrix.dot(&(y - &self.from))
    }

    /// `Σ ‖f(x̂) - v‖²` over x̂ and what is wanted of it, v, as rows.
    fn error(&self, pairs: &Pairs) -> f64 {
        square_norm(&((&pairs.seen - &self.from).dot(&self.matrix.t()) + &self.to - &pairs.wanted))
    }
}

/// x̂ and what is wanted of it, as rows.
struct Pairs {
    seen: Array2<f64>,
    wanted: Array2<f64>,
}

/// The best principal component projector and the best ridge regression for one goal, of grey pictures.
pub(super) struct Rivals {
    pub(super) principal: Linear,
    pub(super) ridge: Linear,
    /// Whether ridge regression is nearer to the goal on pictures that neither was fitted to.
    pub(super) ridge_is_better: bool,
}

/// The rivals on the way to x and to π(x̂), for the pictures of one world and size. An RGB picture has a grey x, and exchanging
/// its channels changes nothing, so the best linear map sees the mean over the channels only.
pub(super) struct LinearMaps {
    pub(super) to_target: Rivals,
    pub(super) to_projection: Rivals,
}

impl LinearMaps {
    /// Fitted to pictures of the first training seed.
    pub(super) fn new(case: &Case, registration: &Registration) -> Result<Self> {
        let (numbers, seed) = (&registration.linear, registration.first_seed()?);
        let count = numbers.pictures_per_pixel * case.budget.side * case.budget.side;
        let source = case.corrupted_pictures(registration, Layout::Grey, seed)?;
        let samples = source.samples(count + numbers.choosing)?;
        let nearest = samples.par_iter().map(|sample| source.manifold().project_point(&sample.corrupted));
        let nearest = nearest.collect::<Result<Vec<_>>>()?;
        let clean = rows(samples[..count].iter().map(|sample| &sample.target))?;
        let basis = principal_directions(&clean, numbers, seed)?;
        let rivals = |wanted: &dyn Fn(usize) -> Array1<f64>| {
            let pairs = |places: std::ops::Range<usize>| -> Result<Pairs> {
                let seen = rows(samples[places.clone()].iter().map(|sample: &CorruptedSample| &sample.corrupted))?;
                let wanted: Vec<Array1<f64>> = places.map(wanted).collect();
                Ok(Pairs { seen, wanted: rows(wanted.iter())? })
            };
            Rivals::new(&clean, &basis, &pairs(0..count)?, &pairs(count..samples.len())?, numbers)
        };
        Ok(Self {
            to_target: rivals(&|index| samples[index].target.clone())?,
            to_projection: rivals(&|index| nearest[index].clone())?,
        })
    }
}

impl Rivals {
    fn new(clean: &Array2<f64>, basis: &Array2<f64>, fitted: &Pairs, chosen: &Pairs, numbers: &LinearNumbers) -> Result<Self> {
        let mean = mean_of(clean)?;
        let projector = |&count: &usize| {
            let directions = basis.slice(s![.., ..count]);
            Ok(Linear { from: mean.clone(), to: mean.clone(), matrix: directions.dot(&directions.t()) })
        };
        // Fewer components where D has a small hull.
        let counts = numbers.components.iter().filter(|count| **count <= basis.ncols());
        let principal = best(counts.map(projector), chosen)?;
        let (from, to) = (mean_of(&fitted.seen)?, mean_of(&fitted.wanted)?);
        let (seen, wanted) = (&fitted.seen - &from, &fitted.wanted - &to);
        let (gram, right) = (seen.t().dot(&seen), seen.t().dot(&wanted));
        let scale = gram.diag().sum() / gram.nrows() as f64;
        let regression = |&penalty: &f64| {
            let matrix = solve(&with_diagonal(&gram, penalty * scale), &right)?.reversed_axes();
            Ok(Linear { from: from.clone(), to: to.clone(), matrix })
        };
        let ridge = best(numbers.penalties.iter().map(regression), chosen)?;
        let ridge_is_better = ridge.error(chosen) < principal.error(chosen);
        Ok(Self { principal, ridge, ridge_is_better })
    }

    /// The better one.
    pub(super) fn better(&self) -> &Linear {
        if self.ridge_is_better { &self.ridge } else { &self.principal }
    }
}

/// Points as rows.
pub(super) fn rows<'a>(points: impl ExactSizeIterator<Item = &'a Array1<f64>> + Clone) -> Result<Array2<f64>> {
    let [count, n] = [points.len(), points.clone().next().map_or(0, Array1::len)];
    let values = points.flat_map(|point| point.iter().copied()).collect();
    Array2::from_shape_vec((count, n), values).map_err(|error| Error::shape("rows", error))
}

fn mean_of(rows: &Array2<f64>) -> Result<Array1<f64>> {
    rows.mean_axis(Axis(0)).ok_or_else(|| Error::argument("no pictures to fit a linear map to"))
}

/// The first principal components of pictures in rows, by the power method for a subspace.
fn principal_directions(pictures: &Array2<f64>, numbers: &LinearNumbers, seed: u64) -> Result<Array2<f64>> {
    let centred = pictures - &mean_of(pictures)?;
    let covariance = centred.t().dot(&centred);
    let most = numbers.components.iter().copied().max().unwrap_or(1);
    let mut stream = Stream::new(seed, Purpose::Theory, NUMBER, u32::MAX);
    let mut basis = orthonormal_basis(&gaussian_matrix(&mut stream, covariance.nrows(), most));
    for _ in 0..ITERATIONS {
        basis = orthonormal_basis(&covariance.dot(&basis));
    }
    Ok(basis)
}

fn with_diagonal(matrix: &ArrayRef2<f64>, value: f64) -> Array2<f64> {
    let mut sum = matrix.to_owned();
    sum.diag_mut().iter_mut().for_each(|entry| *entry += value);
    sum
}

/// The map with the least error.
fn best(maps: impl Iterator<Item = Result<Linear>>, chosen: &Pairs) -> Result<Linear> {
    let with_error = maps.map(|map| map.map(|map| (map.error(chosen), map))).collect::<Result<Vec<_>>>()?;
    let least = with_error.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    least.map(|(_, map)| map).ok_or_else(|| Error::argument("no linear map to choose from"))
}
