//! Folders of images in the MVTec layout.
//!
//! `CATEGORY/train/good`, `CATEGORY/test/good`, `CATEGORY/test/DEFECT`, and for each defect image `NAME.ext` a mask
//! `CATEGORY/ground_truth/DEFECT/NAME_mask.ext`, or several, whose names [`super::masks`] explains; a pixel is anomalous if one
//! of them marks it. All folders are searched to any depth, and images and masks have the same subfolders. Masks of good images
//! must be black.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::file::READ_FORMATS;
use super::kinds::{Kinds, called_like_masks, keyed};
use super::listing::{Listing, Skipped, check_folder, entries, is_folder, is_foreign, is_picture, no_image, shown};
use super::test_image::{GOOD, TestImage};
use crate::error::{Error, Result};

/// What the layout is.
const LAYOUT: &str = "the layout is train/good, test/DEFECT, ground_truth/DEFECT";

/// The files of a category or of other folders with a test set. Nothing is decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Category {
    /// Name of the folder.
    pub name: String,
    /// Normal images for training, in the order of their paths without extension; empty without a folder `train`, which testing
    /// does not need.
    pub train: Vec<PathBuf>,
    /// Test images, sorted by defect and then by path.
    pub test: Vec<TestImage>,
    /// What belongs to the test set and cannot be used.
    pub skipped: Vec<Skipped>,
    /// Folders with the names that they have in `skipped`.
    pub(crate) roots: Vec<(PathBuf, &'static str)>,
}

impl Category {
    /// Lists a category folder and pairs its defect images with their masks. Nothing is decoded.
    ///
    /// # Errors
    /// No such folder; no image in `test`; a defect image without its mask, or a mask without its
    /// image; two images of the same name.
    pub fn open(root: &Path) -> Result<Self> {
        Self::list(root, true)
    }

    /// The same for a category without a folder `test`, whose test set is then empty, or without a folder `ground_truth`; its
    /// defect images then have no masks. Single masks may not be missing.
    ///
    /// # Errors
    /// As [`Category::open`] otherwise.
    pub fn open_incomplete(root: &Path) -> Result<Self> {
        Self::list(root, false)
    }

    /// Number of pixels of the test set, from the headers of its images and masks, and the files whose headers cannot be used.
    pub fn test_pixels(&self) -> (u64, Vec<Skipped>) {
        let (mut pixels, mut skipped) = (0_u64, Vec::new());
        for test in &self.test {
            match test.pixels() {
                // Each is at most 64 Mpx, so no number of files overflows.
                Ok(own) => pixels += own,
                Err(error) => skipped.push(self.skipped_file(&test.path, &error)),
            }
        }
        (pixels, skipped)
    }

    /// A file that cannot be used, with its path below the category.
    pub(crate) fn skipped_file(&self, path: &Path, error: &Error) -> Skipped {
        self.roots.iter().fold(Skipped::new(path, error), |own, (root, name)| own.below(root, name))
    }

    /// Notes files that cannot be used.
    pub(super) fn skip(&mut self, found: Vec<Skipped>) {
        let short = |one| self.roots.iter().fold(one, |own: Skipped, (root, name)| own.below(root, name));
        let found: Vec<Skipped> = found.into_iter().map(short).collect();
        self.skipped.extend(found);
    }

    /// The test images whose names are those of masks of others, as `a_mask` is of `a`, each with the other one.
    pub(crate) fn called_like_masks(&self) -> Vec<(&TestImage, &TestImage)> {
        called_like_masks(&self.test)
    }

    fn list(root: &Path, is_complete: bool) -> Result<Self> {
        check_folder(root)?;
        // Without images, or without permission to list them, it only is unknown what was trained on.
        let train = Listing::of(&root.join("train").join(GOOD)).map(|listing| listing.images).unwrap_or_default();
        let mut own = Self { name: category_name(root), train, roots: vec![(root.to_owned(), "")], ..Self::default() };
        if is_complete || root.join("test").is_dir() {
            own.list_test_images(root, is_complete)?;
        }
        Ok(own)
    }

    fn list_test_images(&mut self, root: &Path, is_complete: bool) -> Result<()> {
        let (folder, truth) = (root.join("test"), root.join("ground_truth"));
        let needs_masks = is_complete || is_folder(&truth)?;
        if let Some(other) = miscalled_good(&folder) {
            let reason = "would be a kind of defect, because normal images are in test/good; did you mean that? Rename it";
            return Err(Error::file(other, reason));
        }
        let (mut kinds, mut skipped) = (Kinds::default(), Vec::new());
        for (kind, path) in subfolders(&folder, &mut skipped)? {
            let listing = listed(&path, &mut skipped);
            kinds.add_kind(&kind, &path, &listing);
        }
        let masks = masks_below(&truth, &mut skipped)?;
        let (test, others) = kinds.with_masks(masks)?;
        if test.is_empty() && skipped.is_empty() {
            let reason = format!("contains no image ({READ_FORMATS}) in a folder good or DEFECT{}", layout_hint(root));
            return Err(Error::file(folder, reason));
        }
        if let Some(one) = test.iter().find(|one| needs_masks && !one.is_good() && one.masks.is_empty()) {
            return Err(Error::file(&one.path, without_mask(one, &test, &truth, &skipped)));
        }
        if let Some(mask) = others.first() {
            return Err(Error::file(mask, reason_of_other(mask, &truth, &folder)));
        }
        self.test = test;
        self.skip(skipped);
        Ok(())
    }
}

/// Why a mask belongs to no image.
fn reason_of_other(mask: &Path, truth: &Path, folder: &Path) -> String {
    let kind = mask.strip_prefix(truth).ok().and_then(|path| path.parent()).unwrap_or(Path::new(""));
    let (place, truth) = (folder.join(kind), truth.display());
    match place.is_dir() {
        true => format!("this mask has no image in test/{}; add that, or move the mask out of {truth}", shown(kind.as_os_str())),
        false => format!("these masks have no images: there is no folder {}; move them out of {truth}", place.display()),
    }
}

/// Why an image of `all` has no mask.
fn without_mask(test: &TestImage, all: &[TestImage], truth: &Path, skipped: &[Skipped]) -> String {
    if let Some((other, _)) = called_like_masks(all).into_iter().find(|(other, of)| *of == test && !other.masks.is_empty()) {
        let (mask, image) = (other.masks[0].display(), other.path.display());
        let name = shown(test.path.file_name().unwrap_or_default());
        return format!(
            "this defect image has no mask, because {mask} is that of {image}; if that is no image, move it away, else call the mask of this one {name}"
        );
    }
    let mask = test.output(truth, "_mask.png");
    if let Some(hidden) = skipped.iter().find(|one| mask.starts_with(&one.path)) {
        return format!("the mask {} of this defect image cannot be used: {hidden}", mask.display());
    }
    let way =
        format!("if there is no folder {}, `evaluate` needs no masks, and has metrics of whole images only", truth.display());
    format!("this defect image has no mask {}; {way}", mask.display())
}

/// The masks of all kinds.
fn masks_below(truth: &Path, skipped: &mut Vec<Skipped>) -> Result<Vec<(Vec<u8>, PathBuf)>> {
    let mut masks = Vec::new();
    for (kind, path) in subfolders(truth, skipped)? {
        masks.extend(keyed(Path::new(&kind), &path, listed(&path, skipped)));
    }
    Ok(masks)
}

/// The images of a kind; none if its folder cannot be listed, which is skipped then.
fn listed(folder: &Path, skipped: &mut Vec<Skipped>) -> Listing {
    let mut listing = Listing::of(folder).unwrap_or_else(|error| {
        skipped.push(Skipped::new(folder, &error));
        Listing::default()
    });
    skipped.append(&mut listing.skipped);
    listing
}

/// The subfolders of `folder` by name, without those of other programs; none if `folder` does not exist. An image directly in
/// `folder` and a link in a circle are skipped.
fn subfolders(folder: &Path, skipped: &mut Vec<Skipped>) -> Result<BTreeMap<OsString, PathBuf>> {
    let mut found = BTreeMap::new();
    if !is_folder(folder)? {
        return Ok(found);
    }
    for path in entries(folder)? {
        match is_folder(&path) {
            Ok(true) if !is_foreign(&path) => {
                found.insert(path.file_name().unwrap_or_default().to_owned(), path);
            }
            Ok(false) if is_picture(&path) => {
                skipped.push(Skipped::new(&path, &Error::file(&path, "this image is not in a folder good or DEFECT")));
            }
            Ok(_) => {}
            Err(error) => skipped.push(Skipped::new(&path, &error)),
        }
    }
    Ok(found)
}

/// The training images of a category: those in `train/good`.
///
/// # Errors
/// No such folder, or no image in it.
pub fn train_images(root: &Path) -> Result<Listing> {
    check_folder(root)?;
    let folder = root.join("train").join(GOOD);
    if !is_folder(&folder)? {
        let hint = match miscalled_good(&root.join("train")) {
            Some(other) => format!("; rename {} to that", other.display()),
            None => layout_hint(root),
        };
        return Err(Error::file(root, format!("has no folder train/good{hint}")));
    }
    let listing = Listing::of(&folder)?;
    match listing.images.is_empty() {
        true => Err(no_image(&folder)),
        false => Ok(listing),
    }
}

/// A subfolder that is called `good` but for the size of its letters.
fn miscalled_good(folder: &Path) -> Option<PathBuf> {
    let is_it =
        |path: &PathBuf| path.file_name().is_some_and(|name| name != GOOD && name.eq_ignore_ascii_case(GOOD)) && path.is_dir();
    entries(folder).unwrap_or_default().into_iter().find(is_it)
}

/// What was probably meant by a folder that is not a category, or is one without this part, as the end of a sentence.
pub fn layout_hint(root: &Path) -> String {
    let is_category = |path: &Path| ["train/good", "test"].iter().any(|part| path.join(part).is_dir());
    let categories: Vec<PathBuf> = entries(root).unwrap_or_default().into_iter().filter(|path| is_category(path)).collect();
    match (is_category(root), &categories[..]) {
        (true, _) => format!("; {LAYOUT}"),
        (false, [only]) => format!("; did you mean {}?", only.display()),
        (false, [first, others @ ..]) => {
            format!("; did you mean {}, or another of its {} categories?", first.display(), others.len() + 1)
        }
        (false, []) => hint_of_plain(root, is_category),
    }
}

/// The same for a folder without categories.
fn hint_of_plain(root: &Path, is_category: impl Fn(&Path) -> bool) -> String {
    if let Some(above) = root.ancestors().skip(1).take(2).find(|path| !path.as_os_str().is_empty() && is_category(path)) {
        return format!("; did you mean {}?", above.display());
    }
    match Listing::of(root) {
        Ok(listing) if !listing.images.is_empty() => format!("; for images in any folders give --normal {}", root.display()),
        _ => format!("; {LAYOUT}"),
    }
}

/// Whether a path, which need not exist, is a folder or leads below it.
///
/// # Errors
/// The working directory cannot be found.
pub fn is_within(path: &Path, folder: &Path) -> Result<bool> {
    let Ok(folder) = folder.canonicalize() else { return Ok(false) };
    let mut place = PathBuf::new();
    for part in std::path::absolute(path).map_err(|error| Error::read(path, error))?.components() {
        if part == Component::ParentDir {
            place.pop();
        } else {
            place.push(part);
            // Links are followed before `..` is.
            place = place.canonicalize().unwrap_or(place);
        }
    }
    Ok(place.starts_with(folder))
}

/// Whether two paths lead to the same existing folder.
pub fn is_same_folder(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

/// The name of a category: that of its folder; empty if there is no such folder.
pub fn category_name(root: &Path) -> String {
    let name = root.canonicalize().ok().and_then(|path| path.file_name().map(OsString::from)).unwrap_or_default();
    shown(&name)
}
