//! Files that are written completely or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::PersistError;

use super::followed;
use super::leftovers::{Listed, Temporary, temporary_file};
use super::settle::wait_for;
use super::unfinished::{held, put_there_meanwhile};
use crate::error::{Error, Result};

/// Writes `path` through `write`: first to a hidden temporary file in the same folder, which is renamed to `path` once it is
/// complete and on the disk. An existing file is replaced. Readers see either the old or the new file, never a partial one. If
/// `path` is a symbolic link, the file it points to is written.
///
/// # Errors
/// The folder does not exist, the disk is full, or `write` fails. In these cases an existing file is unchanged, and no temporary
/// file is left.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>) -> Result<()> {
    Written::new(path, write)?.rename()
}

/// As [`write_atomically`], for contents that are in memory.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |writer| writer.write_all(bytes))
}

/// Replaces several files that belong together by complete ones. The old files and the `obsolete` ones are removed, the last one
/// first, and then the new ones appear in their order, so that old and new are never seen together, even after a kill. The last
/// file thus says that the others are complete. A signal that ends the process waits until all have their names.
///
/// # Errors
/// Something has been put at a name that was free, and then nothing is removed; an old file cannot be removed, or a new one cannot
/// get its name.
pub(super) fn swap(written: Vec<Written>, obsolete: &[PathBuf]) -> Result<()> {
    let (mut files, mut done) = (written.into_iter(), Vec::new());
    // Made last and thus dropped first: files that are dropped need the list, too.
    let _list = held();
    // Now, while the old ones are there.
    if let Some(taken) = files.as_slice().iter().find(|file| file.is_new && file.path.symlink_metadata().is_ok()) {
        return Err(put_there_meanwhile(&taken.path));
    }
    let old = files.as_slice().iter().rev().filter(|file| !file.is_new).map(|file| &file.path);
    for path in old.chain(obsolete) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::write(path, error)),
            _ => {}
        }
    }
    files.try_for_each(|file| {
        let (named, listed) = file.rename_held();
        done.push(listed);
        named
    })
}

/// A file under a temporary name, which is removed unless the file gets its own name.
pub(super) struct Written {
    temporary: Temporary,
    path: PathBuf,
    /// Whether there was nothing at the path when the file was begun.
    is_new: bool,
}

impl Written {
    /// A complete file.
    pub(super) fn new(path: &Path, write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>) -> Result<Self> {
        Self::begin(path)?.filled(write)
    }

    /// The complete file.
    pub(super) fn filled(mut self, write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>) -> Result<Self> {
        let mut writer = BufWriter::new(self.temporary.as_file_mut());
        let written = write(&mut writer).and_then(|()| writer.flush());
        drop(writer);
        written.map_err(|error| Error::write(&self.path, error))?;
        self.complete()?;
        Ok(self)
    }

    /// An empty file, to be written and [completed](Self::complete).
    pub(super) fn begin(path: &Path) -> Result<Self> {
        let path = followed(path)?;
        let folder = folder_of(&path);
        // Renaming over a device such as /dev/null would replace it.
        if path.metadata().is_ok_and(|about| !about.is_file()) {
            return Err(Error::file(&path, "cannot be written: it exists and is not a regular file"));
        }
        if !folder.is_dir() {
            return Err(Error::file(&path, format!("cannot be written: there is no folder {}", folder.display())));
        }
        let temporary = temporary_file(folder).map_err(|error| Error::write(&path, error))?;
        Ok(Self { temporary, path, is_new: false })
    }

    /// The same where the caller has found nothing at the path, in a folder that there is. The system is asked no more, and what
    /// is put there meanwhile is not replaced.
    pub(super) fn begin_new(path: &Path) -> Result<Self> {
        let temporary = temporary_file(folder_of(path)).map_err(|error| Error::write(path, error))?;
        Ok(Self { temporary, path: path.to_owned(), is_new: true })
    }

    /// The path that the file will get.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// What has been put at the path since may be replaced.
    pub(super) fn replace_another(&mut self) {
        self.is_new = false;
    }

    pub(super) fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Waits until the file is on the disk.
    pub(super) fn complete(&self) -> Result<()> {
        wait_for(self.temporary.as_file()).map_err(|error| Error::write(&self.path, error))
    }

    pub(super) fn rename(self) -> Result<()> {
        let list = held();
        let (named, listed) = self.rename_held();
        drop(list);
        drop(listed);
        named
    }

    /// The same; what is at the path becomes `kept`, in the same folder. A process that is killed between the two renames leaves
    /// only `kept`.
    pub(super) fn rename_keeping(self, kept: &Path) -> Result<()> {
        let path = self.path.clone();
        // Until the list is held no more, a signal waits.
        let list = held();
        std::fs::rename(&path, kept).map_err(|error| Error::write(kept, error))?;
        let (named, listed) = self.rename_held();
        if named.is_err() {
            // Back to what was: both are in one folder, so that this can hardly fail.
            let _ = std::fs::rename(kept, &path);
        }
        drop(list);
        drop(listed);
        named
    }

    /// The same for a caller that holds the list; as [`Temporary::persist`].
    fn rename_held(self) -> (Result<()>, Listed) {
        let Self { temporary, path, is_new } = self;
        let (named, listed) = if is_new { temporary.persist_new(&path) } else { temporary.persist(&path) };
        let refused = |failed: PersistError| match failed.error.kind() {
            io::ErrorKind::AlreadyExists if is_new => put_there_meanwhile(&path),
            _ => Error::write(&path, failed.error),
        };
        (named.map(drop).map_err(refused), listed)
    }
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_put_at_a_free_name_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let written = Written::begin_new(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        let error = written.rename().unwrap_err().to_string();
        assert!(error.ends_with("a.txt: was put there meanwhile, and is not replaced"), "{error}");
        assert_eq!(
            (std::fs::read_to_string(&path).unwrap().as_str(), names(folder.path())),
            ("theirs", vec!["a.txt".to_owned()])
        );
        std::fs::remove_file(&path).unwrap();
        Written::begin_new(&path).unwrap().rename().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn replaces_a_file_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        for text in ["first, and longer", "second"] {
            write_atomically(&path, |file| file.write_all(text.as_bytes())).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_failing_writer_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "old").unwrap();
        let error = write_atomically(&path, |file| {
            file.write_all(&[7; 100_000])?;
            Err(io::Error::other("disk full"))
        })
        .unwrap_err();
        assert!(error.to_string().ends_with("a.txt: cannot be written: disk full"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_missing_folder_and_a_folder_in_the_way_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomically(&folder.path().join("none/a.txt"), |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("there is no folder"), "{error}");
        std::fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(write_atomically(&folder.path().join("taken"), |_| Ok(())).is_err());
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[cfg(unix)]
    #[test]
    fn has_the_permissions_of_an_ordinary_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
        std::fs::write(&plain, "").unwrap();
        write_atomically(&ours, |_| Ok(())).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn a_signal_comes_before_or_after_a_replacement() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a.txt", "b.txt", "c.txt", "c.old.txt"].map(|name| folder.path().join(name));
        paths[..3].iter().for_each(|path| std::fs::write(path, "old").unwrap());
        let files = paths[..2].iter().map(|path| Written::new(path, |file| file.write_all(b"new")).unwrap()).collect();
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
        std::thread::scope(|scope| {
            // As the thread that has got the signal.
            let list = held();
            scope.spawn(|| swap(files, &[]).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(paths[..2].iter().all(|path| read(path) == "old"));
            drop(list);
        });
        assert!(paths[..2].iter().all(|path| read(path) == "new"));
        Written::begin_new(&paths[2]).unwrap().rename_keeping(&paths[3]).unwrap();
        assert_eq!(names(folder.path()).len(), 4);
    }

    #[test]
    fn a_replacement_that_fails_ends() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a.txt", "b.txt", "c.txt"].map(|name| folder.path().join(name));
        let files = || paths.iter().map(|path| Written::new(path, |file| file.write_all(b"new")).unwrap()).collect::<Vec<_>>();
        let first = files();
        std::fs::create_dir_all(paths[1].join("full")).unwrap();
        assert!(swap(first, &[]).is_err());
        std::fs::remove_dir_all(&paths[1]).unwrap();
        swap(files(), &[]).unwrap();
        assert_eq!(names(folder.path()).len(), 3);
    }
}
