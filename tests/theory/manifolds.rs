//! Every manifold obeys the laws, whatever its dimensions and radii, and says where its projection is not defined.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use orthoscope::Error;
use orthoscope::error::Result;
use orthoscope::rng::{Purpose, Stream};
use orthoscope::theory::algebra::{Matrix, add_scaled, dot, norm, sub, svd, symmetric_eigen};
use orthoscope::theory::manifold::{
    AffineSubspace, CircleProduct, Ellipse, FixedRank, Manifold, PositiveSemidefinite, SineCurve, Sphere, Stiefel, SwissRoll,
    Torus,
};
use proptest::prelude::*;

use super::laws::{Subject, broken};

const CASES: u32 = 24;

fn stream(seed: u64) -> Stream {
    Stream::new(seed, Purpose::Test, 0, 0)
}

fn obeys(subject: &Subject<'_>, seed: u64) -> Result<(), TestCaseError> {
    let found = broken(subject, &mut stream(seed));
    prop_assert!(found.is_empty(), "{}: {found:#?}", subject.manifold.name());
    Ok(())
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
        obeys(&Subject::new(&affine, spread, &|x| norm(&normal.apply_transposed(&sub(x, &point)))), seed)?;
    }

    #[test]
    fn spheres(n in 2..10usize, radius in length(), seed: u64) {
        let sphere = Sphere::new(n, radius).unwrap();
        obeys(&Subject::new(&sphere, radius, &|x| norm(x) - radius), seed)?;
    }

    #[test]
    fn circle_products(radii in prop::collection::vec(length(), 1..5), seed: u64) {
        let product = CircleProduct::new(&radii).unwrap();
        let worst = |x: &[f64]| x.chunks(2).zip(&radii).map(|(x, r)| (norm(x) - r).abs()).fold(0.0, f64::max);
        obeys(&Subject::new(&product, product.reach(), &worst), seed)?;
    }

    #[test]
    fn tori(major in length(), part in 0.02..0.98, seed: u64) {
        let minor = part * major;
        let torus = Torus::new(major, minor).unwrap();
        let equation = |x: &[f64]| (norm(&x[..2]) - major).hypot(x[2]) - minor;
        obeys(&Subject::new(&torus, major, &equation), seed)?;
    }

    #[test]
    fn ellipses(a in length(), ratio in 0.05..1.0, swap: bool, seed: u64) {
        let (a, b) = if swap { (ratio * a, a) } else { (a, ratio * a) };
        let ellipse = Ellipse::new(a, b).unwrap();
        let equation = |x: &[f64]| a.min(b) * ((x[0] / a).powi(2) + (x[1] / b).powi(2) - 1.0);
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
        let equation = |x: &[f64]| {
            let x = Matrix::from_values(n, k, x.to_vec());
            x.transposed().times(&x).minus(&Matrix::identity(k)).frobenius()
        };
        obeys(&Subject::new(&stiefel, spread, &equation), seed)?;
    }

    #[test]
    fn matrices_of_fixed_rank(rows in 2..6usize, columns in 2..6usize, part in 0.0..1.0, spread in 0.05..3.0, seed: u64) {
        let rank = 1 + (part * (rows.min(columns) - 1) as f64) as usize;
        let fixed = FixedRank::new(rows, columns, rank).unwrap();
        let equation = |x: &[f64]| norm(&svd(&Matrix::from_values(rows, columns, x.to_vec())).values[rank..]);
        obeys(&Subject::new(&fixed, spread, &equation), seed)?;
    }

    #[test]
    fn positive_semidefinite_cones(n in 2..6usize, part in 0.0..1.0, spread in 0.05..3.0, seed: u64) {
        let rank = 1 + (part * n as f64) as usize;
        let cone = PositiveSemidefinite::new(n, rank).unwrap();
        let equation = |x: &[f64]| {
            let x = Matrix::from_values(n, n, x.to_vec());
            let negative = symmetric_eigen(&x).values.last().map_or(0.0, |least| least.min(0.0));
            x.minus(&x.transposed()).frobenius() - negative
        };
        // At full rank the cone is smooth as far as its least eigenvalue, which is the distance to the matrices of lower rank.
        let room = |x: &[f64]| symmetric_eigen(&Matrix::from_values(n, n, x.to_vec())).values[n - 1];
        let is_edge = |x: &[f64]| rank == n && room(x) < 0.01 * spread;
        let subject = Subject { is_edge: &is_edge, is_smooth: rank == n, ..Subject::new(&cone, spread, &equation) };
        obeys(&subject, seed)?;
    }

    #[test]
    fn swiss_rolls(scale in length(), from in 1.0..10.0, turns in 0.1..3.0, part in 0.1..10.0, seed: u64) {
        let to = from + turns * TAU;
        let roll = SwissRoll::new(scale, from, to, 5.0 * scale).unwrap();
        let angle = |x: &[f64]| x[0].hypot(x[2]) / scale;
        let equation = |x: &[f64]| (angle(x) * angle(x).cos() - x[0] / scale).hypot(angle(x) * angle(x).sin() - x[2] / scale);
        let is_edge = |x: &[f64]| angle(x) < from + 0.01 || angle(x) > to - 0.01;
        let subject = Subject { is_edge: &is_edge, ..Subject::new(&roll, part * scale, &equation) };
        obeys(&subject, seed)?;
    }
}

/// The sentence of the typed error.
fn refusal<T>(result: Result<T>) -> String {
    match result {
        Err(error @ Error::Argument(_)) => error.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("no error"),
    }
}

#[test]
fn impossible_manifolds_are_refused_with_their_numbers() {
    let mut stream = stream(1);
    let says = |result: Result<()>, part: &str| {
        let sentence = refusal(result);
        assert!(sentence.contains(part), "`{sentence}` does not say `{part}`");
    };
    for (n, d) in [(4, 4), (4, 5), (4, 0), (0, 0), (1, 1)] {
        says(AffineSubspace::random(n, d, &mut stream).map(drop), &format!("below n = {n}, got {d}"));
    }
    says(AffineSubspace::random(usize::MAX, 2, &mut stream).map(drop), "too many");
    says(AffineSubspace::new(&Matrix::zeros(3, 2), &[0.0; 3]).map(drop), "they span 0");
    says(AffineSubspace::new(&Matrix::from_fn(3, 1, |_, _| f64::NAN), &[0.0; 3]).map(drop), "NaN");
    says(AffineSubspace::new(&Matrix::identity(3), &[0.0; 3]).map(drop), "got 3");
    says(AffineSubspace::new(&Matrix::from_fn(3, 1, |_, _| 1.0), &[0.0; 2]).map(drop), "3 values, got 2");
    for n in [0, 1] {
        says(Sphere::new(n, 1.0).map(drop), &format!("got {n}"));
    }
    says(CircleProduct::new(&[]).map(drop), "none");
    says(Torus::new(1.0, 1.0).map(drop), "1 must be below the major radius 1");
    says(Torus::new(1.0, 2.0).map(drop), "2");
    says(Stiefel::new(3, 4).map(drop), "1 to n = 3 orthonormal columns, got 4");
    says(Stiefel::new(3, 0).map(drop), "got 0");
    says(Stiefel::orthogonal_group(1).map(drop), "dimension 0");
    says(Stiefel::new(usize::MAX, 3).map(drop), "too many");
    for rank in [0, 3, 4] {
        says(FixedRank::new(3, 5, rank).map(drop), &format!("below both extents, got {rank}"));
    }
    says(FixedRank::new(usize::MAX, 3, 1).map(drop), "too many");
    says(PositiveSemidefinite::new(1, 1).map(drop), "at least 2, got 1");
    says(PositiveSemidefinite::new(3, 0).map(drop), "1 to n = 3, got 0");
    says(PositiveSemidefinite::new(3, 4).map(drop), "got 4");
    says(PositiveSemidefinite::new(usize::MAX, 3).map(drop), "too many");
    for (from, to) in [(0.5, 9.0), (5.0, 5.0), (9.0, 5.0), (5.0, 2e4)] {
        says(SwissRoll::new(1.0, from, to, 1.0).map(drop), &format!("got {from} to {to}"));
    }
    for radius in [0.0, -1.5, f64::NAN, f64::INFINITY] {
        let part = format!("got {radius}");
        says(Sphere::new(3, radius).map(drop), &part);
        says(CircleProduct::new(&[1.0, radius]).map(drop), &part);
        says(Torus::new(radius, 0.5).map(drop), &part);
        says(Torus::new(1.0, radius).map(drop), &part);
        says(Ellipse::new(radius, 1.0).map(drop), &part);
        says(Ellipse::new(1.0, radius).map(drop), &part);
        for index in 0..4 {
            let mut values = [1.0, 2.0, 9.0, 1.0];
            values[index] = radius;
            let [scale, from, to, width] = values;
            says(SwissRoll::new(scale, from, to, width).map(drop), &part);
        }
    }
}

fn some_of_each() -> Vec<Box<dyn Manifold>> {
    vec![
        Box::new(AffineSubspace::random(5, 2, &mut stream(3)).unwrap()),
        Box::new(Sphere::new(4, 2.0).unwrap()),
        Box::new(CircleProduct::new(&[1.0, 2.0, 0.5]).unwrap()),
        Box::new(Torus::new(2.0, 0.75).unwrap()),
        Box::new(Ellipse::new(2.0, 1.0).unwrap()),
        Box::new(SineCurve),
        Box::new(Stiefel::new(4, 2).unwrap()),
        Box::new(Stiefel::orthogonal_group(3).unwrap()),
        Box::new(FixedRank::new(4, 3, 2).unwrap()),
        Box::new(PositiveSemidefinite::new(3, 3).unwrap()),
        Box::new(SwissRoll::new(1.0, 1.5 * PI, 4.5 * PI, 10.0).unwrap()),
    ]
}

#[test]
fn every_method_refuses_a_wrong_length_and_what_is_not_finite() {
    for manifold in some_of_each() {
        let x = manifold.sample(&mut stream(5));
        let mut wrong = vec![x[1..].to_vec(), [x.as_slice(), &[0.0]].concat(), vec![]];
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            wrong.push([&[value], &x[1..]].concat());
        }
        for y in wrong {
            refusal(manifold.project_point(&y));
            refusal(manifold.distance(&y));
            refusal(manifold.tangent_basis(&y));
            refusal(manifold.normal_basis(&y));
            refusal(manifold.local_reach(&y));
            refusal(manifold.project_tangent(&y, &x));
            refusal(manifold.project_tangent(&x, &y));
            assert!(!manifold.contains(&y, 1e9), "{}", manifold.name());
        }
    }
}

#[test]
fn points_off_the_manifold_are_not_contained() {
    for manifold in some_of_each() {
        let x = manifold.sample(&mut stream(7));
        let normal = manifold.normal_basis(&x).unwrap().column(0);
        let off: Vec<f64> = x.iter().zip(&normal).map(|(x, v)| x + 1e-3 * v).collect();
        let name = manifold.name();
        assert!(manifold.contains(&x, 1e-12) && !manifold.contains(&off, 1e-4) && manifold.contains(&off, 2e-3), "{name}");
    }
}

#[test]
fn points_without_a_unique_nearest_point_are_refused() {
    let sphere = Sphere::new(3, 2.0).unwrap();
    assert!(refusal(sphere.project_point(&[0.0; 3])).contains("centre"));
    refusal(sphere.tangent_basis(&[0.0; 3]));
    refusal(sphere.project_tangent(&[0.0; 3], &[1.0; 3]));
    let product = CircleProduct::new(&[1.0, 2.0]).unwrap();
    assert!(refusal(product.project_point(&[1.0, 1.0, 0.0, 0.0])).contains("circle 1"));
    let torus = Torus::new(2.0, 0.5).unwrap();
    assert!(refusal(torus.project_point(&[0.0, 0.0, 0.3])).contains("axis"));
    for angle in 0..12 {
        let (sin, cos) = f64::from(angle).sin_cos();
        assert!(refusal(torus.project_point(&[2.0 * cos, 2.0 * sin, 0.0])).contains("core"));
    }
    for ellipse in [Ellipse::new(2.0, 1.0).unwrap(), Ellipse::new(1.0, 1.0).unwrap()] {
        assert!(refusal(ellipse.project_point(&[0.0, 0.0])).contains("nearest"));
    }
    let ellipse = Ellipse::new(1.0, 2.0).unwrap();
    refusal(ellipse.project_point(&[0.0, -1.49]));
    refusal(SineCurve.project_point(&[FRAC_PI_2, -0.5]));
    refusal(SineCurve.project_point(&[7.0 * FRAC_PI_2, 3.0]));
    refusal(SineCurve.project_point(&[-FRAC_PI_2, 1e-3]));
    assert!(refusal(SineCurve.project_point(&[1e10, 0.0])).contains("not resolved"));
    let stiefel = Stiefel::new(3, 2).unwrap();
    for y in [[0.0; 6], [1.0, 2.0, 1.0, 2.0, 1.0, 2.0], [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]] {
        assert!(refusal(stiefel.project_point(&y)).contains("rank below 2"));
        refusal(stiefel.tangent_basis(&y));
        refusal(stiefel.normal_basis(&y));
    }
    let fixed = FixedRank::new(3, 3, 1).unwrap();
    assert!(refusal(fixed.project_point(&[2.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 1.0])).contains("1 and 2 are 2 and 2"));
    assert!(refusal(fixed.project_point(&[0.0; 9])).contains("are 0 and 0"));
    refusal(fixed.local_reach(&[0.0; 9]));
    // Rank 1 where 2 is wanted: D comes as near as one likes.
    refusal(FixedRank::new(3, 3, 2).unwrap().project_point(&[1.0; 9]));
}

#[test]
fn a_point_midway_between_two_turns_is_refused() {
    let roll = SwissRoll::new(2.0, 4.0, 16.0, 1.0).unwrap();
    // Bisection of the place where the nearest point jumps from one turn to the next, on a ray from the axis.
    let point = |r: f64| [r * 0.6, 0.5, r * 0.8];
    let is_inner = |r: f64| roll.project_point(&point(r)).map(|x| x[0].hypot(x[2]) < 22.0);
    let (mut low, mut high) = (16.0, 28.0);
    assert!(is_inner(low).unwrap() && !is_inner(high).unwrap());
    let refused = loop {
        let middle: f64 = 0.5 * (low + high);
        match is_inner(middle) {
            Err(error) => break error.to_string(),
            Ok(true) => low = middle,
            Ok(false) => high = middle,
        }
        assert!(high - low > 1e-15, "no point was refused");
    };
    assert!(refused.contains("equally near"), "{refused}");
}

#[test]
fn beyond_an_edge_of_the_roll_the_edge_is_nearest() {
    let roll = SwissRoll::new(1.0, 4.0, 16.0, 1.0).unwrap();
    for t in [4.0, 16.0_f64] {
        let edge = [t * t.cos(), 7.0, t * t.sin()];
        let tangent = roll.tangent_basis(&edge).unwrap().column(0);
        let outward = if t == 4.0 { -0.3 } else { 0.3 };
        let x = roll.project_point(&add_scaled(&edge, outward, &tangent)).unwrap();
        assert!(norm(&sub(&x, &edge)) < 1e-12 && roll.on_edge(&x).unwrap());
        assert!(!roll.on_edge(&add_scaled(&edge, -outward, &tangent)).unwrap());
    }
    // The axis is equally far from all of a turn but for its radius: nearest is the inner edge.
    let x = roll.project_point(&[0.0, -3.0, 0.0]).unwrap();
    assert!(norm(&sub(&x, &[4.0 * 4.0_f64.cos(), -3.0, 4.0 * 4.0_f64.sin()])) < 1e-12);
}

#[test]
fn the_sine_curve_on_its_lines_of_symmetry() {
    // The nearest point is the crest down to its centre of curvature.
    for (p, q) in [(FRAC_PI_2, 5.0), (FRAC_PI_2, 1e-6), (-FRAC_PI_2, -0.5)] {
        let x = SineCurve.project_point(&[p, q]).unwrap();
        assert!((x[0] - p).abs() < 1e-6 && (x[1] - p.sin()).abs() < 1e-12, "{x:?}");
    }
    // Beside the line, on the side of its two nearest points u / sin u - cos u = |q| away.
    let u: f64 = 1.2;
    for side in [-1.0, 1.0] {
        let x = SineCurve.project_point(&[FRAC_PI_2 + side * 1e-9, u.cos() - u / u.sin()]).unwrap();
        assert!((x[0] - FRAC_PI_2 - side * u).abs() < 1e-6, "{x:?}");
    }
    let far = SineCurve.project_point(&[1e8, 1.0]).unwrap();
    assert_eq!(far[1], far[0].sin());
}

#[test]
fn the_cone_has_the_tangent_space_of_the_rank_of_the_point() {
    let (n, mut stream) = (4, stream(13));
    let seen_from_one = PositiveSemidefinite::new(n, 1).unwrap();
    for rank in 0..=n {
        let x = if rank == 0 { vec![0.0; n * n] } else { PositiveSemidefinite::new(n, rank).unwrap().sample(&mut stream) };
        assert_eq!(seen_from_one.rank_at(&x).unwrap(), rank);
        let (tangent, normal) = (seen_from_one.tangent_basis(&x).unwrap(), seen_from_one.normal_basis(&x).unwrap());
        let d = rank * n - rank * rank.saturating_sub(1) / 2;
        assert_eq!((tangent.columns(), normal.columns()), (d, n * n - d));
    }
}

/// The one-sided derivative of π at x is the projection onto the tangent cone: the tangent part, and of the part on the kernel what
/// is positive semidefinite (Zarantonello 1971).
#[test]
fn the_cone_has_one_sided_derivatives_at_its_boundary() {
    let cone = PositiveSemidefinite::new(4, 2).unwrap();
    let mut stream = stream(17);
    for _ in 0..20 {
        let x = cone.sample(&mut stream);
        let direction: Vec<f64> = (0..16).map(|_| stream.normal()).collect();
        let along = cone.project_tangent(&x, &direction).unwrap();
        let on_kernel = cone.project_point(&sub(&direction, &along)).unwrap();
        let step = 1e-7;
        let moved = sub(&cone.project_point(&add_scaled(&x, step, &direction)).unwrap(), &x);
        let derivative: Vec<f64> = moved.iter().map(|value| value / step).collect();
        let error = norm(&sub(&derivative, &add_scaled(&along, 1.0, &on_kernel)));
        assert!(error < 1e-4 && norm(&on_kernel) > 1e-3, "{error:e}");
    }
}

#[test]
fn no_matrix_of_any_rank_is_nearer_than_the_clamped_one() {
    let cone = PositiveSemidefinite::new(3, 1).unwrap();
    let mut stream = stream(19);
    let y: Vec<f64> = (0..9).map(|_| stream.normal()).collect();
    let x = cone.project_point(&y).unwrap();
    for rank in 1..=3 {
        let other = PositiveSemidefinite::new(3, rank).unwrap();
        for _ in 0..3000 {
            let z = other.sample(&mut stream);
            // The variational inequality of a convex set.
            assert!(dot(&sub(&y, &x), &sub(&z, &x)) <= 1e-9 * (1.0 + norm(&z)));
        }
    }
}

#[test]
fn fixed_rank_recovers_up_to_the_least_singular_value_in_normal_directions() {
    let fixed = FixedRank::new(3, 3, 2).unwrap();
    let x = [3.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!((fixed.reach(), fixed.gap(&x).unwrap()), (0.0, 2.0));
    assert!((fixed.local_reach(&x).unwrap() - 2.0_f64.sqrt()).abs() < 1e-15);
    let lifted = |height: f64| fixed.project_point(&[3.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, height]).unwrap();
    assert!(norm(&sub(&lifted(1.99), &x)) < 1e-12 && norm(&sub(&lifted(2.01), &x)) > 1.0);
    // In a direction that is not normal the two singular values meet at the distance √2.
    refusal(fixed.project_point(&[3.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]));
}

#[test]
fn both_parts_of_the_orthogonal_group_are_projected_onto() {
    let group = Stiefel::orthogonal_group(2).unwrap();
    let rotation = group.project_point(&[2.0, 0.1, -0.1, 3.0]).unwrap();
    let reflection = group.project_point(&[2.0, 0.1, 0.1, -3.0]).unwrap();
    let determinant = |x: &[f64]| x[0] * x[3] - x[1] * x[2];
    assert!((determinant(&rotation) - 1.0).abs() < 1e-12 && (determinant(&reflection) + 1.0).abs() < 1e-12);
}

#[test]
fn ellipses_are_exact_where_their_projection_is_hard() {
    let ellipse = Ellipse::new(2.0, 1.0).unwrap();
    // The ends of the segment without unique nearest points, and a hair beside it.
    assert_eq!(ellipse.project_point(&[1.5, 0.0]).unwrap(), [2.0, 0.0]);
    assert_eq!(ellipse.project_point(&[-1.5, -0.0]).unwrap(), [-2.0, -0.0]);
    for q in [1e-8, 1e-16, 1e-300] {
        let x = ellipse.project_point(&[0.75, q]).unwrap();
        // The nearest points to (p, 0) are at a p / (a² - b²) = 1/2 of a.
        assert!((x[0] - 1.0).abs() < 1e-7 && (x[1] - 0.75_f64.sqrt()).abs() < 1e-7, "{q}: {x:?}");
    }
    assert_eq!(ellipse.project_point(&[0.0, -1e-3]).unwrap(), [0.0, -1.0]);
    let needle = Ellipse::new(1.0, 1e-9).unwrap();
    let x = needle.project_point(&[0.5, 3.0]).unwrap();
    assert!((x[0] - 0.5).abs() < 1e-8 && needle.contains(&x, 1e-15), "{x:?}");
}

#[test]
fn the_reach_is_not_overstated_nor_far_from_what_points_show() {
    let known: [(Box<dyn Manifold>, f64); 8] = [
        (Box::new(Sphere::circle(3.0).unwrap()), 3.0),
        (Box::new(CircleProduct::new(&[3.0, 0.5]).unwrap()), 0.5),
        (Box::new(Torus::new(2.0, 0.5).unwrap()), 0.5),
        (Box::new(Torus::new(2.0, 1.75).unwrap()), 0.25),
        (Box::new(Ellipse::new(1.0, 2.0).unwrap()), 0.5),
        (Box::new(SineCurve), 1.0),
        (Box::new(Stiefel::new(2, 1).unwrap()), 1.0),
        (Box::new(Stiefel::orthogonal_group(2).unwrap()), 1.0),
    ];
    for (manifold, reach) in known {
        assert_eq!(manifold.reach(), reach, "{}", manifold.name());
        let seen = federer(&*manifold, &mut stream(11));
        assert!((reach * (1.0 - 1e-6)..reach * 1.05).contains(&seen), "{}: {seen}", manifold.name());
    }
}

#[test]
fn the_reach_of_the_roll_is_a_lower_bound_and_not_far_below() {
    for (from, to) in [(1.5 * PI, 4.5 * PI), (1.0, 12.0), (10.0, 30.0), (4.0, 5.0)] {
        let roll = SwissRoll::new(2.0, from, to, 1.0).unwrap();
        let (bound, seen) = (roll.reach(), federer(&roll, &mut stream(23)));
        assert!(bound <= seen, "{from} to {to}: {bound} above {seen}");
        // Between turns, where there are two: half their distance, 2π.
        assert!(to - from < TAU || from < 4.0 || bound > 0.9 * seen, "{from} to {to}: {bound} far below {seen}");
    }
}

/// The least `‖q - p‖² / (2 dist(q - p, T_p))` over pairs of samples, not too near to each other for f64.
fn federer(manifold: &dyn Manifold, stream: &mut Stream) -> f64 {
    let points: Vec<Vec<f64>> = (0..1500).map(|_| manifold.sample(stream)).collect();
    let mut least = f64::INFINITY;
    for p in &points {
        let basis = manifold.tangent_basis(p).unwrap();
        for q in &points {
            let chord = sub(q, p);
            let along = basis.apply(&basis.apply_transposed(&chord));
            let away = norm(&sub(&chord, &along));
            if norm(&chord) > 1e-3 {
                least = least.min(norm(&chord).powi(2) / (2.0 * away));
            }
        }
    }
    least
}
