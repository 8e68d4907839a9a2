//! Temporary files of this program: how they are made, and how those of killed processes are removed.
//!
//! A process holds a lock on each of its temporary files. So a file that can be locked is nobody's.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::{Builder, NamedTempFile, PersistError};

use super::unfinished::{Kind, held};

/// The name is unlike that of any other program, because files with it are removed.
const PREFIX: &str = ".orthoscope-";
const SUFFIX: &str = ".part";
/// Letters and digits between the two, chosen at random.
const RANDOM: usize = 6;

/// How often a file is made anew because another process has removed it before it was locked.
const ATTEMPTS: usize = 8;

/// Folders that this process has looked at.
static SEEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A temporary file, which is removed when it is dropped, and by [`abandon_files`](super::abandon_files).
pub(super) struct Temporary {
    file: NamedTempFile,
    listed: Listed,
}

/// The path of a file in the list, as long as there is such a file.
pub(super) struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        held().remove(&self.0);
    }
}

impl Temporary {
    fn new(make: impl FnOnce() -> io::Result<NamedTempFile>) -> io::Result<Self> {
        // Held until the file is in the list.
        let mut list = held();
        let file = make()?;
        let path = file.path().to_owned();
        list.insert(path.clone(), Kind::File);
        Ok(Self { file, listed: Listed(path) })
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn as_file(&self) -> &File {
        self.file.as_file()
    }

    pub(super) fn as_file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives the file its name. The caller [holds](held) the list, perhaps for several files that belong together, and drops
    /// what is returned once it holds the list no more.
    pub(super) fn persist(self, path: &Path) -> (Result<File, PersistError>, Listed) {
        (self.file.persist(path), self.listed)
    }
}

/// A temporary file with the permissions of an ordinary new file. By default temporary files are private to their owner. The
/// first one in a folder removes those that killed processes have left there.
pub(super) fn temporary_file(folder: &Path) -> io::Result<Temporary> {
    if SEEN.lock().is_ok_and(|mut seen| seen.insert(folder.to_owned())) {
        remove_leftovers(folder);
    }
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    for _ in 0..ATTEMPTS {
        let temporary = Temporary::new(|| builder.tempfile_in(folder))?;
        let is_taken = matches!(temporary.as_file().try_lock(), Err(TryLockError::WouldBlock));
        if !is_taken && temporary.path().exists() {
            return Ok(temporary);
        }
    }
    Err(io::Error::other("temporary files are removed by another program"))
}

/// Removes the temporary files of this program that no process holds. Where files cannot be locked, they stay.
fn remove_leftovers(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_temporary(path)) {
        let Ok(file) = File::options().append(true).open(&path) else { continue };
        if file.try_lock().is_ok() && std::fs::remove_file(&path).is_ok() {
            log::info!("removed {}, which a process had left that was killed", path.display());
        }
    }
}

fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let middle = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(SUFFIX));
    let is_named = middle.is_some_and(|middle| middle.len() == RANDOM && middle.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    is_named && path.symlink_metadata().is_ok_and(|entry| entry.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_killed_processes_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let foreign = [
            ".orthoscope-.part",
            ".orthoscope-user.part",
            ".orthoscope-a b c.part",
            ".aBc123.part",
            "a.part",
            ".orthoscope-abc.part.txt",
        ];
        for name in foreign.iter().chain(&[".orthoscope-Ab12xY.part", ".orthoscope-000000.part"]) {
            std::fs::write(at(name), "x").unwrap();
        }
        std::fs::create_dir(at(".orthoscope-folder.part")).unwrap();
        // As the other process that is writing just now.
        let held = File::options().append(true).open(at(".orthoscope-000000.part")).unwrap();
        held.lock().unwrap();
        drop(temporary_file(folder.path()).unwrap());
        for name in foreign.iter().chain(&[".orthoscope-000000.part", ".orthoscope-folder.part"]) {
            assert!(at(name).exists(), "{name}");
        }
        assert!(!at(".orthoscope-Ab12xY.part").exists());
        drop(held);
        remove_leftovers(folder.path());
        assert!(!at(".orthoscope-000000.part").exists());
    }

    #[test]
    fn a_file_in_use_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let own = temporary_file(folder.path()).unwrap();
        remove_leftovers(folder.path());
        assert!(own.path().exists());
    }
}
