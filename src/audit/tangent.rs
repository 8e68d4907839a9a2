use ndarray::{Array2, ArrayRef2};

use super::dimension::Tangents;
use super::samples::Samples;
use crate::error::{Error, Result};
use crate::theory::algebra::{norm, solve, svd};

/// Up to this many values of a point, 16 x 16 pixels, the second moment of the corruption is estimated.
const MAX_MOMENT: usize = 768;
/// Corrupted copies of each image for each of its values.
const COPIES_PER_VALUE: usize = 40;
/// Copies that are in memory at a time.
const TOGETHER: usize = 1024;
/// Error of an estimated projector, Frobenius norm over √d, that is still told as a distance.
const MAX_ERROR: f64 = 0.25;

/// For each image the B = C⁻¹T(TᵀC⁻¹T)⁻¹ `[n, d]` of Theorem A's projector `T Bᵀ`, C the second moment of the corruption at this
/// image; or why there is none.
pub(super) struct Projectors(pub std::result::Result<Vec<Array2<f64>>, String>);

impl Projectors {
    /// From 40 n corrupted copies of each image. What half of them give tells the error.
    ///
    /// # Errors
    /// An image cannot be corrupted.
    pub fn estimate(samples: &Samples<'_>, tangents: &Tangents) -> Result<Self> {
        let n = samples.ambient();
        if let Some(why) = tangents.dimension.why() {
            return Ok(Self(Err(why.to_owned())));
        }
        if n > MAX_MOMENT {
            let why =
                format!("the second moment of the corruption has {n} x {n} entries; it is estimated up to n = {MAX_MOMENT}");
            return Ok(Self(Err(why)));
        }
        let (mut all, mut squared) = (Vec::with_capacity(samples.count()), 0.0);
        for (index, basis) in tangents.bases.iter().enumerate() {
            let [a, b] = [0, 1].map(|half| moment(samples, index, half));
            let (a, b) = (a?, b?);
            let projectors = [&a, &b, &(0.5 * (&a + &b))].map(|moment| along(basis, moment));
            let [Ok(first), Ok(second), Ok(both)] = projectors else {
                return Ok(Self(Err(format!("the second moment of {} corrupted copies is singular", COPIES_PER_VALUE * n))));
            };
            // The halves are independent, so the error of their mean is half of their difference.
            squared += (0.5 * norm(&(&first - &second))).powi(2) / basis.ncols() as f64;
            all.push(both);
        }
        let error = (squared / samples.count().max(1) as f64).sqrt();
        if error > MAX_ERROR {
            let copies = COPIES_PER_VALUE * n;
            return Ok(Self(Err(format!("two halves of {copies} corrupted copies disagree by {error:.1} √d"))));
        }
        Ok(Self(Ok(all)))
    }
}

/// C from one half of the copies.
fn moment(samples: &Samples<'_>, index: usize, half: usize) -> Result<Array2<f64>> {
    let n = samples.ambient();
    let count = COPIES_PER_VALUE * n / 2;
    let mut moment = Array2::zeros((n, n));
    for start in (0..count).step_by(TOGETHER) {
        let end = (start + TOGETHER).min(count);
        let errors = (samples.errors)(index, half * count + start..half * count + end)?;
        if errors.dim() != (end - start, n) {
            return Err(Error::shape("audit", format!("{} copies of {n} values, got {:?}", end - start, errors.dim())));
        }
        moment += &errors.t().dot(&errors);
    }
    Ok(moment / count as f64)
}

/// B for the tangent basis T and the second moment C.
fn along(tangents: &Array2<f64>, moment: &Array2<f64>) -> Result<Array2<f64>> {
    let solved = solve(moment, tangents)?;
    let inner = tangents.t().dot(&solved);
    Ok(solve(&inner.t(), &solved.t())?.t().to_owned())
}

/// Mean of the principal angles in degrees between the spans of the orthonormal columns of `a` and `b`, both `[n, d]`.
pub(super) fn mean_angle(a: &ArrayRef2<f64>, b: &ArrayRef2<f64>) -> f64 {
    let cosines = svd(&a.t().dot(b)).values;
    cosines.iter().map(|cosine| cosine.clamp(0.0, 1.0).acos().to_degrees()).sum::<f64>() / cosines.len().max(1) as f64
}
