//! Output folders.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Checks that `path` is a folder or can be created as one, before long work starts. Nothing is changed.
///
/// # Errors
/// `path` or one of its parents is a file.
pub fn check_output_folder(path: &Path) -> Result<()> {
    if let Some(link) = path.ancestors().find(|part| part.is_symlink() && !part.exists()) {
        return Err(Error::file(link, "is a link to a folder that does not exist"));
    }
    match path.ancestors().find(|part| part.exists()) {
        Some(part) if !part.is_dir() => Err(Error::file(part, "is a file; the output needs a folder here")),
        _ => Ok(()),
    }
}

/// Creates a folder and its parents if they do not exist yet.
///
/// # Errors
/// As [`check_output_folder`], or the system refuses.
pub fn make_folder(path: &Path) -> Result<()> {
    check_output_folder(path)?;
    std::fs::create_dir_all(path).map_err(|error| Error::io(path, "this folder cannot be made", error))
}

/// All files below a folder, in no order; links count as files.
///
/// # Errors
/// A folder that cannot be listed.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let refuse = |error| Error::io(&folder, "cannot be listed", error);
        for entry in std::fs::read_dir(&folder).map_err(refuse)? {
            let path = entry.map_err(refuse)?.path();
            let is_folder = path.is_dir() && !path.is_symlink();
            if is_folder { &mut folders } else { &mut files }.push(path);
        }
    }
    Ok(files)
}

/// Takes the lock on an output folder, which is made if necessary. The system releases it when the process ends, however it ends.
///
/// # Errors
/// As [`make_folder`], or another process holds the lock.
pub fn lock_folder(path: &Path) -> Result<File> {
    make_folder(path)?;
    let lock = path.join(".lock");
    let file = File::create(&lock).map_err(|error| Error::write(&lock, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::file(path, "is in use by another process")),
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) => log::warn!("{} cannot be locked: {error}", lock.display()),
    }
    Ok(file)
}

/// The same, but waits for another process to release it.
///
/// # Errors
/// As [`make_folder`].
pub fn wait_for_folder(path: &Path) -> Result<File> {
    make_folder(path)?;
    let lock = path.join(".lock");
    let file = File::create(&lock).map_err(|error| Error::write(&lock, error))?;
    if let Err(error) = file.lock() {
        log::warn!("{} cannot be locked: {error}", lock.display());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_user_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let held = lock_folder(&path).unwrap();
        assert!(lock_folder(&path).unwrap_err().to_string().ends_with("b: is in use by another process"));
        drop(held);
        lock_folder(&path).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("taken");
        std::fs::write(&file, "x").unwrap();
        for path in [file.clone(), file.join("a/b")] {
            let error = make_folder(&path).unwrap_err().to_string();
            assert_eq!(error, format!("{}: is a file; the output needs a folder here", file.display()));
        }
        make_folder(&folder.path().join("a/b")).unwrap();
        make_folder(&folder.path().join("a/b")).unwrap();
        assert!(folder.path().join("a/b").is_dir());
    }
}
