//! Findings on disk, so that an interrupted `verify --full` goes on where it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::claim::{Claim, Evidence};
use super::runner::Finding;
use crate::disk::write_bytes;
use crate::error::{Error, Result};

/// A folder with one file for each finding of one run, and a folder with the parts of each finding that is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    folder: PathBuf,
    /// What the findings depend on, apart from claim and seed.
    key: String,
}

/// The content of a file.
#[derive(Serialize, Deserialize)]
struct Entry<T> {
    key: String,
    value: T,
}

/// What is kept of a finding.
#[derive(Serialize, Deserialize)]
struct Kept {
    wall: Duration,
    evidence: Evidence,
}

impl Journal {
    /// The findings in `folder` that were made with this key: program, effort and instruction set. The folder need not exist.
    pub fn new(folder: &Path, key: impl Into<String>) -> Self {
        Self { folder: folder.to_owned(), key: key.into() }
    }

    fn path(&self, claim: &str, seed: u64) -> PathBuf {
        self.folder.join(format!("{claim}-{seed}.json"))
    }

    fn parts(&self, claim: &str, seed: u64) -> PathBuf {
        self.folder.join(format!("{claim}-{seed}"))
    }

    /// The value of a file. None if it was written with another key or cannot be read.
    fn read<T: DeserializeOwned>(&self, path: &Path) -> Option<T> {
        let entry: Entry<T> = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (entry.key == self.key).then_some(entry.value)
    }

    fn write<T: Serialize>(&self, path: &Path, value: T) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?;
        }
        let text = serde_json::to_vec(&Entry { key: self.key.clone(), value }).map_err(|error| Error::file(path, error))?;
        write_bytes(path, &text)
    }

    /// An earlier finding. None if there is none with this key; a file that cannot be read counts as none.
    pub fn find(&self, claim: &'static Claim, seed: u64) -> Option<Finding> {
        let Kept { wall, evidence } = self.read(&self.path(claim.id, seed))?;
        Some(Finding { claim, seed, evidence, wall })
    }

    /// A part of a finding: an earlier one with this key, or what `make` returns, which is kept.
    pub(super) fn part<T: Serialize + DeserializeOwned>(
        &self,
        claim: &str,
        seed: u64,
        name: &str,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let path = self.parts(claim, seed).join(format!("{name}.json"));
        if let Some(known) = self.read(&path) {
            return Ok(known);
        }
        let made = make()?;
        self.write(&path, &made)?;
        Ok(made)
    }

    /// Number of findings in the folder with another key, which are not used.
    pub fn unusable(&self) -> usize {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_other =
            |text: &[u8]| serde_json::from_slice::<Entry<IgnoredAny>>(text).map_or(true, |entry| entry.key != self.key);
        files.filter_map(|file| fs::read(file.path()).ok()).filter(|text| is_other(text)).count()
    }

    /// Adds a finding; its parts are no longer needed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&self, finding: &Finding) -> Result<()> {
        let kept = Kept { wall: finding.wall, evidence: finding.evidence.clone() };
        self.write(&self.path(finding.claim.id, finding.seed), kept)?;
        self.forget_parts(finding);
        Ok(())
    }

    fn forget_parts(&self, finding: &Finding) {
        // What is left does no harm: another run overwrites it.
        let _ = fs::remove_dir_all(self.parts(finding.claim.id, finding.seed));
    }

    /// Removes all findings of these claims and seeds, and the folder if nothing else is in it.
    pub fn clear(&self, findings: &[Finding]) {
        for finding in findings {
            let _ = fs::remove_file(self.path(finding.claim.id, finding.seed));
            self.forget_parts(finding);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::claim::Effort;
    use super::super::claim::Setting;
    use super::super::claims::c7_conservation::CLAIM;
    use super::*;

    #[test]
    fn a_part_is_made_once_and_forgotten_when_its_finding_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, made) = (Journal::new(folder.path(), "key"), Cell::new(0));
        let plain = Setting::new(3, Effort::Full).unwrap();
        let make = || {
            made.set(made.get() + 1);
            Ok(vec![0.1 + 0.2, f64::MIN_POSITIVE])
        };
        let first = plain.part("a-1", make).unwrap();
        assert_eq!((made.get(), fs::read_dir(folder.path()).unwrap().count()), (1, 0), "without a journal nothing is kept");
        let kept = plain.kept_in(Some(&journal), CLAIM.id);
        let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        for _ in 0..3 {
            assert_eq!(bits(kept.part("a-1", make).unwrap()), bits(first.clone()));
        }
        assert_eq!(made.get(), 2);
        kept.part("a-2", make).unwrap();
        kept.with_seed(4).part("a-1", make).unwrap();
        assert_eq!(made.get(), 4, "another part and another seed");
        let other = Journal::new(folder.path(), "another program");
        plain.kept_in(Some(&other), CLAIM.id).part("a-1", make).unwrap();
        kept.part("a-1", make).unwrap();
        assert_eq!(made.get(), 6, "neither takes the part of the other");
        assert_eq!(journal.unusable(), 0, "parts are not findings");
        let finding = Finding { claim: &CLAIM, seed: 3, evidence: Evidence::default(), wall: Duration::ZERO };
        journal.add(&finding).unwrap();
        assert!(!journal.parts(CLAIM.id, 3).exists() && journal.parts(CLAIM.id, 4).exists());
        assert!(kept.part("a", || Err::<f64, _>(Error::argument("no"))).is_err());
    }
}
