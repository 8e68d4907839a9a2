use super::vector::{dot, norm};
use super::{Matrix, complement};

const MOST_SWEEPS: usize = 60;

/// `A = U diag(σ) Vᵀ` with k = min(rows, columns): U `[rows, k]`, V `[columns, k]`.
#[derive(Clone, Debug)]
pub struct Svd {
    /// U, orthonormal columns.
    pub u: Matrix,
    /// σ, from the largest to the smallest.
    pub values: Vec<f64>,
    /// V, orthonormal columns.
    pub v: Matrix,
}

impl Svd {
    /// `U diag(g(k, σ_k)) Vᵀ`.
    pub fn map(&self, g: impl Fn(usize, f64) -> f64) -> Matrix {
        let u = &self.u;
        let scaled = Matrix::from_fn(u.rows(), u.columns(), |row, column| u[(row, column)] * g(column, self.values[column]));
        scaled.times(&self.v.transposed())
    }
}

/// Singular value decomposition by one-sided Jacobi rotations (Hestenes 1958), which keeps small singular values accurate.
pub fn svd(a: &Matrix) -> Svd {
    if a.rows() < a.columns() {
        let Svd { u, values, v } = svd(&a.transposed());
        return Svd { u: v, values, v: u };
    }
    let n = a.columns();
    let scale = power_of_two(a);
    let a = a.scaled(1.0 / scale);
    let mut columns: Vec<Vec<f64>> = (0..n).map(|index| a.column(index)).collect();
    let mut v: Vec<Vec<f64>> = (0..n).map(|index| Matrix::identity(n).column(index)).collect();
    for _ in 0..MOST_SWEEPS {
        let mut is_done = true;
        for p in 0..n {
            for q in p + 1..n {
                is_done &= !orthogonalise(&mut columns, &mut v, p, q);
            }
        }
        if is_done {
            break;
        }
    }
    let Svd { u, values, v } = sorted(a.rows(), &columns, &v);
    Svd { u, values: values.iter().map(|value| scale * value).collect(), v }
}

/// A power of 2 of the size of the largest entry: dividing by it is exact, and then no square over- or underflows.
fn power_of_two(a: &Matrix) -> f64 {
    let largest = a.values().iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    // Its inverse must be a number too.
    let exponent = largest.log2().floor().clamp(-1000.0, 1000.0);
    if largest > 0.0 && exponent.is_finite() { exponent.exp2() } else { 1.0 }
}

/// Makes columns p and q orthogonal; false if they were.
fn orthogonalise(columns: &mut [Vec<f64>], v: &mut [Vec<f64>], p: usize, q: usize) -> bool {
    let (alpha, beta) = (dot(&columns[p], &columns[p]), dot(&columns[q], &columns[q]));
    let gamma = dot(&columns[p], &columns[q]);
    if gamma.abs() <= f64::EPSILON * (alpha * beta).sqrt() || gamma == 0.0 {
        return false;
    }
    let tau = (beta - alpha) / (2.0 * gamma);
    let t = tau.signum() / (tau.abs() + 1.0_f64.hypot(tau));
    let c = 1.0 / 1.0_f64.hypot(t);
    for vectors in [columns, v] {
        let (left, right) = vectors.split_at_mut(q);
        for (x, y) in left[p].iter_mut().zip(right[0].iter_mut()) {
            (*x, *y) = (c * *x - c * t * *y, c * t * *x + c * *y);
        }
    }
    true
}

fn sorted(rows: usize, columns: &[Vec<f64>], v: &[Vec<f64>]) -> Svd {
    let lengths: Vec<f64> = columns.iter().map(|column| norm(column)).collect();
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by(|&i, &j| lengths[j].total_cmp(&lengths[i]));
    let values: Vec<f64> = order.iter().map(|&index| lengths[index]).collect();
    // Directions of singular values that are 0 but for rounding are any orthonormal completion.
    let smallest = rows as f64 * f64::EPSILON * values.first().copied().unwrap_or(0.0);
    let mut left: Vec<Vec<f64>> = Vec::new();
    for &index in order.iter().filter(|&&index| lengths[index] > smallest) {
        left.push(columns[index].iter().map(|value| value / lengths[index]).collect());
    }
    let missing = columns.len() - left.len();
    let rest = complement(&Matrix::from_columns(rows, &left));
    left.extend((0..missing).map(|index| rest.column(index)));
    let right: Vec<Vec<f64>> = order.iter().map(|&index| v[index].clone()).collect();
    Svd { u: Matrix::from_columns(rows, &left), values, v: Matrix::from_columns(columns.len(), &right) }
}
