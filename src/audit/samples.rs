use std::ops::Range;

use ndarray::{Array2, Axis};

use crate::error::{Error, Result};

/// An interval over fewer images than this would say nothing.
pub const MIN_IMAGES: usize = 5;

/// The corrupted copies of these numbers of the image of this number, as their differences e = x̂ - x `[count, n]`.
pub type Errors<'a> = dyn Fn(usize, Range<usize>) -> Result<Array2<f64>> + 'a;

/// Normal images with corrupted copies, as points of Rⁿ, one per row.
pub struct Samples<'a> {
    /// x `[m, n]`.
    pub images: Array2<f64>,
    /// x̂ `[m, n]`.
    pub corrupted: Array2<f64>,
    /// The corrupted region S `[m, n]`; outside it x̂ = x.
    pub region: Array2<bool>,
    /// Further normal images `[N, n]`, for dimension, tangents and baselines.
    pub reference: Array2<f64>,
    /// Corrupted copies of `reference` `[N, n]`, for the baseline that restores linearly.
    pub corrupted_reference: Array2<f64>,
    /// More corrupted copies of the images, for the second moment of the corruption.
    pub errors: Box<Errors<'a>>,
}

impl Samples<'_> {
    /// m.
    pub fn count(&self) -> usize {
        self.images.nrows()
    }

    /// n.
    pub fn ambient(&self) -> usize {
        self.images.ncols()
    }

    /// Checks that everything fits together.
    ///
    /// # Errors
    /// Fewer than [`MIN_IMAGES`] images; arrays of other sizes; a value that is not finite.
    pub fn validate(&self) -> Result<()> {
        let count = self.count();
        if count < MIN_IMAGES {
            return Err(Error::argument(format!("an audit needs at least {MIN_IMAGES} images for its intervals, got {count}")));
        }
        let n = self.ambient();
        let same = [self.corrupted.dim(), self.region.dim()] == [self.images.dim(); 2];
        if !same || self.reference.ncols() != n || self.corrupted_reference.dim() != self.reference.dim() {
            return Err(Error::shape("audit", format!("images have {n} values; the other arrays have another shape")));
        }
        for array in [&self.images, &self.corrupted, &self.reference, &self.corrupted_reference] {
            if let Some(index) = array.axis_iter(Axis(0)).position(|row| row.iter().any(|value| !value.is_finite())) {
                return Err(Error::argument(format!("audit: image {index} has values that are not finite")));
            }
        }
        Ok(())
    }
}
