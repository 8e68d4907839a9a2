//! Arguments that every manifold refuses: impossible dimensions, points of the wrong length or not finite, points without a
//! unique nearest point.

use std::f64::consts::{FRAC_PI_2, PI};

use ndarray::{Array1, Array2, array, s};
use orthoscope::Error;
use orthoscope::error::Result;
use orthoscope::theory::manifold::{
    AffineSubspace, CircleProduct, Ellipse, FixedRank, Manifold, PositiveSemidefinite, SineCurve, Sphere, Stiefel, SwissRoll,
    Torus,
};

use super::laws::stream;

/// The sentence of the typed error.
pub fn refusal<T>(result: Result<T>) -> String {
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
    says(AffineSubspace::new(&Array2::zeros((3, 2)), &Array1::zeros(3)).map(drop), "they span 0");
    says(AffineSubspace::new(&Array2::from_elem((3, 1), f64::NAN), &Array1::zeros(3)).map(drop), "NaN");
    says(AffineSubspace::new(&Array2::eye(3), &Array1::zeros(3)).map(drop), "got 3");
    says(AffineSubspace::new(&Array2::ones((3, 1)), &Array1::zeros(2)).map(drop), "3 values, got 2");
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
        says(FixedRank::new(3, 5, rank).map(drop), &format!("below both dimensions, got {rank}"));
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
        let n = x.len();
        let mut wrong = vec![x.slice(s![1..]).to_owned(), Array1::zeros(n + 1), Array1::zeros(0)];
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut y = x.clone();
            y[0] = value;
            wrong.push(y);
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
        let off = &x + 1e-3 * &manifold.normal_basis(&x).unwrap().column(0);
        let name = manifold.name();
        assert!(manifold.contains(&x, 1e-12) && !manifold.contains(&off, 1e-4) && manifold.contains(&off, 2e-3), "{name}");
    }
}

#[test]
fn points_without_a_unique_nearest_point_are_refused() {
    let sphere = Sphere::new(3, 2.0).unwrap();
    assert!(refusal(sphere.project_point(&Array1::zeros(3))).contains("centre"));
    refusal(sphere.tangent_basis(&Array1::zeros(3)));
    refusal(sphere.project_tangent(&Array1::zeros(3), &Array1::ones(3)));
    let product = CircleProduct::new(&[1.0, 2.0]).unwrap();
    assert!(refusal(product.project_point(&array![1.0, 1.0, 0.0, 0.0])).contains("circle 1"));
    let torus = Torus::new(2.0, 0.5).unwrap();
    assert!(refusal(torus.project_point(&array![0.0, 0.0, 0.3])).contains("axis"));
    for angle in 0..12 {
        let (sin, cos) = f64::from(angle).sin_cos();
        assert!(refusal(torus.project_point(&array![2.0 * cos, 2.0 * sin, 0.0])).contains("core"));
    }
    for ellipse in [Ellipse::new(2.0, 1.0).unwrap(), Ellipse::new(1.0, 1.0).unwrap()] {
        assert!(refusal(ellipse.project_point(&array![0.0, 0.0])).contains("nearest"));
    }
    let ellipse = Ellipse::new(1.0, 2.0).unwrap();
    refusal(ellipse.project_point(&array![0.0, -1.49]));
    refusal(SineCurve.project_point(&array![FRAC_PI_2, -0.5]));
    refusal(SineCurve.project_point(&array![7.0 * FRAC_PI_2, 3.0]));
    refusal(SineCurve.project_point(&array![-FRAC_PI_2, 1e-3]));
    assert!(refusal(SineCurve.project_point(&array![1e10, 0.0])).contains("not resolved"));
    let stiefel = Stiefel::new(3, 2).unwrap();
    for y in [Array1::zeros(6), array![1.0, 2.0, 1.0, 2.0, 1.0, 2.0], array![1.0, 0.0, 1.0, 0.0, 0.0, 0.0]] {
        assert!(refusal(stiefel.project_point(&y)).contains("rank below 2"));
        refusal(stiefel.tangent_basis(&y));
        refusal(stiefel.normal_basis(&y));
    }
    let fixed = FixedRank::new(3, 3, 1).unwrap();
    assert!(refusal(fixed.project_point(&array![2.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 1.0])).contains("1 and 2 are 2 and 2"));
    assert!(refusal(fixed.project_point(&Array1::zeros(9))).contains("are 0 and 0"));
    refusal(fixed.local_reach(&Array1::zeros(9)));
    // A matrix of rank 1 where 2 is required: D comes arbitrarily close.
    refusal(FixedRank::new(3, 3, 2).unwrap().project_point(&Array1::ones(9)));
}

#[test]
fn a_point_midway_between_two_turns_is_refused() {
    let roll = SwissRoll::new(2.0, 4.0, 16.0, 1.0).unwrap();
    // Bisects the place on a ray from the axis where the nearest point jumps from one turn to the next.
    let point = |r: f64| array![r * 0.6, 0.5, r * 0.8];
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
