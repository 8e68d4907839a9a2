//! What a test set defines, and what it lacks.

use serde::{Deserialize, Serialize};

use crate::data::{Category, read_mask};
use crate::error::Result;

/// Numbers of images of a category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCounts {
    /// Normal images that were trained on.
    pub train: usize,
    /// Normal images that were held out for thresholds and validation.
    pub held_out: usize,
    /// Test images without a defect.
    pub good: usize,
    /// Test images with a defect.
    pub anomalous: usize,
    /// Test images with a defect whose mask marks no pixel.
    pub black_masks: usize,
    /// Test images with a defect and without a mask.
    pub without_mask: usize,
}

impl ImageCounts {
    /// The counts of a category's test images. Every mask is read.
    ///
    /// # Errors
    /// A mask that cannot be read, or one of a good image that marks a pixel.
    pub fn of_test_set(category: &Category) -> Result<Self> {
        let mut counts = Self::default();
        for test in &category.test {
            counts.good += usize::from(test.is_good());
            counts.anomalous += usize::from(!test.is_good());
            counts.without_mask += usize::from(!test.is_good() && test.masks.is_empty());
            let mut is_black = !test.is_good() && !test.masks.is_empty();
            for path in &test.masks {
                let mask = read_mask(path)?;
                test.check_mask(path, &mask)?;
                is_black &= mask.iter().all(|&value| value == 0.0);
            }
            counts.black_masks += usize::from(is_black);
        }
        Ok(counts)
    }

    /// Whether the test set defines all metrics: it has good images, defects, a mask for each of them, and a mask that marks a pixel.
    pub fn defines_all_metrics(&self) -> bool {
        self.good > 0 && self.anomalous > self.black_masks && self.without_mask == 0
    }

    /// Sentences about what the test set of a category with these counts lacks, and about several masks for one image.
    pub fn gaps(&self, category: &Category) -> Vec<String> {
        let ImageCounts { good, anomalous, black_masks, without_mask, .. } = *self;
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
        let united = category.test.iter().filter(|test| !test.is_good() && test.masks.len() > 1).count();
        if united > 0 {
            notes.push(format!("several masks are united for {united} of {anomalous} defect images"));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    use crate::data::TestImage;

    #[test]
    fn every_gap_of_a_test_set_is_named() {
        let test = |masks: usize| TestImage { path: PathBuf::new(), defect: "hole".into(), masks: vec![PathBuf::new(); masks] };
        let category = |test| Category { name: String::new(), train: Vec::new(), test };
        let notes = |good, anomalous, without_mask, black_masks, masks| {
            let counts = ImageCounts { good, anomalous, without_mask, black_masks, ..ImageCounts::default() };
            counts.gaps(&category(vec![test(masks)])).join("|")
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
