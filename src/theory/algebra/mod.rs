//! Small dense linear algebra in f64 on `ndarray` arrays: what the manifolds and claims need, plain and deterministic.

mod eigen;
mod orthonormal;
mod solve;
mod svd;

use ndarray::{Array, Array1, Array2, ArrayRef, ArrayRef2, Dimension};

pub use eigen::{SymmetricEigen, symmetric_eigen};
pub use orthonormal::{complement, orthonormal_basis};
pub use solve::solve;
pub use svd::{Svd, svd};

use super::statistics::larger;
use crate::error::{Error, Result};
use crate::rng::Stream;

/// Square root of the sum of squares: `‖a‖` of a vector, `‖A‖_F` of a matrix. Scaled so that nothing overflows or underflows; NaN
/// if an element is NaN.
pub fn norm<D: Dimension>(a: &ArrayRef<f64, D>) -> f64 {
    let largest = a.iter().map(|value| value.abs()).fold(0.0, larger);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * a.iter().map(|value| (value / largest).powi(2)).sum::<f64>().sqrt()
}

/// `‖a‖²` as the plain sum of squares.
pub fn square_norm<D: Dimension>(a: &ArrayRef<f64, D>) -> f64 {
    a.iter().map(|value| value * value).sum()
}

/// `a / ‖a‖`; None for the zero vector and for one that is not finite.
pub fn normalised(a: &Array1<f64>) -> Option<Array1<f64>> {
    let length = norm(a);
    (length > 0.0 && length.is_finite()).then(|| a / length)
}

/// `Q Qᵀ`, the orthogonal projector onto the span of the orthonormal columns of `q`.
pub fn projector(q: &Array2<f64>) -> Array2<f64> {
    q.dot(&q.t())
}

/// `(1-share) a + share b`.
pub(super) fn blend<D: Dimension>(a: &ArrayRef<f64, D>, b: &ArrayRef<f64, D>, share: f64) -> Array<f64, D> {
    let mut mixed = a.to_owned() * (1.0 - share);
    mixed.scaled_add(share, b);
    mixed
}

/// A vector of `n` independent standard normal values.
pub fn gaussian_vector(stream: &mut Stream, n: usize) -> Array1<f64> {
    stream.normals(n).into()
}

/// A unit vector in a uniformly random direction of Rⁿ.
///
/// # Errors
/// All `n` normal values are 0.
pub(super) fn random_direction(stream: &mut Stream, n: usize) -> Result<Array1<f64>> {
    normalised(&gaussian_vector(stream, n)).ok_or_else(|| Error::argument("a random direction has length 0"))
}

/// A matrix of independent standard normal values, drawn in row-major order.
pub fn gaussian_matrix(stream: &mut Stream, rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_simple_fn((rows, columns), || stream.normal())
}

/// The matrix with these columns, each of `rows` values; values beyond that are left out.
pub(super) fn from_columns(rows: usize, columns: &[Array1<f64>]) -> Array2<f64> {
    let mut matrix = Array2::zeros((rows, columns.len()));
    for (mut target, column) in matrix.columns_mut().into_iter().zip(columns) {
        target.iter_mut().zip(column).for_each(|(target, value)| *target = *value);
    }
    matrix
}

/// All columns of a matrix.
pub(super) fn columns(a: &ArrayRef2<f64>) -> Vec<Array1<f64>> {
    a.columns().into_iter().map(|column| column.to_owned()).collect()
}

/// n of an n x n matrix.
///
/// # Errors
/// The matrix is not square; the sentence begins with `op`.
fn side(op: &'static str, a: &ArrayRef2<f64>) -> Result<usize> {
    let (rows, columns) = a.dim();
    if rows == columns { Ok(rows) } else { Err(Error::shape(op, format!("needs a square matrix, got {rows} x {columns}"))) }
}

/// The largest absolute value of `values`.
pub(in crate::theory) fn largest_size<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().fold(0.0, |largest, value| f64::max(largest, value.abs()))
}
