//! Temporary files and hidden folders of this program: how they are made, and how those of killed processes are removed.
//!
//! A process holds a lock on each of them. So what can be locked is nobody's.

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

/// The file in a folder on which a process holds its lock.
pub(super) const LOCK_FILE: &str = ".lock";

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

    /// The same, but replaces nothing. Where the system cannot promise that or fails, the path is looked at once more instead.
    pub(super) fn persist_new(self, path: &Path) -> (Result<File, PersistError>, Listed) {
        let named = self.file.persist_noclobber(path).or_else(|failed| {
            let is_free = failed.error.kind() != io::ErrorKind::AlreadyExists && path.symlink_metadata().is_err();
            if is_free { failed.file.persist(path) } else { Err(failed) }
        });
        (named, self.listed)
    }
}

/// A temporary file with the permissions of an ordinary new file. By default temporary files are private to their owner. The
/// first one in a folder removes those that killed processes have left there.
pub(super) fn temporary_file(folder: &Path) -> io::Result<Temporary> {
    if SEEN.lock().is_ok_and(|mut seen| seen.insert(folder.to_owned())) {
        remove_leftovers(folder);
    }
    let builder = ordinary(named());
    for _ in 0..ATTEMPTS {
        let temporary = Temporary::new(|| builder.tempfile_in(folder))?;
        if !lock_or_taken(temporary.as_file()) && temporary.path().exists() {
            return Ok(temporary);
        }
    }
    Err(removed_by_others())
}

/// A new hidden folder, and the file in it on which the process holds the lock.
pub(super) fn hidden_folder(parent: &Path) -> io::Result<(PathBuf, File)> {
    for _ in 0..ATTEMPTS {
        let folder = named().tempdir_in(parent)?;
        let lock = match File::create_new(folder.path().join(LOCK_FILE)) {
            // Another process has removed the empty folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            lock => lock?,
        };
        if !lock_or_taken(&lock) && folder.path().join(LOCK_FILE).exists() {
            return Ok((folder.keep(), lock));
        }
    }
    Err(removed_by_others())
}

fn named() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    builder
}

#[cfg(unix)]
fn ordinary(mut builder: Builder<'static, 'static>) -> Builder<'static, 'static> {
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

#[cfg(not(unix))]
fn ordinary(builder: Builder<'static, 'static>) -> Builder<'static, 'static> {
    builder
}

/// Locks the file. True if another process holds the lock, because it is about to remove the file.
fn lock_or_taken(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn removed_by_others() -> io::Error {
    io::Error::other("temporary files are removed by another program")
}

/// Whether a process is making something with this name in a hidden folder in `parent`.
pub fn is_in_work(parent: &Path, name: impl AsRef<Path>) -> bool {
    let is_held = |path: &Path| {
        let lock = File::options().append(true).open(path.join(LOCK_FILE));
        lock.is_ok_and(|lock| lock_or_taken(&lock))
    };
    hidden_in(parent).any(|path| path.join(&name).exists() && is_held(&path))
}

/// The temporary files and hidden folders of this program; none if the folder cannot be listed.
fn hidden_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| is_named(path))
}

/// Removes the temporary files and hidden folders of this program that no process holds. What cannot be locked stays.
pub fn remove_leftovers(folder: &Path) {
    for path in hidden_in(folder) {
        let Ok(kind) = path.symlink_metadata().map(|entry| entry.file_type()) else { continue };
        let is_removed = match kind {
            _ if kind.is_dir() => remove_left_folder(&path),
            _ if kind.is_file() => lock_of_nobody(&path).is_some_and(|_held| std::fs::remove_file(&path).is_ok()),
            _ => false,
        };
        if is_removed {
            log::info!("removed {}, which a process had left that was killed", path.display());
        }
    }
}

/// The same in all folders below, too; links are not followed.
pub(super) fn remove_leftovers_below(folder: &Path) {
    remove_leftovers(folder);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !is_named(&entry.path()) {
            remove_leftovers_below(&entry.path());
        }
    }
}

/// Removes a hidden folder that no process holds. One that was left before it got its lock is empty.
fn remove_left_folder(path: &Path) -> bool {
    let lock = path.join(LOCK_FILE);
    if !lock.is_file() {
        return std::fs::remove_dir(path).is_ok();
    }
    lock_of_nobody(&lock).is_some_and(|held| remove_hidden(path, Some(held)).is_ok())
}

/// Removes a hidden folder with all in it, the file with the lock last, so that what a kill leaves of it can be removed later.
pub(super) fn remove_hidden(path: &Path, held: Option<File>) -> io::Result<()> {
    let lock = path.join(LOCK_FILE);
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        match entry.path() {
            own if own == lock => {}
            own if entry.file_type()?.is_dir() => std::fs::remove_dir_all(own)?,
            own => std::fs::remove_file(own)?,
        }
    }
    // If it stays, so does the folder.
    let _ = std::fs::remove_file(lock);
    // Network disks keep a removed file that is open, and with it its folder.
    drop(held);
    std::fs::remove_dir(path)
}

/// The lock on a file, if no process holds it.
fn lock_of_nobody(path: &Path) -> Option<File> {
    File::options().append(true).open(path).ok().filter(|file| file.try_lock().is_ok())
}

fn is_named(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let middle = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(SUFFIX));
    middle.is_some_and(|middle| middle.len() == RANDOM && middle.bytes().all(|byte| byte.is_ascii_alphanumeric()))
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
        #[cfg(unix)]
        std::os::unix::fs::symlink(at("a.part"), at(".orthoscope-link00.part")).unwrap();
        // Folders of somebody else, of which one has the name of a hidden one, but not its lock.
        let folders = [".orthoscope-users.part", ".orthoscope-Folder.part"].map(|name| at(name).join("mine"));
        folders.iter().for_each(|path| std::fs::create_dir_all(path).unwrap());
        // As the other process that is writing just now.
        let held = File::options().append(true).open(at(".orthoscope-000000.part")).unwrap();
        held.lock().unwrap();
        drop(temporary_file(folder.path()).unwrap());
        for name in foreign.iter().chain(&[".orthoscope-000000.part"]) {
            assert!(at(name).exists(), "{name}");
        }
        assert!(folders.iter().all(|path| path.is_dir()));
        #[cfg(unix)]
        assert!(at(".orthoscope-link00.part").is_symlink());
        assert!(!at(".orthoscope-Ab12xY.part").exists());
        drop(held);
        remove_leftovers(folder.path());
        assert!(!at(".orthoscope-000000.part").exists());
    }

    #[test]
    fn what_is_in_use_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = temporary_file(folder.path()).unwrap();
        let (hidden, lock) = hidden_folder(folder.path()).unwrap();
        std::fs::write(hidden.join("a"), "x").unwrap();
        remove_leftovers(folder.path());
        assert!(file.path().exists() && hidden.join("a").exists());
        // As if its process had been killed, also while it removed the folder, or another one before it had the lock.
        std::fs::create_dir_all(hidden.join("deep/er")).unwrap();
        drop(lock);
        let empty = folder.path().join(".orthoscope-Empty0.part");
        std::fs::create_dir(&empty).unwrap();
        remove_leftovers(folder.path());
        assert!(file.path().exists() && !hidden.exists() && !empty.exists());
    }
}
