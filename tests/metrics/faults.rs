//! Invalid inputs and their errors.

use ndarray::array;
use orthoscope::Error;
use orthoscope::data::Plane;
use orthoscope::detect::metrics::{RankedPixels, Ranking, Record, Score, evaluate, image_auroc_by_kind};

fn record(anomalous: bool) -> Record {
    let plane = array![[f32::from(anomalous), 0.0], [0.0, 0.0]];
    Record { score_max: 1.0, score_sum: 1.0, score_top: 1.0, anomalous, map: plane.clone(), mask: plane }
}

fn refusal(records: &[Record]) -> Error {
    evaluate(records, Score::Max).unwrap_err()
}

#[test]
fn a_single_class_defines_no_metric() {
    for anomalous in [false, true] {
        let error = refusal(&[record(anomalous), record(anomalous)]);
        assert!(matches!(error, Error::Metric { .. }), "{error}");
    }
    assert!(matches!(refusal(&[]), Error::Metric { .. }));
    let message = Ranking::new("image AUROC", &[1.0, 2.0], &[false, false]).unwrap_err().to_string();
    assert_eq!(message, "image AUROC is not defined here: none of the 2 samples is anomalous");
}

#[test]
fn au_pro_needs_a_component() {
    let mut vanished = record(true);
    vanished.mask.fill(0.5);
    let error = refusal(&[record(false), vanished.clone()]);
    assert!(matches!(error, Error::Metric { .. }), "{error}");
    // An empty mask among others is allowed.
    assert!(evaluate(&[record(false), vanished, record(true)], Score::Max).is_ok());
}

#[test]
fn only_anomalous_pixels_define_no_metric() {
    let full = Plane::ones((1, 2));
    assert!(matches!(RankedPixels::new([(&full, &full)]).unwrap_err(), Error::Metric { .. }));
}

#[test]
fn scores_must_be_finite() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut pixel = record(true);
        pixel.map[[1, 0]] = bad;
        assert!(matches!(refusal(&[record(false), pixel]), Error::Metric { .. }));
        for which in 0..3 {
            let mut image = record(true);
            *[&mut image.score_sum, &mut image.score_max, &mut image.score_top][which] = bad.into();
            let error = refusal(&[record(false), image]);
            assert!(matches!(error, Error::Metric { .. }) && error.to_string().contains("score 1 of 2 is"), "{error}");
        }
        let kinds = [None, Some("crack")];
        assert!(image_auroc_by_kind(&[f64::from(bad), 1.0], &kinds).is_err());
    }
}

#[test]
fn map_and_mask_must_have_the_same_size() {
    let mut turned = record(true);
    turned.mask = turned.mask.into_shape_with_order((1, 4)).unwrap();
    let error = refusal(&[record(false), turned]);
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert_eq!(error.to_string(), "pixel metrics: the map of image 1 has 2x2 pixels, its mask 1x4 pixels (height x width)");
}

#[test]
fn lengths_must_agree() {
    assert!(matches!(Ranking::new("test", &[1.0], &[true, false]), Err(Error::Shape { .. })));
    assert!(matches!(image_auroc_by_kind(&[1.0], &[]), Err(Error::Shape { .. })));
}

#[test]
fn metrics_per_defect_need_both_classes() {
    assert!(matches!(image_auroc_by_kind(&[1.0], &[None]), Err(Error::Metric { .. })));
    assert!(matches!(image_auroc_by_kind(&[1.0], &[Some("crack")]), Err(Error::Metric { .. })));
}

#[test]
fn a_good_image_must_have_an_empty_mask() {
    let mut contradiction = record(true);
    contradiction.anomalous = false;
    let message = refusal(&[contradiction, record(true)]).to_string();
    assert_eq!(message, "image 0 is labelled good, but its mask marks 1 pixels");
}
