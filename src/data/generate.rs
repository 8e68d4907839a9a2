//! Generated datasets, in memory or as a folder in the MVTec layout.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::decode::MAX_PIXELS;
use super::file::{write_mask_png, write_png};
use super::image::Image;
use super::texture::{Defect, Defective, Family};
use crate::disk::{Unfinished, is_in_work, make_folder};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// What to generate. Each image depends only on `family`, `size`, `seed` and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerateOptions {
    /// The material.
    pub family: Family,
    /// Height and width of the images in pixels, at least 32.
    pub size: usize,
    /// Number of normal training images, at least 1.
    pub train: u32,
    /// Number of normal test images.
    pub good: u32,
    /// Number of test images for each kind of defect of the family.
    pub defects_per_kind: u32,
    /// Seed of everything.
    pub seed: u64,
}

/// The step of a random stream selects what it draws. For each family the steps are: training images, good test images, then one
/// step per kind of defect.
const TRAIN: u32 = 0;
const GOOD: u32 = 1;
const DEFECT: u32 = 2;
const STEPS: u32 = 64;

impl GenerateOptions {
    /// Normal training image number `index`.
    ///
    /// # Errors
    /// A size that cannot be drawn.
    pub fn train_image(&self, index: u32) -> Result<Image> {
        self.family.render(&mut self.stream(TRAIN, index), self.size, self.size)
    }

    /// Normal test image number `index`.
    ///
    /// # Errors
    /// A size that cannot be drawn.
    pub fn good_image(&self, index: u32) -> Result<Image> {
        self.family.render(&mut self.stream(GOOD, index), self.size, self.size)
    }

    /// Test image number `index` with one kind of defect, the same image without it, and the mask.
    ///
    /// # Errors
    /// A size below 32, or a defect the family does not have.
    pub fn defect_image(&self, defect: Defect, index: u32) -> Result<Defective> {
        let kind = Defect::ALL.iter().position(|&other| other == defect).unwrap_or_default() as u32;
        self.family.render_defect(defect, &mut self.stream(DEFECT + kind, index), self.size, self.size)
    }

    fn stream(&self, step: u32, index: u32) -> Stream {
        let family = Family::ALL.iter().position(|&other| other == self.family).unwrap_or_default() as u32;
        Stream::new(self.seed, Purpose::Texture, family * STEPS + step, index)
    }

    fn check(&self) -> Result<()> {
        if self.size < 32 {
            return Err(Error::argument(format!("generated images need a size of at least 32, got {}", self.size)));
        }
        if self.size.saturating_mul(self.size) as u64 > MAX_PIXELS {
            let text = format!("generated images have at most {MAX_PIXELS} pixels, got {0}x{0}", self.size);
            return Err(Error::argument(text));
        }
        if self.train == 0 || self.good.saturating_add(self.defects_per_kind) == 0 {
            let (train, good, defects) = (self.train, self.good, self.defects_per_kind);
            let text =
                format!("at least one training and one test image are needed, got {train} and {good} + {defects} per kind");
            return Err(Error::argument(text));
        }
        Ok(())
    }
}

/// Writes the category `out/FAMILY` as PNG files and returns its path. The folder is created completely or not at all.
///
/// # Errors
/// `out/FAMILY` exists and is not empty when it begins or ends, or another process is making it; `out` cannot be created or
/// written; a size below 32, or no image to generate.
pub fn generate(out: &Path, options: &GenerateOptions) -> Result<PathBuf> {
    let target = free_target(out, options)?;
    // A folder that was there stays, even if it is empty.
    let _new = if out.is_dir() { None } else { Some(Unfinished::if_empty(out)?) };
    draft_and_rename(out, &target, options).map(|()| target)
}

fn draft_and_rename(out: &Path, target: &Path, options: &GenerateOptions) -> Result<()> {
    let refuse = |error| Error::io(target, "cannot be made", error);
    let hidden = Unfinished::hidden(out).map_err(refuse)?;
    let draft = hidden.path().join(options.family.name());
    // The draft folder no longer exists when the message is read, so errors name the target.
    let renamed = |path: PathBuf| target.join(path.strip_prefix(&draft).unwrap_or(&path));
    write_category(&draft, options).map_err(|error| error.map_path(renamed))?;
    hidden.release(&draft, target).map_err(|error| match is_taken(target) {
        true => Error::file(target, format!("was made by somebody else meanwhile, and is not replaced; {REMEDY}")),
        false => refuse(error),
    })
}

/// Writes several categories and returns the path of each, or why it has none: another process has begun or finished it
/// meanwhile, and the others are written all the same. All are checked before the first is written.
///
/// # Errors
/// As [`generate`] otherwise.
pub fn generate_all(out: &Path, options: &[GenerateOptions]) -> Result<Vec<Result<PathBuf>>> {
    each(options, |options| free_target(out, options), |options| generate(out, options))
}

/// The same with other ways to check and to write a category.
fn each(
    options: &[GenerateOptions],
    free: impl Fn(&GenerateOptions) -> Result<PathBuf>,
    write: impl Fn(&GenerateOptions) -> Result<PathBuf>,
) -> Result<Vec<Result<PathBuf>>> {
    options.iter().try_for_each(|own| free(own).map(drop))?;
    let written = |own| match write(own) {
        Err(error) if free(own).is_err() => Ok(Err(error)),
        written => written.map(Ok),
    };
    options.iter().map(written).collect()
}

const REMEDY: &str = "choose another folder or remove it first";

/// The folder of a category, which must be empty or not exist.
fn free_target(out: &Path, options: &GenerateOptions) -> Result<PathBuf> {
    options.check()?;
    let name = options.family.name();
    let target = out.join(name);
    if is_taken(&target) {
        return Err(Error::file(target, format!("exists and is not empty; {REMEDY}")));
    }
    if is_in_work(out, name) {
        return Err(Error::file(target, "is being made by another process; wait for its end or choose another folder"));
    }
    Ok(target)
}

fn is_taken(target: &Path) -> bool {
    target.exists() && !is_empty_folder(target)
}

fn is_empty_folder(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

fn write_category(root: &Path, options: &GenerateOptions) -> Result<()> {
    let train = made_folder(root.join("train/good"))?;
    numbered(options.train, |index, name| write_png(&train.join(name), &options.train_image(index)?))?;
    let good = made_folder(root.join("test/good"))?;
    numbered(options.good, |index, name| write_png(&good.join(name), &options.good_image(index)?))?;
    for &defect in options.family.defects() {
        let images = made_folder(root.join("test").join(defect.name()))?;
        let masks = made_folder(root.join("ground_truth").join(defect.name()))?;
        numbered(options.defects_per_kind, |index, name| {
            let drawn = options.defect_image(defect, index)?;
            write_png(&images.join(name), &drawn.image)?;
            write_mask_png(&masks.join(name.replace(".png", "_mask.png")), &drawn.mask)
        })?;
    }
    Ok(())
}

fn made_folder(path: PathBuf) -> Result<PathBuf> {
    make_folder(&path).map(|()| path)
}

/// Runs `write` for every number and its file name, on all cores. Each image has its own stream, so the order does not matter.
fn numbered(count: u32, write: impl Fn(u32, &str) -> Result<()> + Sync) -> Result<()> {
    (0..count).into_par_iter().try_for_each(|index| write(index, &format!("{index:03}.png")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: GenerateOptions =
        GenerateOptions { family: Family::Cloth, size: 32, train: 1, good: 1, defects_per_kind: 1, seed: 0 };

    #[test]
    fn what_another_process_makes_or_has_made_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("cloth");
        let other = Unfinished::hidden(folder.path()).unwrap();
        std::fs::create_dir(other.path().join("cloth")).unwrap();
        let error = generate(folder.path(), &OPTIONS).unwrap_err().to_string();
        assert!(error.ends_with("cloth: is being made by another process; wait for its end or choose another folder"), "{error}");
        generate(folder.path(), &GenerateOptions { family: Family::Grid, ..OPTIONS }).unwrap();
        // It was not seen, because both began at the same moment.
        std::fs::write(other.path().join("cloth/mine"), "mine").unwrap();
        other.release(&other.path().join("cloth"), &place).unwrap();
        drop(other);
        let error = draft_and_rename(folder.path(), &place, &OPTIONS).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("cloth: was made by somebody else meanwhile, and is not replaced; {REMEDY}")),
            "{error}"
        );
        assert_eq!(std::fs::read(place.join("mine")).unwrap(), b"mine");
        let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["cloth", "grid"]);
    }

    #[test]
    fn a_category_that_was_made_meanwhile_does_not_stop_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let all = [Family::Cloth, Family::Grid, Family::Wood].map(|family| GenerateOptions { family, ..OPTIONS });
        let written = |own: &GenerateOptions| {
            if own.family == Family::Grid {
                make_folder(&out.join("grid/theirs"))?;
            }
            generate(out, own)
        };
        let made = each(&all, |own| free_target(out, own), written).unwrap();
        assert_eq!(made.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert!(out.join("wood/train/good/000.png").exists() && out.join("grid/theirs").exists());
        assert!(generate_all(out, &all).unwrap_err().to_string().contains("cloth: exists and is not empty"));
        let fails =
            |own: &GenerateOptions| Err(Error::write(out.join(own.family.name()), std::io::ErrorKind::StorageFull.into()));
        assert!(each(&[GenerateOptions { family: Family::Tiles, ..OPTIONS }], |own| free_target(out, own), fails).is_err());
    }
}
