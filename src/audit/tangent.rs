use ndarray::{Array2, ArrayRef2};

use super::dimension::Tangents;
use super::estimate::Finding;
use super::samples::Samples;
use crate::error::Result;
use crate::theory::algebra::{solve, svd};

/// Up to this many values of a point the second moment of the corruption is estimated: from 2n corrupted copies of each image.
const MAX_MOMENT: usize = 1024;

/// For each image the B = C⁻¹T(TᵀC⁻¹T)⁻¹ `[n, d]` of Theorem A's projector `T Bᵀ`, C the second moment of the corruption at this image; or
/// why there is none.
pub(super) struct Projectors(pub std::result::Result<Vec<Array2<f64>>, String>);

impl Projectors {
    /// # Errors
    /// An image cannot be corrupted.
    pub fn estimate(samples: &Samples<'_>, tangents: &Tangents) -> Result<Self> {
        let n = samples.ambient();
        if let Finding::Undetermined(why) = &tangents.dimension {
            return Ok(Self(Err(why.clone())));
        }
        if n > MAX_MOMENT {
            let why =
                format!("the second moment of the corruption has {n} x {n} entries; it is estimated up to n = {MAX_MOMENT}");
            return Ok(Self(Err(why)));
        }
        let copies = 2 * n;
        let mut all = Vec::with_capacity(samples.count());
        for (index, basis) in tangents.bases.iter().enumerate() {
            match along(basis, &(samples.errors)(index, copies)?) {
                Ok(along) => all.push(along),
                Err(_) => return Ok(Self(Err(format!("the second moment of {copies} corrupted copies is singular")))),
            }
        }
        Ok(Self(Ok(all)))
    }
}

/// B for the tangent basis T and the rows e of `errors` `[count, n]`.
fn along(tangents: &Array2<f64>, errors: &Array2<f64>) -> Result<Array2<f64>> {
    let moment = errors.t().dot(errors) / errors.nrows() as f64;
    let solved = solve(&moment, tangents)?;
    let inner = tangents.t().dot(&solved);
    Ok(solve(&inner.t(), &solved.t())?.t().to_owned())
}

/// Mean of the principal angles in degrees between the spans of the orthonormal columns of `a` and `b`, both `[n, d]`.
pub(super) fn mean_angle(a: &ArrayRef2<f64>, b: &ArrayRef2<f64>) -> f64 {
    let cosines = svd(&a.t().dot(b)).values;
    cosines.iter().map(|cosine| cosine.clamp(0.0, 1.0).acos().to_degrees()).sum::<f64>() / cosines.len().max(1) as f64
}
