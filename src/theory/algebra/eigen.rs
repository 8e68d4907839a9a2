use super::{Matrix, norm};

/// Sweeps after which rounding alone is left; five to ten are needed.
const MOST_SWEEPS: usize = 60;

/// `A = Q diag(λ) Qᵀ`.
#[derive(Clone, Debug)]
pub struct SymmetricEigen {
    /// λ, from the largest to the smallest.
    pub values: Vec<f64>,
    /// Q: column k belongs to `values[k]`.
    pub vectors: Matrix,
}

impl SymmetricEigen {
    /// `Q diag(g(λ)) Qᵀ`.
    pub fn map(&self, g: impl Fn(f64) -> f64) -> Matrix {
        let q = &self.vectors;
        let scaled = Matrix::from_fn(q.rows(), q.columns(), |row, column| q[(row, column)] * g(self.values[column]));
        scaled.times(&q.transposed())
    }
}

/// Eigenvalues and vectors of the symmetric part of a square matrix, by cyclic Jacobi rotations (Golub, Van Loan, §8.5).
pub fn symmetric_eigen(a: &Matrix) -> SymmetricEigen {
    let n = a.rows();
    let mut a = Matrix::from_fn(n, n, |row, column| 0.5 * (a[(row, column)] + a[(column, row)]));
    let mut q = Matrix::identity(n);
    let scale = a.frobenius();
    for _ in 0..MOST_SWEEPS {
        let off: Vec<f64> = (0..n).flat_map(|p| a.row(p)[..p].to_vec()).collect();
        if norm(&off) <= f64::EPSILON * f64::EPSILON * scale {
            break;
        }
        for p in 0..n {
            for r in p + 1..n {
                rotate(&mut a, &mut q, p, r);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[(j, j)].total_cmp(&a[(i, i)]));
    SymmetricEigen {
        values: order.iter().map(|&index| a[(index, index)]).collect(),
        vectors: Matrix::from_fn(n, n, |row, column| q[(row, order[column])]),
    }
}

/// The rotation in the plane (p, r) that makes `a[p, r]` zero.
fn rotate(a: &mut Matrix, q: &mut Matrix, p: usize, r: usize) {
    let off = a[(p, r)];
    if off == 0.0 {
        return;
    }
    let tau = (a[(r, r)] - a[(p, p)]) / (2.0 * off);
    let t = tau.signum() / (tau.abs() + 1.0_f64.hypot(tau));
    let c = 1.0 / 1.0_f64.hypot(t);
    let s = t * c;
    let n = a.rows();
    for k in 0..n {
        let (kp, kr) = (a[(k, p)], a[(k, r)]);
        (a[(k, p)], a[(k, r)]) = (c * kp - s * kr, s * kp + c * kr);
    }
    for k in 0..n {
        let (pk, rk) = (a[(p, k)], a[(r, k)]);
        (a[(p, k)], a[(r, k)]) = (c * pk - s * rk, s * pk + c * rk);
    }
    // Rounding would leave a rest, and where eigenvalues are equal no later rotation would make it smaller.
    (a[(p, r)], a[(r, p)]) = (0.0, 0.0);
    for k in 0..n {
        let (kp, kr) = (q[(k, p)], q[(k, r)]);
        (q[(k, p)], q[(k, r)]) = (c * kp - s * kr, s * kp + c * kr);
    }
}
