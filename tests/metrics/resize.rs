//! The two resizers.

use ndarray::array;
use orthoscope::data::Plane;
use orthoscope::detect::metrics::{resize_bilinear, resize_nearest};
use proptest::prelude::*;

fn plane(height: usize, width: usize, value: impl Fn(usize, usize) -> f32) -> Plane {
    Plane::from_shape_fn((height, width), |(row, column)| value(row, column))
}

#[test]
fn bilinear_matches_hand_computed_values() {
    let map = plane(1, 2, |_, x| x as f32);
    // Reads at -1/4 (clamped), 1/4, 3/4 and 5/4 (clamped).
    assert_eq!(resize_bilinear(&map, 1, 4).unwrap(), array![[0.0, 0.25, 0.75, 1.0]]);
    assert_eq!(resize_bilinear(&map, 2, 1).unwrap(), array![[0.5], [0.5]]);
}

#[test]
fn nearest_matches_hand_computed_values() {
    let mask = plane(1, 3, |_, x| x as f32);
    assert_eq!(resize_nearest(&mask, 1, 5).unwrap(), array![[0.0, 0.0, 1.0, 2.0, 2.0]]);
    assert_eq!(resize_nearest(&mask, 2, 1).unwrap(), array![[1.0], [1.0]]);
}

#[test]
fn a_side_of_0_is_rejected() {
    let map = plane(2, 2, |_, _| 0.0);
    for resize in [resize_bilinear, resize_nearest] {
        assert!(resize(&map, 0, 3).is_err() && resize(&map, 3, 0).is_err());
    }
}

proptest! {
    #[test]
    fn the_same_size_gives_the_same_bits(height in 1..6usize, width in 1..6usize) {
        let map = plane(height, width, |y, x| ((y * 7 + x) as f32).sin());
        prop_assert_eq!(&resize_bilinear(&map, height, width).unwrap(), &map);
        prop_assert_eq!(&resize_nearest(&map, height, width).unwrap(), &map);
    }

    #[test]
    fn a_ramp_stays_a_ramp_away_from_the_border(from in 2..12usize, to in 1..30usize) {
        let resized = resize_bilinear(&plane(1, from, |_, x| x as f32), 1, to).unwrap();
        for (i, &value) in resized.iter().enumerate() {
            let place = (i as f32 + 0.5) * from as f32 / to as f32 - 0.5;
            prop_assert!((value - place.clamp(0.0, from as f32 - 1.0)).abs() < 1e-5);
        }
    }

    #[test]
    fn nothing_new_is_invented(from in (1..6usize, 1..6usize), to in (1..9usize, 1..9usize)) {
        let map = plane(from.0, from.1, |y, x| ((y * 5 + x * 3) as f32).cos());
        let (low, high) = map.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        prop_assert!(resize_bilinear(&map, to.0, to.1).unwrap().iter().all(|v| (low..=high).contains(v)));
        prop_assert!(resize_nearest(&map, to.0, to.1).unwrap().iter().all(|v| map.iter().any(|old| old == v)));
    }
}
