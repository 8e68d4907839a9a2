//! Properties that hold for all scores and masks.

use approx::assert_abs_diff_eq;
use orthoscope::data::{Plane, plane};
use orthoscope::detect::ImageScores;
use orthoscope::detect::metrics::{
    Metrics, RankedPixels, Ranking, Record, Score, au_pro, au_pro_200, auroc, average_precision, evaluate, f1_max,
};
use proptest::prelude::*;

use crate::definitions;

/// A few scores and labels, with many ties, both classes present.
fn ranked() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    prop::collection::vec((0..6u8, any::<bool>()), 2..24).prop_map(|samples| {
        let (scores, mut labels): (Vec<f64>, Vec<bool>) = samples.into_iter().map(|(s, l)| (f64::from(s) / 4.0, l)).unzip();
        (labels[0], labels[1]) = (true, false);
        (scores, labels)
    })
}

/// A few small images with many tied pixels. The first is good, the second has a defect, the others are either.
fn records() -> impl Strategy<Value = Vec<Record>> {
    (1..6usize, 1..7usize, 2..5usize).prop_flat_map(|(height, width, count)| {
        let pixels = prop::collection::vec((0..7u8, 0..3u8), height * width);
        prop::collection::vec((pixels, any::<bool>()), count).prop_map(move |images| {
            let record = |(index, (pixels, defect)): (usize, (Vec<(u8, u8)>, bool))| {
                let (scores, marks): (Vec<u8>, Vec<u8>) = pixels.into_iter().unzip();
                record(height, width, &scores, &marks, if index < 2 { index == 1 } else { defect })
            };
            images.into_iter().enumerate().map(record).collect()
        })
    })
}

fn record(height: usize, width: usize, scores: &[u8], marks: &[u8], anomalous: bool) -> Record {
    let mut mask: Vec<f32> = marks.iter().map(|&mark| f32::from(anomalous && mark == 0)).collect();
    mask[0] = f32::from(anomalous);
    let map = plane(height, width, scores.iter().map(|&score| f32::from(score) / 8.0).collect()).unwrap();
    with_scores(map, plane(height, width, mask).unwrap(), anomalous)
}

fn with_scores(map: Plane, mask: Plane, anomalous: bool) -> Record {
    let score_max = f64::from(map.iter().copied().fold(f32::MIN, f32::max));
    let score_sum = map.iter().map(|&value| f64::from(value)).sum();
    let score_top = ImageScores::of(&map, 0.3).top;
    Record { score_max, score_sum, score_top, anomalous, map, mask }
}

fn ranked_pixels(records: &[Record]) -> RankedPixels {
    RankedPixels::new(records.iter().map(|record| (&record.map, &record.mask))).unwrap()
}

fn flat_pixels(records: &[Record]) -> (Vec<f64>, Vec<bool>) {
    let pixels = records.iter().flat_map(|r| r.map.iter().zip(&r.mask));
    pixels.map(|(&score, &mask)| (f64::from(score), mask > 0.5)).unzip()
}

/// All metrics, without the two thresholds.
fn fractions(m: &Metrics) -> [f64; 11] {
    [
        m.image_auroc,
        m.image_auroc_max,
        m.image_auroc_sum,
        m.image_auroc_top.unwrap(),
        m.pixel_auroc,
        m.image_ap,
        m.pixel_ap,
        m.image_f1_max,
        m.pixel_f1_max,
        m.au_pro,
        m.au_pro_200,
    ]
}

fn assert_close(a: &[f64], b: &[f64]) {
    for (a, b) in a.iter().zip(b) {
        assert_abs_diff_eq!(*a, *b, epsilon = 1e-12);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn ranking_metrics_are_their_definitions((scores, labels) in ranked()) {
        let ranking = Ranking::new("test", &scores, &labels).unwrap();
        let best = f1_max(&ranking);
        assert_abs_diff_eq!(auroc(&ranking), definitions::auroc(&scores, &labels), epsilon = 1e-12);
        assert_abs_diff_eq!(average_precision(&ranking), definitions::average_precision(&scores, &labels), epsilon = 1e-12);
        assert_abs_diff_eq!(best.f1, definitions::f1_max(&scores, &labels), epsilon = 1e-12);
        assert_abs_diff_eq!(best.f1, definitions::f1_at(&scores, &labels, best.threshold), epsilon = 1e-12);
    }

    #[test]
    fn negated_scores_turn_auroc_around((scores, labels) in ranked()) {
        let negated: Vec<f64> = scores.iter().map(|score| -score).collect();
        let [forward, backward] = [scores, negated].map(|scores| auroc(&Ranking::new("test", &scores, &labels).unwrap()));
        assert_abs_diff_eq!(forward + backward, 1.0, epsilon = 1e-12);
    }

    #[test]
    fn duplicated_samples_change_nothing((scores, labels) in ranked(), copies in 2..4usize) {
        let once = Ranking::new("test", &scores, &labels).unwrap();
        let often = Ranking::new("test", &scores.repeat(copies), &labels.repeat(copies)).unwrap();
        assert_abs_diff_eq!(auroc(&once), auroc(&often), epsilon = 1e-12);
        assert_abs_diff_eq!(average_precision(&once), average_precision(&often), epsilon = 1e-12);
        prop_assert_eq!(f1_max(&once).threshold, f1_max(&often).threshold);
    }

    #[test]
    fn pro_areas_are_their_definitions(records in records()) {
        let pixels = ranked_pixels(&records);
        assert_abs_diff_eq!(au_pro(&pixels), definitions::au_pro(&records), epsilon = 1e-12);
        assert_abs_diff_eq!(au_pro_200(&pixels), definitions::au_pro_200(&records), epsilon = 1e-12);
    }

    #[test]
    fn a_record_is_measured_by_the_named_score(records in records()) {
        let labels: Vec<bool> = records.iter().map(|record| record.anomalous).collect();
        let max: Vec<f64> = records.iter().map(|record| record.score_max).collect();
        let sum: Vec<f64> = records.iter().map(|record| record.score_sum).collect();
        let top: Vec<f64> = records.iter().map(|record| record.score_top).collect();
        let (pixels, pixel_labels) = flat_pixels(&records);
        for (score, scores) in [(Score::Max, &max), (Score::Sum, &sum), (Score::Top, &top)] {
            let expected = [
                definitions::auroc(scores, &labels),
                definitions::auroc(&max, &labels),
                definitions::auroc(&sum, &labels),
                definitions::auroc(&top, &labels),
                definitions::auroc(&pixels, &pixel_labels),
                definitions::average_precision(scores, &labels),
                definitions::average_precision(&pixels, &pixel_labels),
                definitions::f1_max(scores, &labels),
                definitions::f1_max(&pixels, &pixel_labels),
                definitions::au_pro(&records),
                definitions::au_pro_200(&records),
            ];
            assert_close(&fractions(&evaluate(&records, score).unwrap()), &expected);
        }
    }

    #[test]
    fn every_fraction_lies_between_0_and_1(records in records()) {
        let metrics = evaluate(&records, Score::Sum).unwrap();
        // Rounding must not leave the interval either.
        prop_assert!(fractions(&metrics).iter().all(|value| (0.0..=1.0).contains(value)), "{metrics:?}");
    }

    #[test]
    fn the_order_of_images_does_not_matter(records in records(), turn in 0..4usize) {
        let mut other = records.clone();
        other.rotate_left(turn % records.len());
        other.swap(0, 1);
        let [first, second] = [records, other].map(|records| evaluate(&records, Score::Max).unwrap());
        assert_close(&fractions(&first), &fractions(&second));
    }

    #[test]
    fn only_the_order_of_scores_matters(records in records()) {
        let mut stretched = records.clone();
        for record in &mut stretched {
            record.map.iter_mut().for_each(|value| *value = (5.0 * *value).exp() - 40.0);
            (record.score_max, record.score_sum) = (record.score_max.exp(), record.score_sum.powi(3) - 9.0);
            record.score_top = 2.0 * record.score_top + 1.0;
        }
        let [first, second] = [records, stretched].map(|records| evaluate(&records, Score::Sum).unwrap());
        // All but the last, AU-PRO-200, whose thresholds depend on the values.
        assert_close(&fractions(&first)[..10], &fractions(&second)[..10]);
    }

    #[test]
    fn a_constant_detector_knows_nothing(records in records(), value in -3..3i8) {
        let constant = |record: &Record| {
            let map = Plane::from_elem(record.map.dim(), f32::from(value));
            with_scores(map, record.mask.clone(), record.anomalous)
        };
        let records: Vec<Record> = records.iter().map(constant).collect();
        let metrics = evaluate(&records, Score::Max).unwrap();
        prop_assert_eq!([metrics.image_auroc, metrics.image_auroc_sum, metrics.pixel_auroc], [0.5; 3]);
        let anomalous = records.iter().filter(|record| record.anomalous).count() as f64 / records.len() as f64;
        assert_abs_diff_eq!(metrics.image_ap, anomalous, epsilon = 1e-12);
        // The curve is the diagonal: its mean up to 0.3 is 0.15.
        assert_abs_diff_eq!(metrics.au_pro, 0.15, epsilon = 1e-12);
    }

    #[test]
    fn a_perfect_detector_has_ones(records in records()) {
        let perfect = |record: &Record| {
            with_scores(&record.map + 2.0 * &record.mask, record.mask.clone(), record.anomalous)
        };
        let records: Vec<Record> = records.iter().map(perfect).collect();
        let metrics = evaluate(&records, Score::Max).unwrap();
        prop_assert_eq!([metrics.image_auroc, metrics.pixel_auroc, metrics.image_f1_max, metrics.pixel_f1_max], [1.0; 4]);
        assert_close(&[metrics.image_ap, metrics.pixel_ap, metrics.au_pro], &[1.0; 3]);
    }
}
