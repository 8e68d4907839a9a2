use ndarray::{Array1, Array2};

use super::outer::{outer, pair};
use super::{Manifold, check};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{SymmetricEigen, columns, from_columns, gaussian_matrix, largest_size, symmetric_eigen};

/// An eigenvalue below this fraction of the largest counts as 0.
const ZERO: f64 = 1e-10;

/// The cone of positive semidefinite symmetric n x n matrices, n ≥ 2, in the space of all n x n matrices. A point is the vector
/// of n² values in row-major order.
///
/// π(Y) takes the symmetric part of Y and sets its negative eigenvalues to 0 (Higham 1988). D is closed and convex, so π is
/// defined everywhere and the reach is infinite.
///
/// D is not one smooth manifold. The matrices of each rank r form one, of dimension `r n - r (r-1) / 2`. This type is set to one
/// rank k: its samples are `G Gᵀ` with Gaussian G (n x k), of rank k.
/// * [`Manifold::dimension`] is the dimension at rank k.
/// * The tangent and normal spaces at x are those of the matrices that have the rank of x. If that is k they have `dimension` and
///   `n² - dimension` columns. The residual y - π(y) is orthogonal to the tangent space at π(y) whatever its rank.
/// * For k = n everything is as for any manifold. For k < n the samples are on the boundary of the cone: `π(x + v) = x` holds
///   only for v in the normal cone `{ A - P : A skew, P positive semidefinite, P x = 0 }`, and π has only one-sided derivatives,
///   the nearest points in the tangent cone.
#[derive(Clone, Debug)]
pub struct PositiveSemidefinite {
    n: usize,
    rank: usize,
}

impl PositiveSemidefinite {
    /// The cone of n x n matrices, with samples of rank `rank`.
    ///
    /// # Errors
    /// n is below 2; the rank is not 1 to n; n² values are too many.
    pub fn new(n: usize, rank: usize) -> Result<Self> {
        if n < 2 {
            return Err(Error::argument(format!("positive semidefinite matrices: n must be at least 2, got {n}")));
        }
        if !(1..=n).contains(&rank) {
            return Err(Error::argument(format!("positive semidefinite matrices: the rank must be 1 to n = {n}, got {rank}")));
        }
        check::size("positive semidefinite matrices", n, n)?;
        Ok(Self { n, rank })
    }

    fn eigen(&self, y: &Array1<f64>) -> Result<SymmetricEigen> {
        symmetric_eigen(&check::matrix(&self.name(), self.n, self.n, y)?)
    }

    /// The symmetric matrices `u_i u_jᵀ`, i ≤ j, of eigenvectors for which `accept(is u_i in the range of x)`; j may be any.
    fn symmetric(eigen: &SymmetricEigen, accept: impl Fn(bool) -> bool) -> Vec<Array1<f64>> {
        let (u, rank) = (columns(&eigen.vectors), numerical_rank(eigen));
        let mut basis = Vec::new();
        for i in (0..u.len()).filter(|&i| accept(i < rank)) {
            basis.push(outer(&u[i], &u[i]));
            basis.extend((i + 1..u.len()).map(|j| pair([&u[i], &u[j]], 1.0, [&u[j], &u[i]])));
        }
        basis
    }
}

fn numerical_rank(eigen: &SymmetricEigen) -> usize {
    let largest = largest_size(&eigen.values);
    eigen.values.iter().filter(|&&value| value > ZERO * largest).count()
}

impl Manifold for PositiveSemidefinite {
    fn name(&self) -> String {
        format!("positive semidefinite {0} x {0} matrices, at rank {1}", self.n, self.rank)
    }

    fn dimensions(&self) -> [usize; 2] {
        [self.rank * self.n - self.rank * (self.rank - 1) / 2, self.n * self.n]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.eigen(y)?.map(|value| value.max(0.0)).into_flat())
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        let eigen = self.eigen(x)?;
        Ok(from_columns(self.ambient(), &Self::symmetric(&eigen, |in_range| in_range)))
    }

    fn reach(&self) -> f64 {
        f64::INFINITY
    }

    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        let g = gaussian_matrix(stream, self.n, self.rank);
        g.dot(&g.t()).into_flat()
    }

    fn normal_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        let eigen = self.eigen(x)?;
        let mut basis = Self::symmetric(&eigen, |in_range| !in_range);
        let u = columns(&eigen.vectors);
        for i in 0..self.n {
            basis.extend((0..i).map(|j| pair([&u[i], &u[j]], -1.0, [&u[j], &u[i]])));
        }
        Ok(from_columns(self.ambient(), &basis))
    }
}
