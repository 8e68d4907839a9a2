use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, add_scaled, orthonormal_basis, sub};

/// A point `p` and all that d directions reach from it: `D = { p + Q c : c in R^d }` in Rⁿ, 1 ≤ d < n.
///
/// `π(y) = p + Q Qᵀ (y - p)` is defined everywhere: D is closed and convex, so the reach is infinite.
/// Points drawn are `p + Q c` with c standard normal; an affine subspace has no uniform law.
#[derive(Clone, Debug)]
pub struct AffineSubspace {
    offset: Vec<f64>,
    basis: Matrix,
}

impl AffineSubspace {
    /// Through `offset` `[n]`, along the d columns of `directions` (n x d), which need not be orthonormal.
    ///
    /// # Errors
    /// d is 0 or not below n; the extents differ; a value is not finite; the columns are linearly dependent.
    pub fn new(directions: &Matrix, offset: &[f64]) -> Result<Self> {
        let (n, d) = (directions.rows(), directions.columns());
        check_dimensions(n, d)?;
        check_vector("affine subspace", n, offset)?;
        if let Some(value) = directions.values().iter().find(|value| !value.is_finite()) {
            return Err(Error::argument(format!("affine subspace: directions must be finite, got {value}")));
        }
        let basis = orthonormal_basis(directions);
        if basis.columns() < d {
            let rank = basis.columns();
            return Err(Error::argument(format!("affine subspace: {d} directions are linearly dependent, they span {rank}")));
        }
        Ok(Self { offset: offset.to_vec(), basis })
    }

    /// In a uniformly random direction, through a standard normal point.
    ///
    /// # Errors
    /// d is 0 or not below n; n d values are too many.
    pub fn random(n: usize, d: usize, stream: &mut Stream) -> Result<Self> {
        check_dimensions(n, d)?;
        check::size("affine subspace", n, d)?;
        let offset = stream.normals(n);
        Self::new(&Matrix::normal(stream, n, d), &offset)
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

    fn ambient(&self) -> usize {
        self.basis.rows()
    }

    fn dimension(&self) -> usize {
        self.basis.columns()
    }

    fn project_point(&self, y: &[f64]) -> Result<Vec<f64>> {
        check_vector(&self.name(), self.ambient(), y)?;
        let along = self.basis.apply(&self.basis.apply_transposed(&sub(y, &self.offset)));
        Ok(add_scaled(&self.offset, 1.0, &along))
    }

    fn tangent_basis(&self, x: &[f64]) -> Result<Matrix> {
        check_vector(&self.name(), self.ambient(), x)?;
        Ok(self.basis.clone())
    }

    fn reach(&self) -> f64 {
        f64::INFINITY
    }

    fn sample(&self, stream: &mut Stream) -> Vec<f64> {
        let c = stream.normals(self.dimension());
        add_scaled(&self.offset, 1.0, &self.basis.apply(&c))
    }
}
