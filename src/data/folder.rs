//! Folders of images in the MVTec layout.
//!
//! `CATEGORY/train/good`, `CATEGORY/test/good`, `CATEGORY/test/DEFECT`, and for each defect image `NAME.ext` a mask
//! `CATEGORY/ground_truth/DEFECT/NAME_mask.ext` or `NAME.ext`. An image may have several masks, `NAME_mask.ext`, `NAME_mask_1.ext`,
//! `NAME_mask_2.ext` and so on with any numbers; a pixel is anomalous if one of them marks it. The extension is that of a format that is read, in upper or
//! lower case, and may differ between image and mask. Images below these folders are passed over with a warning; masks of good images must be
//! black. Hidden files (`.DS_Store`) and files without an image extension (`readme.txt`) are skipped;
//! images in other formats (`a.gif`) are errors, so that no data are skipped silently.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::{Component, Path, PathBuf};

use super::file::{NOT_READ, READ, READ_FORMATS, read_image_with, read_mask, read_size};
use super::image::{Image, Plane};
use crate::disk::bounded::kind;
use crate::disk::files_below;
use crate::error::{Error, Result};

/// Name of the folder of normal images, and of their kind among test images.
pub const GOOD: &str = "good";

/// The files of one category of a dataset, sorted by path. Nothing is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Name of the folder.
    pub name: String,
    /// Normal images for training; empty without a folder `train`, which testing does not need.
    pub train: Vec<PathBuf>,
    /// Test images, sorted by defect and then by path.
    pub test: Vec<TestImage>,
}

/// One image of the test set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestImage {
    /// The image file.
    pub path: PathBuf,
    /// `good`, or the kind of defect: the name of its folder, as [`shown`] writes it.
    pub defect: String,
    /// The ground-truth masks, whose union counts; none if the category has no ground truth at all ([`Category::open_incomplete`]). A good
    /// image may have some, which must be black.
    pub masks: Vec<PathBuf>,
}

impl Category {
    /// Lists a category folder and pairs its defect images with their masks. Nothing is decoded.
    ///
    /// # Errors
    /// No such folder; no image in `test`, or in an existing `train`; a defect image without its mask, or a mask without its
    /// image; two images of the same name; an image in another format.
    pub fn open(root: &Path) -> Result<Self> {
        Self::list(root, true)
    }

    /// The same for a category without a folder `test`, whose test set is then empty, or without a folder `ground_truth`; its defect images
    /// then have no masks. Single masks may not be missing.
    ///
    /// # Errors
    /// As [`Category::open`] otherwise.
    pub fn open_incomplete(root: &Path) -> Result<Self> {
        Self::list(root, false)
    }

    /// Number of pixels of the test set, from the headers of its images and masks.
    ///
    /// # Errors
    /// A file that is no image or too large, a mask of another size than its image.
    pub fn test_pixels(&self) -> Result<u64> {
        // Each is at most 64 Mpx, so no number of files overflows.
        self.test.iter().map(TestImage::pixels).sum()
    }

    fn list(root: &Path, is_complete: bool) -> Result<Self> {
        let train = match root.join("train").is_dir() || !root.is_dir() {
            true => train_images(root)?,
            false => Vec::new(),
        };
        let test = if is_complete || root.join("test").is_dir() { test_images(root, is_complete)? } else { Vec::new() };
        Ok(Self { name: category_name(root), train, test })
    }
}

/// Checks that an output folder does not lie among the images of a category, where results would be read as images.
///
/// # Errors
/// `out` is `train`, `test` or `ground_truth` of the category, or below one of them.
pub fn check_outside_images(out: &Path, category: &Path) -> Result<()> {
    for part in ["train", "test", "ground_truth"].map(|part| category.join(part)) {
        if is_within(out, &part)? {
            return Err(Error::file(out, format!("is among the images of {}; choose another folder", part.display())));
        }
    }
    Ok(())
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

impl TestImage {
    /// Number of pixels, from the headers of the image and its masks.
    fn pixels(&self) -> Result<u64> {
        let size = read_size(&self.path)?;
        self.masks.iter().try_for_each(|path| check_mask_size(path, read_size(path)?, size))?;
        Ok(size.map(u64::from).iter().product())
    }

    /// The name of its folder, which `defect` shows as text.
    pub fn folder(&self) -> &OsStr {
        self.path.parent().and_then(Path::file_name).unwrap_or(OsStr::new(&self.defect))
    }

    /// Whether the image is normal.
    pub fn is_good(&self) -> bool {
        self.defect == GOOD
    }

    /// The image `[h, w, 3]`, of which this value is white ([`read_image_with`]), and its ground truth `[h, w]`: 1 where anomalous, all 0 for a
    /// good image. Published datasets contain a few black masks for defect images. These are used unchanged and mark no pixel.
    ///
    /// # Errors
    /// A file that cannot be read (see [`read_image_with`] and [`read_mask`]), or a mask whose size differs from its image's.
    pub fn read(&self, white_level: f64) -> Result<(Image, Plane)> {
        let image = read_image_with(&self.path, white_level)?;
        let mut united = Plane::zeros((image.dim().0, image.dim().1));
        for path in &self.masks {
            let mask = read_mask_of(path, &image)?;
            self.check_mask(path, &mask)?;
            united.zip_mut_with(&mask, |value, &other| *value = value.max(other));
        }
        Ok((image, united))
    }

    /// Checks that the mask of a good image is black.
    ///
    /// # Errors
    /// It marks a pixel.
    pub fn check_mask(&self, path: &Path, mask: &Plane) -> Result<()> {
        let marked = mask.iter().filter(|&&value| value > 0.0).count();
        if self.is_good() && marked > 0 {
            let reason = format!("marks {marked} pixels of {}, which is among the good images", self.path.display());
            return Err(Error::file(path, reason));
        }
        Ok(())
    }
}

fn read_mask_of(path: &Path, image: &Image) -> Result<Plane> {
    let mask = read_mask(path)?;
    let ((h, w), (ih, iw, _)) = (mask.dim(), image.dim());
    check_mask_size(path, [h, w], [ih, iw])?;
    Ok(mask)
}

fn check_mask_size<T: PartialEq + Display>(path: &Path, [h, w]: [T; 2], [ih, iw]: [T; 2]) -> Result<()> {
    match h == ih && w == iw {
        true => Ok(()),
        false => Err(Error::file(path, format!("the mask is {w} pixels wide and {h} high, its image {iw} and {ih}"))),
    }
}

/// The training images of a category: those in `train/good`, sorted by path.
///
/// # Errors
/// No such folder, or no image in it.
pub fn train_images(root: &Path) -> Result<Vec<PathBuf>> {
    if !root.is_dir() {
        return Err(Error::file(root, "there is no such folder"));
    }
    let folder = root.join("train").join(GOOD);
    if !is_folder(&folder)? {
        return Err(Error::file(root, "has no folder train/good; the layout is train/good, test/DEFECT, ground_truth/DEFECT"));
    }
    let images: Vec<PathBuf> = pictures(&folder)?.into_values().collect();
    if images.is_empty() {
        return Err(Error::file(folder, format!("contains no image; {READ_FORMATS} are read")));
    }
    Ok(images)
}

/// All images in a folder and its subfolders, sorted by path; or `path` itself if it is a file. Symbolic links to folders are not
/// followed, with a warning; hidden entries and files without an image extension are skipped.
///
/// # Errors
/// No such file or folder, a folder that cannot be listed, no image in it, or an image in another format.
pub fn list_images(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => {}
        Ok(about) => return Err(Error::file(path, format!("is {}; a file or a folder is needed here", kind(&about)))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::file(path, "there is no such file or folder"));
        }
        Err(error) => return Err(Error::read(path, error)),
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in entries(&folder)? {
            match (is_folder(&entry)?, entry.is_symlink()) {
                (true, false) => folders.push(entry),
                (true, true) => log::warn!("{}: is a link to a folder and is passed over", entry.display()),
                (false, _) if is_picture(&entry)? => found.push(entry),
                _ => {}
            }
        }
    }
    if found.is_empty() {
        return Err(Error::file(path, format!("contains no image; {READ_FORMATS} are read")));
    }
    found.sort();
    Ok(found)
}

fn test_images(root: &Path, is_complete: bool) -> Result<Vec<TestImage>> {
    let folder = root.join("test");
    let truth = root.join("ground_truth");
    let mut images = Vec::new();
    for (name, path) in subfolders(&folder)? {
        let found = pictures(&path)?;
        let defect = shown(&name);
        if defect == GOOD {
            images.extend(with_black_masks(found, &truth.join(&name))?);
        } else if !is_complete && !is_folder(&truth)? {
            images.extend(found.into_values().map(|path| TestImage { path, defect: defect.clone(), masks: Vec::new() }));
        } else {
            images.extend(with_masks(found, &truth.join(&name), &defect)?);
        }
    }
    if images.is_empty() {
        return Err(Error::file(folder, format!("contains no image in a folder good or DEFECT; {READ_FORMATS} are read")));
    }
    for (name, path) in subfolders(&truth)? {
        if name != GOOD && !folder.join(&name).is_dir() {
            return Err(Error::file(
                path,
                format!("these masks have no images: there is no folder {}", folder.join(name).display()),
            ));
        }
    }
    Ok(images)
}

/// Pairs the images of one defect with the masks in `truth`.
fn with_masks(images: BTreeMap<OsString, PathBuf>, truth: &Path, defect: &str) -> Result<Vec<TestImage>> {
    let mut masks = masks_in(truth)?;
    let mut paired = Vec::with_capacity(images.len());
    for (stem, path) in images {
        let own = take_masks(&mut masks, &stem);
        if own.is_empty() {
            let mut wanted = truth.join(stem).into_os_string();
            wanted.push("_mask");
            let wanted = PathBuf::from(wanted);
            return Err(Error::file(path, format!("this defect image has no mask {}.png", wanted.display())));
        }
        paired.push(TestImage { path, defect: defect.to_owned(), masks: own });
    }
    match masks.into_values().next() {
        Some(mask) => Err(Error::file(mask, format!("this mask has no image in test/{defect}"))),
        None => Ok(paired),
    }
}

/// The good images with the masks in `truth`, if they have any.
fn with_black_masks(images: BTreeMap<OsString, PathBuf>, truth: &Path) -> Result<Vec<TestImage>> {
    let mut masks = masks_in(truth)?;
    let good =
        |(stem, path): (OsString, PathBuf)| TestImage { path, defect: GOOD.to_owned(), masks: take_masks(&mut masks, &stem) };
    let images = images.into_iter().map(good).collect();
    match masks.into_values().next() {
        Some(mask) => Err(Error::file(mask, format!("this mask has no image in test/{GOOD}"))),
        None => Ok(images),
    }
}

/// The masks in a folder, which need not exist, by name.
fn masks_in(truth: &Path) -> Result<BTreeMap<OsString, PathBuf>> {
    if is_folder(truth)? { pictures(truth) } else { Ok(BTreeMap::new()) }
}

/// Takes the masks of the image `stem` out of `masks`.
fn take_masks(masks: &mut BTreeMap<OsString, PathBuf>, stem: &OsStr) -> Vec<PathBuf> {
    let mut suffixed = stem.to_owned();
    suffixed.push("_mask");
    let numbered: Vec<OsString> = masks.keys().filter(|name| is_numbered(name, &suffixed)).cloned().collect();
    let mut own: Vec<PathBuf> = [&suffixed].into_iter().chain(&numbered).filter_map(|name| masks.remove(name)).collect();
    if own.is_empty() {
        own.extend(masks.remove(stem));
    }
    own
}

/// Whether a name is `stem` with an underscore and a number, as `000_mask_1`.
fn is_numbered(name: &OsStr, stem: &OsStr) -> bool {
    let rest = name.as_encoded_bytes().strip_prefix(stem.as_encoded_bytes()).and_then(|rest| rest.strip_prefix(b"_"));
    rest.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

/// The images of one folder by name without extension.
fn pictures(folder: &Path) -> Result<BTreeMap<OsString, PathBuf>> {
    let mut found = BTreeMap::new();
    for path in entries(folder)? {
        if is_folder(&path)? {
            warn_of_pictures(&path);
            continue;
        }
        if !is_picture(&path)? {
            continue;
        }
        let stem = path.file_stem().unwrap_or_default().to_owned();
        if let Some(other) = found.insert(stem, path) {
            return Err(Error::file(other, "two images in this folder have this name and differ only in their extension"));
        }
    }
    Ok(found)
}

/// Warns of the images in a subfolder, where none are read.
fn warn_of_pictures(folder: &Path) {
    let found = files_below(folder).map(|files| files.iter().filter(|path| is_read(path)).count());
    match found {
        Ok(0) => {}
        Ok(count) => log::warn!("{}: {count} images in this subfolder are passed over; move them one level up", folder.display()),
        Err(error) => log::warn!("{error}, so it is passed over"),
    }
}

/// Whether a path leads to a folder.
///
/// # Errors
/// The system does not say, because of permissions or the length of the path.
fn is_folder(path: &Path) -> Result<bool> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match std::fs::metadata(path) {
        Ok(about) => Ok(about.is_dir()),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(false),
        Err(error) => Err(Error::read(path, error)),
    }
}

/// A name as text, in which bytes that are not UTF-8 are written as `\xff`, so that different names stay different.
pub fn shown(name: &OsStr) -> String {
    let written = |chunk: std::str::Utf8Chunk<'_>| {
        let rest: String = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        format!("{}{rest}", chunk.valid())
    };
    name.as_encoded_bytes().utf8_chunks().map(written).collect()
}

/// The subfolders of `folder` by name; none if `folder` does not exist. An image directly in `folder` is an error.
fn subfolders(folder: &Path) -> Result<BTreeMap<OsString, PathBuf>> {
    let mut found = BTreeMap::new();
    if !is_folder(folder)? {
        return Ok(found);
    }
    for path in entries(folder)? {
        if is_folder(&path)? {
            found.insert(path.file_name().unwrap_or_default().to_owned(), path);
        } else if is_picture(&path)? {
            return Err(Error::file(path, "this image is not in a folder good or DEFECT"));
        }
    }
    Ok(found)
}

/// The entries of a folder without hidden ones, sorted.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let refuse = |error| Error::io(folder, "cannot be listed", error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn is_picture(path: &Path) -> Result<bool> {
    let extension = extension(path);
    if NOT_READ.contains(&extension.as_str()) {
        return Err(Error::file(path, format!("images in {extension} format are not read; convert them to PNG")));
    }
    Ok(is_read(path))
}

/// Whether the extension is that of an image that can be read.
pub(super) fn is_read(path: &Path) -> bool {
    READ.contains(&extension(path).as_str())
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}
