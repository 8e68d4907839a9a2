//! What is unusual in a training and its held-out images, and what follows from it, in sentences for the report.

use crate::detect::{Settings, ThresholdReport};
use crate::run::{ImageCounts, WarningEntry};

/// What looked wrong during the training: the last warning of each kind, so that a result of such a run is not taken for another.
pub(super) fn of_training(warnings: &[WarningEntry]) -> Vec<String> {
    warnings.iter().map(|entry| format!("warning during the training: {}", entry.message)).collect()
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
    if files > 1 && held_out == 1 {
        notes.push("one image is held out: the validation judges it and its copies by itself".to_owned());
    }
    notes.extend(ThresholdReport::new(settings, &[]).iter().flat_map(ThresholdReport::sentences));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Calibration, Source, Thresholds};
    use crate::run::WarningKind;
    use std::num::NonZeroU32;

    #[test]
    fn what_sets_the_thresholds_is_named_with_the_false_alarms_to_expect() {
        let notes = |files: usize, train: usize, held_out: u32, source| {
            let calibration = Calibration { images: NonZeroU32::new(held_out).unwrap(), source, other_tiles: false };
            let thresholds = Thresholds { image: 0.5, image_interval: None, pixel: 0.5, calibration: Some(calibration) };
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
    fn warnings_of_the_training_are_noted() {
        let warning =
            |step, warning| WarningEntry { step, warning, value: 0.0, reference: 1.0, message: format!("at step {step}") };
        let warnings = [warning(150, WarningKind::RisingLoss), warning(200, WarningKind::ConstantOutput)];
        let expected = ["warning during the training: at step 150", "warning during the training: at step 200"];
        assert_eq!(of_training(&warnings), expected);
        assert!(of_training(&[]).is_empty());
    }
}
