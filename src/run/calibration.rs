//! Thresholds from normal images that a user gives.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::data::{Category, Skipped, SkippedShare, list_images};
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
    /// The images in `folder` and its subfolders. Those of the training folder are accepted if all of them are, because the rate
    /// of false alarms to expect is then unknown and said to be so.
    ///
    /// # Errors
    /// No image; an image of the test set, on which thresholds would then be chosen; images of the training folder and others
    /// together.
    pub fn list(folder: &Path, category: &Category) -> Result<Self> {
        let paths = list_images(folder)?;
        let tested: HashSet<PathBuf> = category.test.iter().filter_map(|test| test.path.canonicalize().ok()).collect();
        let trained: HashSet<PathBuf> = category.train.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let is_in = |set: &HashSet<PathBuf>, path: &PathBuf| path.canonicalize().is_ok_and(|path| set.contains(&path));
        if let Some(path) = paths.iter().find(|path| is_in(&tested, path)) {
            let reason = "is in the test set; thresholds must come from other images, or they are chosen on the test set";
            return Err(Error::file(path, reason));
        }
        let (known, all) = (paths.iter().filter(|path| is_in(&trained, path)).count(), paths.len());
        if known > 0 && known < all {
            let reason = format!(
                "{known} of {all} images are in train/good, where the network may have been trained on them; give only the others"
            );
            return Err(Error::file(folder, reason));
        }
        let source = if known > 0 { Source::TrainingFolder } else { Source::Given };
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

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    use crate::data::write_png;

    #[test]
    fn images_of_the_test_set_and_mixtures_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let image = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_png(&path, &Array3::from_elem((4, 4, 3), 0.5)).unwrap();
            path
        };
        let (trained, other) = (image("cloth/train/good/a.png"), image("own/b.png"));
        image("cloth/test/good/c.png");
        let category = Category::open(&root.path().join("cloth")).unwrap();
        let list = |folder: &str| CalibrationImages::list(&root.path().join(folder), &category);
        let refused = |folder: &str| list(folder).err().unwrap().to_string();
        assert!(refused("cloth/test").contains("c.png: is in the test set"));
        let own = list("own").unwrap();
        assert_eq!((own.source, own.len()), (Source::Given, 1));
        assert_eq!(list("cloth/train").unwrap().source, Source::TrainingFolder);
        std::fs::copy(other, trained.with_file_name("d.png")).unwrap();
        assert!(refused("cloth/train").contains("1 of 2 images are in train/good"));
    }
}
