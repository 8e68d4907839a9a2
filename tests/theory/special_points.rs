//! Points where a projection is difficult, and comparisons of the stated reach with points.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use ndarray::{Array1, array};
use orthoscope::rng::Stream;
use orthoscope::theory::algebra::{gaussian_vector, norm};
use orthoscope::theory::manifold::{
    CircleProduct, Ellipse, FixedRank, Manifold, PositiveSemidefinite, SineCurve, Sphere, Stiefel, SwissRoll, Torus,
};

use super::laws::stream;
use super::refusals::refusal;

#[test]
fn beyond_an_edge_of_the_roll_the_edge_is_nearest() {
    let roll = SwissRoll::new(1.0, 4.0, 16.0, 1.0).unwrap();
    for t in [4.0, 16.0_f64] {
        let edge = array![t * t.cos(), 7.0, t * t.sin()];
        let tangent = roll.tangent_basis(&edge).unwrap().column(0).to_owned();
        let outward = if t == 4.0 { -0.3 } else { 0.3 };
        let x = roll.project_point(&(&edge + outward * &tangent)).unwrap();
        assert!(norm(&(&x - &edge)) < 1e-12 && roll.on_edge(&x).unwrap());
        assert!(!roll.on_edge(&(&edge - outward * &tangent)).unwrap());
    }
    // From the axis, the distance to the roll is its radius, which is smallest at the inner edge.
    let x = roll.project_point(&array![0.0, -3.0, 0.0]).unwrap();
    assert!(norm(&(x - array![4.0 * 4.0_f64.cos(), -3.0, 4.0 * 4.0_f64.sin()])) < 1e-12);
}

#[test]
fn the_sine_curve_on_its_lines_of_symmetry() {
    // Down to its centre of curvature, the crest is nearest.
    for (p, q) in [(FRAC_PI_2, 5.0), (FRAC_PI_2, 1e-6), (-FRAC_PI_2, -0.5)] {
        let x = SineCurve.project_point(&array![p, q]).unwrap();
        assert!((x[0] - p).abs() < 1e-6 && (x[1] - p.sin()).abs() < 1e-12, "{x}");
    }
    // Close to the line, beyond the centre of curvature: the nearest points are at ±u from the crest, with u / sin u - cos u =
    // |q|.
    let u: f64 = 1.2;
    for side in [-1.0, 1.0] {
        let x = SineCurve.project_point(&array![FRAC_PI_2 + side * 1e-9, u.cos() - u / u.sin()]).unwrap();
        assert!((x[0] - FRAC_PI_2 - side * u).abs() < 1e-6, "{x}");
    }
    let far = SineCurve.project_point(&array![1e8, 1.0]).unwrap();
    assert_eq!(far[1], far[0].sin());
}

#[test]
fn the_cone_has_the_tangent_space_of_the_rank_of_the_point() {
    let (n, mut stream) = (4, stream(13));
    let seen_from_one = PositiveSemidefinite::new(n, 1).unwrap();
    for rank in 0..=n {
        let x = if rank == 0 { Array1::zeros(n * n) } else { PositiveSemidefinite::new(n, rank).unwrap().sample(&mut stream) };
        let (tangent, normal) = (seen_from_one.tangent_basis(&x).unwrap(), seen_from_one.normal_basis(&x).unwrap());
        let d = rank * n - rank * rank.saturating_sub(1) / 2;
        assert_eq!((tangent.ncols(), normal.ncols()), (d, n * n - d));
    }
}

/// The one-sided derivative of π at x is the projection onto the tangent cone: the tangent part plus the positive semidefinite
/// part on the kernel (Zarantonello 1971).
#[test]
fn the_cone_has_one_sided_derivatives_at_its_boundary() {
    let cone = PositiveSemidefinite::new(4, 2).unwrap();
    let mut stream = stream(17);
    for _ in 0..20 {
        let x = cone.sample(&mut stream);
        let direction = gaussian_vector(&mut stream, 16);
        let along = cone.project_tangent(&x, &direction).unwrap();
        let on_kernel = cone.project_point(&(&direction - &along)).unwrap();
        let step = 1e-7;
        let derivative = (cone.project_point(&(&x + step * &direction)).unwrap() - &x) / step;
        let error = norm(&(derivative - (&along + &on_kernel)));
        assert!(error < 1e-4 && norm(&on_kernel) > 1e-3, "{error:e}");
    }
}

#[test]
fn no_matrix_of_any_rank_is_nearer_than_the_clamped_one() {
    let cone = PositiveSemidefinite::new(3, 1).unwrap();
    let mut stream = stream(19);
    let y = gaussian_vector(&mut stream, 9);
    let x = cone.project_point(&y).unwrap();
    for rank in 1..=3 {
        let other = PositiveSemidefinite::new(3, rank).unwrap();
        for _ in 0..3000 {
            let z = other.sample(&mut stream);
            // The variational inequality of a convex set.
            assert!((&y - &x).dot(&(&z - &x)) <= 1e-9 * (1.0 + norm(&z)));
        }
    }
}

#[test]
fn fixed_rank_recovers_up_to_the_least_singular_value_in_normal_directions() {
    let fixed = FixedRank::new(3, 3, 2).unwrap();
    let x = array![3.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(fixed.reach(), 0.0);
    assert!((fixed.local_reach(&x).unwrap() - 2.0_f64.sqrt()).abs() < 1e-15);
    let lifted = |height: f64| fixed.project_point(&array![3.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, height]).unwrap();
    assert!(norm(&(&lifted(1.99) - &x)) < 1e-12 && norm(&(&lifted(2.01) - &x)) > 1.0);
    // In a direction that is not normal the two singular values meet at the distance √2.
    refusal(fixed.project_point(&array![3.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]));
}

#[test]
fn both_parts_of_the_orthogonal_group_are_projected_onto() {
    let group = Stiefel::orthogonal_group(2).unwrap();
    let rotation = group.project_point(&array![2.0, 0.1, -0.1, 3.0]).unwrap();
    let reflection = group.project_point(&array![2.0, 0.1, 0.1, -3.0]).unwrap();
    let determinant = |x: &Array1<f64>| x[0] * x[3] - x[1] * x[2];
    assert!((determinant(&rotation) - 1.0).abs() < 1e-12 && (determinant(&reflection) + 1.0).abs() < 1e-12);
}

#[test]
fn ellipses_are_exact_where_their_projection_is_hard() {
    let ellipse = Ellipse::new(2.0, 1.0).unwrap();
    // The ends of the segment without unique nearest points, and points very close to it.
    assert_eq!(ellipse.project_point(&array![1.5, 0.0]).unwrap(), array![2.0, 0.0]);
    assert_eq!(ellipse.project_point(&array![-1.5, -0.0]).unwrap(), array![-2.0, -0.0]);
    for q in [1e-8, 1e-16, 1e-300] {
        let x = ellipse.project_point(&array![0.75, q]).unwrap();
        // The nearest points to (p, 0) are at a p / (a² - b²) = 1/2 of a.
        assert!((x[0] - 1.0).abs() < 1e-7 && (x[1] - 0.75_f64.sqrt()).abs() < 1e-7, "{q}: {x}");
    }
    assert_eq!(ellipse.project_point(&array![0.0, -1e-3]).unwrap(), array![0.0, -1.0]);
    let needle = Ellipse::new(1.0, 1e-9).unwrap();
    let x = needle.project_point(&array![0.5, 3.0]).unwrap();
    assert!((x[0] - 0.5).abs() < 1e-8 && needle.contains(&x, 1e-15), "{x}");
}

#[test]
fn the_reach_is_neither_overstated_nor_far_below_what_points_show() {
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
        // If there are several turns: half of their distance, 2π.
        assert!(to - from < TAU || from < 4.0 || bound > 0.9 * seen, "{from} to {to}: {bound} far below {seen}");
    }
}

/// The smallest `‖q - p‖² / (2 dist(q - p, T_p))` over pairs of samples, not too near to each other for f64.
fn federer(manifold: &dyn Manifold, stream: &mut Stream) -> f64 {
    let points: Vec<Array1<f64>> = (0..1500).map(|_| manifold.sample(stream)).collect();
    let mut least = f64::INFINITY;
    for p in &points {
        let basis = manifold.tangent_basis(p).unwrap();
        for q in &points {
            let chord = q - p;
            let along = basis.dot(&basis.t().dot(&chord));
            let away = norm(&(&chord - &along));
            if norm(&chord) > 1e-3 {
                least = least.min(norm(&chord).powi(2) / (2.0 * away));
            }
        }
    }
    least
}
