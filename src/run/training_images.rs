//! The images that a network is trained on, from a folder in which some files may be damaged.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rayon::prelude::*;

use super::config::Config;
use super::test_set::first_names;
use super::training_set::{prepared, split};
use crate::data::{
    Dataset, Image, Listing, Skipped, SkippedShare, TrainingSet, beside_their_images, check_levels, fingerprint_of,
    is_black_and_white, read_with_levels, shown, warn_of_skipped,
};
use crate::error::{Error, Result};

/// The images of a training, at working resolution.
pub struct TrainingImages {
    /// Those to train on, with textures.
    pub set: TrainingSet,
    /// Those held out, without copies that do not count.
    pub held_out: Vec<Image>,
    /// The [fingerprint](fingerprint_of) of all files that could be used.
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
        let is_like_mask = is_black_and_white(&image);
        prepared(&image, &preparation).map(|image| (image, levels, is_like_mask)).map_err(|error| error.in_file(path))
    };
    let found: Vec<Result<_>> = paths.par_iter().map(read).collect();
    let (mut images, mut levels, mut files, mut skipped) = (Vec::new(), Vec::new(), Vec::new(), unlisted);
    let mut like_masks = beside_their_images(&paths);
    for (path, found) in paths.iter().zip(found) {
        match found {
            Ok((image, level, is_like_mask)) => {
                images.push(image);
                levels.push(level);
                like_masks.extend(is_like_mask.then_some(path));
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
    warn_of_masks(dataset, &like_masks, used);
    if let Some(doubt) = check_levels(&levels, preparation.white_level)? {
        log::warn!("{doubt}");
    }
    let fingerprint = fingerprint_of(files)?;
    let (set, held_out) = split(config, images)?;
    Ok(TrainingImages { set, held_out, fingerprint, used, skipped })
}

/// Names training images that look like masks in a warning.
fn warn_of_masks(dataset: &Dataset, found: &BTreeSet<&PathBuf>, of: usize) {
    let names: Vec<String> = found.iter().map(|path| shown(dataset.training_name(path).as_os_str())).collect();
    if !names.is_empty() {
        let (count, names) = (names.len(), first_names(&names));
        log::warn!(
            "{dataset}: {count} of {of} training images ({names}) look like masks: they are only black and white, or are called like the mask of another \
             image; if they are masks, move them out of this folder, because the network learns that they are normal"
        );
    }
}
