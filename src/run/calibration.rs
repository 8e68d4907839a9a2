//! Thresholds from normal images that a user gives.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::data::{Category, Dataset, Folders, Skipped, SkippedShare, copies, fingerprint_of, list_images, repeated};
use crate::detect::{Detector, Source};
use crate::error::{Error, Result};
use crate::ops::Backend;

/// Normal images that may set the thresholds of a detector that is then evaluated on a category.
pub struct CalibrationImages {
    folder: PathBuf,
    paths: Vec<PathBuf>,
    /// What is known of them.
    pub source: Source,
}

impl CalibrationImages {
    /// The images in `folder` and its subfolders, copies once. Files are compared by their content, whatever they are called.
    /// Those of the training folder are accepted if all of them are, because the rate of false alarms to expect is then unknown
    /// and said to be so; also the training images of the weights in another folder, which their `fingerprint` tells.
    ///
    /// # Errors
    /// No image; an image of the test set, on which thresholds would then be chosen; images of the training folder and others
    /// together.
    pub fn list(folder: &Path, category: &Category, fingerprint: Option<&str>) -> Result<Self> {
        let listed = list_images(folder)?;
        let paths = distinct(folder, &listed);
        let tested: Vec<PathBuf> = category.test.iter().map(|test| test.path.clone()).collect();
        if let Some((path, test)) = found_among(&paths, &tested).first() {
            let copy = copy_words(path, test);
            let reason =
                format!("is in the test set{copy}; thresholds must come from other images, or they are chosen on the test set");
            return Err(Error::file(path, reason));
        }
        let (known, all) = (found_among(&paths, &category.train), paths.len());
        if let Some((path, other)) = known.first().filter(|_| known.len() < all) {
            let reason = format!(
                "{} of {all} images are in train/good, where the network may have been trained on them{}; give only the others",
                known.len(),
                copy_words(path, other)
            );
            return Err(Error::file(folder, reason));
        }
        let is_trained_on = || fingerprint.is_some_and(|fingerprint| is_training_set(folder, &listed, fingerprint));
        let source = if known.len() == all || is_trained_on() { Source::TrainingFolder } else { Source::Given };
        Ok(Self { folder: folder.to_owned(), paths, source })
    }

    /// Their number.
    #[expect(clippy::len_without_is_empty, reason = "there is always an image")]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Takes the thresholds of a detector from them; `done` is called after every image that is read. Images that cannot be read
    /// are left out and returned.
    ///
    /// # Errors
    /// No image can be read; an inspection failed.
    pub fn calibrate(&self, detector: &mut Detector<impl Backend>, mut done: impl FnMut()) -> Result<Vec<Skipped>> {
        let mut skipped = Vec::new();
        let preparation = detector.settings().preparation;
        let images = self.paths.iter().filter_map(|path| {
            let image = preparation.read(path);
            done();
            match image {
                Err(error) if !error.is_out_of_memory() => {
                    skipped.push(Skipped::new(path, &error));
                    None
                }
                image => Some(image.map(Cow::Owned)),
            }
        });
        let calibrated = detector.calibrate_on(images, self.source);
        match SkippedShare::new(&skipped, self.len() - skipped.len()).filter(|_| skipped.len() == self.len()) {
            Some(share) => {
                Err(Error::file(&self.folder, format!("nothing is left to calibrate on: {}", share.sentence(&skipped))))
            }
            None => calibrated.map(|()| skipped).map_err(|error| error.within(format!("images of {}", self.folder.display()))),
        }
    }
}

/// The files without those whose content is that of an earlier one, which are warned of: they say nothing new.
fn distinct(folder: &Path, paths: &[PathBuf]) -> Vec<PathBuf> {
    let copies = repeated(paths);
    let Some((file, first)) = copies.first() else { return paths.to_vec() };
    let (folder, count, all) = (folder.display(), copies.len(), paths.len());
    let example = format!("{} has the content of {}", file.display(), first.display());
    log::warn!("{folder}: {count} of {all} images are copies of others there and do not count ({example})");
    let copies: HashSet<&Path> = copies.iter().map(|(file, _)| *file).collect();
    paths.iter().filter(|path| !copies.contains(path.as_path())).cloned().collect()
}

/// Those of `paths` that are one of the others or have its content, each with that one.
fn found_among<'a>(paths: &'a [PathBuf], others: &'a [PathBuf]) -> Vec<(&'a Path, &'a Path)> {
    // A file that cannot be read has no copy, but its place is known.
    let placed = others.iter().filter_map(|path| Some((path.canonicalize().ok()?, path.as_path())));
    let places: HashMap<PathBuf, &Path> = placed.collect();
    let contents: HashMap<&Path, &Path> = copies(paths.iter().map(PathBuf::as_path), others).into_iter().collect();
    let original = |path: &'a PathBuf| {
        let same = path.canonicalize().ok().and_then(|place| places.get(&place).copied());
        Some((path.as_path(), same.or_else(|| contents.get(path.as_path()).copied())?))
    };
    paths.iter().filter_map(original).collect()
}

/// Which file a copy is of; nothing for the file itself.
fn copy_words(path: &Path, original: &Path) -> String {
    let is_same = path.canonicalize().ok().zip(original.canonicalize().ok()).is_some_and(|(a, b)| a == b);
    if is_same { String::new() } else { format!(" ({} has the content of {})", path.display(), original.display()) }
}

/// Whether these are the training images behind a fingerprint, with their names below the folder.
fn is_training_set(folder: &Path, paths: &[PathBuf], fingerprint: &str) -> bool {
    let data = Dataset::Folders(Folders { normal: Some(folder.to_owned()), ..Folders::default() });
    let named = paths.iter().map(|path| (data.training_name(path), path.as_path())).collect();
    // A file that cannot be read is left out later, and named.
    fingerprint_of(named).is_ok_and(|own| own == fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    use crate::data::write_png;

    #[test]
    fn images_of_the_test_set_and_mixtures_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let image = |name: &str, value: f32| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_png(&path, &Array3::from_elem((4, 4, 3), value)).unwrap();
            path
        };
        let (trained, other) = (image("cloth/train/good/a.png", 0.1), image("own/b.png", 0.2));
        let tested = image("cloth/test/good/c.png", 0.3);
        let category = Category::open(&root.path().join("cloth")).unwrap();
        let fingerprint = fingerprint_of(vec![("train/good/a.png".into(), trained.as_path())]).unwrap();
        let list = |folder: &str| CalibrationImages::list(&root.path().join(folder), &category, Some(fingerprint.as_str()));
        let refused = |folder: &str| list(folder).err().unwrap().to_string();
        assert!(refused("cloth/test").contains("c.png: is in the test set; "));
        let own = list("own").unwrap();
        assert_eq!((own.source, own.len()), (Source::Given, 1));
        assert_eq!(list("cloth/train").unwrap().source, Source::TrainingFolder);
        // Copies elsewhere, under other names.
        let copied = |from: &Path, to: &str| {
            let path = root.path().join(to);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::copy(from, path).unwrap();
        };
        copied(&tested, "tested/x.png");
        assert!(refused("tested").contains("x.png: is in the test set (") && refused("tested").contains("c.png); thresholds"));
        for name in ["own/again.png", "own/deep/again.png"] {
            copied(&other, name);
        }
        assert_eq!(list("own").unwrap().paths, [root.path().join("own/again.png")], "one image is there three times");
        copied(&trained, "trained/deep/y.png");
        assert_eq!(list("trained").unwrap().source, Source::TrainingFolder);
        copied(&other, "trained/z.png");
        let mixed = refused("trained");
        assert!(mixed.contains("1 of 2 images are in train/good") && mixed.contains("y.png has the content of "), "{mixed}");
        // The training images of the weights, where the folder of the test set has none.
        copied(&trained, "away/a.png");
        let without = Category { train: Vec::new(), ..category.clone() };
        let source =
            |fingerprint: Option<&str>| CalibrationImages::list(&root.path().join("away"), &without, fingerprint).unwrap().source;
        assert_eq!(source(Some(fingerprint.as_str())), Source::TrainingFolder);
        assert_eq!((source(Some("other")), source(None)), (Source::Given, Source::Given));
        // They are also known if one is there twice, of which the fingerprint has both.
        copied(&trained, "away/b.png");
        let twice = ["a.png", "b.png"].map(|name| root.path().join("away").join(name));
        let named =
            ["train/good/a.png", "train/good/b.png"].into_iter().map(PathBuf::from).zip(twice.iter().map(PathBuf::as_path));
        let fingerprint = fingerprint_of(named.collect()).unwrap();
        assert_eq!(source(Some(fingerprint.as_str())), Source::TrainingFolder);
        std::fs::copy(other, trained.with_file_name("d.png")).unwrap();
        assert!(refused("cloth/train").contains("1 of 2 images are in train/good"));
    }
}
