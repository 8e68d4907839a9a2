use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::samples::MIN_IMAGES;
use crate::data::{Category, Fit, Image, Preparation, Skipped, TrainingSet, crop, layout_hint, list_images, warn_of_skipped};
use crate::error::{Error, Result};
use crate::run::{Config, load_textures};

/// Most values of all images and copies: 8 bytes each, and about as much again for linear baselines.
const MAX_VALUES: usize = 400_000_000;

/// Normal images of a folder: those to audit, and the others as the training set of a corruption.
pub struct FolderImages {
    /// The images to audit.
    pub audited: Vec<Image>,
    /// The reference images with the corruption.
    pub set: TrainingSet,
    /// What was chosen, in words.
    pub words: String,
}

/// Largest numbers of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To audit.
    pub audited: usize,
    /// As the reference.
    pub reference: usize,
}

impl FolderImages {
    /// Reads the images of a category, or of any folder, at working resolution. Audited are those of `test/good` if it has at
    /// least [`MIN_IMAGES`], else at most half of the normal images. Corruption and textures are those of `config`, the seed is
    /// `seed`. Files that cannot be read or prepared are named in a warning and left out.
    ///
    /// # Errors
    /// A folder without images, with too few, or of several categories; more than 400 million values.
    pub fn read(root: &Path, preparation: &Preparation, limits: Limits, config: &Config, seed: u64) -> Result<Self> {
        let (mut skipped, mut used) = (Vec::new(), 0);
        let chosen = choose(root, limits, |paths| {
            let paths = usable(paths, preparation, &mut skipped)?;
            used += paths.len();
            Ok(paths)
        });
        warn_of_skipped(root.display(), &skipped, used);
        let (audited, reference, words) = chosen?;
        let prepare = |paths: Vec<PathBuf>| paths.iter().map(|path| prepared(path, preparation)).collect::<Result<Vec<_>>>();
        let number = audited.len() + 2 * reference.len();
        let (audited, images) = (prepare(audited)?, prepare(reference)?);
        let values = audited.first().map_or(0, |image| image.len()).saturating_mul(number);
        if values > MAX_VALUES {
            let reason = format!(
                "{values} values of images and their copies take too much memory, the limit is {MAX_VALUES}; resize the images, or take fewer"
            );
            return Err(Error::file(root, reason));
        }
        let size = audited.first().map_or(8, |image| image.dim().0.min(image.dim().1));
        let corruption = config.corruption.for_images(&images);
        let set = TrainingSet {
            images,
            textures: load_textures(config, size, corruption.is_grey())?,
            size,
            augment: config.augment.clone(),
            corruption,
            objects: Default::default(),
            seed,
        };
        Ok(Self { audited, set, words })
    }
}

/// Files to audit, reference files, and what the first are in words. Only those count that `usable` lets through.
fn choose(
    root: &Path,
    limits: Limits,
    mut usable: impl FnMut(Vec<PathBuf>) -> Result<Vec<PathBuf>>,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>, String)> {
    let name = root.display();
    let (normal, place) = match root.join("train").is_dir() {
        false => (usable(plain_images(root)?)?, format!("images of {name}")),
        true => {
            let category = Category::open_incomplete(root)?;
            let good = category.test.iter().filter(|test| test.is_good()).map(|test| test.path.clone()).collect::<Vec<_>>();
            let (good, train) = (usable(good)?, usable(category.train)?);
            if good.len() >= MIN_IMAGES {
                let (audited, _) = spread(good, limits.audited);
                let words = format!("{} images of {name}/test/good", audited.len());
                return Ok((audited, spread(train, limits.reference).0, words));
            }
            (train, format!("images of {name}/train/good, on which the map may have been trained"))
        }
    };
    let half = normal.len() / 2;
    if half < MIN_IMAGES {
        let reason = format!(
            "has {} normal images, half of them are kept as the reference; an audit needs {}",
            normal.len(),
            2 * MIN_IMAGES
        );
        return Err(Error::file(root, reason));
    }
    let (audited, rest) = spread(normal, limits.audited.min(half));
    let words = format!("{} {place}", audited.len());
    Ok((audited, spread(rest, limits.reference).0, words))
}

/// The images of a folder that is no category.
///
/// # Errors
/// A folder that contains categories: not all of their images are normal, and masks are no images of a part.
fn plain_images(root: &Path) -> Result<Vec<PathBuf>> {
    let paths = list_images(root)?;
    let is_within = |path: &Path| path.strip_prefix(root).is_ok_and(|inner| inner.iter().any(|part| part == "ground_truth"));
    match paths.iter().any(|path| is_within(path)) {
        true => Err(Error::file(root, format!("contains categories with defects{}", layout_hint(root)))),
        false => Ok(paths),
    }
}

/// At most `count` of the items, evenly spread, and the others.
fn spread(items: Vec<PathBuf>, count: usize) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let all = items.len();
    let count = count.min(all);
    let is_chosen = |index: usize| index * count / all.max(1) != (index + 1) * count / all.max(1);
    let (chosen, rest): (Vec<_>, Vec<_>) = items.into_iter().enumerate().partition(|&(index, _)| is_chosen(index));
    let paths = |items: Vec<(usize, PathBuf)>| items.into_iter().map(|(_, path)| path).collect();
    (paths(chosen), paths(rest))
}

/// The files that can be read and prepared, all of which are tried; the others are added to `skipped`.
fn usable(paths: Vec<PathBuf>, preparation: &Preparation, skipped: &mut Vec<Skipped>) -> Result<Vec<PathBuf>> {
    let found: Vec<Result<()>> = paths.par_iter().map(|path| prepared(path, preparation).map(drop)).collect();
    let mut used = Vec::with_capacity(paths.len());
    for (path, found) in paths.into_iter().zip(found) {
        match found {
            Ok(()) => used.push(path),
            Err(error) if error.is_out_of_memory() => return Err(error),
            Err(error) => skipped.push(Skipped::new(&path, &error)),
        }
    }
    Ok(used)
}

/// An image at working resolution. Of a texture it is the square in the middle that has the size of a training crop.
fn prepared(path: &Path, preparation: &Preparation) -> Result<Image> {
    let image = preparation.apply(&preparation.read(path)?).map_err(|error| error.in_file(path))?;
    let ((height, width, _), side) = (image.dim(), preparation.size);
    match side > 0 && preparation.fit != Fit::Stretch && height.min(width) >= side {
        true => crop(&image, (height - side) / 2, (width - side) / 2, side, side),
        false => Ok(image),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_items_are_spread_evenly_and_none_is_lost() {
        let items = |count: usize| (0..count).map(|index| PathBuf::from(index.to_string())).collect::<Vec<_>>();
        for (all, count, wanted) in [(10, 5, 5), (7, 3, 3), (3, 9, 3), (0, 4, 0), (5, 0, 0)] {
            let (chosen, rest) = spread(items(all), count);
            assert_eq!((chosen.len(), chosen.len() + rest.len()), (wanted, all));
            assert!(chosen.is_sorted() && chosen.iter().all(|item| !rest.contains(item)));
        }
        assert_eq!(spread(items(6), 3).0, ["1", "3", "5"].map(PathBuf::from));
    }
}
