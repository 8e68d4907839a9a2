//! Every manifold satisfies the laws, for any dimensions and radii.

use std::f64::consts::TAU;

use ndarray::{Array1, Array2, s};
use orthoscope::theory::algebra::{norm, svd, symmetric_eigen};
use orthoscope::theory::manifold::{
    AffineSubspace, CircleProduct, Ellipse, FixedRank, Manifold, PositiveSemidefinite, SineCurve, Sphere, Stiefel, SwissRoll,
    Torus,
};
use proptest::prelude::*;

use super::laws::{Subject, broken, stream};

const CASES: u32 = 24;

fn obeys(subject: &Subject<'_>, seed: u64) -> Result<(), TestCaseError> {
    let found = broken(subject, &mut stream(seed));
    prop_assert!(found.is_empty(), "{}: {found:#?}", subject.manifold.name());
    Ok(())
}

/// A vector as a matrix, row by row.
fn matrix(x: &Array1<f64>, rows: usize, columns: usize) -> Array2<f64> {
    x.clone().into_shape_with_order((rows, columns)).unwrap()
}

/// Lengths over four orders of magnitude.
fn length() -> impl Strategy<Value = f64> {
    (-2.0..2.0).prop_map(|exponent: f64| 10.0_f64.powf(exponent))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn affine_subspaces(n in 2..12usize, part in 0.0..1.0, spread in length(), seed: u64) {
        let d = 1 + (part * (n - 1) as f64) as usize;
        let affine = AffineSubspace::random(n, d, &mut stream(seed ^ 1)).unwrap();
        let point = affine.sample(&mut stream(seed ^ 2));
        let normal = affine.normal_basis(&point).unwrap();
        obeys(&Subject::new(&affine, spread, &|x| norm(&normal.t().dot(&(x - &point)))), seed)?;
    }

    #[test]
    fn spheres(n in 2..10usize, radius in length(), seed: u64) {
        let sphere = Sphere::new(n, radius).unwrap();
        obeys(&Subject::new(&sphere, radius, &|x| norm(x) - radius), seed)?;
    }

    #[test]
    fn circle_products(radii in prop::collection::vec(length(), 1..5), seed: u64) {
        let product = CircleProduct::new(&radii).unwrap();
        let worst = |x: &Array1<f64>| x.exact_chunks(2).into_iter().zip(&radii).map(|(x, r)| (norm(&x) - r).abs()).fold(0.0, f64::max);
        obeys(&Subject::new(&product, product.reach(), &worst), seed)?;
    }

    #[test]
    fn tori(major in length(), part in 0.02..0.98, seed: u64) {
        let minor = part * major;
        let torus = Torus::new(major, minor).unwrap();
        let equation = |x: &Array1<f64>| (norm(&x.slice(s![..2])) - major).hypot(x[2]) - minor;
        obeys(&Subject::new(&torus, major, &equation), seed)?;
    }

    #[test]
    fn ellipses(a in length(), ratio in 0.05..1.0, swap: bool, seed: u64) {
        let (a, b) = if swap { (ratio * a, a) } else { (a, ratio * a) };
        let ellipse = Ellipse::new(a, b).unwrap();
        let equation = |x: &Array1<f64>| a.min(b) * ((x[0] / a).powi(2) + (x[1] / b).powi(2) - 1.0);
        obeys(&Subject::new(&ellipse, a.max(b), &equation), seed)?;
    }

    #[test]
    fn sine_curves(spread in 0.1..10.0, seed: u64) {
        obeys(&Subject::new(&SineCurve, spread, &|x| x[1] - x[0].sin()), seed)?;
    }

    #[test]
    fn stiefel_manifolds(n in 2..6usize, part in 0.0..1.0, spread in 0.05..3.0, seed: u64) {
        let k = 1 + (part * n as f64) as usize;
        let stiefel = Stiefel::new(n, k).unwrap();
        let equation = |x: &Array1<f64>| {
            let x = matrix(x, n, k);
            norm(&(x.t().dot(&x) - Array2::<f64>::eye(k)))
        };
        obeys(&Subject::new(&stiefel, spread, &equation), seed)?;
    }

    #[test]
    fn matrices_of_fixed_rank(rows in 2..6usize, columns in 2..6usize, part in 0.0..1.0, spread in 0.05..3.0, seed: u64) {
        let rank = 1 + (part * (rows.min(columns) - 1) as f64) as usize;
        let fixed = FixedRank::new(rows, columns, rank).unwrap();
        let equation = |x: &Array1<f64>| norm(&svd(&matrix(x, rows, columns)).values.slice(s![rank..]));
        obeys(&Subject::new(&fixed, spread, &equation), seed)?;
    }

    #[test]
    fn positive_semidefinite_cones(n in 2..6usize, part in 0.0..1.0, spread in 0.05..3.0, seed: u64) {
        let rank = 1 + (part * n as f64) as usize;
        let cone = PositiveSemidefinite::new(n, rank).unwrap();
        let equation = |x: &Array1<f64>| {
            let x = matrix(x, n, n);
            let negative = symmetric_eigen(&x).unwrap().values.last().map_or(0.0, |least| least.min(0.0));
            norm(&(&x - &x.t())) - negative
        };
        // At full rank the cone is smooth as far as its least eigenvalue, which is the distance to the matrices of lower rank.
        let room = |x: &Array1<f64>| symmetric_eigen(&matrix(x, n, n)).unwrap().values[n - 1];
        let is_edge = |x: &Array1<f64>| rank == n && room(x) < 0.01 * spread;
        let subject = Subject { is_edge: &is_edge, is_smooth: rank == n, ..Subject::new(&cone, spread, &equation) };
        obeys(&subject, seed)?;
    }

    #[test]
    fn swiss_rolls(scale in length(), from in 1.0..10.0, turns in 0.1..3.0, part in 0.1..10.0, seed: u64) {
        let to = from + turns * TAU;
        let roll = SwissRoll::new(scale, from, to, 5.0 * scale).unwrap();
        let angle = |x: &Array1<f64>| x[0].hypot(x[2]) / scale;
        let equation = |x: &Array1<f64>| (angle(x) * angle(x).cos() - x[0] / scale).hypot(angle(x) * angle(x).sin() - x[2] / scale);
        let is_edge = |x: &Array1<f64>| angle(x) < from + 0.01 || angle(x) > to - 0.01;
        let subject = Subject { is_edge: &is_edge, ..Subject::new(&roll, part * scale, &equation) };
        obeys(&subject, seed)?;
    }
}
