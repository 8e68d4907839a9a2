//! Output folders.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::unfinished::held;
use crate::error::{Error, Result};

/// Checks that `path` is a folder that can be written into, or can be created as one, before long work starts. Nothing is
/// changed.
///
/// # Errors
/// `path` or one of its parents is a file, a link to a folder that does not exist, or a folder in which no file can be created; a
/// name that the system refuses.
pub fn check_output_folder(path: &Path) -> Result<()> {
    let refuse = |error| Error::io(path, "this folder cannot be made", error);
    let mut missing = path.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists());
    if let Some(link) = missing.find(|part| part.is_symlink()) {
        return Err(Error::file(link, "is a link to a folder that does not exist; the output needs a folder here"));
    }
    let there = path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("."));
    if !there.is_dir() {
        return Err(Error::file(there, "is a file; the output needs a folder here"));
    }
    match path.metadata() {
        // A name that is too long, or a folder that may not be searched.
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(refuse(error)),
        _ => {}
    }
    // A nameless file, where the system has them, so that no other process sees it.
    match tempfile::tempfile_in(there) {
        Ok(_) => Ok(()),
        Err(error) if there == path => Err(Error::write(path, error)),
        Err(error) => Err(refuse(error)),
    }
}

/// Creates a folder and its parents if they do not exist yet.
///
/// # Errors
/// As [`check_output_folder`], or the system refuses.
pub fn make_folder(path: &Path) -> Result<()> {
    let _held = held();
    make_folder_now(path)
}

/// The same while the list of what is unfinished is held, so that a signal does not come in between.
pub(super) fn make_folder_now(path: &Path) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_place_where_nothing_can_be_written_is_refused_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("none", folder.path().join("link")).unwrap();
        let refused = |path: &Path| check_output_folder(path).unwrap_err().to_string();
        assert!(
            refused(&folder.path().join("link/new"))
                .ends_with("link: is a link to a folder that does not exist; the output needs a folder here")
        );
        assert!(refused(&folder.path().join("x".repeat(300))).contains("x: this folder cannot be made: File name too long"));
        // Not even root can create a file there.
        assert!(refused(Path::new("/proc")).starts_with("/proc: cannot be written: "));
        assert!(refused(Path::new("/proc/new/deep")).starts_with("/proc/new/deep: this folder cannot be made: "));
        for name in ["", "new", "new/deep"] {
            check_output_folder(&folder.path().join(name)).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is made");
    }
}
