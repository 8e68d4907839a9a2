//! What is missing or unusual in a category, and what follows from it, in sentences for the report.

use super::report::ImageCounts;
use crate::data::{Category, read_mask};
use crate::detect::DetectionConfig;
use crate::error::Result;

/// Numbers of test images by what is known of them.
///
/// # Errors
/// A mask that cannot be read.
pub(super) fn count(category: &Category, train: usize, held_out: usize) -> Result<ImageCounts> {
    let mut counts = ImageCounts { train, held_out, ..ImageCounts::default() };
    for test in &category.test {
        counts.good += usize::from(test.is_good());
        counts.anomalous += usize::from(!test.is_good());
        counts.without_mask += usize::from(!test.is_good() && test.masks.is_empty());
        let mut is_black = !test.masks.is_empty();
        for path in &test.masks {
            is_black &= read_mask(path)?.iter().all(|&value| value == 0.0);
        }
        counts.black_masks += usize::from(is_black);
    }
    Ok(counts)
}

/// Sentences about the test set.
pub(super) fn of_test_set(category: &Category, counts: &ImageCounts) -> Vec<String> {
    let ImageCounts { good, anomalous, black_masks, without_mask, .. } = *counts;
    let mut notes = Vec::new();
    match (good, anomalous) {
        (0, 0) => notes.push("there is no folder test: trained and validated, not evaluated".to_owned()),
        (_, 0) => notes.push(format!("no defect among the {good} test images: only false alarms can be counted")),
        (0, _) => notes.push(format!("no good image among the {anomalous} test images: no image metric is defined")),
        _ => {}
    }
    if without_mask > 0 {
        notes.push(format!("there is no folder ground_truth: no pixel metric for the {anomalous} defect images"));
    }
    if black_masks > 0 {
        let all = if black_masks == anomalous { "; no pixel metric is defined" } else { "" };
        notes.push(format!("the masks of {black_masks} of {anomalous} defect images mark no pixel{all}"));
    }
    let united = category.test.iter().filter(|test| test.masks.len() > 1).count();
    if united > 0 {
        notes.push(format!("several masks are united for {united} of {anomalous} defect images"));
    }
    notes
}

/// Sentences about the images that set the thresholds. `files` is the number of images in `train/good`.
pub(super) fn of_held_out(counts: &ImageCounts, files: usize, detection: &DetectionConfig) -> Vec<String> {
    let ImageCounts { train, held_out, .. } = *counts;
    let mut notes = Vec::new();
    if files == 1 {
        notes.push("the only training image also sets the thresholds".to_owned());
    } else if train + held_out > files {
        notes.push("data.held_out is 0: the training images themselves set the thresholds".to_owned());
    }
    let needed = images_for(detection.image_quantile);
    if held_out < needed {
        notes.push(format!(
            "detection.image_quantile = {} needs at least {needed} held-out images, this run has {held_out}: the image threshold is close to \
             their highest score, and about 1 in {} new good images lies above that",
            detection.image_quantile,
            held_out + 1
        ));
    }
    notes
}

/// The number of images from which on a quantile is below the largest value by a whole image.
fn images_for(quantile: f64) -> usize {
    let above = 1.0 - quantile;
    // The product of 100 and 0.01 is not exactly 1.
    if above <= 0.0 { 1 } else { (1.0 / above - 1e-6).ceil() as usize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    use crate::data::TestImage;

    #[test]
    fn a_quantile_needs_as_many_images_as_one_in_which_it_leaves_out() {
        assert_eq!([0.0, 0.5, 0.9, 0.99, 0.999, 1.0].map(images_for), [1, 2, 10, 100, 1000, 1]);
        let detection = DetectionConfig::default();
        let notes =
            |held_out| of_held_out(&ImageCounts { train: 9, held_out, ..ImageCounts::default() }, 9 + held_out, &detection);
        assert!(notes(100).is_empty());
        let [note] = &notes(7)[..] else { panic!() };
        assert!(
            note.starts_with("detection.image_quantile = 0.99 needs at least 100 held-out images, this run has 7: "),
            "{note}"
        );
        assert!(note.ends_with("about 1 in 8 new good images lies above that"), "{note}");
        let shared =
            |files| of_held_out(&ImageCounts { train: files, held_out: files, ..ImageCounts::default() }, files, &detection);
        assert_eq!(shared(1)[0], "the only training image also sets the thresholds");
        assert_eq!(shared(100), ["data.held_out is 0: the training images themselves set the thresholds"]);
    }

    #[test]
    fn every_gap_of_a_test_set_is_named() {
        let test = |masks: usize| TestImage { path: PathBuf::new(), defect: "hole".into(), masks: vec![PathBuf::new(); masks] };
        let category = |test| Category { name: String::new(), train: Vec::new(), test };
        let notes = |good, anomalous, without_mask, black_masks, masks| {
            let counts = ImageCounts { good, anomalous, without_mask, black_masks, ..ImageCounts::default() };
            of_test_set(&category(vec![test(masks)]), &counts).join("|")
        };
        assert_eq!(notes(3, 2, 0, 0, 1), "");
        assert!(notes(0, 0, 0, 0, 0).starts_with("there is no folder test"));
        assert!(notes(3, 0, 0, 0, 0).contains("no defect among the 3 test images"));
        assert!(notes(0, 2, 0, 0, 1).contains("no good image among the 2 test images"));
        assert!(notes(3, 2, 2, 0, 0).contains("no folder ground_truth"));
        assert_eq!(notes(3, 2, 0, 1, 1), "the masks of 1 of 2 defect images mark no pixel");
        assert!(notes(3, 2, 0, 2, 1).ends_with("no pixel metric is defined"));
        assert_eq!(notes(3, 2, 0, 0, 2), "several masks are united for 1 of 2 defect images");
    }
}
