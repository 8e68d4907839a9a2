use ndarray::{Array1, Array2, ArrayRef2, Axis};

use super::{norm, side};
use crate::error::Result;

/// Only rounding errors are left after this many sweeps; five to ten are usual.
const MAX_SWEEPS: usize = 60;

/// `A = Q diag(λ) Qᵀ`.
#[derive(Clone, Debug)]
pub struct SymmetricEigen {
    /// λ `[n]`, in descending order.
    pub values: Array1<f64>,
    /// Q `[n, n]`: column k belongs to `values[k]`.
    pub vectors: Array2<f64>,
}

impl SymmetricEigen {
    /// `Q diag(g(λ)) Qᵀ`.
    pub fn map(&self, g: impl Fn(f64) -> f64) -> Array2<f64> {
        let q = &self.vectors;
        (q * &self.values.mapv(g)).dot(&q.t())
    }
}

/// Eigenvalues and eigenvectors of the symmetric part of a square matrix, by cyclic Jacobi rotations (Golub, Van Loan, §8.5).
///
/// # Errors
/// The matrix is not square.
pub fn symmetric_eigen(a: &ArrayRef2<f64>) -> Result<SymmetricEigen> {
    let n = side("symmetric_eigen", a)?;
    let a = a.to_owned();
    let mut a = 0.5 * (&a + &a.t());
    let mut q = Array2::eye(n);
    let scale = norm(&a);
    for _ in 0..MAX_SWEEPS {
        let off: Array1<f64> = (0..n).flat_map(|p| (0..p).map(move |r| (p, r))).map(|place| a[place]).collect();
        if norm(&off) <= f64::EPSILON * f64::EPSILON * scale {
            break;
        }
        for p in 0..n {
            for r in p + 1..n {
                rotate(&mut a, &mut q, p, r);
            }
        }
    }
    let diagonal = a.diag();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| diagonal[j].total_cmp(&diagonal[i]));
    Ok(SymmetricEigen { values: diagonal.select(Axis(0), &order), vectors: q.select(Axis(1), &order) })
}

/// Rotates in the plane (p, r) so that `a[p, r]` becomes zero.
fn rotate(a: &mut Array2<f64>, q: &mut Array2<f64>, p: usize, r: usize) {
    let off = a[[p, r]];
    if off == 0.0 {
        return;
    }
    let tau = (a[[r, r]] - a[[p, p]]) / (2.0 * off);
    let t = tau.signum() / (tau.abs() + 1.0_f64.hypot(tau));
    let c = 1.0 / 1.0_f64.hypot(t);
    let s = t * c;
    for k in 0..a.nrows() {
        let (kp, kr) = (a[[k, p]], a[[k, r]]);
        (a[[k, p]], a[[k, r]]) = (c * kp - s * kr, s * kp + c * kr);
    }
    for k in 0..a.nrows() {
        let (pk, rk) = (a[[p, k]], a[[r, k]]);
        (a[[p, k]], a[[r, k]]) = (c * pk - s * rk, s * pk + c * rk);
    }
    // Rounding would leave a remainder, and where eigenvalues are equal no later rotation would reduce it.
    (a[[p, r]], a[[r, p]]) = (0.0, 0.0);
    for k in 0..a.nrows() {
        let (kp, kr) = (q[[k, p]], q[[k, r]]);
        (q[[k, p]], q[[k, r]]) = (c * kp - s * kr, s * kp + c * kr);
    }
}
