//! Files that a process writes again and again, while somebody may put another file in their place.

use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::atomic::Written;
use crate::error::{Error, Result};

/// A file of this process. What it does not know at its path is not replaced, but gets another name, so that neither a run of
/// days nor the other file is lost. A link at the path is replaced, and what it leads to stays.
pub struct OwnFile {
    path: PathBuf,
    /// What is there as far as is known.
    known: Option<Known>,
}

/// By what a file is known again.
struct Known {
    stamp: Stamp,
    /// The SHA-256 of what was written; none of a file that was there before.
    digest: Option<[u8; 32]>,
    /// Why it is not taken for the process's own.
    doubt: Option<&'static str>,
}

#[derive(PartialEq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    is_link: bool,
}

impl OwnFile {
    /// Why a file is not taken for the process's own, if nothing else is known.
    pub const FOREIGN: &str = "is not as this run wrote it";

    /// A file that is not there yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, known: None }
    }

    /// A file that may be there already, which is then the process's own, e.g. from an earlier process of the same run. A folder or
    /// a pipe is not.
    pub fn taken_over(path: PathBuf) -> Self {
        Self::found(path, None)
    }

    /// The same, but what is there is not the process's own if there is a doubt, such as `is of another run`.
    pub fn found(path: PathBuf, doubt: Option<&'static str>) -> Self {
        let stamp = stamp(&path).filter(|_| path.is_file());
        Self { known: stamp.map(|stamp| Known { stamp, digest: None, doubt }), path }
    }

    /// Writes the file through `write`, whole or not at all.
    ///
    /// # Errors
    /// The folder does not exist, the disk is full, or `write` fails; the version before is then where it was.
    pub fn write_with(&mut self, write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>) -> Result<()> {
        let written = Written::begin_new(&self.path)?.filled(write)?;
        self.put_other_aside()?;
        self.name(written)
    }

    /// The same for contents that are in memory.
    ///
    /// # Errors
    /// As [`OwnFile::write_with`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_with(|file| file.write_all(bytes))?;
        self.remember(bytes);
        Ok(())
    }

    /// The same; the version before takes the place of `kept`, in the same folder.
    ///
    /// # Errors
    /// As [`OwnFile::write_with`].
    pub fn write_keeping(&mut self, bytes: &[u8], kept: &mut Self) -> Result<()> {
        let written = Written::begin_new(&self.path)?.filled(|file| file.write_all(bytes))?;
        self.put_other_aside()?;
        if self.known.is_some() {
            kept.put_other_aside()?;
            kept.say_if_link();
            written.rename_keeping(&kept.path)?;
            kept.known = self.known.take();
        } else {
            self.name(written)?;
        }
        self.remember(bytes);
        Ok(())
    }

    fn name(&mut self, mut written: Written) -> Result<()> {
        self.say_if_link();
        if self.known.is_some() {
            written.replace_another();
        }
        written.rename()?;
        self.known = stamp(&self.path).map(|stamp| Known { stamp, digest: None, doubt: None });
        Ok(())
    }

    fn remember(&mut self, bytes: &[u8]) {
        self.known = stamp(&self.path).map(|stamp| Known { stamp, digest: Some(Sha256::digest(bytes).into()), doubt: None });
    }

    /// Gives what is at the path and is not known another name.
    fn put_other_aside(&mut self) -> Result<()> {
        let Some(found) = stamp(&self.path) else {
            self.known = None;
            return Ok(());
        };
        let known = self.known.as_ref().filter(|known| known.stamp == found || known.is_content_of(&self.path, &found));
        let reason = match known.map(|known| known.doubt) {
            Some(None) => return Ok(()),
            Some(Some(doubt)) => doubt,
            None => Self::FOREIGN,
        };
        let aside = put_aside(&self.path, "foreign")?;
        log::warn!("{}: {reason}; it is kept as {}", self.path.display(), aside.display());
        self.known = None;
        Ok(())
    }

    fn say_if_link(&self) {
        if self.known.as_ref().is_some_and(|known| known.stamp.is_link) {
            let target = std::fs::read_link(&self.path).unwrap_or_default();
            let (path, target) = (self.path.display(), target.display());
            log::warn!("{path}: was a link to {target}; a file takes its place, and what it led to stays");
        }
    }
}

impl Known {
    /// Whether a file has what was written. Some network disks change the time of a file later.
    fn is_content_of(&self, path: &Path, found: &Stamp) -> bool {
        let is_alike = self.stamp.length == found.length && !found.is_link && path.is_file();
        is_alike && self.digest.is_some_and(|digest| std::fs::read(path).is_ok_and(|bytes| Sha256::digest(bytes)[..] == digest))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about: Metadata = path.symlink_metadata().ok()?;
    Some(Stamp { length: about.len(), modified: about.modified().ok(), is_link: about.is_symlink() })
}

/// Gives a file the name `NAME.WORD`, or the first of `NAME.WORD.2`, `NAME.WORD.3` and so on that is free, and returns its new
/// path.
///
/// # Errors
/// The file cannot be renamed.
pub fn put_aside(path: &Path, word: &str) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let first = path.with_file_name(format!("{name}.{word}"));
    let mut others = (2..).map(|number: u32| path.with_file_name(format!("{name}.{word}.{number}")));
    // Not `exists`, which is false for a link that leads nowhere.
    let is_taken = |path: &PathBuf| path.symlink_metadata().is_ok();
    let free = if is_taken(&first) { others.find(|path| !is_taken(path)).unwrap_or(first) } else { first };
    std::fs::rename(path, &free).map_err(|error| Error::write(&free, error))?;
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_aside_gets_a_name_that_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (number, name) in ["a.txt.bad", "a.txt.bad.2", "a.txt.bad.3"].into_iter().enumerate() {
            std::fs::write(at("a.txt"), [number as u8]).unwrap();
            assert_eq!(put_aside(&at("a.txt"), "bad").unwrap(), at(name));
            assert_eq!(std::fs::read(at(name)).unwrap(), [number as u8]);
        }
    }

    #[test]
    fn what_is_not_known_gets_another_name_and_the_version_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
        let (mut file, mut before) = (OwnFile::new(at("a")), OwnFile::new(at("old")));
        let mut write = |text: &str| file.write_keeping(text.as_bytes(), &mut before).unwrap();
        // Somebody's, which were there first.
        std::fs::write(at("a"), "mine").unwrap();
        std::fs::create_dir(at("old")).unwrap();
        write("1");
        assert_eq!((read("a").as_str(), read("a.foreign").as_str()), ("1", "mine"));
        write("22");
        assert_eq!((read("a").as_str(), read("old").as_str(), at("old.foreign").is_dir()), ("22", "1", true));
        write("333");
        assert_eq!((read("a").as_str(), read("old").as_str()), ("333", "22"));
        std::fs::write(at("a"), "mine, too").unwrap();
        write("4444");
        assert_eq!((read("a").as_str(), read("a.foreign.2").as_str(), read("old").as_str()), ("4444", "mine, too", "22"));
        std::fs::remove_file(at("a")).unwrap();
        write("55555");
        assert_eq!((read("a").as_str(), read("old").as_str()), ("55555", "22"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
    }

    #[test]
    fn a_file_whose_time_is_changed_stays_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut file = OwnFile::new(path.clone());
        let touch = || File::options().append(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        file.write(b"1").unwrap();
        touch();
        file.write(b"2").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(&path, "3").unwrap();
        touch();
        file.write(b"4").unwrap();
        assert_eq!(std::fs::read(folder.path().join("a.foreign")).unwrap(), b"3");
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("far"), "far").unwrap();
        for (name, is_own) in [("a", true), ("b", false)] {
            std::os::unix::fs::symlink("far", at(name)).unwrap();
            let mut file = if is_own { OwnFile::taken_over(at(name)) } else { OwnFile::new(at(name)) };
            file.write(b"new").unwrap();
            assert!(!at(name).is_symlink() && std::fs::read(at(name)).unwrap() == b"new");
        }
        assert!(std::fs::read(at("far")).unwrap() == b"far" && at("b.foreign").is_symlink());
        std::fs::create_dir(at("c")).unwrap();
        OwnFile::taken_over(at("c")).write(b"").unwrap();
        assert!(at("c").is_file() && at("c.foreign").is_dir());
    }
}
