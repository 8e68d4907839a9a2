//! Decompositions put together again, over random matrices and the hard ones: deficient, zero, equal values, tiny and huge.

use ndarray::Array2;

use orthoscope::rng::{Purpose, Stream};
use orthoscope::theory::algebra::{complement, norm, normalised, orthonormal_basis, projector, solve, svd, symmetric_eigen};
use proptest::prelude::*;

const ROUNDING: f64 = 1e-12;

fn random(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
    let mut stream = Stream::new(seed, Purpose::Test, 1, 0);
    Array2::from_shape_fn((rows, columns), |(_, _)| stream.normal())
}

/// A random matrix of rank `rank` at most, times `scale`.
fn deficient(seed: u64, rows: usize, columns: usize, rank: usize, scale: f64) -> Array2<f64> {
    scale * random(seed, rows, rank).dot(&random(!seed, rank, columns))
}

/// `‖AᵀA - I‖_F`.
fn orthonormality(a: &Array2<f64>) -> f64 {
    norm(&(a.t().dot(a) - &Array2::eye(a.ncols())))
}

fn is_sorted(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] >= pair[1])
}

fn check_eigen(a: &Array2<f64>) {
    let eigen = symmetric_eigen(a);
    let symmetric = 0.5 * (&a + &a.t());
    let error = norm(&(eigen.map(|value| value) - &symmetric));
    assert!(error <= ROUNDING * norm(&symmetric), "{error:e} of {:e}", norm(&symmetric));
    assert!(orthonormality(&eigen.vectors) < ROUNDING && is_sorted(&eigen.values), "{:?}", eigen.values);
    assert!((eigen.values.iter().sum::<f64>() - a.diag().sum()).abs() <= 10.0 * ROUNDING * norm(&symmetric));
}

fn check_svd(a: &Array2<f64>, rank: usize) {
    let k = a.rows().min(a.ncols());
    let svd = svd(a);
    assert_eq!((svd.u.rows(), svd.u.ncols(), svd.v.rows(), svd.v.ncols()), (a.rows(), k, a.ncols(), k));
    let error = norm(&(svd.map(|_, value| value) - a));
    assert!(error <= ROUNDING * norm(&a), "{error:e} of {:e}", norm(&a));
    assert!(orthonormality(&svd.u) < ROUNDING, "U: {:e}, {:?}", orthonormality(&svd.u), svd.values);
    assert!(orthonormality(&svd.v) < ROUNDING, "V: {:e}, {:?}", orthonormality(&svd.v), svd.values);
    assert!(is_sorted(&svd.values) && svd.values.iter().all(|&value| value >= 0.0), "{:?}", svd.values);
    let above = svd.values.iter().filter(|&&value| value > ROUNDING * svd.values[0]).count();
    assert_eq!(above, rank, "{:?}", svd.values);
    assert!((norm(&svd.values) - norm(&a)).abs() <= ROUNDING * norm(&a));
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
        prop_assert!(norm(&(&symmetric_eigen(&projector).values - &expected)) < ROUNDING);
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
        let eigen = symmetric_eigen(&a.t().dot(&a)).values;
        let squares = svd(&a).values.into_iter().map(|value| value * value).chain(std::iter::repeat(0.0));
        let expected: Vec<f64> = squares.take(columns).collect();
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
        let sum = projector(&q) + &projector(&rest);
        prop_assert!(orthonormality(&rest) < ROUNDING && norm(&(&sum - &Array2::eye(n))) < ROUNDING);
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
        prop_assert!(solve(&a, &Array2::eye(n)).is_none());
    }

    #[test]
    fn products_agree_with_their_definition(rows in 0..6usize, inner in 1..6usize, columns in 0..6usize, seed: u64) {
        let (a, b) = (random(seed, rows, inner), random(!seed, inner, columns));
        let product = a.dot(&b);
        let expected = Array2::from_shape_fn((rows, columns), |(row, column)| (0..inner).map(|k| a[[row, k]] * b[[k, column]]).sum());
        prop_assert!(norm(&(&product - &expected)) < ROUNDING);
        prop_assert!(norm(&(product.t() - &b.t().dot(&a.t()))) < ROUNDING);
        for column in 0..columns {
            prop_assert!(norm(&(&a.dot(&b.column(column)) - &product.column(column))) < ROUNDING);
        }
        let v: Vec<f64> = (0..rows).map(|row| row as f64 - 1.5).collect();
        prop_assert!(norm(&(&a.t().dot(&v) - &a.t().dot(&v))) < ROUNDING);
    }
}

#[test]
fn zero_and_empty_matrices() {
    for (rows, columns) in [(1, 1), (3, 5), (5, 3), (4, 4)] {
        check_svd(&Array2::zeros((rows, columns)), 0);
    }
    check_eigen(&Array2::zeros((4, 4)));
    assert!(symmetric_eigen(&Array2::zeros((0, 0))).values.is_empty());
    assert!(svd(&Array2::zeros((3, 0))).values.is_empty() && svd(&Array2::zeros((0, 3))).values.is_empty());
    assert_eq!(orthonormal_basis(&Array2::zeros((3, 2))).ncols(), 0);
    assert_eq!(complement(&Array2::zeros((3, 0))), Array2::eye(3));
    assert_eq!(complement(&Array2::eye(3)).ncols(), 0);
    assert!(solve(&Array2::zeros((2, 2)), &Array2::eye(2)).is_none());
    assert!(solve(&Array2::from_shape_fn((2, 2), |(_, _)| f64::NAN), &Array2::eye(2)).is_none());
}

#[test]
fn decompositions_known_in_closed_form() {
    let diagonal = Matrix::from_values(3, 3, vec![2.0, 0.0, 0.0, 0.0, -5.0, 0.0, 0.0, 0.0, 3.0]);
    assert_eq!(symmetric_eigen(&diagonal).values, [3.0, 2.0, -5.0]);
    assert_eq!(svd(&diagonal).values, [5.0, 3.0, 2.0]);
    // Eigenvalues 3 and 1, vectors (1, 1) and (1, -1).
    let eigen = symmetric_eigen(&Matrix::from_values(2, 2, vec![2.0, 1.0, 1.0, 2.0]));
    assert!(norm(&(&eigen.values - &[3.0, 1.0])) < ROUNDING && (eigen.vectors[[0, 0]] - eigen.vectors[[1, 0]]).abs() < ROUNDING);
    // Singular values of (1, 1; 0, 1): the golden ratio and its inverse.
    let golden = 0.5 * (1.0 + 5.0_f64.sqrt());
    let values = svd(&Matrix::from_values(2, 2, vec![1.0, 1.0, 0.0, 1.0])).values;
    assert!(norm(&(&values - &[golden, 1.0 / golden])) < ROUNDING);
    // A small singular value keeps its digits beside a large one.
    let graded = svd(&Matrix::from_values(2, 2, vec![1.0, 0.0, 0.0, 1e-30])).values;
    assert_eq!(graded, [1.0, 1e-30]);
    let square = symmetric_eigen(&Matrix::from_values(2, 2, vec![5.0, 4.0, 4.0, 5.0])).map(f64::sqrt);
    assert!(norm(&(&square - &Matrix::from_values(2, 2, vec![2.0, 1.0, 1.0, 2.0]))) < ROUNDING);
}

#[test]
fn a_system_may_be_near_to_singular() {
    let a = Matrix::from_values(2, 2, vec![1.0, 0.0, 0.0, 1e-12]);
    assert_eq!(solve(&a, &Array2::eye(2)).unwrap().values(), [1.0, 0.0, 0.0, 1e12]);
    let swapped = Matrix::from_values(2, 2, vec![0.0, 2.0, 4.0, 0.0]);
    assert_eq!(solve(&swapped, &Array2::eye(2)).unwrap().values(), [0.0, 0.25, 0.5, 0.0]);
}

#[test]
fn matrices_that_are_not_finite_end() {
    for value in [f64::NAN, f64::INFINITY] {
        let a = Array2::from_shape_fn((3, 3), |(row, column)| if row == column { value } else { 1.0 });
        assert_eq!((symmetric_eigen(&a).values.len(), svd(&a).values.len()), (3, 3));
        assert_eq!(complement(&orthonormal_basis(&a)).rows(), 3);
    }
}

#[test]
fn vectors_of_any_size() {
    assert_eq!(norm(&[]), 0.0);
    assert!((norm(&[3e200, 4e200]) - 5e200).abs() < 1e186 && (norm(&[3e-200, 4e-200]) - 5e-200).abs() < 1e-214);
    assert!(norm(&[1.0, f64::INFINITY]).is_infinite());
    assert!(norm(&[0.0, f64::NAN]).is_nan() && norm(&[f64::NAN, 2.0]).is_nan());
    assert!(normalised(&[0.0, 0.0]).is_none() && normalised(&[f64::INFINITY, 1.0]).is_none());
    assert!(normalised(&[f64::NAN, 1.0]).is_none());
    assert_eq!(normalised(&[0.0, -2e-300]), Some(vec![0.0, -1.0]));
    assert_eq!(([1.0, 2.0].dot(&[3.0, -4.0]), &[1.0, 2.0] - 2.0 * &[0.5, 1.0]), (-5.0, vec![0.0, 0.0]));
}

#[test]
#[should_panic(expected = "inner extents")]
fn a_product_of_extents_that_do_not_fit_panics() {
    let _ = Array2::eye(2).dot(&Array2::eye(3));
}

#[test]
#[should_panic(expected = "column 2 of 2")]
fn an_index_beyond_the_last_column_is_not_the_next_row() {
    let _ = Array2::eye(2)[[0, 2]];
}
