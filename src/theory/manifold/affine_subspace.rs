use ndarray::{Array1, Array2};

use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_matrix, gaussian_vector, orthonormal_basis};

/// The affine subspace through a point `p` along d directions: `D = { p + Q c : c in R^d }` in Rⁿ, 1 ≤ d < n.
///
/// `π(y) = p + Q Qᵀ (y - p)` is defined everywhere: D is closed and convex, so the reach is infinite.
/// Samples are `p + Q c` with c standard normal; an affine subspace has no uniform distribution.
#[derive(Clone, Debug)]
pub struct AffineSubspace {
    offset: Array1<f64>,
    basis: Array2<f64>,
}

impl AffineSubspace {
    /// Through `offset` `[n]`, along the d columns of `directions` (n x d), which need not be orthonormal.
    ///
    /// # Errors
    /// d is 0 or not below n; the dimensions do not fit; a value is not finite; the columns are linearly dependent.
    pub fn new(directions: &Array2<f64>, offset: &Array1<f64>) -> Result<Self> {
        let (n, d) = directions.dim();
        check_dimensions(n, d)?;
        check_vector("affine subspace", n, offset)?;
        if let Some(value) = directions.iter().find(|value| !value.is_finite()) {
            return Err(Error::argument(format!("affine subspace: directions must be finite, got {value}")));
        }
        let basis = orthonormal_basis(directions);
        if basis.ncols() < d {
            let rank = basis.ncols();
            return Err(Error::argument(format!("affine subspace: {d} directions are linearly dependent, they span {rank}")));
        }
        Ok(Self { offset: offset.clone(), basis })
    }

    /// In a uniformly random direction, through a standard normal point.
    ///
    /// # Errors
    /// d is 0 or not below n; n d values are too many.
    pub fn random(n: usize, d: usize, stream: &mut Stream) -> Result<Self> {
        check_dimensions(n, d)?;
        check::size("affine subspace", n, d)?;
        let offset = gaussian_vector(stream, n);
        Self::new(&gaussian_matrix(stream, n, d), &offset)
    }
}

fn check_dimensions(n: usize, d: usize) -> Result<()> {
    if (1..n).contains(&d) {
        return Ok(());
    }
    Err(Error::argument(format!("affine subspace: the dimension must be above 0 and below n = {n}, got {d}")))
}

impl Manifold for AffineSubspace {
    fn name(&self) -> String {
        format!("affine subspace of dimension {} in R^{}", self.dimension(), self.ambient())
    }

    fn dimensions(&self) -> [usize; 2] {
        [self.basis.ncols(), self.basis.nrows()]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        check_vector(&self.name(), self.ambient(), y)?;
        let q = &self.basis;
        Ok(&self.offset + q.dot(&q.t().dot(&(y - &self.offset))))
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        check_vector(&self.name(), self.ambient(), x)?;
        Ok(self.basis.clone())
    }

    fn reach(&self) -> f64 {
        f64::INFINITY
    }

    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        &self.offset + self.basis.dot(&gaussian_vector(stream, self.dimension()))
    }
}
