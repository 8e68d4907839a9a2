use super::Matrix;
use super::vector::{add_scaled, dot, norm};

/// A vector shrinks to less than this part of itself only if it depends on the others.
const DEPENDENT: f64 = 1e-10;

/// An orthonormal basis of the span of the columns, one column a dimension; columns that depend on earlier ones add none.
/// Gram-Schmidt, each vector twice ("twice is enough", Kahan).
pub fn orthonormal_basis(columns: &Matrix) -> Matrix {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for column in 0..columns.columns() {
        extend(&mut basis, columns.column(column), DEPENDENT);
    }
    Matrix::from_columns(columns.rows(), &basis)
}

/// An orthonormal basis of what is orthogonal to the columns of `basis`, which must be orthonormal.
pub fn complement(basis: &Matrix) -> Matrix {
    let n = basis.rows();
    let known = basis.columns();
    let mut all: Vec<Vec<f64>> = (0..known).map(|column| basis.column(column)).collect();
    for axis in axes_by_distance(basis) {
        if all.len() == n {
            break;
        }
        let unit = (0..n).map(|row| f64::from(u8::from(row == axis))).collect();
        // Some axis always keeps a part of 1/√n of itself.
        extend(&mut all, unit, 0.1 / (n as f64).sqrt());
    }
    Matrix::from_columns(n, &all[known..])
}

/// Axes, those farthest from the span first, so that little is lost in the subtraction.
fn axes_by_distance(basis: &Matrix) -> Vec<usize> {
    let inside: Vec<f64> = (0..basis.rows()).map(|row| dot(basis.row(row), basis.row(row))).collect();
    let mut axes: Vec<usize> = (0..basis.rows()).collect();
    axes.sort_by(|&i, &j| inside[i].total_cmp(&inside[j]));
    axes
}

fn extend(basis: &mut Vec<Vec<f64>>, mut vector: Vec<f64>, smallest_part: f64) {
    let before = norm(&vector);
    for _ in 0..2 {
        for known in basis.iter() {
            vector = add_scaled(&vector, -dot(known, &vector), known);
        }
    }
    let length = norm(&vector);
    if length > smallest_part * before {
        basis.push(vector.iter().map(|value| value / length).collect());
    }
}
