use ndarray::{Array1, Array2, array};
use proptest::prelude::*;

use super::super::image_laws::{self, Near};
use super::*;
use crate::rng::Purpose;
use crate::theory::algebra::{gaussian_vector, norm};
use crate::theory::derivative::central_differences;

/// The manifold with samples away from its boundary, where the laws need not hold.
struct Inner<'a>(&'a Rendered);

impl Manifold for Inner<'_> {
    fn name(&self) -> String {
        self.0.name()
    }

    fn ambient(&self) -> usize {
        self.0.ambient()
    }

    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        self.0.project_point(y)
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        self.0.tangent_basis(x)
    }

    fn reach(&self) -> f64 {
        self.0.reach()
    }

    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        let inner = self.0.region.low.iter().zip(&self.0.region.high).map(|(low, high)| {
            let part = 0.3 + 0.4 * stream.uniform_f64();
            low + part * (high - low)
        });
        self.0.point(&inner.collect())
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
        image_laws::hold(&Inner(&rendered), seed, &Near { samples: 300, step: 1e-4, jacobian: 1e-5 })?;
    }
}

#[test]
fn no_sample_is_nearer_even_far_outside_the_reach() {
    for is_bar in [false, true] {
        let rendered = Rendered::new(16, 15, shape(is_bar, 0.8)).unwrap();
        let mut stream = Stream::new(2, Purpose::Test, 0, 0);
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
fn derivatives_are_those_of_the_picture() {
    for is_bar in [false, true] {
        let rendered = Rendered::new(15, 14, shape(is_bar, 0.9)).unwrap();
        let at: Array1<f64> = [6.3, 7.1, 0.4].into_iter().take(rendered.dimension()).collect();
        let want = central_differences(&at, 1e-5, |parameters| Ok(rendered.point(parameters))).unwrap();
        assert!(norm(&(rendered.derivatives(&at) - want)) < 1e-8);
    }
}

#[test]
fn a_shape_beyond_its_box_projects_to_the_boundary() {
    let rendered = Rendered::disk(16).unwrap();
    let beyond = rendered.point(&array![2.0, 8.0]);
    let found = rendered.parameters(&beyond).unwrap();
    assert!(found[0] == rendered.region.low[0] && !rendered.is_inside(&found, 0.0), "{found}");
    let inside = rendered.point(&array![7.0, 8.0]);
    assert!(rendered.is_inside(&rendered.parameters(&inside).unwrap(), 0.1));
    let residual = &beyond - rendered.project_point(&beyond).unwrap();
    let along = rendered.tangent_basis(&rendered.point(&found)).unwrap().t().dot(&residual);
    assert!(norm(&along) > 0.1, "it is not orthogonal there: {along:?}");
}

#[test]
fn the_estimated_reach_is_small_enough() {
    // Points within the estimated reach return to where they came from, along every normal that is tried.
    for rendered in [Rendered::disk(16).unwrap(), Rendered::bar(16).unwrap()] {
        let mut stream = Stream::new(8, Purpose::Test, 0, 0);
        for _ in 0..40 {
            let x = Inner(&rendered).sample(&mut stream);
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
