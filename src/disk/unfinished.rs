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
    /// A folder with all in it.
    Filled,
    /// The same, with a lock in it.
    Hidden,
    /// A folder that stays if anything is in it.
    Empty,
}

impl Kind {
    /// Failures are passed over in favour of what led here.
    fn remove(self, path: &Path, lock: Option<File>) {
        let _ = match self {
            Self::File => std::fs::remove_file(path),
            Self::Filled => std::fs::remove_dir_all(path),
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

/// A folder that is being filled. It is removed when it is dropped, and by [`abandon_files`], unless it is [kept](Self::keep).
#[must_use]
pub struct Unfinished {
    path: PathBuf,
    kind: Kind,
    /// That of a hidden folder, see [`hidden_folder`].
    lock: Option<File>,
}

impl Unfinished {
    /// Makes a folder that was not there before, with its parents. It goes with all in it.
    ///
    /// # Errors
    /// There is something of this name, or the system refuses.
    pub fn folder(path: &Path) -> Result<Self> {
        let mut list = held();
        if let Some(parent) = path.parent() {
            make_folder_now(parent)?;
        }
        std::fs::create_dir(path).map_err(|error| Error::io(path, "this folder cannot be made", error))?;
        Ok(Self::listed(path.to_owned(), Kind::Filled, &mut list))
    }

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

    /// These folders are finished, all at the same moment.
    pub fn keep(all: &[Self]) {
        let mut list = held();
        list.retain(|path, _| all.iter().all(|own| own.path != *path));
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
    fn a_folder_goes_unless_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [gone, kept] = ["gone", "deep/kept"].map(|name| folder.path().join(name));
        for path in [&gone, &kept] {
            let own = Unfinished::folder(path).unwrap();
            std::fs::write(path.join("a"), "x").unwrap();
            if path == &kept {
                Unfinished::keep(&[own]);
            }
        }
        assert!(!gone.exists() && kept.join("a").exists());
        let hidden = Unfinished::hidden(folder.path()).unwrap();
        std::fs::create_dir(hidden.path().join("draft")).unwrap();
        std::fs::create_dir(&gone).unwrap();
        hidden.release(&hidden.path().join("draft"), &gone).unwrap();
        let path = hidden.path().to_owned();
        drop(hidden);
        assert!(gone.exists() && !path.exists());
    }

    #[test]
    fn a_folder_of_somebody_else_is_neither_taken_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs");
        std::fs::create_dir(&path).unwrap();
        assert!(Unfinished::folder(&path).err().unwrap().to_string().contains("theirs: this folder cannot be made: "));
        assert!(path.exists());
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
        let kinds = [("out", Kind::Empty), ("out/./test", Kind::Filled), ("out/b", Kind::File), ("c", Kind::File)];
        let mut list = List::from(kinds.map(|(name, kind)| (at(name), kind)));
        // Another path of a folder in `out`, which sorts before `out`.
        std::fs::create_dir(at("out/good")).unwrap();
        list.insert(folder.path().join("a/../out/good"), Kind::Filled);
        std::fs::create_dir(at("a")).unwrap();
        remove_all(&list);
        std::fs::remove_dir(at("a")).unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["d"]);
    }
}
