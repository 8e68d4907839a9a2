//! What a test set defines, and what it lacks.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::{Category, Levels, SkippedShare, TestImage, copies, fingerprint_of, is_black_and_white};
use crate::error::{Error, Result};

/// Images that a sentence names.
const NAMED: usize = 3;

/// A test set of which every image and every mask can be read.
pub struct TestSet {
    /// The images that can be used, and the files that cannot.
    pub category: Category,
    /// Their numbers.
    pub counts: ImageCounts,
    /// The largest values in them, of those with more than 8 bits per sample.
    pub levels: Vec<Option<Levels>>,
    /// The images with a defect whose masks mark no pixel.
    black: Vec<String>,
    /// The images that are black and white only.
    like_masks: Vec<String>,
}

impl TestSet {
    /// Reads every image and mask of a category, on all threads, and takes out the images that cannot be used; one of its masks
    /// is enough for that. They are added to [`Category::skipped`].
    ///
    /// # Errors
    /// No image is left, or a mask of a good image marks a pixel.
    pub fn read(mut category: Category) -> Result<Self> {
        // Only whether pixels are marked is kept of each.
        let read = |test: &TestImage| -> Result<Result<Seen>> {
            let (image, mask, level) = test.read_files(0.0)?;
            let is_marked = mask.iter().any(|&value| value > 0.0);
            Ok(test.check_mask(&mask).map(|()| Seen { is_marked, is_like_mask: is_black_and_white(&image), level }))
        };
        let found: Vec<_> = category.test.par_iter().map(read).collect();
        let (mut counts, mut levels, mut black, mut like_masks) = (ImageCounts::default(), Vec::new(), Vec::new(), Vec::new());
        for (test, found) in std::mem::take(&mut category.test).into_iter().zip(found) {
            match found {
                Ok(found) => {
                    let Seen { is_marked, is_like_mask, level } = found?;
                    levels.push(level);
                    counts.add(&test, is_marked);
                    black.extend(is_black(&test, is_marked).then(|| test.full_name()));
                    like_masks.extend(is_like_mask.then(|| test.full_name()));
                    category.test.push(test);
                }
                Err(error) if error.is_out_of_memory() => return Err(error),
                Err(error) => category.skipped.push(category.skipped_file(&test.path, &error)),
            }
        }
        counts.skipped_test = category.skipped.len();
        let own = Self { category, counts, levels, black, like_masks };
        match own.skipped().filter(|_| own.category.test.is_empty()) {
            Some(sentence) => Err(Error::argument(format!("{}: nothing is left to test on: {sentence}", own.category.name))),
            None => Ok(own),
        }
    }

    /// Whether the good images are the training images of a model, by the [fingerprint](fingerprint_of) that its weights have.
    /// Their verdicts say nothing about new images then.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn was_trained_on(&self, fingerprint: &str) -> Result<bool> {
        let good = self.category.test.iter().filter(|test| test.is_good());
        Ok(fingerprint_of(good.map(|test| (Path::new("train").join(&test.place), test.path.as_path())).collect())? == fingerprint)
    }

    /// How many test images have the same content as a training image of the category, with the first of them; none if none has.
    pub fn seen_in_training(&self) -> Option<String> {
        let test = &self.category.test;
        let seen = copies(test.iter().map(|test| test.path.as_path()), &self.category.train);
        let (file, other) = seen.first()?;
        let of = test.len();
        let [file, other] = [file, other].map(|path| path.display());
        Some(format!("{} of {of} test images are training images, too: {file} has the content of {other}", seen.len()))
    }

    /// How many defect images have masks that mark no pixel, what that does to the metrics, and the first of them; none if there
    /// is none.
    fn black_masks(&self) -> Option<String> {
        let ImageCounts { anomalous, black_masks, without_mask, .. } = self.counts;
        let effect = match black_masks == anomalous {
            true => "; no pixel metric is defined",
            false if without_mask > 0 => "",
            false => ", so that pixel metrics take what is found there for false alarms, and AU-PRO has no region there",
        };
        (black_masks > 0).then(|| {
            let names = first_names(&self.black);
            format!("the masks of {black_masks} of {anomalous} defect images ({names}) mark no pixel{effect}")
        })
    }

    /// How many test images are called like masks, and the first of them; none if none is.
    fn called_like_masks(&self) -> Option<String> {
        let (found, of) = (self.category.called_like_masks(), self.category.test.len());
        let (mask, image) = found.first().map(|(mask, image)| (mask.full_name(), image.full_name()))?;
        let remedy = "give masks a folder of their own with --masks, or in ground_truth of a category";
        let count = found.len();
        Some(format!(
            "{count} of {of} test images are called like masks, {mask} like that of {image}, and count as images; {remedy}"
        ))
    }

    /// How many test images look like masks, and the first of them; none if none does.
    fn black_and_white(&self) -> Option<String> {
        let (found, of, names) = (self.like_masks.len(), self.category.test.len(), first_names(&self.like_masks));
        let remedy = "if they are masks, give the folder of the photographs here, and that of the masks with --masks";
        (found > 0).then(|| {
            format!("{found} of {of} test images ({names}) are only black and white, as masks are, and count as images; {remedy}")
        })
    }

    /// Sentences about images and masks that may be others than were meant.
    pub fn doubts(&self) -> impl Iterator<Item = String> {
        self.called_like_masks().into_iter().chain(self.black_and_white()).chain(self.black_masks())
    }

    /// The sentences of [`gaps`](Self::gaps) and of [`doubts`](Self::doubts).
    pub fn lacks(&self) -> Vec<String> {
        self.gaps().into_iter().chain(self.doubts()).collect()
    }

    /// Sentences about what the test set lacks, and about several masks for one image.
    pub fn gaps(&self) -> Vec<String> {
        let ImageCounts { good, anomalous, without_mask, .. } = self.counts;
        let mut notes = Vec::new();
        match (good, anomalous) {
            (0, 0) => notes.push("there is no folder test: trained and validated, not evaluated".to_owned()),
            (_, 0) => notes.push(format!("no defect among the {good} test images: only false alarms can be counted")),
            (0, _) => notes.push(format!(
                "no good image among the {anomalous} test images: of whole images, only the defects found can be counted, because AUROC, AP and F1 \
                 compare with good ones"
            )),
            _ => {}
        }
        if without_mask > 0 {
            let which = match without_mask == anomalous {
                true => "there is no ground truth".to_owned(),
                false => first_without_mask(&self.category),
            };
            notes.push(format!("{which}: no pixel metric for the {anomalous} defect images"));
        }
        let united = self.category.test.iter().filter(|test| !test.is_good() && test.masks.len() > 1).count();
        if united > 0 {
            notes.push(format!("several masks are united for {united} of {anomalous} defect images"));
        }
        notes
    }

    /// How many files could not be used, with the first of them; none if all could.
    pub fn skipped(&self) -> Option<String> {
        let share = SkippedShare::new(&self.category.skipped, self.category.test.len());
        share.map(|share| share.sentence(&self.category.skipped))
    }
}

/// What is kept of an image and its masks.
struct Seen {
    is_marked: bool,
    is_like_mask: bool,
    level: Option<Levels>,
}

/// The first names of a list, and how many more there are.
pub(super) fn first_names(all: &[String]) -> String {
    let first = all[..all.len().min(NAMED)].join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

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
    /// Files among the training images that could not be used.
    #[serde(default)]
    pub skipped_train: usize,
    /// Files of the test set that could not be used.
    #[serde(default)]
    pub skipped_test: usize,
}

impl ImageCounts {
    fn add(&mut self, test: &TestImage, is_marked: bool) {
        self.good += usize::from(test.is_good());
        self.anomalous += usize::from(!test.is_good());
        self.without_mask += usize::from(!test.is_good() && test.masks.is_empty());
        self.black_masks += usize::from(is_black(test, is_marked));
    }

    /// Whether the test set defines all metrics: it has good images, defects, a mask for each of them, and a mask that marks a
    /// pixel.
    pub fn defines_all_metrics(&self) -> bool {
        self.good > 0 && self.anomalous > self.black_masks && self.without_mask == 0
    }
}

/// Whether this is a defect image whose masks mark nothing.
fn is_black(test: &TestImage, is_marked: bool) -> bool {
    !test.is_good() && !test.masks.is_empty() && !is_marked
}

fn first_without_mask(category: &Category) -> String {
    let mut without = category.test.iter().filter(|test| !test.is_good() && test.masks.is_empty());
    let first = without.next().map(TestImage::full_name).unwrap_or_default();
    match without.count() {
        0 => format!("{first} has no mask"),
        more => format!("{first} and {more} more have no mask"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    use crate::data::TestImage;

    #[test]
    fn every_gap_of_a_test_set_is_named() {
        let test = |masks: usize| TestImage {
            path: PathBuf::new(),
            defect: "hole".into(),
            masks: vec![PathBuf::new(); masks],
            place: "hole/a.png".into(),
            output_name: "hole/a".into(),
        };
        let set = |counts: ImageCounts, masks: usize| TestSet {
            category: Category { test: vec![test(masks)], ..Category::default() },
            counts,
            levels: Vec::new(),
            like_masks: Vec::new(),
            black: (0..counts.black_masks).map(|number| format!("hole/{number}.png")).collect(),
        };
        let notes = |good, anomalous, without_mask, masks| {
            set(ImageCounts { good, anomalous, without_mask, ..ImageCounts::default() }, masks).gaps().join("|")
        };
        assert_eq!(notes(3, 2, 0, 1), "");
        assert!(notes(0, 0, 0, 0).starts_with("there is no folder test"));
        assert!(notes(3, 0, 0, 0).contains("no defect among the 3 test images"));
        assert!(notes(0, 2, 0, 1).contains("no good image among the 2 test images"));
        assert_eq!(notes(3, 2, 2, 0), "there is no ground truth: no pixel metric for the 2 defect images");
        assert_eq!(notes(3, 2, 1, 0), "hole/a.png has no mask: no pixel metric for the 2 defect images");
        assert_eq!(notes(3, 2, 0, 2), "several masks are united for 1 of 2 defect images");
        let black = |anomalous, black_masks, without_mask| {
            set(ImageCounts { anomalous, black_masks, without_mask, ..ImageCounts::default() }, 1).black_masks()
        };
        assert_eq!(black(9, 0, 0), None);
        assert_eq!(black(2, 1, 1).unwrap(), "the masks of 1 of 2 defect images (hole/0.png) mark no pixel");
        let some = black(9, 5, 0).unwrap();
        assert!(
            some.contains("for false alarms") && some.contains("(hole/0.png, hole/1.png, hole/2.png and 2 more) mark"),
            "{some}"
        );
        let all = "the masks of 2 of 2 defect images (hole/0.png, hole/1.png) mark no pixel; no pixel metric is defined";
        assert_eq!(black(2, 2, 0).unwrap(), all);
    }
}
