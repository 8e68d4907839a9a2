//! What the data of a plan say before anything is trained.

use std::collections::BTreeSet;

use super::execute::Folders;
use super::plan::PlannedRun;
use crate::data::{Category, SkippedShare};

/// Memory of the evaluation for each pixel of a test set: its score (4 bytes), its ground truth (4), and both once more to be
/// sorted (8); measured on 63 million pixels: 17.
const BYTES_PER_PIXEL: u64 = 17;

/// What the data of a plan say before anything is trained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Why the runs of a category will fail, one sentence for each such category.
    pub faults: Vec<String>,
    /// What will be skipped, one sentence for each category of which the headers of some files cannot be used.
    pub skipped: Vec<String>,
    /// Memory that the largest test set will need, in bytes.
    pub evaluation_bytes: u64,
}

impl Preview {
    /// Lists the images of all categories of these runs, and reads the headers of the test images. Damage beyond the header is
    /// not found.
    pub fn of(runs: &[PlannedRun], folders: &Folders) -> Self {
        let categories: BTreeSet<&String> = runs.iter().map(|run| &run.category).collect();
        let mut own = Self::default();
        for category in categories {
            match Category::open_incomplete(&folders.data.join(category)) {
                Ok(listed) => own.add(category, &listed),
                Err(error) => own.faults.push(error.to_string()),
            }
        }
        own
    }

    fn add(&mut self, name: &str, category: &Category) {
        let (pixels, found) = category.test_pixels();
        self.evaluation_bytes = self.evaluation_bytes.max(pixels.saturating_mul(BYTES_PER_PIXEL));
        let skipped = [category.skipped.as_slice(), &found].concat();
        let used = category.test.len() - found.len();
        self.skipped.extend(SkippedShare::new(&skipped, used).map(|share| format!("{name}: {}", share.sentence(&skipped))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    use crate::data::write_png;

    #[test]
    fn memory_is_that_of_the_largest_test_set_and_faults_are_named() {
        let root = tempfile::tempdir().unwrap();
        let image = |category: &str, name: &str, side: usize| {
            let path = root.path().join(category).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_png(&path, &Array3::from_elem((side, 10, 3), 0.5)).unwrap();
        };
        for (category, side) in [("small", 8), ("large", 20), ("broken", 8)] {
            image(category, "train/good/a.png", 8);
            image(category, "test/good/a.png", side);
            image(category, "test/good/b.png", side);
        }
        std::fs::write(root.path().join("broken/test/good/b.png"), "no image").unwrap();
        let runs = ["small", "large", "broken", "large"].map(|name| PlannedRun { category: name.into(), seed: 0 });
        let preview = Preview::of(&runs, &Folders { data: root.path().into(), out: root.path().join("out") });
        assert_eq!(preview.evaluation_bytes, 2 * 20 * 10 * BYTES_PER_PIXEL);
        let reason = "is not an image: its content is none of PNG, JPEG, TIFF, BMP, WebP and PNM";
        assert_eq!(preview.skipped, [format!("broken: 1 of 2 files skipped: test/good/b.png: {reason}")]);
        assert!(preview.faults.is_empty());
        image("broken", "ground_truth/hole/a.png", 8);
        let preview = Preview::of(&runs, &Folders { data: root.path().into(), out: root.path().join("out") });
        assert!(preview.faults.len() == 1 && preview.faults[0].contains("these masks have no images"), "{:?}", preview.faults);
    }
}
