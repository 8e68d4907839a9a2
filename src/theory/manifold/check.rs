//! Argument checks that constructors share.

use ndarray::{Array1, Array2};

use super::check_vector;
use crate::error::{Error, Result};

/// Maximum size of a basis or matrix (512 MiB), so that a mistake is an error and does not exhaust the memory.
const MAX_VALUES: usize = 1 << 26;

/// `value`, if it is a valid length: finite and above 0.
///
/// # Errors
/// It is not; the message begins with `what`, e.g. `torus: the minor radius`.
pub(super) fn length(what: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(Error::argument(format!("{what} must be a finite number above 0, got {value}")))
}

/// `rows * columns`, if a matrix of that size is allowed.
///
/// # Errors
/// It is too large.
pub(super) fn size(what: &str, rows: usize, columns: usize) -> Result<usize> {
    match rows.checked_mul(columns) {
        Some(values) if values <= MAX_VALUES => Ok(values),
        _ => Err(Error::argument(format!("{what}: {rows} x {columns} values are too many, at most {MAX_VALUES} are possible"))),
    }
}

/// `y` `[rows columns]` as a matrix, row by row.
///
/// # Errors
/// As [`check_vector`].
pub(super) fn matrix(name: &str, rows: usize, columns: usize, y: &Array1<f64>) -> Result<Array2<f64>> {
    check_vector(name, rows * columns, y)?;
    Ok(Array2::from_shape_fn((rows, columns), |(row, column)| y[row * columns + column]))
}
