//! What the data of a plan say before anything is trained.

use std::collections::BTreeSet;

use super::execute::Folders;
use super::plan::PlannedRun;
use crate::data::{Category, pixels};

/// Memory of the evaluation for each pixel of a test set: its score (4 bytes), its ground truth (4), and both once more to be sorted (8);
/// measured on 63 million pixels: 17.
const BYTES_PER_PIXEL: u64 = 17;

/// What the data of a plan say before anything is trained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Why the runs of a category will fail, one sentence for each such category.
    pub faults: Vec<String>,
    /// Memory that the largest test set will need, in bytes.
    pub evaluation_bytes: u64,
}

impl Preview {
    /// Lists the images of all categories of these runs, and reads the headers of the test images. Damage beyond the header is not found.
    pub fn of(runs: &[PlannedRun], folders: &Folders) -> Self {
        let categories: BTreeSet<&String> = runs.iter().map(|run| &run.category).collect();
        let mut own = Self::default();
        for category in categories {
            match Category::open_incomplete(&folders.data.join(category)).and_then(|category| test_pixels(&category)) {
                Ok(pixels) => own.evaluation_bytes = own.evaluation_bytes.max(pixels.saturating_mul(BYTES_PER_PIXEL)),
                Err(error) => own.faults.push(error.to_string()),
            }
        }
        own
    }
}

fn test_pixels(category: &Category) -> crate::error::Result<u64> {
    category.test.iter().map(|test| pixels(&test.path)).sum()
}
