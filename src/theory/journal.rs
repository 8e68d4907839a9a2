//! Findings on disk, so that an interrupted `verify --full` goes on where it was.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::claim::{Claim, Evidence};
use super::kept::{Kept, has_other_key};
use super::runner::Finding;
use crate::error::Result;

/// A folder with one file for each finding of one run, and a folder with the parts of each finding that is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal(Kept);

/// What is kept of a finding.
#[derive(Serialize, Deserialize)]
struct Entry {
    wall: Duration,
    evidence: Evidence,
}

impl Journal {
    /// The findings in `folder` that were made with this key: program, effort and instruction set. The folder need not exist.
    pub fn new(folder: &Path, key: impl Into<String>) -> Self {
        Self(Kept { folder: folder.to_owned(), key: key.into() })
    }

    /// Where the parts of a finding are kept until it is complete.
    pub(super) fn parts(&self, claim: &Claim, seed: u64) -> Kept {
        self.0.within(&name(claim, seed))
    }

    /// An earlier finding. None if there is none with this key; a file that cannot be read counts as none.
    pub fn find(&self, claim: &'static Claim, seed: u64) -> Option<Finding> {
        let Entry { wall, evidence } = self.0.read(&name(claim, seed))?;
        Some(Finding { claim, seed, evidence, wall })
    }

    /// Number of findings in the folder with another key, which are not used.
    pub fn unusable(&self) -> usize {
        let files = fs::read_dir(&self.0.folder).into_iter().flatten().flatten();
        files.filter_map(|file| has_other_key(&file.path(), &self.0.key)).filter(|is_other| *is_other).count()
    }

    /// Adds a finding; its parts are no longer needed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&self, finding: &Finding) -> Result<()> {
        let entry = Entry { wall: finding.wall, evidence: finding.evidence.clone() };
        self.0.write(&name(finding.claim, finding.seed), entry)?;
        self.parts(finding.claim, finding.seed).remove_all();
        Ok(())
    }

    /// Removes all findings of these claims and seeds, and the folder if nothing else is in it.
    pub fn clear(&self, findings: &[Finding]) {
        for finding in findings {
            self.0.remove(&name(finding.claim, finding.seed));
            self.parts(finding.claim, finding.seed).remove_all();
        }
        let _ = fs::remove_dir(&self.0.folder);
    }
}

/// The name of a finding's file.
fn name(claim: &Claim, seed: u64) -> String {
    format!("{}-{seed}", claim.id)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::claim::{Effort, Setting};
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
        let kept = plain.kept_in(Some(journal.parts(&CLAIM, 3)));
        let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        for _ in 0..3 {
            assert_eq!(bits(kept.part("a-1", make).unwrap()), bits(first.clone()));
        }
        assert_eq!(made.get(), 2);
        kept.part("a-2", make).unwrap();
        plain.kept_in(Some(journal.parts(&CLAIM, 4))).part("a-1", make).unwrap();
        assert_eq!(made.get(), 4, "another part and another seed");
        let other = Journal::new(folder.path(), "another program");
        plain.kept_in(Some(other.parts(&CLAIM, 3))).part("a-1", make).unwrap();
        kept.part("a-1", make).unwrap();
        assert_eq!(made.get(), 6, "neither takes the part of the other");
        assert_eq!(journal.unusable(), 0, "parts are not findings");
        let finding = Finding { claim: &CLAIM, seed: 3, evidence: Evidence::default(), wall: Duration::ZERO };
        journal.add(&finding).unwrap();
        assert!(!journal.parts(&CLAIM, 3).folder.exists() && journal.parts(&CLAIM, 4).folder.exists());
        assert!(kept.part("a", || Err::<f64, _>(crate::error::Error::argument("no"))).is_err());
    }
}
