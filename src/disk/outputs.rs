//! What a command may replace: only files that it has written itself, as the record in their folder says.
//!
//! The record is the hidden file `.orthoscope-written`. Every file that a command writes through [`Outputs`] adds a line to it: the command, a
//! space, and the SHA-256 of the file's path below the folder, a zero byte and the file's bytes. So an output that somebody has changed, moved
//! or put there is not ours any more, whatever its name; nor is one that another command wrote.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::atomic::{Written, folder_of, swap};
use super::{bounded, check_output_file, make_folder};
use crate::error::{Error, Result};

/// The record in a folder of outputs.
pub const RECORD: &str = ".orthoscope-written";

/// First line of a record.
const HEADING: &str = "# files that orthoscope wrote here, one a line: the command, SHA-256 of path, zero byte and content";

/// Stands for a digest in a line by which a command takes the whole folder.
const WHOLE: &str = "*";

/// Most bytes of a file name, by all usual systems.
pub const LONGEST_NAME: usize = 255;

/// Longest record that is read, in bytes: a million files.
const LONGEST: u64 = 128 << 20;

/// The files that one command writes into one folder.
pub struct Outputs {
    folder: PathBuf,
    command: &'static str,
    overwrite: bool,
    inputs: HashSet<PathBuf>,
    /// Digests in the record with this command.
    own: Mutex<HashSet<String>>,
}

impl Outputs {
    /// The outputs of `command` in `folder`, which need not exist yet. With `overwrite`, it may replace any file but its inputs.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn new(folder: &Path, command: &'static str, overwrite: bool) -> Result<Self> {
        let record = folder.join(RECORD);
        let text = match record.try_exists() {
            Ok(true) => bounded::read(&record, LONGEST)?,
            _ => Vec::new(),
        };
        let text = String::from_utf8_lossy(&text);
        let own = text.lines().filter_map(|line| line.strip_prefix(command)?.strip_prefix(' ')).map(str::to_owned).collect();
        Ok(Self { folder: folder.to_owned(), command, overwrite, inputs: HashSet::new(), own: Mutex::new(own) })
    }

    /// The outputs of a command that writes the single file `path`, which is checked before long work starts.
    ///
    /// # Errors
    /// A path that cannot be written, that is one of `inputs`, or that is a file which `command` did not write.
    pub fn single(path: &Path, command: &'static str, overwrite: bool, inputs: &[PathBuf]) -> Result<Self> {
        check_output_file(path)?;
        let outputs = Self::new(folder_of(path), command, overwrite)?.protecting(inputs);
        outputs.check(path)?;
        Ok(outputs)
    }

    /// The same, which never replaces one of these files either.
    #[must_use]
    pub fn protecting<P: AsRef<Path>>(mut self, inputs: impl IntoIterator<Item = P>) -> Self {
        self.inputs.extend(inputs.into_iter().filter_map(|path| path.as_ref().canonicalize().ok()));
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The command.
    pub fn command(&self) -> &'static str {
        self.command
    }

    /// Checks that a file in the folder may be written: there is none, or it is ours.
    ///
    /// # Errors
    /// It is an input or no regular file, or this command did not write it; a name that is too long.
    pub fn check(&self, path: &Path) -> Result<()> {
        let name = path.file_name().map_or(0, |name| name.len());
        if name > LONGEST_NAME {
            let reason = format!("cannot be written: the name has {name} bytes, and a file name may have {LONGEST_NAME}");
            return Err(Error::file(path, reason));
        }
        if path.exists() && !path.is_file() {
            return Err(Error::file(path, "cannot be written: it exists and is not a regular file"));
        }
        if path.canonicalize().is_ok_and(|path| self.inputs.contains(&path)) {
            return Err(Error::file(path, "is an input, and the output would replace it; choose another place for the output"));
        }
        if self.overwrite || !path.is_file() || self.is_own(path)? {
            return Ok(());
        }
        let command = self.command;
        let reason = format!(
            "is there already, and `orthoscope {command}` did not write it in this form; choose another place for the output, or \
             pass --overwrite to replace it"
        );
        Err(Error::file(path, reason))
    }

    /// Writes a file in the folder, completely or not at all, and notes it in the record. Missing folders are made.
    ///
    /// # Errors
    /// As [`check`](Self::check), or the file or the record cannot be written.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.check(path)?;
        make_folder(folder_of(path))?;
        let written = Written::new(path, |file| file.write_all(bytes))?;
        // Before the file gets its name, so that a command that is killed in between knows the file later.
        self.note(self.digest(path, bytes))?;
        written.rename()
    }

    /// Replaces several files that belong together, and removes the `obsolete` ones. All are complete on the disk before the first old one goes:
    /// on a full disk the old ones stay, all of them. Then old and new are never seen together, even after a kill, and the last file says that
    /// the others are complete.
    ///
    /// # Errors
    /// As [`write`](Self::write); an old file cannot be removed.
    pub fn replace_together(&self, files: &[(PathBuf, Vec<u8>)], obsolete: &[PathBuf]) -> Result<()> {
        let paths = || files.iter().map(|(path, _)| path);
        paths().chain(obsolete).try_for_each(|path| self.check(path))?;
        paths().try_for_each(|path| make_folder(folder_of(path)))?;
        let written = files.iter().map(|(path, bytes)| Written::new(path, |file| file.write_all(bytes)));
        let written = written.collect::<Result<Vec<_>>>()?;
        files.iter().try_for_each(|(path, bytes)| self.note(self.digest(path, bytes)))?;
        swap(written, obsolete)
    }

    /// Notes files in the folder that this command has written by other means.
    ///
    /// # Errors
    /// A file that cannot be read, or the record cannot be written.
    pub fn adopt<P: AsRef<Path>>(&self, paths: impl IntoIterator<Item = P>) -> Result<()> {
        paths.into_iter().try_for_each(|path| self.note(self.digest_of(path.as_ref())?))
    }

    /// Whether this command wrote a file as it is now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_own(&self, path: &Path) -> Result<bool> {
        let is_empty = self.own.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        // Nothing needs to be read if the command never wrote anything here.
        Ok(!is_empty && self.knows(&self.digest_of(path)?))
    }

    /// Removes a file that this command wrote; with `overwrite`, any but an input.
    ///
    /// # Errors
    /// As [`check`](Self::check), or the file cannot be removed.
    pub fn remove(&self, path: &Path) -> Result<()> {
        if !path.exists() {
            return Ok(());
        }
        self.check(path)?;
        std::fs::remove_file(path).map_err(|error| Error::io(path, "cannot be removed", error))
    }

    /// Notes that the folder as a whole is this command's.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn claim(&self) -> Result<()> {
        self.note(WHOLE.to_owned())
    }

    /// Whether this command has claimed the folder.
    pub fn is_claimed(&self) -> bool {
        self.knows(WHOLE)
    }

    fn knows(&self, digest: &str) -> bool {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    /// Adds a line to the record, in one write, so that several processes may do it at once.
    fn note(&self, digest: String) -> Result<()> {
        if self.knows(&digest) {
            return Ok(());
        }
        make_folder(&self.folder)?;
        let path = self.folder.join(RECORD);
        let append = || -> io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).read(true).open(&path)?;
            let before = match last_byte(&mut file)? {
                None => format!("{HEADING}\n"),
                Some(b'\n') => String::new(),
                // A full disk has cut off the last line.
                Some(_) => "\n".to_owned(),
            };
            file.write_all(format!("{before}{} {digest}\n", self.command).as_bytes())
        };
        append().map_err(|error| Error::write(&path, error))?;
        self.own.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
        Ok(())
    }

    fn digest(&self, path: &Path, bytes: &[u8]) -> String {
        hexadecimal(self.begun(path).chain_update(bytes))
    }

    /// The digest of an existing file, read in pieces.
    fn digest_of(&self, path: &Path) -> Result<String> {
        let refuse = |error| Error::read(path, error);
        let mut file = File::open(path).map_err(refuse)?;
        let (mut hash, mut piece) = (self.begun(path), vec![0; 1 << 16]);
        loop {
            match file.read(&mut piece).map_err(refuse)? {
                0 => return Ok(hexadecimal(hash)),
                length => hash.update(&piece[..length]),
            }
        }
    }

    /// The hash of a file's path below the folder.
    fn begun(&self, path: &Path) -> Sha256 {
        let name = path.strip_prefix(&self.folder).unwrap_or(path);
        let parts: Vec<&[u8]> = name.components().map(|part| part.as_os_str().as_encoded_bytes()).collect();
        Sha256::new_with_prefix(parts.join(&b'/')).chain_update(b"\0")
    }
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

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(outputs: &Outputs, path: &Path) -> String {
        outputs.write(path, b"new").unwrap_err().to_string()
    }

    #[test]
    fn only_what_the_command_wrote_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let outputs = || Outputs::new(folder.path(), "detect", false).unwrap();
        for bytes in [b"one", b"two"] {
            outputs().write(&at("deep/a.png"), bytes).unwrap();
            assert_eq!(std::fs::read(at("deep/a.png")).unwrap(), bytes);
        }
        let other = Outputs::new(folder.path(), "evaluate", false).unwrap();
        assert!(refused(&other, &at("deep/a.png")).contains("`orthoscope evaluate` did not write it"));
        std::fs::copy(at("deep/a.png"), at("b.png")).unwrap();
        assert!(refused(&outputs(), &at("b.png")).contains("pass --overwrite"), "the same content under another name");
        std::fs::write(at("deep/a.png"), "edited").unwrap();
        assert!(refused(&outputs(), &at("deep/a.png")).contains("deep/a.png: is there already"));
        assert_eq!(std::fs::read(at("deep/a.png")).unwrap(), b"edited");
        Outputs::new(folder.path(), "detect", true).unwrap().write(&at("deep/a.png"), b"three").unwrap();
        outputs().write(&at("deep/a.png"), b"four").unwrap();
    }

    #[test]
    fn files_that_belong_together_are_replaced_all_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let count = || std::fs::read_dir(folder.path()).unwrap().count();
        let outputs = Outputs::new(folder.path(), "evaluate", false).unwrap();
        ["a", "b", "page"].iter().try_for_each(|name| outputs.write(&at(name), b"old")).unwrap();
        let new = |names: [&str; 2]| names.map(|name| (at(name), b"new".to_vec()));
        let is_old = |name: &&str| std::fs::read(at(name)).unwrap() == b"old";
        // The second one cannot be written or is not ours, so the first stays as well.
        std::fs::create_dir(at("taken")).unwrap();
        std::fs::write(at("theirs"), "old").unwrap();
        for (files, obsolete) in [(["a", "taken"], "page"), (["a", "theirs"], "page"), (["a", "b"], "theirs")] {
            assert!(outputs.replace_together(&new(files), &[at(obsolete)]).is_err());
            assert!(["a", "b", "page", "theirs"].iter().all(is_old), "{files:?}");
        }
        assert_eq!(count(), 6, "with the record");
        outputs.replace_together(&new(["a", "b"]), &[at("page"), at("never")]).unwrap();
        assert_eq!(count(), 5);
        assert!(["a", "b"].iter().all(|name| std::fs::read(at(name)).unwrap() == b"new"));
        outputs.replace_together(&new(["a", "b"]), &[]).unwrap();
    }

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
    fn inputs_are_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, "picture").unwrap();
        for overwrite in [false, true] {
            let outputs = Outputs::new(folder.path(), "detect", overwrite).unwrap().protecting([&path]);
            assert!(
                refused(&outputs, &path)
                    .ends_with("is an input, and the output would replace it; choose another place for the output")
            );
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"picture");
    }

    #[test]
    fn a_file_is_noted_before_it_gets_its_name_and_not_if_it_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs::new(folder.path(), "figures", false).unwrap();
        std::fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(outputs.write(&folder.path().join("taken"), b"new").is_err());
        assert!(!folder.path().join(RECORD).exists());
        outputs.claim().unwrap();
        outputs.claim().unwrap();
        let text = std::fs::read_to_string(folder.path().join(RECORD)).unwrap();
        assert_eq!(text, format!("{HEADING}\nfigures *\n"));
        assert!(Outputs::new(folder.path(), "figures", false).unwrap().is_claimed());
        assert!(!Outputs::new(folder.path(), "figure", false).unwrap().is_claimed());
    }
}
