//! The record of what commands have written into a folder.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::bounded;
use super::settle::wait_for;
use crate::error::{Error, Result};

/// The record in a folder of outputs.
pub const RECORD: &str = ".orthoscope-written";

/// First line of a record.
pub(super) const HEADING: &str =
    "# files that orthoscope wrote here, one a line: the command, SHA-256 of path, zero byte and content";

/// Stands for a digest in a line by which a command takes the whole folder.
pub(super) const WHOLE: &str = "*";

/// Longest record that is read, in bytes: a million files.
const LONGEST: u64 = 128 << 20;

/// A record, with what it says of one command.
pub(super) struct Record {
    path: PathBuf,
    command: &'static str,
    /// Digests with this command.
    own: Mutex<HashSet<String>>,
    /// The file once something was added to it.
    file: Mutex<Option<File>>,
}

impl Record {
    /// That of a folder, which need not exist yet.
    ///
    /// # Errors
    /// It cannot be read, or a file of its name is none.
    pub(super) fn read(folder: &Path, command: &'static str) -> Result<Self> {
        let path = folder.join(RECORD);
        let own = own_digests(&path, command)?;
        Ok(Self { path, command, own: Mutex::new(own), file: Mutex::default() })
    }

    /// Reads again what other processes may have added.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn refresh(&self) -> Result<()> {
        let now = own_digests(&self.path, self.command)?;
        locked(&self.own).extend(now);
        Ok(())
    }

    pub(super) fn command(&self) -> &'static str {
        self.command
    }

    /// Whether the command never wrote anything here.
    pub(super) fn is_empty(&self) -> bool {
        locked(&self.own).is_empty()
    }

    pub(super) fn knows(&self, digest: &str) -> bool {
        locked(&self.own).contains(digest)
    }

    /// Those that are not in it with this command.
    pub(super) fn unknown(&self, digests: Vec<String>) -> Vec<String> {
        digests.into_iter().filter(|digest| !self.knows(digest)).collect()
    }

    /// Adds lines, in one write, so that several processes may do it at once, and with `waits` waits until they are on the disk.
    pub(super) fn add(&self, new: Vec<String>, waits: bool) -> Result<()> {
        let mut record = locked(&self.file);
        let path = &self.path;
        // It may have been put there since.
        if path.is_symlink() {
            return Err(foreign(path));
        }
        let mut append = || -> io::Result<()> {
            let (mut file, before) = match record.take() {
                Some(file) => (file, String::new()),
                None => self.opened()?,
            };
            let lines: String = new.iter().map(|digest| format!("{} {digest}\n", self.command)).collect();
            file.write_all(format!("{before}{lines}").as_bytes())?;
            // Else a loss of power could leave files that nobody knows.
            if waits {
                wait_for(&file)?;
            }
            *record = Some(file);
            Ok(())
        };
        append().map_err(|error| Error::write(path, error))?;
        locked(&self.own).extend(new);
        Ok(())
    }

    /// Waits for other processes that give files in the folder their names, and keeps them waiting until what is returned is
    /// dropped. None where files cannot be locked, or where a lock would keep others from reading the record.
    pub(super) fn turn(&self) -> Option<File> {
        let record = OpenOptions::new().append(true).open(&self.path).ok();
        record.filter(|record| cfg!(unix) && record.lock().is_ok())
    }

    /// The record, and what must come before the next line.
    fn opened(&self) -> io::Result<(File, String)> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(&self.path)?;
        let before = match last_byte(&mut file)? {
            None => format!("{HEADING}\n"),
            Some(b'\n') => String::new(),
            // A full disk has cut off the last line.
            Some(_) => "\n".to_owned(),
        };
        Ok((file, before))
    }
}

/// The digests with this command in the record at a path, where there is one.
fn own_digests(path: &Path, command: &str) -> Result<HashSet<String>> {
    let text = match path.symlink_metadata() {
        Ok(about) if about.is_symlink() => return Err(foreign(path)),
        Ok(_) => bounded::read(path, LONGEST)?,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Vec::new(),
        Err(error) => return Err(Error::read(path, error)),
    };
    let text = String::from_utf8_lossy(&text);
    if !is_record(&text) {
        return Err(foreign(path));
    }
    let own = text.lines().filter_map(|line| line.strip_prefix(command)?.strip_prefix(' ')).map(str::to_owned).collect();
    Ok(own)
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a text is that of a record, of which a full disk may have cut off a part, even of the heading.
fn is_record(text: &str) -> bool {
    text.is_empty() || text.lines().next().is_some_and(|first| !first.is_empty() && HEADING.starts_with(first))
}

fn foreign(record: &Path) -> Error {
    Error::file(record, "is no record of orthoscope; move it away, or choose another place for the output")
}

/// The last byte of a file, if it has one.
fn last_byte(file: &mut File) -> io::Result<Option<u8>> {
    if file.metadata()?.len() == 0 {
        return Ok(None);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(Some(last[0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Outputs;

    #[test]
    fn a_line_that_a_full_disk_has_cut_off_does_not_spoil_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let outputs = || Outputs::new(folder.path(), "detect", false).unwrap();
        outputs().write(&a, b"a").unwrap();
        let record = folder.path().join(RECORD);
        let text = std::fs::read_to_string(&record).unwrap();
        for cut in [text.len() - 1, text.len() - 40, 10] {
            std::fs::write(&record, &text[..cut]).unwrap();
            outputs().write(&b, b"b").unwrap();
            assert!(outputs().is_own(&b).unwrap(), "{cut}: {:?}", std::fs::read_to_string(&record));
            std::fs::remove_file(&b).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_no_record_is_not_added_to() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join(RECORD);
        let outputs = || Outputs::new(folder.path(), "detect", false);
        let is_refused = |error: Error| {
            error
                .to_string()
                .ends_with("orthoscope-written: is no record of orthoscope; move it away, or choose another place for the output")
        };
        for text in ["mine\n", "\n", "detect *\n"] {
            std::fs::write(&record, text).unwrap();
            assert!(is_refused(outputs().err().unwrap()), "{text}");
        }
        std::fs::remove_file(&record).unwrap();
        #[cfg(unix)]
        {
            let (other, early) = (folder.path().join("mine"), outputs().unwrap());
            std::fs::write(&other, "").unwrap();
            std::os::unix::fs::symlink(&other, &record).unwrap();
            assert!(is_refused(outputs().err().unwrap()));
            assert!(is_refused(early.claim().unwrap_err()));
            assert!(is_refused(early.write(&folder.path().join("a"), b"a").unwrap_err()));
            assert_eq!(std::fs::read(&other).unwrap(), b"");
            assert!(!folder.path().join("a").exists());
            // A record that cannot be reached is not taken for none.
            let circle = folder.path().join("circle");
            std::os::unix::fs::symlink(&circle, &circle).unwrap();
            assert!(Outputs::new(&circle, "detect", false).is_err());
        }
    }
}
