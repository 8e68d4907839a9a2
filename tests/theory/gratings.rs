//! Gratings: the laws of images, their phases, and bad arguments.

use std::f64::consts::TAU;
use std::sync::Arc;

use ndarray::{Array1, array};
use orthoscope::theory::algebra::norm;
use orthoscope::theory::manifold::{Gratings, GreyOnRgb, Manifold};
use proptest::prelude::*;

use super::image_laws::{Near, hold};
use super::laws::stream;

/// Wavevectors that are valid on any grid of at least 7 x 7 pixels.
const WAVES: [[i32; 2]; 5] = [[1, 2], [3, -1], [2, 3], [1, -3], [2, 0]];
const NEAR: Near = Near { samples: 10_000, step: 1e-5, jacobian: 1e-7 };

fn gratings(height: usize, width: usize, dimension: usize, amplitude: f64) -> Gratings {
    Gratings::new(height, width, &WAVES[..dimension], amplitude).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn laws(height in 7usize..13, width in 7usize..13, d in 1usize..6, amplitude in 0.05f64..2.0, seed in any::<u64>()) {
        let gratings = gratings(height, width, d, amplitude);
        hold(&gratings, &gratings.sample(&mut stream(seed)), seed, &Near { samples: 400, ..NEAR })?;
    }
}

#[test]
fn laws_hold_on_three_channels_and_for_many_samples() {
    let colour = GreyOnRgb::new(Arc::new(gratings(7, 9, 2, 0.25)));
    let manifolds: [&dyn Manifold; 2] = [&colour, &gratings(9, 8, 3, 0.1)];
    for (manifold, seed) in manifolds.into_iter().zip(3..) {
        hold(manifold, &manifold.sample(&mut stream(seed)), seed, &NEAR).unwrap();
    }
    let error = colour.project_point(&Array1::from_elem(189, 0.5)).unwrap_err().to_string();
    assert!(error.contains("wave 0 has no amplitude"), "{error}");
}

#[test]
fn an_image_is_the_sum_of_its_cosines_and_its_phases_are_recovered() {
    let gratings = gratings(9, 12, 2, 0.2);
    let phases = array![0.7, -2.5];
    let want = |index: usize| {
        let (row, column) = ((index / 12) as f64, (index % 12) as f64);
        let wave =
            |[ky, kx]: [i32; 2], phase: f64| (TAU * (f64::from(ky) * row / 9.0 + f64::from(kx) * column / 12.0) + phase).cos();
        0.5 + 0.2 * (wave(WAVES[0], phases[0]) + wave(WAVES[1], phases[1]))
    };
    let x = gratings.point(&phases);
    assert!((0..108).all(|index| (x[index] - want(index)).abs() < 1e-13));
    let found = gratings.phases(&x).unwrap();
    assert!(norm(&(&found - &phases)) < 1e-13, "{found}");
    assert!((gratings.reach() - 0.2 * 54f64.sqrt()).abs() < 1e-13);
}

#[test]
fn standard_gratings_have_pixel_values_from_0_to_1() {
    for d in 1..=8 {
        let gratings = Gratings::standard(16, d).unwrap();
        let x = gratings.sample(&mut stream(d as u64));
        assert!(x.iter().all(|value| (-1e-12..=1.0 + 1e-12).contains(value)));
    }
}

#[test]
fn impossible_gratings_are_refused() {
    let error =
        |height, width, waves: &[[i32; 2]], amplitude| Gratings::new(height, width, waves, amplitude).unwrap_err().to_string();
    assert!(error(8, 8, &[[0, 8]], 0.1).contains("[0, 8] is 0"));
    assert!(error(8, 8, &[[4, 4]], 0.1).contains("Nyquist"));
    assert!(error(8, 8, &[[1, 2], [-1, 6]], 0.1).contains("twice") && error(8, 8, &[[1, 2], [-9, -2]], 0.1).contains("twice"));
    assert!(error(8, 8, &[], 0.1).contains("1 to 31") && error(1, 3, &[[0, 1], [0, 2]], 0.1).contains("1 to 1"));
    assert!(error(8, 8, &[[0, 1]], f64::NAN).contains("NaN") && error(8, 8, &[[0, 1]], 0.0).contains("above 0"));
    assert!(error(0, 8, &[[0, 1]], 0.1).contains("0x8") && error(usize::MAX, 8, &[[0, 1]], 0.1).contains("pixels"));
    assert!(Gratings::standard(7, 2).is_err() && Gratings::standard(8, 0).is_err() && Gratings::standard(8, 9).is_err());
    assert!(Gratings::new(8, 8, &[[0, 3], [0, 4]], 0.1).is_err(), "Nyquist along one axis");
}

#[test]
fn bad_points_are_refused() {
    let gratings = Gratings::standard(8, 2).unwrap();
    assert!(gratings.project_point(&Array1::zeros(3)).unwrap_err().to_string().contains("64 values, got 3"));
    assert!(gratings.tangent_basis(&Array1::from_elem(64, f64::NAN)).is_err());
    assert!(gratings.phases(&Array1::from_elem(64, 0.5)).is_err());
}
