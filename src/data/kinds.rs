//! Test images of several kinds, as they are found in folders, and their masks.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::listing::{Listing, shown};
use super::masks::{Key, key, pair};
use super::test_image::TestImage;
use crate::error::{Error, Result};

/// An image that was found.
struct Found {
    place: PathBuf,
    path: PathBuf,
    /// What the names of its masks are compared with; none if it can have no mask.
    key: Option<Key>,
}

/// Test images that were found, of all kinds.
#[derive(Default)]
pub(super) struct Kinds(Vec<Found>);

impl Kinds {
    /// Adds the images of one kind, the files of `listing` below `folder`.
    pub(super) fn add_kind(&mut self, kind: &OsStr, folder: &Path, listing: &Listing) {
        for path in &listing.images {
            let place = Path::new(kind).join(below(path, folder));
            self.0.push(Found { key: Some(key(&place)), place, path: path.clone() });
        }
    }

    /// Adds an image that is called `place`, and whose masks have the name of `relative`, if it has any.
    pub(super) fn add(&mut self, place: PathBuf, path: PathBuf, relative: Option<&Path>) {
        self.0.push(Found { place, path, key: relative.map(key) });
    }

    /// The test images with their masks, sorted by kind and name, and the masks that belong to no image.
    ///
    /// # Errors
    /// Two images with the same name, which may have different extensions.
    pub(super) fn with_masks(mut self, masks: Vec<(Key, PathBuf)>) -> Result<(Vec<TestImage>, Vec<PathBuf>)> {
        self.0.sort_by_cached_key(|found| (found.place.with_extension(""), found.path.clone()));
        self.check_names()?;
        let keys: BTreeSet<Key> = self.0.iter().filter_map(|found| found.key.clone()).collect();
        let (mut paired, others) = pair(&keys, masks);
        let image = |found: Found| test_image(found, &mut paired);
        Ok((self.0.into_iter().map(image).collect(), others))
    }

    fn check_names(&self) -> Result<()> {
        let same = self.0.windows(2).find(|pair| pair[0].place.with_extension("") == pair[1].place.with_extension(""));
        let Some([_, second]) = same else { return Ok(()) };
        let name = shown(second.place.with_extension("").as_os_str());
        let reason = format!("`{name}` is also the name of another test image; names must differ in more than their extension");
        Err(Error::file(&second.path, reason))
    }
}

fn test_image(found: Found, paired: &mut BTreeMap<Key, Vec<PathBuf>>) -> TestImage {
    let kind = found.place.components().next().map(|part| shown(part.as_os_str())).unwrap_or_default();
    let masks = found.key.and_then(|key| paired.remove(&key)).unwrap_or_default();
    TestImage { path: found.path, defect: kind, masks, place: found.place }
}

/// The files of a listing of masks with their keys below `folder`, which is called `name`.
pub(super) fn keyed(name: &Path, folder: &Path, listing: Listing) -> Vec<(Key, PathBuf)> {
    listing.images.into_iter().map(|path| (key(&name.join(below(&path, folder))), path)).collect()
}

/// A path from `folder` on.
pub(super) fn below<'a>(path: &'a Path, folder: &Path) -> &'a Path {
    path.strip_prefix(folder).unwrap_or(path)
}
