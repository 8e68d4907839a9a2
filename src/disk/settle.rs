//! Waiting for the disk, once for many files.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::atomic::folder_of;
use crate::error::{Error, Result};

/// How often this process has waited for a disk.
static WAITS: AtomicUsize = AtomicUsize::new(0);

/// How often this process has waited until something was on a disk. Each time takes milliseconds.
pub fn waits() -> usize {
    WAITS.load(Ordering::Relaxed)
}

/// Waits until a file is on the disk.
pub(super) fn wait_for(file: &File) -> std::io::Result<()> {
    WAITS.fetch_add(1, Ordering::Relaxed);
    file.sync_all()
}

/// Files that may not be on the disk yet.
#[derive(Default)]
pub(super) struct Unsettled(BTreeSet<PathBuf>);

impl Unsettled {
    pub(super) fn add(&mut self, path: &Path) {
        self.0.insert(path.to_owned());
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Waits until these files, and their names, are on the disk: once for each file system that they are on.
///
/// # Errors
/// A file system has lost something.
#[cfg(target_os = "linux")]
pub(super) fn settle(files: &Unsettled) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let folders: BTreeSet<&Path> = files.0.iter().map(|path| folder_of(path)).collect();
    let mut done = BTreeSet::new();
    for folder in folders {
        let refuse = |error| Error::write(folder, error);
        let open = File::open(folder).map_err(refuse)?;
        if done.insert(open.metadata().map_err(refuse)?.dev()) {
            WAITS.fetch_add(1, Ordering::Relaxed);
            rustix::fs::syncfs(&open).map_err(|error| refuse(error.into()))?;
        }
    }
    Ok(())
}

/// Waits until these files are on the disk, one by one, because this system has no call for all of them.
///
/// # Errors
/// A file cannot be written.
#[cfg(not(target_os = "linux"))]
pub(super) fn settle(files: &Unsettled) -> Result<()> {
    for path in &files.0 {
        let open = File::options().append(true).open(path).map_err(|error| Error::write(path, error))?;
        wait_for(&open).map_err(|error| Error::write(path, error))?;
    }
    Ok(())
}
