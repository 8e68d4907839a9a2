use super::outer::{columns, outer, pair};
use super::{Manifold, check};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, SymmetricEigen, symmetric_eigen};

/// An eigenvalue below this part of the largest is 0.
const ZERO: f64 = 1e-10;

/// The cone of positive semidefinite symmetric n x n matrices, n ≥ 2, in the space of all n x n matrices. Points are the n²
/// values in row-major order.
///
/// π(Y) makes Y symmetric and then its negative eigenvalues 0 (Higham 1988). D is closed and convex, so π is defined everywhere
/// and the reach is infinite.
///
/// D is not one smooth manifold: the matrices of rank r are one for each r, of dimension `r n - r (r-1) / 2`. The object
/// looks at D from rank k, which is the rank of the points it draws, `G Gᵀ` with G (n x k) normal:
/// * [`Manifold::dimension`] is the dimension at rank k.
/// * The tangent and normal spaces at x are those of the matrices of the rank of x. They have `dimension` and `n² - dimension`
///   columns if that is k. The residual y - π(y) is orthogonal to the tangent space at π(y) whatever its rank.
/// * For k = n everything is as for any manifold. For k < n the samples are on the boundary of the cone: `π(x + v) = x` does not hold
///   for every normal v, but for those of the normal cone `{ A - P : A skew, P positive semidefinite, P x = 0 }`; and π has
///   one-sided derivatives only, the nearest points in the tangent cone.
#[derive(Clone, Debug)]
pub struct PositiveSemidefinite {
    n: usize,
    rank: usize,
}

impl PositiveSemidefinite {
    /// The cone of n x n matrices, seen from rank `rank`.
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

    /// The numerical rank of π(x), for x `[n²]`: the eigenvalues above 10⁻¹⁰ of the largest in size.
    ///
    /// # Errors
    /// `x` has another length or is not finite.
    pub fn rank_at(&self, x: &[f64]) -> Result<usize> {
        Ok(numerical_rank(&self.eigen(x)?))
    }

    fn eigen(&self, y: &[f64]) -> Result<SymmetricEigen> {
        Ok(symmetric_eigen(&check::matrix(&self.name(), self.n, self.n, y)?))
    }

    /// The symmetric matrices `u_i u_jᵀ`, i ≤ j, of eigenvectors for which `accept(is u_i in the range of x)`; j may be any.
    fn symmetric(eigen: &SymmetricEigen, accept: impl Fn(bool) -> bool) -> Vec<Vec<f64>> {
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
    let largest = eigen.values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    eigen.values.iter().filter(|&&value| value > ZERO * largest).count()
}

impl Manifold for PositiveSemidefinite {
    fn name(&self) -> String {
        format!("positive semidefinite {0} x {0} matrices, at rank {1}", self.n, self.rank)
    }

    fn ambient(&self) -> usize {
        self.n * self.n
    }

    fn dimension(&self) -> usize {
        self.rank * self.n - self.rank * (self.rank - 1) / 2
    }

    fn project_point(&self, y: &[f64]) -> Result<Vec<f64>> {
        Ok(self.eigen(y)?.map(|value| value.max(0.0)).values().to_vec())
    }

    fn tangent_basis(&self, x: &[f64]) -> Result<Matrix> {
        let eigen = self.eigen(x)?;
        Ok(Matrix::from_columns(self.ambient(), &Self::symmetric(&eigen, |in_range| in_range)))
    }

    fn reach(&self) -> f64 {
        f64::INFINITY
    }

    fn sample(&self, stream: &mut Stream) -> Vec<f64> {
        let g = Matrix::normal(stream, self.n, self.rank);
        g.times(&g.transposed()).values().to_vec()
    }

    fn normal_basis(&self, x: &[f64]) -> Result<Matrix> {
        let eigen = self.eigen(x)?;
        let mut basis = Self::symmetric(&eigen, |in_range| !in_range);
        let u = columns(&eigen.vectors);
        for i in 0..self.n {
            basis.extend((0..i).map(|j| pair([&u[i], &u[j]], -1.0, [&u[j], &u[i]])));
        }
        Ok(Matrix::from_columns(self.ambient(), &basis))
    }
}
