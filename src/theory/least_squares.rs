//! The best Jacobian on D for a small structured corruption: the projector of generalised least squares (Theorem A of
//! `paper/theory.md`).

use ndarray::{Array1, Array2, ArrayRef2};

use super::algebra::solve;
use crate::error::Result;

/// `J_C = T(TᵀC⁻¹T)⁻¹TᵀC⁻¹` for a positive definite second moment C of the corruption and a tangent space T: the oblique
/// projector onto T along C N. Among the matrices J with `J P_T = P_T` it has the least `tr J C Jᵀ` (Aitken 1936).
#[derive(Clone, Debug)]
pub struct LeastSquaresProjector {
    /// T `[n, d]`.
    onto: Array2<f64>,
    /// `C⁻¹T(TᵀC⁻¹T)⁻¹` `[n, d]`.
    along: Array2<f64>,
    /// `(TᵀC⁻¹T)⁻¹` `[d, d]`.
    error: Array2<f64>,
}

impl LeastSquaresProjector {
    /// For the columns of `basis` `[n, d]`, which must be orthonormal, and C `[n, n]`. Takes O(n³) operations.
    ///
    /// # Errors
    /// C is not square or singular; the basis has another number of rows.
    pub fn new(basis: &ArrayRef2<f64>, c: &ArrayRef2<f64>) -> Result<Self> {
        Self::from_precision(basis, &solve(c, &Array2::eye(c.nrows()))?)
    }

    /// The same for C⁻¹ in place of C. Takes O(n²d) operations.
    ///
    /// # Errors
    /// As [`LeastSquaresProjector::new`].
    pub fn from_precision(basis: &ArrayRef2<f64>, precision: &Array2<f64>) -> Result<Self> {
        let whitened = precision.dot(basis);
        let error = solve(&basis.t().dot(&whitened), &Array2::eye(basis.ncols()))?;
        Ok(Self { onto: basis.to_owned(), along: whitened.dot(&error), error })
    }

    /// `J_C v`.
    pub fn apply(&self, v: &Array1<f64>) -> Array1<f64> {
        self.onto.dot(&self.along.t().dot(v))
    }

    /// J_C `[n, n]`.
    pub fn matrix(&self) -> Array2<f64> {
        self.onto.dot(&self.along.t())
    }

    /// `tr J_C C J_Cᵀ = tr (TᵀC⁻¹T)⁻¹`, the least value.
    pub fn least_error(&self) -> f64 {
        self.error.diag().sum()
    }

    /// The part of coordinate i in it, the diagonal entry i of `T(TᵀC⁻¹T)⁻¹Tᵀ`.
    pub(super) fn least_error_of(&self, i: usize) -> f64 {
        let row = self.onto.row(i);
        row.dot(&self.error.dot(&row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use crate::theory::algebra::{complement, gaussian_matrix, norm, orthonormal_basis, projector};

    #[test]
    fn it_is_a_projector_onto_the_tangent_space_along_the_image_of_the_normal_space() {
        let stream = &mut Stream::new(1, Purpose::Test, 12, 0);
        let (basis, root) = (orthonormal_basis(&gaussian_matrix(stream, 7, 2)), gaussian_matrix(stream, 7, 7));
        let c = root.dot(&root.t());
        let best = LeastSquaresProjector::new(&basis, &c).unwrap();
        let j = best.matrix();
        assert!(norm(&(j.dot(&j) - &j)) < 1e-10 && norm(&(j.dot(&basis) - &basis)) < 1e-10);
        assert!(norm(&j.dot(&c).dot(&complement(&basis))) < 1e-9);
        let value = |j: &Array2<f64>| j.dot(&c).dot(&j.t()).diag().sum();
        assert!((value(&j) - best.least_error()).abs() < 1e-10);
        let other = &j + 0.1 * gaussian_matrix(stream, 7, 7).dot(&(Array2::eye(7) - projector(&basis)));
        assert!(value(&other) > value(&j) + 1e-3);
        assert!(((0..7).map(|i| best.least_error_of(i)).sum::<f64>() - best.least_error()).abs() < 1e-10);
        let v = gaussian_matrix(stream, 7, 1).column(0).to_owned();
        assert!(norm(&(best.apply(&v) - j.dot(&v))) < 1e-12);
        let even = LeastSquaresProjector::new(&basis, &Array2::eye(7)).unwrap().matrix();
        assert!(norm(&(even - projector(&basis))) < 1e-12, "P_T for isotropic noise");
    }
}
