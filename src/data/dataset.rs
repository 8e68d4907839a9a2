//! Where the images of a command lie: in a category, or in folders of any structure.

use std::fmt;
use std::path::{Path, PathBuf};

use super::folder::{Category, category_name, is_same_folder, is_within, layout_hint, train_images};
use super::kinds::{Kinds, below, keyed};
use super::listing::{Listing, Skipped, no_image};
use super::mask_folder::Unpaired;
use super::test_image::{GOOD, TestImage};
use crate::error::{Error, Result};

/// The folder of the training images of a category.
pub(super) const TRAINING: &str = "train/good";

/// The kind of the images that are directly in the folder of anomalous images.
const ABNORMAL: &str = "abnormal";

/// Where images lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dataset {
    /// In a category in the layout of MVTec AD.
    Category(PathBuf),
    /// In folders of any structure.
    Folders(Folders),
}

/// Folders of any structure. Each is searched to any depth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    /// Normal images: to train on, or the good ones of a test set.
    pub normal: Option<PathBuf>,
    /// Anomalous test images. Subfolders are kinds of defects.
    pub abnormal: Option<PathBuf>,
    /// Masks of the anomalous images, with the same subfolders and names.
    pub masks: Option<PathBuf>,
}

impl From<&Path> for Dataset {
    fn from(root: &Path) -> Self {
        Self::Category(root.to_owned())
    }
}

impl From<&PathBuf> for Dataset {
    fn from(root: &PathBuf) -> Self {
        Self::Category(root.clone())
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Category(root) => write!(f, "{}", root.display()),
            Self::Folders(own) => {
                let names: Vec<String> = own.images().map(|path| path.display().to_string()).collect();
                f.write_str(&names.join(" and "))
            }
        }
    }
}

impl Dataset {
    /// The name of the category or folder; of two folders that of the one that holds both. Empty if there is no such folder.
    pub fn name(&self) -> String {
        match self {
            Self::Category(root) => category_name(root),
            Self::Folders(own) => own.name(),
        }
    }

    /// The images to train on. Nothing is decoded.
    ///
    /// # Errors
    /// No such folder, or no image in it.
    pub fn train_images(&self) -> Result<Listing> {
        match self {
            Self::Category(root) => train_images(root),
            Self::Folders(own) => own.normal_images(),
        }
    }

    /// The folder of the images to train on; empty if there is none.
    pub fn training_folder(&self) -> PathBuf {
        match self {
            Self::Category(root) => root.join(TRAINING),
            Self::Folders(own) => own.normal.clone().unwrap_or_default(),
        }
    }

    /// The name of a training image, which does not depend on the place of the folders: `train/good/` and its path below that.
    pub fn training_name(&self, path: &Path) -> PathBuf {
        Path::new(TRAINING).join(below(path, &self.training_folder()))
    }

    /// A training file that cannot be used, with its path below the category or the folder.
    pub fn skipped(&self, own: Skipped) -> Skipped {
        match self {
            Self::Category(root) => own.below(root, ""),
            Self::Folders(folders) => folders.roots().into_iter().fold(own, |own, (root, name)| own.below(&root, name)),
        }
    }

    /// The test set, which may lack good images, defects or masks. Nothing is decoded.
    ///
    /// # Errors
    /// As [`Category::open_incomplete`], a category without a folder `test`; for other folders one that is missing, without
    /// images, or within another; a subfolder `good` of anomalous images; masks of which none has an image.
    pub fn test_set(&self) -> Result<Category> {
        match self {
            Self::Category(root) => {
                let category = Category::open_incomplete(root)?;
                if category.test.is_empty() && category.skipped.is_empty() {
                    let hint = if root.join("train").is_dir() { String::new() } else { layout_hint(root) };
                    let reason = format!("{} has no folder test, so there is nothing to evaluate{hint}", root.display());
                    return Err(Error::argument(reason));
                }
                Ok(category)
            }
            Self::Folders(own) => own.test_set(),
        }
    }

    /// The same with a mask for every anomalous image.
    ///
    /// # Errors
    /// As [`Category::open`] or [`Dataset::test_set`]; an anomalous image without a mask.
    pub fn complete_test_set(&self) -> Result<Category> {
        let category = match self {
            Self::Category(root) => Category::open(root)?,
            Self::Folders(own) => own.test_set()?,
        };
        match category.test.iter().find(|test| !test.is_good() && test.masks.is_empty()) {
            Some(test) => Err(Error::file(&test.path, "has no mask, without which no pixel metric is defined")),
            None => Ok(category),
        }
    }

    /// Checks that an output folder does not lie among the images, where results would be read as images.
    ///
    /// # Errors
    /// `out` is one of the folders of images or masks, or below one of them.
    pub fn check_outside(&self, out: &Path) -> Result<()> {
        let folders = match self {
            Self::Category(root) => ["train", "test", "ground_truth"].map(|part| root.join(part)).into(),
            Self::Folders(own) => own.images().chain(own.masks.as_deref()).map(Path::to_owned).collect::<Vec<_>>(),
        };
        for folder in folders {
            if is_within(out, &folder)? {
                return Err(Error::file(out, format!("is among the images of {}; choose another folder", folder.display())));
            }
        }
        Ok(())
    }
}

impl Folders {
    /// The folders of images.
    fn images(&self) -> impl Iterator<Item = &Path> {
        [&self.normal, &self.abnormal].into_iter().flatten().map(PathBuf::as_path)
    }

    fn name(&self) -> String {
        let [Some(normal), Some(abnormal)] = [&self.normal, &self.abnormal] else {
            return self.images().next().map(category_name).unwrap_or_default();
        };
        let above = normal.canonicalize().ok().zip(abnormal.canonicalize().ok());
        let common = above.and_then(|(a, b)| a.ancestors().find(|path| b.starts_with(path)).map(Path::to_owned));
        common.as_deref().map(category_name).filter(|name| !name.is_empty()).unwrap_or_else(|| category_name(normal))
    }

    /// The folders with the names that they have in lists of files.
    fn roots(&self) -> Vec<(PathBuf, &'static str)> {
        let own = [(&self.masks, "masks"), (&self.normal, "normal"), (&self.abnormal, ABNORMAL)];
        own.into_iter().filter_map(|(folder, name)| Some((folder.clone()?, name))).collect()
    }

    fn normal_images(&self) -> Result<Listing> {
        let folder = self.normal.as_deref().ok_or_else(|| Error::argument("there is no folder of normal images"))?;
        listed(folder)
    }

    fn test_set(&self) -> Result<Category> {
        self.check_apart()?;
        let (mut kinds, mut skipped) = (Kinds::default(), Vec::new());
        if let Some(folder) = &self.normal {
            let listing = listed(folder)?;
            for path in listing.images {
                kinds.add(Path::new(GOOD).join(below(&path, folder)), path, None);
            }
            skipped.extend(listing.skipped);
        }
        if let Some(folder) = &self.abnormal {
            self.add_abnormal(folder, &mut kinds, &mut skipped)?;
        }
        let masks = match &self.masks {
            Some(folder) => keyed(Path::new(""), folder, Listing::of(folder)?),
            None => Vec::new(),
        };
        let (test, others) = kinds.with_masks(masks)?;
        self.check_masks(&test, &others)?;
        let stray = |path: &PathBuf| Skipped::new(path, &Error::file(path, "this mask has no image in --abnormal"));
        skipped.extend(others.iter().map(stray));
        let mut own = Category { name: self.name(), test, roots: self.roots(), ..Category::default() };
        own.skip(skipped);
        Ok(own)
    }

    fn add_abnormal(&self, folder: &Path, kinds: &mut Kinds, skipped: &mut Vec<Skipped>) -> Result<()> {
        let listing = listed(folder)?;
        // The masks may be among the images.
        let masks = self
            .masks
            .as_deref()
            .and_then(|masks| Some(masks.canonicalize().ok()?.strip_prefix(folder.canonicalize().ok()?).ok()?.to_owned()));
        for path in listing.images {
            let relative = below(&path, folder).to_owned();
            if masks.as_ref().is_some_and(|masks| relative.starts_with(masks)) {
                continue;
            }
            let has_kind = relative.components().count() > 1;
            if let Some(kind) = relative.iter().next().filter(|kind| has_kind && kind.eq_ignore_ascii_case(GOOD)) {
                let reason =
                    "is among the anomalous images, but `good` stands for normal ones; rename it, or give another --abnormal";
                return Err(Error::file(folder.join(kind), reason));
            }
            let place = if has_kind { relative.clone() } else { Path::new(ABNORMAL).join(&relative) };
            kinds.add(place, path, Some(&relative));
        }
        skipped.extend(listing.skipped);
        Ok(())
    }

    /// Checks that at least one mask has an image; `others` are those that have none.
    fn check_masks(&self, test: &[TestImage], others: &[PathBuf]) -> Result<()> {
        let (Some(folder), Some(abnormal)) = (&self.masks, &self.abnormal) else { return Ok(()) };
        if test.iter().any(|test| !test.masks.is_empty()) {
            return Ok(());
        }
        let images: Vec<&Path> = test.iter().filter(|test| !test.is_good()).map(|test| below(&test.path, abnormal)).collect();
        let name = images.first().map(|image| image.with_extension("").display().to_string()).unwrap_or_default();
        let rule = || format!("the mask of {name} is called {name}, {name}_mask or {name}_1, or is in a folder {name}");
        let unpaired = Unpaired { folder, masks: others.iter().map(PathBuf::as_path).collect(), abnormal, images };
        let reason = unpaired.meant().unwrap_or_else(rule);
        Err(Error::file(folder, format!("holds no mask of an image in --abnormal; {reason}")))
    }

    /// Checks that no image is in two of the folders.
    fn check_apart(&self) -> Result<()> {
        let pairs = [
            (&self.abnormal, &self.normal, "--normal"),
            (&self.normal, &self.abnormal, "--abnormal"),
            (&self.masks, &self.normal, "--normal"),
            (&self.normal, &self.masks, "--masks"),
            (&self.abnormal, &self.masks, "--masks"),
        ];
        for (inner, outer, name) in pairs {
            let (Some(inner), Some(outer)) = (inner, outer) else { continue };
            if is_within(inner, outer)? {
                let place = if is_same_folder(inner, outer) { "is the same folder as" } else { "is within" };
                let remedy = match name {
                    "--masks" => "give the masks a folder of their own",
                    _ => "keep the folders apart",
                };
                let reason = format!("{place} {name} {}, so its files would count twice; {remedy}", outer.display());
                return Err(Error::file(inner, reason));
            }
        }
        Ok(())
    }
}

/// The images of a folder, at least one.
fn listed(folder: &Path) -> Result<Listing> {
    let listing = Listing::of(folder)?;
    match listing.images.is_empty() {
        true => Err(no_image(folder)),
        false => Ok(listing),
    }
}
