use std::f64::consts::FRAC_1_SQRT_2;

use ndarray::{Array1, Array2};

use super::outer::outer;
use super::{Manifold, check};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{Svd, columns, complement, from_columns, gaussian_matrix, svd};

/// The m x n matrices of rank k, 1 ≤ k < min(m, n). A point is the vector of m n values in row-major order; the dimension is
/// `k (m + n - k)`.
///
/// π(Y) is the truncated singular value decomposition `Σ_{i≤k} σ_i u_i v_iᵀ` (Eckart, Young 1936), unique if and only if
/// `σ_k > σ_{k+1}`. [`Manifold::project_point`] returns an error if the two are equal up to rounding. That includes σ_k = 0,
/// where Y has lower rank and no point of D is nearest, because D is not closed.
///
/// The reach is 0, because a small change can make σ_k and σ_{k+1} equal where σ_k is small. The reach at a point X
/// ([`Manifold::local_reach`]) is `σ_k(X) / √2`, the distance to the nearest matrix with σ_k = σ_{k+1}. Normal vectors V may be
/// longer: `π(X + V) = X` whenever the largest singular value of V is below σ_k(X).
///
/// `T_X = { U M Vᵀ + U' Vᵀ + U V'ᵀ }` with U'ᵀU = 0 and V'ᵀV = 0. Samples are `A Bᵀ` with Gaussian A (m x k) and B
/// (n x k).
#[derive(Clone, Debug)]
pub struct FixedRank {
    rows: usize,
    columns: usize,
    rank: usize,
}

impl FixedRank {
    /// The `rows x columns` matrices of rank `rank`.
    ///
    /// # Errors
    /// The rank is 0 or not below both dimensions (D would be open and have the dimension of the space); there are too many
    /// values.
    pub fn new(rows: usize, columns: usize, rank: usize) -> Result<Self> {
        if !(1..rows.min(columns)).contains(&rank) {
            return Err(Error::argument(format!(
                "matrices of fixed rank: the rank of {rows} x {columns} matrices must be above 0 and below both dimensions, got {rank}"
            )));
        }
        check::size("matrices of fixed rank", rows, columns)?;
        Ok(Self { rows, columns, rank })
    }

    fn decompose(&self, y: &Array1<f64>) -> Result<Svd> {
        let svd = svd(&check::matrix(&self.name(), self.rows, self.columns, y)?);
        let (kept, dropped) = (svd.values[self.rank - 1], svd.values[self.rank]);
        let rounding = self.rows.max(self.columns) as f64 * f64::EPSILON * svd.values[0];
        if kept - dropped <= rounding {
            return Err(Error::argument(format!(
                "{}: no unique nearest point, because singular values {} and {} are {kept} and {dropped}",
                self.name(),
                self.rank,
                self.rank + 1
            )));
        }
        Ok(svd)
    }

    /// All `u_i v_jᵀ` of complete bases for which `accept(i < k, j < k)`.
    fn basis(&self, x: &Array1<f64>, accept: impl Fn(bool, bool) -> bool) -> Result<Array2<f64>> {
        let svd = self.decompose(x)?;
        let (left, right) = (completed(&svd.u, self.rank), completed(&svd.v, self.rank));
        let mut basis = Vec::new();
        for (i, u) in left.iter().enumerate() {
            let accepted = right.iter().enumerate().filter(|(j, _)| accept(i < self.rank, *j < self.rank));
            basis.extend(accepted.map(|(_, v)| outer(u, v)));
        }
        Ok(from_columns(self.ambient(), &basis))
    }
}

/// The first `rank` columns, and a basis of their orthogonal complement.
fn completed(vectors: &Array2<f64>, rank: usize) -> Vec<Array1<f64>> {
    let mut all = columns(vectors);
    all.truncate(rank);
    let rest = complement(&from_columns(vectors.nrows(), &all));
    all.extend(columns(&rest));
    all
}

impl Manifold for FixedRank {
    fn name(&self) -> String {
        format!("{} x {} matrices of rank {}", self.rows, self.columns, self.rank)
    }

    fn dimensions(&self) -> [usize; 2] {
        [self.rank * (self.rows + self.columns - self.rank), self.rows * self.columns]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.decompose(y)?.map(|index, value| if index < self.rank { value } else { 0.0 }).into_flat())
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        self.basis(x, |in_range, in_corange| in_range || in_corange)
    }

    /// 0; see [`Manifold::local_reach`].
    fn reach(&self) -> f64 {
        0.0
    }

    fn local_reach(&self, x: &Array1<f64>) -> Result<f64> {
        Ok(FRAC_1_SQRT_2 * self.decompose(x)?.values[self.rank - 1])
    }

    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        let (a, b) = (gaussian_matrix(stream, self.rows, self.rank), gaussian_matrix(stream, self.columns, self.rank));
        a.dot(&b.t()).into_flat()
    }

    fn normal_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        self.basis(x, |in_range, in_corange| !in_range && !in_corange)
    }
}
