use ndarray::{Array1, Array2};

use crate::backend::Real;
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::shape::Shape;
use crate::tape::{Tape, Tensor, Var};
use crate::theory::algebra::from_columns;

/// The Jacobian `[m, n]` of `map` at `y` `[n]` by central differences with `step`.
///
/// # Errors
/// Errors of `map`; values of `map` with different lengths; a step that is 0 or not finite.
pub fn central_differences(y: &Array1<f64>, step: f64, map: impl Fn(&Array1<f64>) -> Result<Array1<f64>>) -> Result<Array2<f64>> {
    if step == 0.0 || !step.is_finite() {
        return Err(Error::argument(format!("central differences need a finite step that is not 0, got {step}")));
    }
    let rows = map(y)?.len();
    let moved = |axis: usize, by: f64| {
        let mut point = y.clone();
        point[axis] += by;
        map(&point)
    };
    let column = |axis| {
        let (above, below) = (moved(axis, step)?, moved(axis, -step)?);
        if above.len() != rows || below.len() != rows {
            return Err(Error::argument("central differences of a map whose values have different lengths"));
        }
        Ok((above - below) / (2.0 * step))
    };
    Ok(from_columns(rows, &(0..y.len()).map(column).collect::<Result<Vec<_>>>()?))
}

/// The exact Jacobian of `y = f(x)` in each row of a batch, by one tangent for each of the n input values: x `[N, n]`,
/// y `[N, m]`, N matrices `[m, n]`.
///
/// # Errors
/// Shapes that are not `[N, n]` and `[N, m]`; y does not depend on x; the device failed.
pub fn jacobians<B: Backend>(tape: &mut Tape<B>, x: Var, y: Var) -> Result<Vec<Array2<f64>>> {
    let (&[count, n], &[rows, m]) = (tape.shape(x).dims(), tape.shape(y).dims()) else {
        return Err(Error::shape("jacobians", format!("needs [N, n] and [N, m], got {} and {}", tape.shape(x), tape.shape(y))));
    };
    if rows != count {
        return Err(Error::shape("jacobians", format!("{count} inputs and {rows} outputs")));
    }
    let mut columns = Vec::with_capacity(n);
    for axis in 0..n {
        let direction = along_axis(tape, tape.shape(x), axis)?;
        let tangent = tape.tangent(y, &[(x, direction)])?;
        columns.push(tape.host(tangent)?);
    }
    let matrix = |sample: usize| Array2::from_shape_fn((m, n), |(row, column)| columns[column][sample * m + row].f64());
    Ok((0..count).map(matrix).collect())
}

/// A constant `[N, n]` whose rows are all the unit vector of `axis`.
pub(super) fn along_axis<B: Backend>(tape: &mut Tape<B>, shape: Shape, axis: usize) -> Result<Var> {
    let n = shape.channels();
    let values: Vec<f64> = (0..shape.len()).map(|index| f64::from(u8::from(index % n == axis))).collect();
    Ok(tape.constant(Tensor::from_f64(tape.backend(), shape, &values)?))
}
