use ndarray::{Array1, Array2, ArrayRef2, Axis};

use crate::error::{Error, Result};
use crate::theory::algebra::norm;

/// How far central differences move a point, as the root mean square over its values. Large enough for programs that compute in
/// f32, small enough that an image with values from 0 to 1 stays nearly the same.
pub const DIFFERENCE_STEP: f64 = 2e-3;

/// A map f from Rⁿ to Rⁿ. Points and directions are rows.
pub trait Map {
    /// f of each row of `points` `[N, n]`.
    ///
    /// # Errors
    /// Points that do not fit; values that are not finite; the map cannot be evaluated.
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>>;

    /// J v for each row v of `directions` `[K, n]`, J the Jacobian of f at `x` `[n]`. By central differences, unless a map knows
    /// better.
    ///
    /// # Errors
    /// As [`Map::apply`].
    fn jvp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        differences(self, x, directions, DIFFERENCE_STEP)
    }

    /// Jᵀ u for each row u of `directions` `[K, n]`. None if the map does not offer it: differences would take n evaluations.
    ///
    /// # Errors
    /// As [`Map::apply`].
    fn vjp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
        let _ = (x, directions);
        Ok(None)
    }

    /// Whether [`Map::jvp`] computes derivatives. Those by differences are tested before they are told.
    fn has_jvp(&self) -> bool {
        false
    }
}

/// J v by central differences of f that move x by `step`, root mean square.
pub(super) fn differences(
    map: &mut (impl Map + ?Sized),
    x: &Array1<f64>,
    directions: &ArrayRef2<f64>,
    step: f64,
) -> Result<Array2<f64>> {
    let length = step * (x.len().max(1) as f64).sqrt();
    let steps: Vec<f64> = directions.rows().into_iter().map(|v| length / nonzero(norm(&v))).collect();
    let mut moved = |sign: f64| {
        let mut points = directions.to_owned();
        points.rows_mut().into_iter().zip(&steps).for_each(|(mut v, &step)| v.mapv_inplace(|value| sign * step * value));
        map.apply(&(points + x))
    };
    let mut difference = moved(1.0)? - moved(-1.0)?;
    difference.rows_mut().into_iter().zip(&steps).for_each(|(mut row, &step)| row /= 2.0 * step);
    Ok(difference)
}

/// 1 instead of 0, so that the zero direction has derivative 0.
fn nonzero(length: f64) -> f64 {
    if length > 0.0 { length } else { 1.0 }
}

/// A map whose answers are checked: for their shape, and for values that are not finite.
pub(super) struct Checked<'a>(pub &'a mut dyn Map);

impl Map for Checked<'_> {
    fn apply(&mut self, points: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.0.apply(points).and_then(|values| checked("f(x)", values, points.dim()))
    }

    fn jvp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Array2<f64>> {
        self.0.jvp(x, directions).and_then(|values| checked("J v", values, directions.dim()))
    }

    fn vjp(&mut self, x: &Array1<f64>, directions: &ArrayRef2<f64>) -> Result<Option<Array2<f64>>> {
        let values = self.0.vjp(x, directions)?;
        values.map(|values| checked("Jᵀ u", values, directions.dim())).transpose()
    }

    fn has_jvp(&self) -> bool {
        self.0.has_jvp()
    }
}

/// The values of a map for points of shape `wanted`, checked.
///
/// # Errors
/// Another shape; a value that is not finite, with the number of its point.
pub(super) fn checked(what: &str, values: Array2<f64>, wanted: (usize, usize)) -> Result<Array2<f64>> {
    if values.dim() != wanted {
        let (n, got) = (wanted, values.dim());
        return Err(Error::argument(format!("{what} must be {} points of {} values, got {} of {}", n.0, n.1, got.0, got.1)));
    }
    let is_bad = |row: &ndarray::ArrayView1<'_, f64>| row.iter().any(|value| !value.is_finite());
    match values.axis_iter(Axis(0)).position(|row| is_bad(&row)) {
        Some(index) => Err(Error::argument(format!("{what} of image {index} has values that are not finite"))),
        None => Ok(values),
    }
}
