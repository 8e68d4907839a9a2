//! The measures of a map, for π itself and for the identity.

use ndarray::Array1;
use orthoscope::rng::{Purpose, Stream};
use orthoscope::theory::manifold::{Gratings, Manifold};
use orthoscope::theory::resemblance::{CorruptedSample, Measures};

fn samples(gratings: &Gratings) -> Vec<CorruptedSample> {
    let mut stream = Stream::new(5, Purpose::Test, 0, 0);
    let sample = |_| {
        let target = gratings.sample(&mut stream);
        let region = Array1::from_shape_fn(target.len(), |index| index % 7 == 0);
        let corrupted = &target + region.map(|inside| if *inside { 0.3 * stream.normal() } else { 0.0 });
        CorruptedSample { target, corrupted, region }
    };
    (0..20).map(sample).collect()
}

#[test]
fn the_projection_resembles_itself() {
    let gratings = Gratings::standard(10, 2).unwrap();
    let f = |points: &[Array1<f64>]| points.iter().map(|y| gratings.project_point(y)).collect();
    let found = Measures::of(&gratings, &samples(&gratings), f).unwrap();
    let zero = [found.to_projection(), found.idempotence(), found.fixed_point(), found.tangential_cosine()];
    assert!(zero.iter().all(|value| *value < 1e-12), "{zero:?}");
    assert!((found.rank_correlation().unwrap() - 1.0).abs() < 1e-12 && (found.residual_of_distance() - 1.0).abs() < 1e-12);
    assert_eq!(found.to_target(), found.projection_to_target());
    assert!(found.change_outside() <= found.to_target());
    // For random noise √(d/n) = 0.14.
    assert!((0.07..0.28).contains(&found.to_target()), "{}", found.to_target());
}

#[test]
fn the_identity_does_not_resemble_it() {
    let gratings = Gratings::standard(10, 2).unwrap();
    let found = Measures::of(&gratings, &samples(&gratings), |points| Ok(points.to_vec())).unwrap();
    assert_eq!([found.to_target(), found.idempotence(), found.change_outside(), found.fixed_point()], [1.0, 0.0, 0.0, 0.0]);
    assert!(found.to_projection() > 0.9 && found.rank_correlation().is_err());
}

#[test]
fn wrong_lengths_are_refused() {
    let gratings = Gratings::standard(8, 1).unwrap();
    let grey = Array1::from_elem(64, 0.5);
    let sample = CorruptedSample { target: grey.clone(), corrupted: grey, region: Array1::from_elem(64, true) };
    let of = |sample: &CorruptedSample, images: Vec<Array1<f64>>| {
        Measures::of(&gratings, std::slice::from_ref(sample), |_| Ok(images.clone())).unwrap_err().to_string()
    };
    assert!(of(&sample, vec![]).contains("were not mapped") && of(&sample, vec![Array1::zeros(3)]).contains("were not mapped"));
    assert!(of(&sample, vec![Array1::zeros(64)]).contains("no amplitude"));
    assert!(of(&CorruptedSample { region: Array1::default(0), ..sample }, vec![Array1::zeros(64)]).contains("0 of its region"));
}
