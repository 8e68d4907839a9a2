use ndarray::{Array1, Array2};

use super::outer::{outer, pair};
use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{columns, complement, from_columns, gaussian_vector, svd};

/// The n x k matrices with orthonormal columns, `XᵀX = I`, 1 ≤ k ≤ n; for k = n the orthogonal group O(n), with both its
/// components. A point is the vector of n k values in row-major order; the dimension is `n k - k (k+1) / 2`.
///
/// π(Y) is the polar factor `U Vᵀ` of `Y = U Σ Vᵀ` (Fan, Hoffman 1955), unique if and only if Y has rank k; otherwise
/// [`Manifold::project_point`] returns an error. A matrix of lower rank has distance² `Σ (σ_i - 1)² ≥ 1` from D, with equality
/// where one σ_i is 0 and the others are 1, so the reach is 1.
///
/// `T_X = { X A + X⊥ B : A skew }`, the normals are `X S` with S symmetric. Samples are uniform: the polar factor of a
/// Gaussian matrix.
#[derive(Clone, Debug)]
pub struct Stiefel {
    n: usize,
    k: usize,
}

impl Stiefel {
    /// The n x k matrices with orthonormal columns.
    ///
    /// # Errors
    /// k is 0 or above n; n = k = 1 (D would be two points); n k values are too many.
    pub fn new(n: usize, k: usize) -> Result<Self> {
        if k == 0 || k > n {
            return Err(Error::argument(format!("Stiefel manifold: needs 1 to n = {n} orthonormal columns, got {k}")));
        }
        if n == 1 {
            return Err(Error::argument("Stiefel manifold: the 1 x 1 matrices 1 and -1 have dimension 0"));
        }
        check::size("Stiefel manifold", n, k)?;
        Ok(Self { n, k })
    }

    /// The orthogonal group O(n).
    ///
    /// # Errors
    /// n is below 2; n² values are too many.
    pub fn orthogonal_group(n: usize) -> Result<Self> {
        Self::new(n, n)
    }

    /// The polar factor of the matrix y.
    fn polar_factor(&self, y: &Array1<f64>) -> Result<Array2<f64>> {
        let svd = svd(&check::matrix(&self.name(), self.n, self.k, y)?);
        let (largest, smallest) = (svd.values[0], svd.values[self.k - 1]);
        if smallest <= self.n as f64 * f64::EPSILON * largest {
            return Err(Error::argument(format!(
                "{}: a matrix of rank below {} has no unique nearest point, its singular values are {:?}",
                self.name(),
                self.k,
                svd.values.to_vec()
            )));
        }
        Ok(svd.map(|_, _| 1.0))
    }

    fn unit(&self, axis: usize) -> Array1<f64> {
        (0..self.k).map(|index| f64::from(u8::from(index == axis))).collect()
    }

    /// `(x_i e_jᵀ + sign x_j e_iᵀ) / √2` for all i < j.
    fn pairs(&self, x: &[Array1<f64>], sign: f64) -> Vec<Array1<f64>> {
        let all = (0..self.k).flat_map(|j| (0..j).map(move |i| (i, j)));
        all.map(|(i, j)| pair([&x[i], &self.unit(j)], sign, [&x[j], &self.unit(i)])).collect()
    }
}

impl Manifold for Stiefel {
    fn name(&self) -> String {
        if self.k == self.n {
            return format!("orthogonal group O({})", self.n);
        }
        format!("Stiefel manifold of {} x {} matrices", self.n, self.k)
    }

    fn dimensions(&self) -> [usize; 2] {
        [self.n * self.k - self.k * (self.k + 1) / 2, self.n * self.k]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.polar_factor(y)?.into_flat())
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        let x = self.polar_factor(x)?;
        let mut basis = self.pairs(&columns(&x), -1.0);
        for across in columns(&complement(&x)) {
            basis.extend((0..self.k).map(|column| outer(&across, &self.unit(column))));
        }
        Ok(from_columns(self.ambient(), &basis))
    }

    fn reach(&self) -> f64 {
        1.0
    }

    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        loop {
            if let Ok(point) = self.project_point(&gaussian_vector(stream, self.n * self.k)) {
                return point;
            }
        }
    }

    /// `V - X sym(XᵀV)`: O(n k²); by the basis it would be O((n k)²).
    fn project_tangent(&self, x: &Array1<f64>, v: &Array1<f64>) -> Result<Array1<f64>> {
        check_vector(&self.name(), self.ambient(), v)?;
        let x = self.polar_factor(x)?;
        let v = check::matrix(&self.name(), self.n, self.k, v)?;
        let inner = x.t().dot(&v);
        let symmetric = 0.5 * (&inner + &inner.t());
        Ok((&v - x.dot(&symmetric)).into_flat())
    }

    fn normal_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        let x = columns(&self.polar_factor(x)?);
        let mut basis = self.pairs(&x, 1.0);
        basis.extend((0..self.k).map(|column| outer(&x[column], &self.unit(column))));
        Ok(from_columns(self.ambient(), &basis))
    }
}
