//! What the constructors have in common.

use crate::error::{Error, Result};

/// Most values of a basis or a matrix, 512 MiB: an error rather than a machine without memory.
const MOST_VALUES: usize = 1 << 26;

/// `value`, if it is a length: finite and above 0.
///
/// # Errors
/// It is not; the sentence begins with `what`, e.g. `torus: the minor radius`.
pub(super) fn length(what: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(Error::argument(format!("{what} must be a finite number above 0, got {value}")))
}

/// `rows * columns`, if matrices of that size fit into memory.
///
/// # Errors
/// They do not.
pub(super) fn size(what: &str, rows: usize, columns: usize) -> Result<usize> {
    match rows.checked_mul(columns) {
        Some(values) if values <= MOST_VALUES => Ok(values),
        _ => Err(Error::argument(format!("{what}: {rows} x {columns} values are too many, at most {MOST_VALUES} are possible"))),
    }
}
