//! What this process has begun and not finished: temporary files, and folders that are being filled. It goes when a signal ends
//! the process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::folder::make_folder_now;
use super::leftovers::{hidden_folder, remove_hidden, remove_leftovers};
use crate::error::{Error, Result};

/// How a thing is removed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    File,
    /// A folder with all in it, also a lock.
    Hidden,
    /// A folder that stays if anything is in it.
    Empty,
}

impl Kind {
    /// Failures are passed over in favour of what led here.
    fn remove(self, path: &Path, lock: Option<File>) {
        let _ = match self {
            Self::File => std::fs::remove_file(path),
            Self::Hidden => remove_hidden(path, lock),
            Self::Empty => std::fs::remove_dir(path),
        };
    }
}

type List = BTreeMap<PathBuf, Kind>;

static LIST: Mutex<List> = Mutex::new(List::new());

/// The list. While it is held, nothing of it is abandoned, and no other thread makes a file or a folder or gives one its name.
pub(super) fn held() -> MutexGuard<'static, List> {
    LIST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what this process, which is about to end because of a signal, has not finished. No file or folder is made or gets its
/// name any more: whoever tries waits for the end.
pub fn abandon_files() {
    let mut list = held();
    remove_all(&list);
    list.clear();
    std::mem::forget(list);
}

/// What is in a folder goes before the folder: those that must be empty come last, because not all paths begin at the same folder.
fn remove_all(list: &List) {
    let (last, first): (Vec<_>, Vec<_>) = list.iter().rev().partition(|(_, kind)| matches!(kind, Kind::Empty));
    first.into_iter().chain(last).for_each(|(path, kind)| kind.remove(path, None));
}

/// A folder that is being filled. It is removed when it is dropped, and by [`abandon_files`].
#[must_use]
pub struct Unfinished {
    path: PathBuf,
    kind: Kind,
    /// That of a hidden folder, see [`hidden_folder`].
    lock: Option<File>,
}

impl Unfinished {
    /// Makes a hidden folder in `parent`, after removing what killed processes have left there. It goes with all in it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn hidden(parent: &Path) -> io::Result<Self> {
        remove_leftovers(parent);
        let mut list = held();
        let (path, lock) = hidden_folder(parent)?;
        let mut own = Self::listed(path, Kind::Hidden, &mut list);
        own.lock = Some(lock);
        Ok(own)
    }

    /// Makes a folder and its parents if they do not exist yet. It goes only if it is empty.
    ///
    /// # Errors
    /// As [`make_folder`](super::make_folder).
    pub fn if_empty(path: &Path) -> Result<Self> {
        let mut list = held();
        make_folder_now(path)?;
        Ok(Self::listed(path.to_owned(), Kind::Empty, &mut list))
    }

    fn listed(path: PathBuf, kind: Kind, list: &mut List) -> Self {
        list.insert(path.clone(), kind);
        Self { path, kind, lock: None }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a folder in this one to its place, where an empty folder gives way to it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn release(&self, inner: &Path, place: &Path) -> io::Result<()> {
        let _held = held();
        if place.exists() {
            std::fs::remove_dir(place)?;
        }
        std::fs::rename(inner, place)
    }

    /// Moves all that is in a folder in this one into the folder `place`, first the folders and then the files: all of it or
    /// nothing.
    ///
    /// # Errors
    /// Something there has one of the names, or the system refuses.
    pub fn release_content(&self, inner: &Path, place: &Path) -> Result<()> {
        let _held = held();
        let refuse = |error| Error::write(place, error);
        let to = |from: &Path| place.join(from.file_name().unwrap_or_default());
        let entries = std::fs::read_dir(inner).map_err(refuse)?.map(|entry| entry.map(|entry| entry.path()));
        let mut content = entries.collect::<io::Result<Vec<_>>>().map_err(refuse)?;
        content.sort_by_key(|path| path.is_file());
        if let Some(taken) = content.iter().map(|from| to(from)).find(|path| path.symlink_metadata().is_ok()) {
            return Err(put_there_meanwhile(&taken));
        }
        for (number, from) in content.iter().enumerate() {
            if let Err(error) = std::fs::rename(from, to(from)) {
                content[..number].iter().for_each(|from| drop(std::fs::rename(to(from), from)));
                return Err(refuse(error));
            }
        }
        Ok(())
    }
}

/// The error of something of somebody else at a name that was free.
pub(super) fn put_there_meanwhile(path: &Path) -> Error {
    Error::file(path, "was put there meanwhile, and is not replaced")
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut list = held();
        if list.remove(&self.path).is_some() {
            self.kind.remove(&self.path, self.lock.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_but_not_what_was_released() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        let hidden = Unfinished::hidden(folder.path()).unwrap();
        std::fs::create_dir(hidden.path().join("draft")).unwrap();
        std::fs::create_dir(&place).unwrap();
        hidden.release(&hidden.path().join("draft"), &place).unwrap();
        let path = hidden.path().to_owned();
        drop(hidden);
        assert!(place.exists() && !path.exists());
    }

    #[test]
    fn the_content_of_a_folder_is_released_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (place, hidden) = (folder.path().join("place"), Unfinished::hidden(folder.path()).unwrap());
        let draft = hidden.path().join("draft");
        std::fs::create_dir_all(draft.join("a")).unwrap();
        ["a/x", "b"].iter().for_each(|name| std::fs::write(draft.join(name), "x").unwrap());
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("b"), "mine").unwrap();
        let error = hidden.release_content(&draft, &place).unwrap_err().to_string();
        assert!(error.ends_with("b: was put there meanwhile, and is not replaced"), "{error}");
        assert!(!place.join("a").exists() && std::fs::read(place.join("b")).unwrap() == b"mine");
        std::fs::rename(place.join("b"), place.join("mine")).unwrap();
        hidden.release_content(&draft, &place).unwrap();
        drop(hidden);
        assert!(["a/x", "b", "mine"].iter().all(|name| place.join(name).is_file()));
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("a"), "x").unwrap();
        drop(Unfinished::if_empty(&path).unwrap());
        assert!(path.join("a").exists());
        drop(Unfinished::if_empty(&folder.path().join("ours")).unwrap());
        assert!(!folder.path().join("ours").exists());
    }

    #[test]
    fn at_a_signal_what_is_in_a_folder_goes_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("out/test/good")).unwrap();
        ["out/test/good/a", "out/b", "c", "d"].iter().for_each(|name| std::fs::write(at(name), "x").unwrap());
        let kinds = [("out", Kind::Empty), ("out/./test", Kind::Hidden), ("out/b", Kind::File), ("c", Kind::File)];
        let mut list = List::from(kinds.map(|(name, kind)| (at(name), kind)));
        // Another path of a folder in `out`, which sorts before `out`.
        std::fs::create_dir(at("out/good")).unwrap();
        list.insert(folder.path().join("a/../out/good"), Kind::Hidden);
        std::fs::create_dir(at("a")).unwrap();
        remove_all(&list);
        std::fs::remove_dir(at("a")).unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["d"]);
    }
}
