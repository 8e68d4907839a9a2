use ndarray::{Array1, Array2, Axis, concatenate, s};

use super::map::Map;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::theory::algebra::{gaussian_matrix, orthonormal_basis, symmetric_eigen};

/// Directions of a block beyond those wanted, so that the last wanted value converges too.
const SPARE: usize = 2;
/// Blocks of the Krylov space: V, JᵀJ V, (JᵀJ)² V.
const BLOCKS: usize = 3;

/// Leading singular values of a Jacobian and the directions that it maps them to.
#[derive(Clone, Debug)]
pub struct Leading {
    /// In descending order `[k]`.
    pub values: Array1<f64>,
    /// Left singular vectors as columns `[n, k]`, orthonormal.
    pub left: Array2<f64>,
}

/// The `count` leading singular values of the Jacobian of `map` at `x`, by block Lanczos with full orthogonalisation (Golub, Luk, Overton
/// 1981). They are those of J on a Krylov space, so never above the true ones. None if the map has no vector-Jacobian products.
///
/// # Errors
/// Errors of the map; a `count` of 0 or above n.
pub fn leading(map: &mut dyn Map, x: &Array1<f64>, count: usize, seed: u64) -> Result<Option<Leading>> {
    let n = x.len();
    if count == 0 || count > n {
        return Err(Error::argument(format!("{count} singular values of a map of {n} values")));
    }
    let mut stream = Stream::new(seed, Purpose::Theory, u32::MAX, 1);
    let mut block = orthonormal_basis(&gaussian_matrix(&mut stream, n, (count + SPARE).min(n)));
    let mut basis = block.clone();
    let mut images = map.jvp(x, &block.t())?;
    let mut newest = images.clone();
    for _ in 1..BLOCKS {
        let Some(pulled) = map.vjp(x, &newest)? else { return Ok(None) };
        let known = basis.ncols();
        basis = orthonormal_basis(&joined(Axis(1), &basis, &pulled.t().to_owned())?);
        block = basis.slice(s![.., known..]).to_owned();
        if block.ncols() == 0 {
            break;
        }
        newest = map.jvp(x, &block.t())?;
        images = joined(Axis(0), &images, &newest)?;
    }
    let eigen = symmetric_eigen(&images.dot(&images.t()))?;
    let values = eigen.values.slice(s![..count.min(eigen.values.len())]).mapv(|value| value.max(0.0).sqrt());
    let left = orthonormal_basis(&images.t().dot(&eigen.vectors.slice(s![.., ..values.len()])));
    Ok(Some(Leading { values, left }))
}

fn joined(axis: Axis, a: &Array2<f64>, b: &Array2<f64>) -> Result<Array2<f64>> {
    concatenate(axis, &[a.view(), b.view()]).map_err(|error| Error::shape("krylov", error))
}
