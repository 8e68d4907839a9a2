//! Decompositions put together again, over random matrices and the hard ones: deficient, zero, equal values, tiny and huge.

use orthoscope::rng::{Purpose, Stream};
use orthoscope::theory::algebra::{
    Matrix, add_scaled, complement, dot, norm, normalised, orthonormal_basis, solve, sub, svd, symmetric_eigen,
};
use proptest::prelude::*;

const ROUNDING: f64 = 1e-12;

fn random(seed: u64, rows: usize, columns: usize) -> Matrix {
    let mut stream = Stream::new(seed, Purpose::Test, 1, 0);
    Matrix::from_fn(rows, columns, |_, _| stream.normal())
}

/// A random matrix of rank `rank` at most, times `scale`.
fn deficient(seed: u64, rows: usize, columns: usize, rank: usize, scale: f64) -> Matrix {
    random(seed, rows, rank).times(&random(!seed, rank, columns)).scaled(scale)
}

/// `‖AᵀA - I‖_F`.
fn orthonormality(a: &Matrix) -> f64 {
    a.transposed().times(a).minus(&Matrix::identity(a.columns())).frobenius()
}

fn is_sorted(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] >= pair[1])
}

fn check_eigen(a: &Matrix) {
    let eigen = symmetric_eigen(a);
    let symmetric = a.add_scaled(1.0, &a.transposed()).scaled(0.5);
    let error = eigen.map(|value| value).minus(&symmetric).frobenius();
    assert!(error <= ROUNDING * symmetric.frobenius(), "{error:e} of {:e}", symmetric.frobenius());
    assert!(orthonormality(&eigen.vectors) < ROUNDING && is_sorted(&eigen.values), "{:?}", eigen.values);
    assert!((eigen.values.iter().sum::<f64>() - a.trace()).abs() <= 10.0 * ROUNDING * symmetric.frobenius());
}

fn check_svd(a: &Matrix, rank: usize) {
    let k = a.rows().min(a.columns());
    let svd = svd(a);
    assert_eq!((svd.u.rows(), svd.u.columns(), svd.v.rows(), svd.v.columns()), (a.rows(), k, a.columns(), k));
    let error = svd.map(|_, value| value).minus(a).frobenius();
    assert!(error <= ROUNDING * a.frobenius(), "{error:e} of {:e}", a.frobenius());
    assert!(orthonormality(&svd.u) < ROUNDING, "U: {:e}, {:?}", orthonormality(&svd.u), svd.values);
    assert!(orthonormality(&svd.v) < ROUNDING, "V: {:e}, {:?}", orthonormality(&svd.v), svd.values);
    assert!(is_sorted(&svd.values) && svd.values.iter().all(|&value| value >= 0.0), "{:?}", svd.values);
    let above = svd.values.iter().filter(|&&value| value > ROUNDING * svd.values[0]).count();
    assert_eq!(above, rank, "{:?}", svd.values);
    assert!((norm(&svd.values) - a.frobenius()).abs() <= ROUNDING * a.frobenius());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn eigenvectors_and_values_give_the_symmetric_part_back(n in 1..14usize, exponent in -200..200i32, seed: u64) {
        check_eigen(&random(seed, n, n).scaled(10.0_f64.powi(exponent)));
    }

    #[test]
    fn equal_eigenvalues_are_no_trouble(n in 2..12usize, part in 0.0..1.0, seed: u64) {
        let rank = (part * n as f64) as usize;
        let q = orthonormal_basis(&random(seed, n, rank));
        let projector = q.times(&q.transposed());
        check_eigen(&projector);
        let expected: Vec<f64> = (0..n).map(|index| f64::from(u8::from(index < rank))).collect();
        prop_assert!(norm(&sub(&symmetric_eigen(&projector).values, &expected)) < ROUNDING);
    }

    #[test]
    fn singular_vectors_and_values_give_the_matrix_back(rows in 1..10usize, columns in 1..10usize, exponent in -200..200i32, seed: u64) {
        check_svd(&random(seed, rows, columns).scaled(10.0_f64.powi(exponent)), rows.min(columns));
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
        let eigen = symmetric_eigen(&a.transposed().times(&a)).values;
        let squares = svd(&a).values.into_iter().map(|value| value * value).chain(std::iter::repeat(0.0));
        let expected: Vec<f64> = squares.take(columns).collect();
        prop_assert!(norm(&sub(&eigen, &expected)) <= ROUNDING * norm(&expected), "{eigen:?} {expected:?}");
    }

    #[test]
    fn a_basis_spans_what_the_columns_span(n in 1..12usize, part in 0.0..1.0, extra in 0..3usize, seed: u64) {
        let rank = (part * (n + 1) as f64) as usize;
        let a = deficient(seed, n, rank + extra, rank, 1.0);
        let q = orthonormal_basis(&a);
        prop_assert_eq!(q.columns(), rank);
        prop_assert!(orthonormality(&q) < ROUNDING);
        let inside = q.times(&q.transposed().times(&a));
        prop_assert!(inside.minus(&a).frobenius() <= 1e-9 * a.frobenius());
    }

    #[test]
    fn a_basis_and_its_complement_are_everything(n in 1..14usize, part in 0.0..1.0, seed: u64) {
        let q = orthonormal_basis(&random(seed, n, (part * (n + 1) as f64) as usize));
        let rest = complement(&q);
        prop_assert_eq!(q.columns() + rest.columns(), n);
        let sum = q.times(&q.transposed()).add_scaled(1.0, &rest.times(&rest.transposed()));
        prop_assert!(orthonormality(&rest) < ROUNDING && sum.minus(&Matrix::identity(n)).frobenius() < ROUNDING);
    }

    #[test]
    fn solutions_solve(n in 1..12usize, columns in 0..4usize, exponent in -100..100i32, seed: u64) {
        let (a, b) = (random(seed, n, n).scaled(10.0_f64.powi(exponent)), random(!seed, n, columns));
        let x = solve(&a, &b).unwrap();
        // Backward stable up to the growth of elimination: small against ‖A‖ ‖X‖, even where A is near to singular.
        let residual = a.times(&x).minus(&b).frobenius();
        prop_assert!(residual <= 1e-11 * (a.frobenius() * x.frobenius() + b.frobenius()), "{residual:e}");
    }

    #[test]
    fn singular_systems_have_no_solution(n in 1..10usize, part in 0.0..1.0, seed: u64) {
        let a = deficient(seed, n, n, (part * n as f64) as usize, 1.0);
        prop_assert!(solve(&a, &Matrix::identity(n)).is_none());
    }

    #[test]
    fn products_agree_with_their_definition(rows in 0..6usize, inner in 1..6usize, columns in 0..6usize, seed: u64) {
        let (a, b) = (random(seed, rows, inner), random(!seed, inner, columns));
        let product = a.times(&b);
        let expected = Matrix::from_fn(rows, columns, |row, column| (0..inner).map(|k| a[(row, k)] * b[(k, column)]).sum());
        prop_assert!(product.minus(&expected).frobenius() < ROUNDING);
        prop_assert!(product.transposed().minus(&b.transposed().times(&a.transposed())).frobenius() < ROUNDING);
        for column in 0..columns {
            prop_assert!(norm(&sub(&a.apply(&b.column(column)), &product.column(column))) < ROUNDING);
        }
        let v: Vec<f64> = (0..rows).map(|row| row as f64 - 1.5).collect();
        prop_assert!(norm(&sub(&a.apply_transposed(&v), &a.transposed().apply(&v))) < ROUNDING);
    }
}

#[test]
fn zero_and_empty_matrices() {
    for (rows, columns) in [(1, 1), (3, 5), (5, 3), (4, 4)] {
        check_svd(&Matrix::zeros(rows, columns), 0);
    }
    check_eigen(&Matrix::zeros(4, 4));
    assert!(symmetric_eigen(&Matrix::zeros(0, 0)).values.is_empty());
    assert!(svd(&Matrix::zeros(3, 0)).values.is_empty() && svd(&Matrix::zeros(0, 3)).values.is_empty());
    assert_eq!(orthonormal_basis(&Matrix::zeros(3, 2)).columns(), 0);
    assert_eq!(complement(&Matrix::zeros(3, 0)), Matrix::identity(3));
    assert_eq!(complement(&Matrix::identity(3)).columns(), 0);
    assert!(solve(&Matrix::zeros(2, 2), &Matrix::identity(2)).is_none());
    assert!(solve(&Matrix::from_fn(2, 2, |_, _| f64::NAN), &Matrix::identity(2)).is_none());
}

#[test]
fn decompositions_known_in_closed_form() {
    let diagonal = Matrix::from_values(3, 3, vec![2.0, 0.0, 0.0, 0.0, -5.0, 0.0, 0.0, 0.0, 3.0]);
    assert_eq!(symmetric_eigen(&diagonal).values, [3.0, 2.0, -5.0]);
    assert_eq!(svd(&diagonal).values, [5.0, 3.0, 2.0]);
    // Eigenvalues 3 and 1, vectors (1, 1) and (1, -1).
    let eigen = symmetric_eigen(&Matrix::from_values(2, 2, vec![2.0, 1.0, 1.0, 2.0]));
    assert!(
        norm(&sub(&eigen.values, &[3.0, 1.0])) < ROUNDING && (eigen.vectors[(0, 0)] - eigen.vectors[(1, 0)]).abs() < ROUNDING
    );
    // Singular values of (1, 1; 0, 1): the golden ratio and its inverse.
    let golden = 0.5 * (1.0 + 5.0_f64.sqrt());
    let values = svd(&Matrix::from_values(2, 2, vec![1.0, 1.0, 0.0, 1.0])).values;
    assert!(norm(&sub(&values, &[golden, 1.0 / golden])) < ROUNDING);
    // A small singular value keeps its digits beside a large one.
    let graded = svd(&Matrix::from_values(2, 2, vec![1.0, 0.0, 0.0, 1e-30])).values;
    assert_eq!(graded, [1.0, 1e-30]);
    let square = symmetric_eigen(&Matrix::from_values(2, 2, vec![5.0, 4.0, 4.0, 5.0])).map(f64::sqrt);
    assert!(square.minus(&Matrix::from_values(2, 2, vec![2.0, 1.0, 1.0, 2.0])).frobenius() < ROUNDING);
}

#[test]
fn a_system_may_be_near_to_singular() {
    let a = Matrix::from_values(2, 2, vec![1.0, 0.0, 0.0, 1e-12]);
    assert_eq!(solve(&a, &Matrix::identity(2)).unwrap().values(), [1.0, 0.0, 0.0, 1e12]);
    let swapped = Matrix::from_values(2, 2, vec![0.0, 2.0, 4.0, 0.0]);
    assert_eq!(solve(&swapped, &Matrix::identity(2)).unwrap().values(), [0.0, 0.25, 0.5, 0.0]);
}

#[test]
fn matrices_that_are_not_finite_end() {
    for value in [f64::NAN, f64::INFINITY] {
        let a = Matrix::from_fn(3, 3, |row, column| if row == column { value } else { 1.0 });
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
    assert_eq!((dot(&[1.0, 2.0], &[3.0, -4.0]), add_scaled(&[1.0, 2.0], -2.0, &[0.5, 1.0])), (-5.0, vec![0.0, 0.0]));
}

#[test]
#[should_panic(expected = "inner extents")]
fn a_product_of_extents_that_do_not_fit_panics() {
    let _ = Matrix::identity(2).times(&Matrix::identity(3));
}

#[test]
#[should_panic(expected = "column 2 of 2")]
fn an_index_beyond_the_last_column_is_not_the_next_row() {
    let _ = Matrix::identity(2)[(0, 2)];
}
