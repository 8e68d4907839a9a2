//! What is missing or unusual in a category, and what follows from it, in sentences for the report.

use super::report::ImageCounts;
use crate::data::{Category, read_mask};
use crate::detect::{Settings, ThresholdReport};
use crate::error::Result;
use crate::run::{LogLine, WarningEntry};

/// What a test set lacks, in sentences; none if it defines all metrics.
///
/// # Errors
/// A mask that cannot be read.
pub fn test_set_gaps(category: &Category) -> Result<Option<Vec<String>>> {
    let counts = count(category, 0, 0)?;
    Ok((!counts.define_all_metrics()).then(|| of_test_set(category, &counts)))
}

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

/// What looked wrong during the training: the last warning of each kind, so that a result of such a run is not taken for another.
pub(super) fn of_training(log: &[LogLine]) -> Vec<String> {
    let mut last: Vec<&WarningEntry> = Vec::new();
    for line in log {
        if let LogLine::Warning(entry) = line {
            last.retain(|earlier| earlier.warning != entry.warning);
            last.push(entry);
        }
    }
    last.iter().map(|entry| format!("warning during the training: {}", entry.message)).collect()
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
pub(super) fn of_held_out(counts: &ImageCounts, files: usize, settings: &Settings) -> Vec<String> {
    let ImageCounts { train, held_out, .. } = *counts;
    let mut notes = Vec::new();
    if files == 1 {
        notes.push("the only training image also sets the thresholds, and the validation set is made of it".to_owned());
    } else if train + held_out > files {
        notes.push("data.held_out is 0: the thresholds and the validation set are made of training images".to_owned());
    }
    notes.extend(ThresholdReport::new(settings, &[]).iter().flat_map(ThresholdReport::sentences));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;
    use std::path::PathBuf;

    use crate::data::TestImage;
    use crate::detect::{Calibration, Source, Thresholds};
    use crate::run::WarningKind;

    #[test]
    fn what_sets_the_thresholds_is_named_with_the_false_alarms_to_expect() {
        let notes = |files: usize, train: usize, held_out: u32, source| {
            let calibration = Calibration { images: NonZeroU32::new(held_out).unwrap(), source };
            let thresholds = Thresholds { image: 0.5, pixel: 0.5, calibration: Some(calibration) };
            let settings = Settings { thresholds: Some(thresholds), ..Settings::default() };
            of_held_out(&ImageCounts { train, held_out: held_out as usize, ..ImageCounts::default() }, files, &settings)
        };
        let few = notes(16, 9, 7, Source::HeldOut);
        assert!(few[0].starts_with("Expected false alarms: ") && few[1].contains("needs at least 100 images"), "{few:?}");
        assert_eq!(notes(109, 9, 100, Source::HeldOut).len(), 1);
        let [shared, unknown] = &notes(4, 4, 4, Source::Training)[..] else { panic!() };
        assert_eq!(shared, "data.held_out is 0: the thresholds and the validation set are made of training images");
        assert!(unknown.ends_with("so the rate of false alarms to expect is unknown."), "{unknown}");
        assert!(notes(1, 1, 1, Source::Training)[0].starts_with("the only training image also sets the thresholds"));
    }

    #[test]
    fn the_last_warning_of_each_kind_is_noted() {
        let warning = |step, warning| {
            LogLine::Warning(WarningEntry { step, warning, value: 0.0, reference: 1.0, message: format!("at step {step}") })
        };
        let log = [
            warning(100, WarningKind::ConstantOutput),
            warning(150, WarningKind::RisingLoss),
            warning(200, WarningKind::ConstantOutput),
        ];
        let expected = ["warning during the training: at step 150", "warning during the training: at step 200"];
        assert_eq!(of_training(&log), expected);
        assert!(of_training(&[]).is_empty());
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
