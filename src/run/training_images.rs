//! The images that a network is trained on, from a folder in which some files may be damaged.

use std::collections::HashMap;
use std::path::PathBuf;

use ndarray::Axis;
use rayon::prelude::*;

use super::config::Config;
use super::training_set::{prepared, source_of_held_out, split};
use crate::data::{
    Dataset, Image, Listing, Skipped, SkippedShare, TrainingSet, check_levels, fingerprint_of, read_with_levels, warn_of_skipped,
};
use crate::detect::Source;
use crate::error::{Error, Result};

/// The images of a training, at working resolution.
pub struct TrainingImages {
    /// Those to train on, with textures.
    pub set: TrainingSet,
    /// Those held out.
    pub held_out: Vec<Image>,
    /// The [fingerprint](fingerprint_of) of the files of both.
    pub fingerprint: String,
    /// The number of these files.
    pub used: usize,
    /// The files that could not be used.
    pub skipped: Vec<Skipped>,
}

impl TrainingImages {
    /// How many files could not be used; none if all could.
    pub fn share(&self) -> Option<SkippedShare> {
        SkippedShare::new(&self.skipped, self.used)
    }

    /// Names the files that could not be used in a warning.
    pub fn warn(&self, dataset: &Dataset) {
        warn_of_skipped(dataset, &self.skipped, self.used);
    }

    /// Says how many held-out images are trained on under another name: thresholds from them may promise too few false alarms.
    pub(super) fn warn_of_copies(&self) {
        if source_of_held_out(&self.set, &self.held_out) == Source::Training {
            return;
        }
        let (copies, of) = (copies_among(&self.held_out, &self.set.images), self.held_out.len());
        if copies > 0 {
            log::warn!(
                "held-out images with the same pixels as a training image: {copies} of {of}, so the thresholds may be too low; remove \
                 the copies from the training images"
            );
        }
    }
}

/// Decodes and resizes the training images of a dataset, on all threads. A file that cannot be used is left out; only the others
/// count for the fingerprint, so that equal fingerprints mean equal images.
///
/// # Errors
/// No image can be used: they are missing, unreadable, or smaller than the training size; too little memory.
pub fn load_training_set(config: &Config, dataset: &Dataset) -> Result<TrainingImages> {
    let preparation = config.preparation();
    let Listing { images: paths, skipped: unlisted } = dataset.train_images()?;
    let read = |path: &PathBuf| {
        let (image, levels) = read_with_levels(path, preparation.white_level)?;
        prepared(&image, &preparation).map(|image| (image, levels)).map_err(|error| error.in_file(path))
    };
    let found: Vec<Result<_>> = paths.par_iter().map(read).collect();
    let (mut images, mut levels, mut files, mut skipped) = (Vec::new(), Vec::new(), Vec::new(), unlisted);
    for (path, found) in paths.iter().zip(found) {
        match found {
            Ok((image, level)) => {
                images.push(image);
                levels.push(level);
                files.push((dataset.training_name(path), path.as_path()));
            }
            Err(error) if error.is_out_of_memory() => return Err(error),
            Err(error) => skipped.push(Skipped::new(path, &error)),
        }
    }
    let skipped: Vec<Skipped> = skipped.into_iter().map(|one| dataset.skipped(one)).collect();
    let used = images.len();
    if let Some(share) = SkippedShare::new(&skipped, used).filter(|_| used == 0) {
        return Err(Error::argument(format!("{dataset}: nothing is left to train on: {}", share.sentence(&skipped))));
    }
    if let Some(doubt) = check_levels(&levels, preparation.white_level)? {
        log::warn!("{doubt}");
    }
    let fingerprint = fingerprint_of(files)?;
    let (set, held_out) = split(config, images)?;
    Ok(TrainingImages { set, held_out, fingerprint, used, skipped })
}

/// How many of these images have the pixels of one of the others.
fn copies_among(images: &[Image], others: &[Image]) -> usize {
    // Pictures of the same object often begin with the same rows.
    let middle_row = |image: &Image| -> Vec<u32> {
        image.index_axis(Axis(0), image.len_of(Axis(0)) / 2).iter().map(|value| value.to_bits()).collect()
    };
    let mut by_row: HashMap<Vec<u32>, Vec<&Image>> = HashMap::new();
    others.iter().for_each(|other| by_row.entry(middle_row(other)).or_default().push(other));
    images.iter().filter(|image| by_row.get(&middle_row(image)).is_some_and(|alike| alike.contains(image))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_all_pixels_and_not_only_the_middle_row() {
        let plain = Image::zeros((5, 4, 3));
        let spotted = |row: usize| {
            let mut image = plain.clone();
            image[[row, 1, 2]] = 0.5;
            image
        };
        let trained = [spotted(0), spotted(2), spotted(2)];
        assert_eq!(copies_among(&[plain.clone(), spotted(4)], &trained), 0);
        assert_eq!(copies_among(&[spotted(0), plain.clone(), spotted(2)], &trained), 2);
        assert_eq!(copies_among(&[Image::zeros((5, 2, 6))], &[plain]), 0);
    }
}
