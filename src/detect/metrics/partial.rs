//! The metrics of a test set that lacks a class of images or of pixels.

use std::collections::BTreeMap;

use ndarray::arr2;

use super::{Record, Score, by_name, evaluate, is_anomalous};
use crate::data::Plane;
use crate::error::Result;

/// The metrics that `records` define, by their names in files: those of images need good and anomalous images, those of pixels
/// need marked and unmarked pixels.
///
/// # Errors
/// As [`evaluate`], except that a class may be missing.
pub fn evaluate_partial(records: Vec<Record>, score: Score) -> Result<BTreeMap<String, f64>> {
    let has_images = [true, false].map(|class| records.iter().any(|record| record.anomalous == class)) == [true; 2];
    let pixels = || records.iter().flat_map(|record| &record.mask).map(|&value| is_anomalous(value));
    let has_pixels = pixels().any(|marked| marked) && pixels().any(|marked| !marked);
    // Metrics of images depend on scores alone and those of pixels on maps alone, so one class is filled up to compute the other.
    let mut found = match (has_images, has_pixels) {
        (true, true) => return named(&records, score),
        (false, false) => return Ok(BTreeMap::new()),
        (true, false) => named(&records.into_iter().map(with_marked_pixel).collect::<Vec<_>>(), score)?,
        (false, true) => {
            let stand_in = records.first().map(without_pixels);
            named(&records.into_iter().chain(stand_in).collect::<Vec<_>>(), score)?
        }
    };
    found.retain(|name, _| is_of_images(name) == has_images);
    Ok(found)
}

/// Whether a metric is one of images; the others are of pixels.
pub fn is_of_images(name: &str) -> bool {
    name.starts_with("image_")
}

/// A record with the same scores; two pixels, one of them marked if the image is anomalous.
fn with_marked_pixel(record: Record) -> Record {
    let marked = f32::from(record.anomalous);
    Record { map: arr2(&[[0.0, 0.0]]), mask: arr2(&[[marked, 0.0]]), ..record }
}

/// A good image without pixels.
fn without_pixels(record: &Record) -> Record {
    let none = || Plane::zeros((0, 0));
    Record { anomalous: false, map: none(), mask: none(), ..record.clone() }
}

fn named(records: &[Record], score: Score) -> Result<BTreeMap<String, f64>> {
    Ok(by_name(&evaluate(records, score)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(score: f64, anomalous: bool, mask: [f32; 3]) -> Record {
        Record {
            score_max: score,
            score_sum: score,
            score_top: score,
            anomalous,
            map: arr2(&[[0.3, 0.2, 0.1]]),
            mask: arr2(&[mask]),
        }
    }

    const MARKED: [f32; 3] = [1.0, 0.0, 0.0];
    const BLACK: [f32; 3] = [0.0; 3];

    fn names(found: &BTreeMap<String, f64>) -> Vec<&str> {
        found.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_complete_set_has_all_metrics() {
        let records = vec![record(0.9, true, MARKED), record(0.1, false, BLACK), record(0.5, true, MARKED)];
        let all = evaluate(&records, Score::Max).unwrap();
        let found = evaluate_partial(records, Score::Max).unwrap();
        assert_eq!(found["image_auroc"], all.image_auroc);
        assert_eq!(found["au_pro"], all.au_pro);
        assert_eq!(found.len(), serde_json::to_value(&all).unwrap().as_object().unwrap().len());
    }

    #[test]
    fn black_masks_leave_the_metrics_of_images() {
        let records = vec![record(0.9, true, BLACK), record(0.1, true, BLACK), record(0.5, false, BLACK)];
        let found = evaluate_partial(records, Score::Max).unwrap();
        // One of the two anomalous images scores above the good one.
        assert_eq!(found["image_auroc"], 0.5);
        assert!(names(&found).iter().all(|name| name.starts_with("image_")), "{found:?}");
        assert!(found.len() >= 6);
    }

    #[test]
    fn a_set_without_good_images_has_the_metrics_of_pixels() {
        let found = evaluate_partial(vec![record(0.9, true, MARKED), record(0.1, true, [0.0, 1.0, 0.0])], Score::Max).unwrap();
        // Marked are 0.3 and 0.2, unmarked 0.2, 0.1, 0.3, 0.1: of the 8 pairs 0.3 wins 3 and ties 1, 0.2 wins 2 and ties 1.
        assert_eq!(found["pixel_auroc"], 6.0 / 8.0);
        assert!(names(&found).iter().all(|name| !name.starts_with("image_")), "{found:?}");
        assert!(found.contains_key("au_pro"));
    }

    #[test]
    fn good_images_alone_define_nothing() {
        assert!(evaluate_partial(vec![record(0.9, false, BLACK)], Score::Sum).unwrap().is_empty());
        assert!(evaluate_partial(Vec::new(), Score::Sum).unwrap().is_empty());
    }
}
