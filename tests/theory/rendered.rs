//! Rendered shapes: the laws of images, the boundary, the reach, and bad arguments.

use ndarray::{Array1, array};
use orthoscope::rng::Stream;
use orthoscope::theory::algebra::{gaussian_vector, norm};
use orthoscope::theory::manifold::{Manifold, Rendered, Shape};
use proptest::prelude::*;

use super::image_laws::{Near, hold};
use super::laws::stream;

/// A sample away from the boundary of D, where the laws need not hold.
fn inner_sample(rendered: &Rendered, stream: &mut Stream) -> Array1<f64> {
    loop {
        let x = rendered.sample(stream);
        if rendered.is_inside(&rendered.parameters(&x).unwrap(), 0.3) {
            return x;
        }
    }
}

fn shape(is_bar: bool, softness: f64) -> Shape {
    match is_bar {
        false => Shape::Disk { radius: 2.5, softness },
        true => Shape::Bar { half_length: 3.0, half_width: 1.3, softness },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn laws(height in 14usize..18, width in 14usize..18, is_bar in any::<bool>(), softness in 0.7f64..1.2, seed in any::<u64>()) {
        let rendered = Rendered::new(height, width, shape(is_bar, softness)).unwrap();
        let x = inner_sample(&rendered, &mut stream(seed));
        hold(&rendered, &x, seed, &Near { samples: 300, step: 1e-4, jacobian: 1e-5 })?;
    }
}

#[test]
fn no_sample_is_nearer_even_far_outside_the_reach() {
    for is_bar in [false, true] {
        let rendered = Rendered::new(16, 15, shape(is_bar, 0.8)).unwrap();
        let mut stream = stream(2);
        let x = rendered.sample(&mut stream);
        let y = &x + 0.3 * gaussian_vector(&mut stream, x.len());
        let distance = rendered.distance(&y).unwrap();
        assert!(distance > 2.0 * rendered.reach(), "{distance} is within {}", rendered.reach());
        for _ in 0..10_000 {
            assert!(norm(&(&y - rendered.sample(&mut stream))) >= distance * (1.0 - 1e-12));
        }
    }
}

#[test]
fn a_shape_beyond_its_box_projects_to_the_boundary() {
    let rendered = Rendered::disk(16).unwrap();
    let beyond = rendered.point(&array![2.0, 8.0]);
    let found = rendered.parameters(&beyond).unwrap();
    assert!((found[0] - 4.0).abs() < 1e-12 && !rendered.is_inside(&found, 0.0), "{found}");
    let inside = rendered.point(&array![7.0, 8.0]);
    assert!(rendered.is_inside(&rendered.parameters(&inside).unwrap(), 0.1));
    let residual = &beyond - rendered.project_point(&beyond).unwrap();
    let along = rendered.tangent_basis(&rendered.point(&found)).unwrap().t().dot(&residual);
    assert!(norm(&along) > 0.1, "it is not orthogonal there: {along:?}");
}

#[test]
fn the_estimated_reach_is_small_enough() {
    // π maps points within the estimated reach back to the point of D they were moved from, for every normal that is tried.
    for rendered in [Rendered::disk(16).unwrap(), Rendered::bar(16).unwrap()] {
        let mut stream = stream(8);
        for _ in 0..40 {
            let x = inner_sample(&rendered, &mut stream);
            let random = gaussian_vector(&mut stream, x.len());
            let normal = &random - rendered.project_tangent(&x, &random).unwrap();
            let y = &x + rendered.reach() / norm(&normal) * &normal;
            assert!(norm(&(rendered.project_point(&y).unwrap() - &x)) < 1e-8);
        }
    }
}

#[test]
fn impossible_shapes_are_refused() {
    let error = |side, shape| Rendered::new(side, side, shape).err().unwrap().to_string();
    assert!(error(6, shape(false, 1.0)).contains("no room"), "{}", error(6, shape(false, 1.0)));
    assert!(error(16, shape(true, 0.0)).contains("above 0, got 0") && error(16, shape(false, f64::NAN)).contains("NaN"));
    let tiny = Rendered::new(64, 64, Shape::Disk { radius: 1e-3, softness: 1.0 }).err().unwrap().to_string();
    assert!(tiny.contains("values are too many"), "{tiny}");
    assert!(Rendered::disk(0).is_err() && Rendered::bar(4).is_err() && Rendered::disk(usize::MAX).is_err());
    let disk = Rendered::disk(8).unwrap();
    assert_eq!(disk.point(&array![3.5]), disk.point(&array![3.5, 3.5]), "missing parameters are in the middle");
    assert!(
        disk.project_point(&array![0.0]).unwrap_err().to_string().contains("64 values")
            && disk.tangent_basis(&Array1::from_elem(64, f64::NAN)).is_err()
    );
}
