//! Test images of several kinds, as they are found in folders, and their masks.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::listing::{Listing, shown};
use super::masks::{Key, key, names, pair, without_mask_ending};
use super::output_names::output_names;
use super::test_image::TestImage;
use crate::error::{Error, Result};

/// An image that was found.
struct Found {
    place: PathBuf,
    path: PathBuf,
    /// What the names of its masks are compared with; none if it can have no mask.
    names: BTreeSet<Key>,
}

/// Test images that were found, of all kinds.
#[derive(Default)]
pub(super) struct Kinds(Vec<Found>);

impl Kinds {
    /// Adds the images of one kind, the files of `listing` below `folder`.
    pub(super) fn add_kind(&mut self, kind: &OsStr, folder: &Path, listing: &Listing) {
        for path in &listing.images {
            let place = Path::new(kind).join(below(path, folder));
            self.0.push(Found { names: names(&place), place, path: path.clone() });
        }
    }

    /// Adds an image that is called `place`, and whose masks have the name of `relative`, if it has any.
    pub(super) fn add(&mut self, place: PathBuf, path: PathBuf, relative: Option<&Path>) {
        self.0.push(Found { place, path, names: relative.map(names).unwrap_or_default() });
    }

    /// The test images with their masks, sorted by kind and name, and the masks that belong to no image.
    ///
    /// # Errors
    /// Two images with the same name; a mask that two images could have, because they differ in their extensions only.
    pub(super) fn with_masks(mut self, masks: Vec<(Key, PathBuf)>) -> Result<(Vec<TestImage>, Vec<PathBuf>)> {
        self.0.sort_by_cached_key(|found| (found.place.with_extension(""), found.place.clone(), found.path.clone()));
        self.check_names()?;
        let (masks, others) = self.paired(masks)?;
        let places: Vec<PathBuf> = self.0.iter().map(|found| found.place.clone()).collect();
        let images = self.0.into_iter().zip(output_names(&places)).zip(masks);
        Ok((images.map(|((found, output_name), masks)| test_image(found, output_name, masks)).collect(), others))
    }

    /// The masks of each image, and those that belong to none.
    fn paired(&self, masks: Vec<(Key, PathBuf)>) -> Result<(Vec<Vec<PathBuf>>, Vec<PathBuf>)> {
        // A whole name that is another image's without extension is that one's.
        let keys: BTreeSet<&Key> = self.0.iter().filter_map(|found| found.names.first()).collect();
        let mut named: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (number, found) in self.0.iter().enumerate() {
            let own = found.names.iter().enumerate().filter(|(place, name)| *place == 0 || !keys.contains(name));
            own.for_each(|(_, name)| named.entry(name.clone()).or_default().push(number));
        }
        let (found, others) = pair(&named, masks);
        let mut paired = vec![Vec::new(); self.0.len()];
        for (name, masks) in found {
            match named[&name][..] {
                [first, second, ..] => return Err(ambiguous(&masks[0], &self.0[first].path, &self.0[second].path)),
                _ => named[&name].iter().for_each(|&only| paired[only].extend(masks.iter().cloned())),
            }
        }
        Ok((paired, others))
    }

    fn check_names(&self) -> Result<()> {
        let same = self.0.windows(2).find(|pair| pair[0].place == pair[1].place);
        let Some([first, second]) = same else { return Ok(()) };
        let (name, first) = (shown(second.place.as_os_str()), first.path.display());
        Err(Error::file(&second.path, format!("is called `{name}` in results, and so is {first}; rename one of them")))
    }
}

/// The error of a mask that either of two images could have.
fn ambiguous(mask: &Path, first: &Path, second: &Path) -> Error {
    let name = shown(first.file_name().unwrap_or_default());
    let (first, second) = (first.display(), second.display());
    let remedy = format!("put the whole name of its image into its own, as in {name}_mask.png");
    Error::file(mask, format!("may be the mask of {first} or of {second}; {remedy}"))
}

fn test_image(found: Found, output_name: PathBuf, masks: Vec<PathBuf>) -> TestImage {
    let kind = found.place.components().next().map(|part| shown(part.as_os_str())).unwrap_or_default();
    TestImage { path: found.path, defect: kind, masks, place: found.place, output_name }
}

/// The test images whose names are those of masks of others, as `a_mask` is of `a`, each with the other one.
pub(super) fn called_like_masks(images: &[TestImage]) -> Vec<(&TestImage, &TestImage)> {
    let named = images.iter().flat_map(|image| names(&image.place).into_iter().map(move |name| (name, image)));
    let named: BTreeMap<Key, &TestImage> = named.collect();
    let of = |image: &TestImage| named.get(without_mask_ending(&key(&image.place))?).copied();
    images.iter().filter_map(|image| Some((image, of(image)?))).collect()
}

/// The files of a listing of masks with their keys below `folder`, which is called `name`.
pub(super) fn keyed(name: &Path, folder: &Path, listing: Listing) -> Vec<(Key, PathBuf)> {
    listing.images.into_iter().map(|path| (key(&name.join(below(&path, folder))), path)).collect()
}

/// A path from `folder` on.
pub(super) fn below<'a>(path: &'a Path, folder: &Path) -> &'a Path {
    path.strip_prefix(folder).unwrap_or(path)
}
