//! Every manifold obeys the laws, whatever its dimensions and radii, and says where its projection is not defined.

use orthoscope::Error;
use orthoscope::error::Result;
use orthoscope::rng::{Purpose, Stream};
use orthoscope::theory::algebra::{Matrix, norm, sub};
use orthoscope::theory::manifold::{AffineSubspace, CircleProduct, Ellipse, Manifold, Sphere, Torus};
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
    for radius in [0.0, -1.5, f64::NAN, f64::INFINITY] {
        let part = format!("got {radius}");
        says(Sphere::new(3, radius).map(drop), &part);
        says(CircleProduct::new(&[1.0, radius]).map(drop), &part);
        says(Torus::new(radius, 0.5).map(drop), &part);
        says(Torus::new(1.0, radius).map(drop), &part);
        says(Ellipse::new(radius, 1.0).map(drop), &part);
        says(Ellipse::new(1.0, radius).map(drop), &part);
    }
}

fn some_of_each() -> Vec<Box<dyn Manifold>> {
    vec![
        Box::new(AffineSubspace::random(5, 2, &mut stream(3)).unwrap()),
        Box::new(Sphere::new(4, 2.0).unwrap()),
        Box::new(CircleProduct::new(&[1.0, 2.0, 0.5]).unwrap()),
        Box::new(Torus::new(2.0, 0.75).unwrap()),
        Box::new(Ellipse::new(2.0, 1.0).unwrap()),
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
    let known: [(Box<dyn Manifold>, f64); 5] = [
        (Box::new(Sphere::circle(3.0).unwrap()), 3.0),
        (Box::new(CircleProduct::new(&[3.0, 0.5]).unwrap()), 0.5),
        (Box::new(Torus::new(2.0, 0.5).unwrap()), 0.5),
        (Box::new(Torus::new(2.0, 1.75).unwrap()), 0.25),
        (Box::new(Ellipse::new(1.0, 2.0).unwrap()), 0.5),
    ];
    for (manifold, reach) in known {
        assert_eq!(manifold.reach(), reach, "{}", manifold.name());
        let seen = federer(&*manifold, &mut stream(11));
        assert!((reach * (1.0 - 1e-6)..reach * 1.05).contains(&seen), "{}: {seen}", manifold.name());
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
