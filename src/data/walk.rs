//! The one walk through a folder and all folders below it.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::listing::{entries, is_folder, is_foreign, is_picture};
use crate::disk::Results;
use crate::error::{Error, Result};

/// Folders that are still to be listed.
#[derive(Default)]
struct Waiting {
    /// The last one is taken first.
    folders: Vec<PathBuf>,
    /// In the order of their paths, after all folders: what a link leads to has its own name where it is in the folder itself.
    links: BTreeSet<PathBuf>,
}

impl Waiting {
    fn add(&mut self, path: PathBuf) {
        if path.is_symlink() {
            self.links.insert(path);
        } else {
            self.folders.push(path);
        }
    }

    fn next(&mut self) -> Option<PathBuf> {
        self.folders.pop().or_else(|| self.links.pop_first())
    }
}

/// What is below a folder. Links are followed; hidden entries, other files and folders of other programs are left out.
#[derive(Default)]
pub(super) struct Walk {
    /// Files with the extension of an image.
    pub images: Vec<PathBuf>,
    /// What has such an extension, but the system does not say whether it is a file, as of a link in a circle.
    pub doubtful: Vec<(PathBuf, Error)>,
    /// Pictures that are results of this program.
    pub results: Vec<(PathBuf, Error)>,
    /// Folders that cannot be listed, that are reached a second time through a link, or that hold the folder; what else the
    /// system says nothing about.
    pub passed: Vec<(PathBuf, Error)>,
}

impl Walk {
    /// Walks through a folder, in the order of its paths, but through links last.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn through(folder: &Path) -> Result<Self> {
        let root = real(folder);
        let (mut own, mut seen) = (Self::default(), HashSet::from([root.clone()]));
        let (mut folders, mut results) = (Waiting::default(), Results::default());
        results.enter(folder);
        own.add(entries(folder)?, &mut folders, &results);
        while let Some(folder) = folders.next() {
            let place = real(&folder);
            let listed = if root.starts_with(&place) {
                Err(Error::file(&folder, "is a link to a folder that holds this one"))
            } else if !seen.insert(place) {
                Err(Error::file(&folder, "is reached a second time, through a link"))
            } else {
                results.enter(&folder);
                entries(&folder)
            };
            match listed {
                Ok(found) => own.add(found, &mut folders, &results),
                Err(error) => own.passed.push((folder, error)),
            }
        }
        Ok(own)
    }

    fn add(&mut self, entries: Vec<PathBuf>, folders: &mut Waiting, results: &Results) {
        for path in entries.into_iter().rev() {
            match is_folder(&path) {
                Ok(true) if !is_foreign(&path) => folders.add(path),
                Ok(false) if is_picture(&path) => match results.writer_of(&path) {
                    Some(command) => {
                        let error = Error::file(&path, format!("is a result of `orthoscope {command}`"));
                        self.results.push((path, error));
                    }
                    None => self.images.push(path),
                },
                Ok(_) => {}
                Err(error) if is_picture(&path) => self.doubtful.push((path, error)),
                Err(error) => self.passed.push((path, error)),
            }
        }
    }
}

/// Where links lead; the path itself where the system does not say.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
