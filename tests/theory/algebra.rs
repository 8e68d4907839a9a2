//! Decompositions multiplied out again, for random matrices and hard ones: deficient, zero, equal values, tiny and huge.

use ndarray::{Array1, Array2, array};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::theory::algebra::{
    complement, gaussian_matrix, norm, normalised, orthonormal_basis, projector, solve, square_norm, svd, symmetric_eigen,
};
use proptest::prelude::*;

const ROUNDING: f64 = 1e-12;

fn random(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
    let mut stream = Stream::new(seed, Purpose::Test, 1, 0);
    gaussian_matrix(&mut stream, rows, columns)
}

/// A random matrix of rank `rank` at most, times `scale`.
fn deficient(seed: u64, rows: usize, columns: usize, rank: usize, scale: f64) -> Array2<f64> {
    scale * random(seed, rows, rank).dot(&random(!seed, rank, columns))
}

/// `‖AᵀA - I‖_F`.
fn orthonormality(a: &Array2<f64>) -> f64 {
    norm(&(a.t().dot(a) - Array2::<f64>::eye(a.ncols())))
}

fn is_sorted(values: &Array1<f64>) -> bool {
    values.windows(2).into_iter().all(|pair| pair[0] >= pair[1])
}

fn check_eigen(a: &Array2<f64>) {
    let eigen = symmetric_eigen(a).unwrap();
    let symmetric = 0.5 * (a + &a.t());
    let error = norm(&(eigen.map(|value| value) - &symmetric));
    assert!(error <= ROUNDING * norm(&symmetric), "{error:e} of {:e}", norm(&symmetric));
    assert!(orthonormality(&eigen.vectors) < ROUNDING && is_sorted(&eigen.values), "{:?}", eigen.values);
    assert!((eigen.values.iter().sum::<f64>() - a.diag().sum()).abs() <= 10.0 * ROUNDING * norm(&symmetric));
}

fn check_svd(a: &Array2<f64>, rank: usize) {
    let (rows, columns) = a.dim();
    let k = rows.min(columns);
    let svd = svd(a);
    assert_eq!((svd.u.dim(), svd.v.dim()), ((rows, k), (columns, k)));
    let error = norm(&(svd.map(|_, value| value) - a));
    assert!(error <= ROUNDING * norm(a), "{error:e} of {:e}", norm(a));
    assert!(orthonormality(&svd.u) < ROUNDING, "U: {:e}, {:?}", orthonormality(&svd.u), svd.values);
    assert!(orthonormality(&svd.v) < ROUNDING, "V: {:e}, {:?}", orthonormality(&svd.v), svd.values);
    assert!(is_sorted(&svd.values) && svd.values.iter().all(|&value| value >= 0.0), "{:?}", svd.values);
    let above = svd.values.iter().filter(|&&value| value > ROUNDING * svd.values[0]).count();
    assert_eq!(above, rank, "{:?}", svd.values);
    assert!((norm(&svd.values) - norm(a)).abs() <= ROUNDING * norm(a));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn eigenvectors_and_values_give_the_symmetric_part_back(n in 1..14usize, exponent in -200..200i32, seed: u64) {
        check_eigen(&(10.0_f64.powi(exponent) * random(seed, n, n)));
    }

    #[test]
    fn equal_eigenvalues_are_no_trouble(n in 2..12usize, part in 0.0..1.0, seed: u64) {
        let rank = (part * n as f64) as usize;
        let q = orthonormal_basis(&random(seed, n, rank));
        let projector = projector(&q);
        check_eigen(&projector);
        let expected: Vec<f64> = (0..n).map(|index| f64::from(u8::from(index < rank))).collect();
        prop_assert!(norm(&(symmetric_eigen(&projector).unwrap().values - Array1::from(expected))) < ROUNDING);
    }

    #[test]
    fn singular_vectors_and_values_give_the_matrix_back(rows in 1..10usize, columns in 1..10usize, exponent in -200..200i32, seed: u64) {
        check_svd(&(10.0_f64.powi(exponent) * random(seed, rows, columns)), rows.min(columns));
    }

    #[test]
    fn deficient_matrices_have_complete_orthonormal_vectors(
        rows in 1..10usize, columns in 1..10usize, part in 0.0..1.0, exponent in -150..150i32, seed: u64
    ) {
        let rank = (part * rows.min(columns) as f64) as usize;
        check_svd(&deficient(seed, rows, columns, rank, 10.0_f64.powi(exponent)), rank);
    }

    #[test]
    fn singular_values_squared_are_eigenvalues(rows in 1..9usize, columns in 1..9usize, seed: u64) {
        let a = random(seed, rows, columns);
        let eigen = symmetric_eigen(&a.t().dot(&a)).unwrap().values;
        let squares = svd(&a).values.into_iter().map(|value| value * value).chain(std::iter::repeat(0.0));
        let expected: Array1<f64> = squares.take(columns).collect();
        prop_assert!(norm(&(&eigen - &expected)) <= ROUNDING * norm(&expected), "{eigen:?} {expected:?}");
    }

    #[test]
    fn a_basis_spans_what_the_columns_span(n in 1..12usize, part in 0.0..1.0, extra in 0..3usize, seed: u64) {
        let rank = (part * (n + 1) as f64) as usize;
        let a = deficient(seed, n, rank + extra, rank, 1.0);
        let q = orthonormal_basis(&a);
        prop_assert_eq!(q.ncols(), rank);
        prop_assert!(orthonormality(&q) < ROUNDING);
        let inside = q.dot(&q.t().dot(&a));
        prop_assert!(norm(&(&inside - &a)) <= 1e-9 * norm(&a));
    }

    #[test]
    fn a_basis_and_its_complement_are_everything(n in 1..14usize, part in 0.0..1.0, seed: u64) {
        let q = orthonormal_basis(&random(seed, n, (part * (n + 1) as f64) as usize));
        let rest = complement(&q);
        prop_assert_eq!(q.ncols() + rest.ncols(), n);
        let sum = projector(&q) + projector(&rest);
        prop_assert!(orthonormality(&rest) < ROUNDING && norm(&(sum - Array2::<f64>::eye(n))) < ROUNDING);
    }

    #[test]
    fn solutions_solve(n in 1..12usize, columns in 0..4usize, exponent in -100..100i32, seed: u64) {
        let (a, b) = (10.0_f64.powi(exponent) * random(seed, n, n), random(!seed, n, columns));
        let x = solve(&a, &b).unwrap();
        // Backward stable up to the growth of elimination: small against ‖A‖ ‖X‖, even where A is near to singular.
        let residual = norm(&(a.dot(&x) - &b));
        prop_assert!(residual <= 1e-11 * (norm(&a) * norm(&x) + norm(&b)), "{residual:e}");
    }

    #[test]
    fn singular_systems_have_no_solution(n in 1..10usize, part in 0.0..1.0, seed: u64) {
        let a = deficient(seed, n, n, (part * n as f64) as usize, 1.0);
        prop_assert!(solve(&a, &Array2::eye(n)).is_err());
    }
}

#[test]
fn zero_and_empty_matrices() {
    for (rows, columns) in [(1, 1), (3, 5), (5, 3), (4, 4)] {
        check_svd(&Array2::zeros((rows, columns)), 0);
    }
    check_eigen(&Array2::zeros((4, 4)));
    assert!(symmetric_eigen(&Array2::zeros((0, 0))).unwrap().values.is_empty());
    assert!(svd(&Array2::zeros((3, 0))).values.is_empty() && svd(&Array2::zeros((0, 3))).values.is_empty());
    assert_eq!(orthonormal_basis(&Array2::zeros((3, 2))).ncols(), 0);
    assert_eq!(complement(&Array2::zeros((3, 0))), Array2::<f64>::eye(3));
    assert_eq!(complement(&Array2::eye(3)).ncols(), 0);
    assert!(solve(&Array2::zeros((2, 2)), &Array2::eye(2)).unwrap_err().to_string().contains("singular"));
    assert!(solve(&Array2::from_elem((2, 2), f64::NAN), &Array2::eye(2)).is_err());
}

#[test]
fn decompositions_known_in_closed_form() {
    let diagonal = array![[2.0, 0.0, 0.0], [0.0, -5.0, 0.0], [0.0, 0.0, 3.0]];
    assert_eq!(symmetric_eigen(&diagonal).unwrap().values, array![3.0, 2.0, -5.0]);
    assert_eq!(svd(&diagonal).values, array![5.0, 3.0, 2.0]);
    // Eigenvalues 3 and 1, vectors (1, 1) and (1, -1).
    let eigen = symmetric_eigen(&array![[2.0, 1.0], [1.0, 2.0]]).unwrap();
    assert!(
        norm(&(&eigen.values - array![3.0, 1.0])) < ROUNDING && (eigen.vectors[[0, 0]] - eigen.vectors[[1, 0]]).abs() < ROUNDING
    );
    // Singular values of (1, 1; 0, 1): the golden ratio and its inverse.
    let golden = 0.5 * (1.0 + 5.0_f64.sqrt());
    let values = svd(&array![[1.0, 1.0], [0.0, 1.0]]).values;
    assert!(norm(&(values - array![golden, 1.0 / golden])) < ROUNDING);
    // A small singular value keeps its accuracy next to a large one.
    let graded = svd(&array![[1.0, 0.0], [0.0, 1e-30]]).values;
    assert_eq!(graded, array![1.0, 1e-30]);
    let square = symmetric_eigen(&array![[5.0, 4.0], [4.0, 5.0]]).unwrap().map(f64::sqrt);
    assert!(norm(&(square - array![[2.0, 1.0], [1.0, 2.0]])) < ROUNDING);
}

#[test]
fn a_nearly_singular_system_can_be_solved() {
    let a = array![[1.0, 0.0], [0.0, 1e-12]];
    assert_eq!(solve(&a, &Array2::eye(2)).unwrap(), array![[1.0, 0.0], [0.0, 1e12]]);
    let swapped = array![[0.0, 2.0], [4.0, 0.0]];
    assert_eq!(solve(&swapped, &Array2::eye(2)).unwrap(), array![[0.0, 0.25], [0.5, 0.0]]);
}

#[test]
fn decompositions_of_matrices_that_are_not_finite_terminate() {
    for value in [f64::NAN, f64::INFINITY] {
        let a = Array2::from_shape_fn((3, 3), |(row, column)| if row == column { value } else { 1.0 });
        assert_eq!((symmetric_eigen(&a).unwrap().values.len(), svd(&a).values.len()), (3, 3));
        assert_eq!(complement(&orthonormal_basis(&a)).nrows(), 3);
    }
}

#[test]
fn vectors_of_any_size() {
    assert_eq!(norm(&Array1::zeros(0)), 0.0);
    assert!((norm(&array![3e200, 4e200]) - 5e200).abs() < 1e186 && (norm(&array![3e-200, 4e-200]) - 5e-200).abs() < 1e-214);
    assert!(norm(&array![1.0, f64::INFINITY]).is_infinite());
    assert!(norm(&array![0.0, f64::NAN]).is_nan() && norm(&array![f64::NAN, 2.0]).is_nan());
    assert!(normalised(&array![0.0, 0.0]).is_none() && normalised(&array![f64::INFINITY, 1.0]).is_none());
    assert!(normalised(&array![f64::NAN, 1.0]).is_none());
    assert_eq!(normalised(&array![0.0, -2e-300]), Some(array![0.0, -1.0]));
    assert_eq!(square_norm(&array![[1.0, 2.0], [3.0, -4.0]]), 30.0);
}

#[test]
fn dimensions_that_do_not_fit_are_refused() {
    let says = |error: orthoscope::Error, part: &str| assert!(error.to_string().contains(part), "{error}");
    says(symmetric_eigen(&Array2::zeros((2, 3))).unwrap_err(), "needs a square matrix, got 2 x 3");
    says(solve(&Array2::zeros((2, 3)), &Array2::eye(2)).unwrap_err(), "needs a square matrix, got 2 x 3");
    says(solve(&Array2::eye(2), &Array2::eye(3)).unwrap_err(), "A is 2 x 2, B has 3 rows");
}
