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

    /// Number of findings in the folder with another key, which are not used.
    pub fn unusable(&self) -> usize {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_other = |text: Vec<u8>| serde_json::from_slice::<Entry>(&text).map_or(true, |entry| entry.key != self.key);
        files.filter_map(|file| fs::read(file.path()).ok()).filter(|text| is_other(text.clone())).count()
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
