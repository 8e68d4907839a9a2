//! Cases small enough to check by hand, and one that shows why AU-PRO must be computed exactly.

use approx::assert_abs_diff_eq;
use ndarray::s;
use orthoscope::data::{Plane, plane};
use orthoscope::detect::metrics::{
    Metrics, RankedPixels, Ranking, Record, Score, au_pro, au_pro_200, auroc, average_precision, evaluate, f1_max,
    image_auroc_by_kind,
};
use orthoscope::rng::{Purpose, Stream};

fn row(values: &[f32]) -> Plane {
    plane(1, values.len(), values.to_vec()).unwrap()
}

#[test]
fn four_samples_match_hand_computed_values() {
    // From high to low: anomalous, normal, anomalous tied with normal.
    let ranking = Ranking::new("test", &[0.9, 0.5, 0.1, 0.1f32], &[true, false, true, false]).unwrap();
    assert_eq!(auroc(&ranking), (2.0 + 0.0 + 0.5) / 4.0);
    assert_eq!(average_precision(&ranking), 0.5 * 1.0 + 0.5 * 0.5);
    let best = f1_max(&ranking);
    assert_eq!((best.f1, best.threshold), (2.0 / 3.0, f64::from(0.9f32)));
}

#[test]
fn minus_0_ties_with_0() {
    assert_eq!(auroc(&Ranking::new("test", &[0.0, -0.0], &[true, false]).unwrap()), 0.5);
}

#[test]
fn au_pro_matches_hand_computed_values() {
    // Two components, of 1 and 2 pixels, and 5 normal pixels, one of them in a good image: FPR 0.3 is 1.5 of them.
    let (map, mask) = (row(&[9.0, 1.0, 8.0, 5.0, 7.0, 2.0, 0.0]), row(&[1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]));
    let (good, empty) = (row(&[6.0]), row(&[0.0]));
    let pixels = RankedPixels::new([(&map, &mask), (&good, &empty)]).unwrap();
    // PRO is 3/4 once 9 and 8 are marked, and stays 3/4 up to the second false positive, the good pixel of score 6.
    assert_abs_diff_eq!(au_pro(&pixels), 0.75, epsilon = 1e-15);
    // Score 5 now ties with the good pixel, so PRO rises from 3/4 to 1 between 1 and 2 false positives and is 7/8 at 1.5.
    let good = row(&[5.0]);
    let pixels = RankedPixels::new([(&map, &mask), (&good, &empty)]).unwrap();
    assert_abs_diff_eq!(au_pro(&pixels), (0.75 + 0.5 * (0.75 + 0.875) / 2.0) / 1.5, epsilon = 1e-15);
}

#[test]
fn every_component_has_the_same_weight() {
    // One pixel found, nine missed: pixel recall is 0.1, PRO is one half.
    let mask = row(&[1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    let mut map = row(&[0.0; 11]);
    (map[[0, 0]], map[[0, 1]]) = (2.0, 1.0);
    let pixels = RankedPixels::new([(&map, &mask)]).unwrap();
    assert_abs_diff_eq!(au_pro(&pixels), 0.5, epsilon = 1e-15);
}

#[test]
fn with_heavy_tails_200_linear_thresholds_miss_the_defects() {
    // Squared errors: noise of standard deviation 1, defects of strength 4, and one pixel in 500, anywhere, of strength 80.
    // Because of these few pixels, the second of the 200 thresholds is above nearly all of the defects.
    let (height, width) = (64, 64);
    let mut stream = Stream::new(3, Purpose::Test, 0, 0);
    let mut pairs = Vec::new();
    for defect in [false, true, true] {
        let (mut map, mut mask) = (vec![0.0; height * width], vec![0.0; height * width]);
        for pixel in 0..height * width {
            let inside = defect && (20..40).contains(&(pixel / width)) && (20..40).contains(&(pixel % width));
            let hot = stream.below(500) == 0;
            let strength = 4.0 * f32::from(inside) + 80.0 * f32::from(hot);
            mask[pixel] = f32::from(inside);
            map[pixel] = (strength + stream.normal() as f32).powi(2);
        }
        pairs.push((plane(height, width, map).unwrap(), plane(height, width, mask).unwrap()));
    }
    let pixels = RankedPixels::new(pairs.iter().map(|(map, mask)| (map, mask))).unwrap();
    let (exact, common) = (au_pro(&pixels), au_pro_200(&pixels));
    assert!(exact > 0.95 && common < 0.1, "exact {exact}, with 200 linear thresholds {common}");
}

#[test]
fn au_pro_200_matches_hand_computed_values() {
    // With scores from 0 to 199 the thresholds are the integers. Score 100 exceeds threshold 99 but not 100, so it is marked
    // together with the normal pixel of 99.5. The points are (0, 0), (0, 1/2) and, with one false positive of eleven, (1/11, 1).
    // At threshold 0 the three pixels of 0.25 are marked too, and FPR 4/11 is beyond 0.3.
    let (mut map, mut mask) = (row(&[0.0; 13]), row(&[0.0; 13]));
    (map[[0, 0]], map[[0, 2]], map[[0, 4]]) = (199.0, 100.0, 99.5);
    (mask[[0, 0]], mask[[0, 2]]) = (1.0, 1.0);
    map.slice_mut(s![0, 5..8]).fill(0.25);
    assert_eq!(au_pro_200(&RankedPixels::new([(&map, &mask)]).unwrap()), 0.75);
}

#[test]
fn two_hundred_thresholds_handle_a_perfect_two_valued_map() {
    // No remaining threshold has a false positive. Common implementations return NaN here.
    let mask = row(&[1.0, 0.0, 0.0]);
    assert_eq!(au_pro_200(&RankedPixels::new([(&mask, &mask)]).unwrap()), 1.0);
    assert_eq!(au_pro_200(&RankedPixels::new([(&row(&[7.0; 3]), &mask)]).unwrap()), 0.0);
}

#[test]
fn metrics_round_trip_through_json_under_their_names() {
    let record = |anomalous: bool| {
        let plane = row(&[f32::from(anomalous), 0.0]);
        let score = f64::from(anomalous);
        Record { score_max: score, score_sum: 2.0 * score, score_top: 0.5 * score, anomalous, map: plane.clone(), mask: plane }
    };
    let metrics = evaluate(&[record(true), record(false)], Score::Sum).unwrap();
    assert_eq!((metrics.image_f1_threshold, metrics.pixel_f1_threshold), (2.0, 1.0));
    let json = serde_json::to_value(&metrics).unwrap();
    let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "image_auroc image_auroc_max image_auroc_sum image_auroc_top pixel_auroc image_ap pixel_ap image_f1_max pixel_f1_max au_pro \
                    au_pro_200 image_f1_threshold pixel_f1_threshold";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(serde_json::from_value::<Metrics>(json.clone()).unwrap(), metrics);
    let mut earlier = json;
    earlier.as_object_mut().unwrap().remove("image_auroc_top");
    assert_eq!(serde_json::from_value::<Metrics>(earlier).unwrap(), Metrics { image_auroc_top: None, ..metrics });
    let by_top = evaluate(&[record(true), record(false)], Score::Top).unwrap();
    assert_eq!((by_top.image_f1_threshold, by_top.image_auroc_top), (0.5, Some(1.0)));
    assert_eq!(serde_json::to_string(&Score::Max).unwrap(), "\"max\"");
}

#[test]
fn every_kind_of_defect_is_evaluated_against_all_good_images() {
    let kinds = [None, Some("crack"), None, Some("scratch"), Some("crack")];
    let by_kind = image_auroc_by_kind(&[1.0, 3.0, 2.0, 1.5, 2.0], &kinds).unwrap();
    assert_eq!(by_kind.into_iter().collect::<Vec<_>>(), [("crack".to_owned(), 3.5 / 4.0), ("scratch".to_owned(), 0.5)]);
}
