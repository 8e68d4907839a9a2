use ndarray::{Array1, Array2, ArrayRef2};

use super::{columns, complement, from_columns, largest_size, norm};

const MAX_SWEEPS: usize = 60;

/// `A = U diag(σ) Vᵀ` with k = min(rows, columns): U `[rows, k]`, V `[columns, k]`.
#[derive(Clone, Debug)]
pub struct Svd {
    /// U, orthonormal columns.
    pub u: Array2<f64>,
    /// σ `[k]`, in descending order.
    pub values: Array1<f64>,
    /// V, orthonormal columns.
    pub v: Array2<f64>,
}

impl Svd {
    /// `U diag(g(k, σ_k)) Vᵀ`.
    pub fn map(&self, g: impl Fn(usize, f64) -> f64) -> Array2<f64> {
        let values = Array1::from_shape_fn(self.values.len(), |k| g(k, self.values[k]));
        (&self.u * &values).dot(&self.v.t())
    }
}

/// Singular value decomposition by one-sided Jacobi rotations (Hestenes 1958), which keeps small singular values accurate.
pub fn svd(a: &ArrayRef2<f64>) -> Svd {
    if a.nrows() < a.ncols() {
        let Svd { u, values, v } = svd(&a.t());
        return Svd { u: v, values, v: u };
    }
    let n = a.ncols();
    let scale = power_of_two(a);
    let mut scaled: Vec<Array1<f64>> = a.columns().into_iter().map(|column| &column / scale).collect();
    let mut v = columns(&Array2::<f64>::eye(n));
    for _ in 0..MAX_SWEEPS {
        let mut is_done = true;
        for p in 0..n {
            for q in p + 1..n {
                is_done &= !orthogonalise(&mut scaled, &mut v, p, q);
            }
        }
        if is_done {
            break;
        }
    }
    let Svd { u, values, v } = sorted(a.nrows(), &scaled, &v);
    Svd { u, values: scale * values, v }
}

/// A power of 2 about as large as the largest element: dividing by it is exact, and then no square overflows or underflows.
fn power_of_two(a: &ArrayRef2<f64>) -> f64 {
    let largest = largest_size(a);
    // Its inverse must be finite too.
    let exponent = largest.log2().floor().clamp(-1000.0, 1000.0);
    if largest > 0.0 && exponent.is_finite() { exponent.exp2() } else { 1.0 }
}

/// Makes columns p and q orthogonal; false if they already were.
fn orthogonalise(columns: &mut [Array1<f64>], v: &mut [Array1<f64>], p: usize, q: usize) -> bool {
    let (alpha, beta) = (columns[p].dot(&columns[p]), columns[q].dot(&columns[q]));
    let gamma = columns[p].dot(&columns[q]);
    if gamma.abs() <= f64::EPSILON * (alpha * beta).sqrt() || gamma == 0.0 {
        return false;
    }
    let tau = (beta - alpha) / (2.0 * gamma);
    let t = tau.signum() / (tau.abs() + 1.0_f64.hypot(tau));
    let c = 1.0 / 1.0_f64.hypot(t);
    for vectors in [columns, v] {
        let (x, y) = (c * &vectors[p] - c * t * &vectors[q], c * t * &vectors[p] + c * &vectors[q]);
        (vectors[p], vectors[q]) = (x, y);
    }
    true
}

fn sorted(rows: usize, scaled: &[Array1<f64>], v: &[Array1<f64>]) -> Svd {
    let lengths: Vec<f64> = scaled.iter().map(|column| norm(column)).collect();
    let mut order: Vec<usize> = (0..scaled.len()).collect();
    order.sort_by(|&i, &j| lengths[j].total_cmp(&lengths[i]));
    let values: Array1<f64> = order.iter().map(|&index| lengths[index]).collect();
    // The directions of singular values that are zero up to rounding are any orthonormal completion.
    let smallest = rows as f64 * f64::EPSILON * values.first().copied().unwrap_or(0.0);
    let nonzero = order.iter().filter(|&&index| lengths[index] > smallest);
    let mut left: Vec<Array1<f64>> = nonzero.map(|&index| &scaled[index] / lengths[index]).collect();
    let rest = complement(&from_columns(rows, &left));
    let missing = scaled.len() - left.len();
    left.extend(columns(&rest).into_iter().take(missing));
    let right: Vec<Array1<f64>> = order.iter().map(|&index| v[index].clone()).collect();
    Svd { u: from_columns(rows, &left), values, v: from_columns(scaled.len(), &right) }
}
