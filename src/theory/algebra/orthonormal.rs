use ndarray::{Array1, Array2, ArrayRef2};

use super::{columns, from_columns, norm, square_norm};

/// A vector that shrinks below this fraction of its length depends linearly on the others.
const DEPENDENT: f64 = 1e-10;

/// An orthonormal basis of the span of the columns of `vectors`, one column per dimension; columns that depend on earlier ones
/// add none. Gram-Schmidt, each vector twice ("twice is enough", Kahan).
pub fn orthonormal_basis(vectors: &ArrayRef2<f64>) -> Array2<f64> {
    let mut basis = Vec::new();
    for vector in columns(vectors) {
        extend(&mut basis, vector, DEPENDENT);
    }
    from_columns(vectors.nrows(), &basis)
}

/// An orthonormal basis of the orthogonal complement of the columns of `basis`, which must be orthonormal.
pub fn complement(basis: &ArrayRef2<f64>) -> Array2<f64> {
    let (n, known) = basis.dim();
    let mut all = columns(basis);
    for axis in axes_by_distance(basis) {
        if all.len() == n {
            break;
        }
        let unit = Array1::from_shape_fn(n, |row| f64::from(u8::from(row == axis)));
        // Some axis always keeps at least 1/√n of its length.
        extend(&mut all, unit, 0.1 / (n as f64).sqrt());
    }
    from_columns(n, &all[known..])
}

/// Axes, the farthest from the span first, so that little is lost in the subtraction.
fn axes_by_distance(basis: &ArrayRef2<f64>) -> Vec<usize> {
    let inside: Vec<f64> = basis.rows().into_iter().map(|row| square_norm(&row)).collect();
    let mut axes: Vec<usize> = (0..basis.nrows()).collect();
    axes.sort_by(|&i, &j| inside[i].total_cmp(&inside[j]));
    axes
}

fn extend(basis: &mut Vec<Array1<f64>>, mut vector: Array1<f64>, min_fraction: f64) {
    let before = norm(&vector);
    for _ in 0..2 {
        for known in basis.iter() {
            vector = &vector - known.dot(&vector) * known;
        }
    }
    let length = norm(&vector);
    if length > min_fraction * before {
        basis.push(vector / length);
    }
}
