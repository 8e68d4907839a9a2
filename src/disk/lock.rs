//! A lock on an output folder, so that two runs never write into the same one.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::folder::make_folder;
use super::leftovers::LOCK_FILE;
use crate::error::{Error, Result, system_words};

/// Most bytes that are read of a lock. It is empty, or holds the number of the process that works in the folder, which has fewer;
/// other programs have files of this name.
const LONGEST: u64 = 32;

/// The lock of [`lock_folder`]. It ends with this value, or with the process, however that ends.
#[derive(Debug)]
pub struct FolderLock {
    /// None where files cannot be locked.
    file: Option<File>,
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Nothing depends on it: a number that is left there is only read while somebody else holds the lock.
            let _ = file.set_len(0);
            // Not left to the end of `file`: a program that another thread is just starting has a copy of it for a moment, and
            // with that the lock.
            let _ = file.unlock();
        }
    }
}

/// Takes the lock on an output folder, which is made if necessary. A file that a killed process has left does not block, because
/// the system ends a lock with its process. Where files cannot be locked, as on some network file systems, a warning says so and
/// the work goes on.
///
/// # Errors
/// As [`make_folder`]; another process holds the lock; a file of this name that is no lock of ours.
pub fn lock_folder(path: &Path) -> Result<FolderLock> {
    make_folder(path)?;
    let lock = path.join(LOCK_FILE);
    check_kind(&lock)?;
    let file = match open(&lock) {
        Ok(file) => file,
        Err(error) => return Ok(unlocked(path, &error)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::file(path, in_use(&lock))),
        Err(TryLockError::Error(error)) => return Ok(unlocked(path, &error)),
    }
    check_content(&lock, &file)?;
    // For the sentence that another process gives; a lock that can only be read holds all the same.
    let emptied = file.set_len(0).and_then(|()| (&file).rewind());
    let _ = emptied.and_then(|()| write!(&file, "{}", std::process::id()));
    Ok(FolderLock { file: Some(file) })
}

/// The same, but waits for the other process.
///
/// # Errors
/// As [`make_folder`]; a file of this name that is no lock of ours.
pub fn wait_for_folder(path: &Path) -> Result<FolderLock> {
    make_folder(path)?;
    let lock = path.join(LOCK_FILE);
    check_kind(&lock)?;
    match open(&lock).and_then(|file| file.lock().map(|()| file)) {
        Ok(file) => check_content(&lock, &file).map(|()| FolderLock { file: Some(file) }),
        Err(error) => Ok(unlocked(path, &error)),
    }
}

/// Checks that the file is no link, which could lead to a file of somebody else, and nothing that would wait when it is opened.
fn check_kind(lock: &Path) -> Result<()> {
    match lock.symlink_metadata() {
        Ok(about) if !about.is_file() && !about.is_dir() => Err(foreign(lock)),
        _ => Ok(()),
    }
}

/// Checks that the file holds what a lock holds, because it will be emptied.
fn check_content(lock: &Path, file: &File) -> Result<()> {
    let mut bytes = Vec::new();
    match file.take(LONGEST).read_to_end(&mut bytes) {
        Ok(_) if !bytes.iter().all(u8::is_ascii_digit) => Err(foreign(lock)),
        // What cannot be read, such as a folder, cannot be emptied either.
        _ => Ok(()),
    }
}

fn foreign(lock: &Path) -> Error {
    Error::file(lock, "is no lock of orthoscope; move it away, or choose another folder")
}

/// Whether a run has been in this folder, so that taking its lock adds no file.
pub fn has_lock_file(path: &Path) -> bool {
    path.join(LOCK_FILE).exists()
}

/// Opens the file without emptying it: it may be that of another process.
fn open(lock: &Path) -> io::Result<File> {
    let writable = File::options().read(true).write(true).create(true).truncate(false).open(lock);
    // That of another user, in a folder that both may write into.
    writable.or_else(|error| File::open(lock).map_err(|_| error))
}

fn unlocked(path: &Path, error: &io::Error) -> FolderLock {
    let reason = system_words(error);
    log::warn!("{} cannot be locked ({reason}), so nothing keeps a second run out of it", path.display());
    FolderLock { file: None }
}

fn in_use(lock: &Path) -> String {
    let mut text = String::new();
    let read = File::open(lock).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    let holder = read.ok().and_then(|_| text.trim().parse::<u32>().ok());
    let holder = holder.map_or_else(|| "another process".to_owned(), |number| format!("process {number}"));
    format!("is in use by {holder}; wait for its end or choose another folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_user_at_a_time_and_the_other_is_told_which() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let held = lock_folder(&path).unwrap();
        let words = format!("b: is in use by process {}; wait for its end or choose another folder", std::process::id());
        for _ in 0..2 {
            let error = lock_folder(&path).unwrap_err().to_string();
            assert!(error.ends_with(&words), "{error}");
        }
        drop(held);
        assert_eq!(std::fs::read(path.join(LOCK_FILE)).unwrap(), b"");
        lock_folder(&path).unwrap();
    }

    #[test]
    fn a_copy_of_the_file_in_a_program_that_starts_does_not_hold_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock_folder(folder.path()).unwrap();
        let copy = held.file.as_ref().unwrap().try_clone().unwrap();
        assert!(lock_folder(folder.path()).is_err());
        drop(held);
        lock_folder(folder.path()).unwrap();
        drop(copy);
    }

    #[test]
    fn what_a_killed_process_has_left_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LOCK_FILE), "4194304").unwrap();
        let held = lock_folder(folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join(LOCK_FILE)).unwrap(), std::process::id().to_string());
        drop(held);
    }

    #[test]
    fn a_file_of_somebody_else_is_neither_emptied_nor_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, other) = (folder.path().join(LOCK_FILE), folder.path().join("mine"));
        let refused = |take: fn(&Path) -> Result<FolderLock>| take(folder.path()).unwrap_err().to_string();
        for take in [lock_folder, wait_for_folder] {
            std::fs::write(&lock, "pid 12 of mine").unwrap();
            assert!(refused(take).ends_with(".lock: is no lock of orthoscope; move it away, or choose another folder"));
            assert_eq!(std::fs::read(&lock).unwrap(), b"pid 12 of mine");
            std::fs::remove_file(&lock).unwrap();
            #[cfg(unix)]
            {
                std::fs::write(&other, "12").unwrap();
                std::os::unix::fs::symlink(&other, &lock).unwrap();
                assert!(refused(take).contains(".lock: is no lock of orthoscope"));
                assert_eq!(std::fs::read(&other).unwrap(), b"12");
                std::fs::remove_file(&lock).unwrap();
            }
        }
        std::fs::write(&lock, "4194304").unwrap();
        drop(wait_for_folder(folder.path()).unwrap());
    }

    #[test]
    fn a_place_that_cannot_be_locked_is_used_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(LOCK_FILE)).unwrap();
        // A folder in place of the file can be locked on some systems; both is right.
        lock_folder(folder.path()).unwrap();
    }
}
