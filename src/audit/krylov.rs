use ndarray::{Array1, Array2, Axis, concatenate, s};

use super::map::Map;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::theory::algebra::{gaussian_matrix, norm, orthonormal_basis, symmetric_eigen};

/// Directions of a block beyond those wanted, so that the last wanted value converges too.
const SPARE: usize = 2;
/// Most blocks of the Krylov space: V, JᵀJ V, (JᵀJ)² V.
const MAX_BLOCKS: usize = 3;
/// A direction that keeps less than this share of its length adds nothing: the products of networks are in f32.
const DEPENDENT: f64 = 1e-9;
/// A value that the last block has changed by less than this share has converged.
const CONVERGED: f64 = 0.005;

/// Leading singular values of a Jacobian and the directions that it maps them to.
#[derive(Clone, Debug)]
pub struct Leading {
    /// In descending order `[k]`.
    pub values: Array1<f64>,
    /// Whether each value has converged; else it is a lower bound.
    pub has_converged: Vec<bool>,
    /// Left singular vectors as columns `[n, k]`, orthonormal; fewer if J has a smaller rank.
    pub left: Array2<f64>,
}

/// The `count` leading singular values of the Jacobian of `map` at `x`, by block Lanczos with full orthogonalisation (Golub, Luk, Overton
/// 1981). They are those of J on a Krylov space, so never above the true ones. The space grows until no value changes by more than 0.5 %, or to
/// three blocks. `index` numbers the random first block. None if the map has no vector-Jacobian products.
///
/// # Errors
/// Errors of the map; a `count` of 0 or above n.
pub fn leading(map: &mut dyn Map, x: &Array1<f64>, count: usize, seed: u64, index: u32) -> Result<Option<Leading>> {
    let n = x.len();
    if count == 0 || count > n {
        return Err(Error::argument(format!("{count} singular values of a map of {n} values")));
    }
    let mut stream = Stream::new(seed, Purpose::Theory, u32::MAX - 2, index);
    let mut basis = orthonormal_basis(&gaussian_matrix(&mut stream, n, (count + SPARE).min(n)));
    let mut images = map.jvp(x, &basis.t())?;
    let mut newest = images.clone();
    let mut found = on_space(&images, count, None)?;
    for _ in 1..MAX_BLOCKS {
        let Some(pulled) = map.vjp(x, &newest)? else { return Ok(None) };
        let block = new_directions(&basis, pulled.t().to_owned());
        if block.ncols() == 0 {
            // The space is invariant, so the values are exact.
            found.has_converged.fill(true);
            break;
        }
        newest = map.jvp(x, &block.t())?;
        basis = joined(Axis(1), &basis, &block)?;
        images = joined(Axis(0), &images, &newest)?;
        found = on_space(&images, count, Some(&found.values))?;
        if found.has_converged.iter().all(|&has| has) {
            break;
        }
    }
    Ok(Some(found))
}

/// An orthonormal basis of what the columns of `candidates` add to the span of the orthonormal columns of `basis`. Twice is enough (Kahan).
fn new_directions(basis: &Array2<f64>, candidates: Array2<f64>) -> Array2<f64> {
    let before: Vec<f64> = candidates.columns().into_iter().map(|column| norm(&column)).collect();
    let rest = (0..2).fold(candidates, |rest, _| &rest - &basis.dot(&basis.t().dot(&rest)));
    let is_new = |&column: &usize| norm(&rest.column(column)) > DEPENDENT * before[column];
    let kept: Vec<usize> = (0..before.len()).filter(is_new).collect();
    orthonormal_basis(&rest.select(Axis(1), &kept))
}

/// The leading singular values of the matrix whose rows are the images of an orthonormal basis, compared with earlier ones.
fn on_space(images: &Array2<f64>, count: usize, before: Option<&Array1<f64>>) -> Result<Leading> {
    let eigen = symmetric_eigen(&images.dot(&images.t()))?;
    let values = eigen.values.slice(s![..count.min(eigen.values.len())]).mapv(|value| value.max(0.0).sqrt());
    let scale = values.first().copied().unwrap_or(0.0);
    // Values near 0 are compared with the largest.
    let is_near = |(place, &value): (usize, &f64)| {
        before.is_some_and(|before| value - before[place] <= CONVERGED * value.max(CONVERGED * scale))
    };
    let rank = values.iter().filter(|&&value| value > 1e-6 * scale).count();
    let left = orthonormal_basis(&images.t().dot(&eigen.vectors.slice(s![.., ..rank])));
    Ok(Leading { has_converged: values.iter().enumerate().map(is_near).collect(), values, left })
}

fn joined(axis: Axis, a: &Array2<f64>, b: &Array2<f64>) -> Result<Array2<f64>> {
    concatenate(axis, &[a.view(), b.view()]).map_err(|error| Error::shape("krylov", error))
}
