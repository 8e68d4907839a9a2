//! The output folder of `detect`: which files a picture has there, and how those of an earlier run go.

use std::path::{Path, PathBuf};

use super::page::Page;
use super::parts::{JSON, Part, Parts};
use super::{PAGE_FILE, TABLE_FILE, csv};
use crate::disk::{Draft, Outputs};
use crate::error::{Error, Result};

/// The file with an ending of the picture `name`.
pub fn file_of(out: &Path, name: &Path, ending: &str) -> PathBuf {
    let mut path = out.join(name).into_os_string();
    path.push(ending);
    PathBuf::from(path)
}

/// The files that are written for the picture `name`; the JSON comes last.
pub fn files_of(out: &Path, name: &Path, parts: &Parts) -> Vec<PathBuf> {
    parts.iter().map(|part| part.ending()).chain([JSON]).map(|ending| file_of(out, name, ending)).collect()
}

/// The files that an earlier run may have written for it and this one does not.
fn other_files_of(out: &Path, name: &Path, parts: &Parts) -> Vec<PathBuf> {
    Part::ALL.iter().filter(|part| !parts.contains(part)).map(|part| file_of(out, name, part.ending())).collect()
}

/// The files about all pictures; the table comes last.
pub fn files_of_all(out: &Path) -> Vec<PathBuf> {
    [PAGE_FILE, TABLE_FILE].iter().map(|name| out.join(name)).collect()
}

/// The output folder, picture by picture.
pub struct ResultFolder<'a> {
    outputs: &'a Outputs,
    parts: &'a Parts,
    /// Files of an earlier run that say that the folder is complete. They go before its first file is replaced.
    outdated: Vec<PathBuf>,
}

impl<'a> ResultFolder<'a> {
    /// The folder of these outputs, in which each picture has these parts.
    pub fn new(outputs: &'a Outputs, parts: &'a Parts) -> Self {
        Self { outputs, parts, outdated: files_of_all(outputs.folder()) }
    }

    /// Gives the files of the picture `name` their names, and removes what an earlier run has written beside them.
    ///
    /// # Errors
    /// A file cannot be replaced or removed.
    pub fn replace(&mut self, name: &Path, drafts: Vec<Draft>) -> Result<()> {
        self.remove_outdated()?;
        let obsolete = self.own(other_files_of(self.outputs.folder(), name, self.parts))?;
        self.outputs.replace_by_drafts(drafts, &obsolete)
    }

    /// Removes what an earlier run has written for the picture `name`, which cannot be inspected any more.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn clear(&mut self, name: &Path) -> Result<()> {
        let out = self.outputs.folder();
        let mut files = files_of(out, name, self.parts);
        // The JSON first, which says that the others are complete.
        files.reverse();
        files.extend(other_files_of(out, name, self.parts));
        self.remove_outdated()?;
        self.own(files)?.iter().try_for_each(|file| self.outputs.remove(file))
    }

    /// Why the files of the picture `name` cannot have their names, if something is in the way of one of them.
    pub fn in_the_way(&self, name: &Path) -> Option<Error> {
        files_of(self.outputs.folder(), name, self.parts).iter().find_map(|file| self.outputs.check(file).err())
    }

    /// Waits until all files are on the disk, and writes the page and the table, which thus says that the folder is complete.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn complete(&self, page: &Page<'_>) -> Result<()> {
        self.outputs.settle()?;
        let contents = [page.render().into_bytes(), csv(page.rows)?];
        let files: Vec<_> = files_of_all(self.outputs.folder()).into_iter().zip(contents).collect();
        self.outputs.replace_together(&files, &[])
    }

    /// Those of these files that an earlier run has written.
    fn own(&self, files: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for file in files {
            if file.is_file() && self.outputs.is_own(&file)? {
                found.push(file);
            }
        }
        Ok(found)
    }

    /// Removes the table first, which says that all other files are there.
    fn remove_outdated(&mut self) -> Result<()> {
        std::mem::take(&mut self.outdated).iter().rev().try_for_each(|file| self.outputs.remove(file))
    }
}
