//! Findings on disk, so that an interrupted `verify --full` goes on where it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::claim::{Claim, Evidence};
use super::runner::Finding;
use crate::disk::write_bytes;
use crate::error::{Error, Result};

/// A folder with one file for each finding of one run.
pub struct Journal {
    folder: PathBuf,
    /// What the findings depend on, apart from claim and seed.
    key: String,
}

/// The content of a file.
#[derive(Serialize, Deserialize)]
struct Entry {
    key: String,
    wall: Duration,
    evidence: Evidence,
}

impl Journal {
    /// The findings in `folder` that were made with this key: program, effort and instruction set. The folder need not exist.
    pub fn new(folder: &Path, key: impl Into<String>) -> Self {
        Self { folder: folder.to_owned(), key: key.into() }
    }

    fn path(&self, claim: &Claim, seed: u64) -> PathBuf {
        self.folder.join(format!("{}-{seed}.json", claim.id))
    }

    /// An earlier finding. None if there is none with this key; a file that cannot be read counts as none.
    pub fn find(&self, claim: &'static Claim, seed: u64) -> Option<Finding> {
        let entry: Entry = serde_json::from_slice(&fs::read(self.path(claim, seed)).ok()?).ok()?;
        (entry.key == self.key).then_some(Finding { claim, seed, evidence: entry.evidence, wall: entry.wall })
    }

    /// Adds a finding.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&self, finding: &Finding) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|error| Error::write(&self.folder, error))?;
        let path = self.path(finding.claim, finding.seed);
        let entry = Entry { key: self.key.clone(), wall: finding.wall, evidence: finding.evidence.clone() };
        let text = serde_json::to_vec(&entry).map_err(|error| Error::file(&path, error))?;
        write_bytes(&path, &text)
    }

    /// Removes all findings of these claims and seeds, and the folder if nothing else is in it.
    pub fn clear(&self, findings: &[Finding]) {
        for finding in findings {
            // What is left does no harm: another run overwrites it.
            let _ = fs::remove_file(self.path(finding.claim, finding.seed));
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Numbers by their bits: JSON has no NaN and no infinity, and an interrupted run is to end with the same bits as one in one go.
pub(super) mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }

    /// Pairs of numbers.
    pub mod pairs {
        use serde::{Deserialize, Deserializer, Serializer};

        pub fn serialize<S: Serializer>(pairs: &[(f64, f64)], serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(pairs.iter().map(|(x, y)| (x.to_bits(), y.to_bits())))
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(f64, f64)>, D::Error> {
            let pairs: Vec<(u64, u64)> = Vec::deserialize(deserializer)?;
            Ok(pairs.into_iter().map(|(x, y)| (f64::from_bits(x), f64::from_bits(y))).collect())
        }
    }

    /// Matrices.
    pub mod matrix {
        use ndarray::Array2;
        use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

        pub fn serialize<S: Serializer>(values: &Array2<f64>, serializer: S) -> Result<S::Ok, S::Error> {
            (values.dim(), values.iter().map(|value| value.to_bits()).collect::<Vec<_>>()).serialize(serializer)
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array2<f64>, D::Error> {
            let (dim, bits): ((usize, usize), Vec<u64>) = Deserialize::deserialize(deserializer)?;
            Array2::from_shape_vec(dim, bits.into_iter().map(f64::from_bits).collect()).map_err(D::Error::custom)
        }
    }
}
