//! Resolves the path of an output file and checks that it can be written.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use super::atomic::folder_of;
use crate::error::{Error, Result};

/// Maximum number of consecutive symbolic links, as on Linux.
const MAX_LINKS: usize = 40;

/// The path that `path` points to. Symbolic links are followed, even to files that do not exist yet.
///
/// # Errors
/// Links that form a circle.
pub fn followed(path: &Path) -> Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(&place) else { return Ok(place) };
        place = folder_of(&place).join(target);
    }
    Err(Error::file(path, format!("more than {MAX_LINKS} symbolic links follow each other")))
}

/// Checks that a file can be written to `path`, before long work starts. Nothing is changed.
///
/// # Errors
/// `path` is a folder or a device, is write-protected, or is in a folder where no file can be created.
pub fn check_output_file(path: &Path) -> Result<()> {
    let place = followed(path)?;
    let refuse = |error| Error::write(path, error);
    if place.is_dir() {
        return Err(Error::file(path, "is a folder; a file is needed here"));
    }
    if place.is_file() {
        OpenOptions::new().append(true).open(&place).map_err(refuse)?;
    } else if place.exists() {
        return Err(Error::file(path, "cannot be written: it exists and is not a regular file"));
    }
    let folder = folder_of(&place);
    if !folder.is_dir() {
        return Err(Error::file(path, format!("cannot be written: there is no folder {}", folder.display())));
    }
    // Needed even if the file exists, because the new file is written next to it and then renamed.
    tempfile::tempfile_in(folder).map(drop).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        check_output_file(path).unwrap_err().to_string()
    }

    #[test]
    fn paths_that_cannot_be_written_are_rejected_and_nothing_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        std::fs::write(&file, "old").unwrap();
        check_output_file(&file).unwrap();
        check_output_file(&folder.path().join("new.txt")).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(refused(folder.path()).ends_with("is a folder; a file is needed here"));
        assert!(refused(&folder.path().join("none/a.txt")).contains("there is no folder"));
        assert!(refused(&file.join("a.txt")).contains("there is no folder"));
    }

    #[cfg(unix)]
    #[test]
    fn links_to_missing_files_are_followed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("deep")).unwrap();
        symlink("deep/new.txt", at("link")).unwrap();
        symlink(at("link"), at("deep/second")).unwrap();
        check_output_file(&at("link")).unwrap();
        assert_eq!(followed(&at("deep/second")).unwrap(), at("deep/new.txt"));
        crate::disk::write_atomically(&at("deep/second"), |file| std::io::Write::write_all(file, b"new")).unwrap();
        assert_eq!(std::fs::read_to_string(at("deep/new.txt")).unwrap(), "new");
        assert!(at("link").is_symlink() && at("deep/second").is_symlink());
        symlink("b", at("a")).unwrap();
        symlink("a", at("b")).unwrap();
        assert!(refused(&at("a")).contains("more than 40 symbolic links"));
        symlink("none/there", at("lost")).unwrap();
        assert!(refused(&at("lost")).contains("there is no folder"));
        if Path::new("/dev/full").exists() {
            assert!(refused(Path::new("/dev/full")).contains("is not a regular file"));
        }
    }
}
