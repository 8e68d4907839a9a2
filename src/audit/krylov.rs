use ndarray::{Array1, Array2, Axis, concatenate, s};

use super::map::Map;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::theory::algebra::{gaussian_matrix, norm, orthonormal_basis, symmetric_eigen};

/// Directions of a block beyond those wanted, so that the last wanted value converges too.
const SPARE: usize = 2;
/// Most blocks of the Krylov space: V, JᵀJ V, (JᵀJ)² V and so on.
const MAX_BLOCKS: usize = 24;
/// A direction that keeps less than this share of its length adds nothing: the products of networks are in f32.
const DEPENDENT: f64 = 1e-9;
/// A value that is expected to grow by less than this share has converged.
const CONVERGED: f64 = 0.005;
/// Growth below this share is rounding: the products of networks are in f32.
const ROUNDING: f64 = 1e-6;

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

/// The `count` leading singular values of the Jacobian of `map` at `x`, by block Lanczos with full orthogonalisation (Golub, Luk,
/// Overton 1981). They are those of J on a Krylov space, so never above the true ones. The space grows until no value is expected
/// to grow by more than 0.5 %, if growth goes on to shrink as it did with the last block, or to 24 blocks. `index` numbers the
/// random first block. None if the map has no vector-Jacobian products.
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
    let mut found = on_space(&images, count)?;
    let mut growth = Array1::zeros(count);
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
        let grown = on_space(&images, count)?;
        let change = &grown.values - &found.values;
        found = Leading { has_converged: converged(&grown.values, &growth, &change), ..grown };
        growth = change;
        if found.has_converged.iter().all(|&has| has) {
            break;
        }
    }
    Ok(Some(found))
}

/// An orthonormal basis of what the columns of `candidates` add to the span of the orthonormal columns of `basis`. Twice is
/// enough (Kahan).
fn new_directions(basis: &Array2<f64>, candidates: Array2<f64>) -> Array2<f64> {
    let before: Vec<f64> = candidates.columns().into_iter().map(|column| norm(&column)).collect();
    let rest = (0..2).fold(candidates, |rest, _| &rest - &basis.dot(&basis.t().dot(&rest)));
    let is_new = |&column: &usize| norm(&rest.column(column)) > DEPENDENT * before[column];
    let kept: Vec<usize> = (0..before.len()).filter(is_new).collect();
    orthonormal_basis(&rest.select(Axis(1), &kept))
}

/// Whether each value will grow by less than [`CONVERGED`], from its growth with the last block but one and with the last: if
/// that shrinks by a constant factor q from block to block, what is left is q/(1-q) times the last (Aitken).
fn converged(values: &Array1<f64>, before: &Array1<f64>, last: &Array1<f64>) -> Vec<bool> {
    let scale = values.first().copied().unwrap_or(0.0);
    let is_near = |(&value, (&before, &last)): (&f64, (&f64, &f64))| {
        // Values near 0 are compared with the largest.
        let allowed = CONVERGED * value.max(CONVERGED * scale);
        last <= ROUNDING * scale || (last < before && last * last / (before - last) <= allowed && last <= allowed)
    };
    values.iter().zip(before.iter().zip(last)).map(is_near).collect()
}

/// The leading singular values of the matrix whose rows are the images of an orthonormal basis, none of them converged.
fn on_space(images: &Array2<f64>, count: usize) -> Result<Leading> {
    let eigen = symmetric_eigen(&images.dot(&images.t()))?;
    let values = eigen.values.slice(s![..count.min(eigen.values.len())]).mapv(|value| value.max(0.0).sqrt());
    let scale = values.first().copied().unwrap_or(0.0);
    let rank = values.iter().filter(|&&value| value > 1e-6 * scale).count();
    let left = orthonormal_basis(&images.t().dot(&eigen.vectors.slice(s![.., ..rank])));
    Ok(Leading { has_converged: vec![false; values.len()], values, left })
}

fn joined(axis: Axis, a: &Array2<f64>, b: &Array2<f64>) -> Result<Array2<f64>> {
    concatenate(axis, &[a.view(), b.view()]).map_err(|error| Error::shape("krylov", error))
}
