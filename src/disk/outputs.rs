//! What a command may replace: only files that it has written itself, as the record in their folder says.
//!
//! The record is the hidden file `.orthoscope-written`. Every file that a command writes through [`Outputs`] adds a line to it: the command, a
//! space, and the SHA-256 of the file's path below the folder, a zero byte and the file's bytes. So an output that somebody has changed, moved
//! or put there is not ours any more, whatever its name; nor is one that another command wrote.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::atomic::{Written, folder_of, swap};
use super::settle::{Unsettled, settle, wait_for};
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
    /// The record once something was added to it.
    record: Mutex<Option<File>>,
    /// Folders that were made or found.
    made: Mutex<HashSet<PathBuf>>,
    /// Whether each file is on the disk before it gets its name.
    waits: AtomicBool,
    unsettled: Mutex<Unsettled>,
}

impl Outputs {
    /// The outputs of `command` in `folder`, which need not exist yet. With `overwrite`, it may replace any file but its inputs.
    ///
    /// # Errors
    /// A record that cannot be read, or a file of its name that is none.
    pub fn new(folder: &Path, command: &'static str, overwrite: bool) -> Result<Self> {
        let record = folder.join(RECORD);
        let text = match record.symlink_metadata() {
            Ok(about) if about.is_symlink() => return Err(foreign(&record)),
            Ok(_) => bounded::read(&record, LONGEST)?,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Vec::new(),
            Err(error) => return Err(Error::read(&record, error)),
        };
        let text = String::from_utf8_lossy(&text);
        if !is_record(&text) {
            return Err(foreign(&record));
        }
        let own = text.lines().filter_map(|line| line.strip_prefix(command)?.strip_prefix(' ')).map(str::to_owned).collect();
        Ok(Self {
            folder: folder.to_owned(),
            command,
            overwrite,
            inputs: HashSet::new(),
            own: Mutex::new(own),
            record: Mutex::default(),
            made: Mutex::default(),
            waits: AtomicBool::new(true),
            unsettled: Mutex::default(),
        })
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
    pub fn protecting<P: AsRef<Path>>(self, inputs: impl IntoIterator<Item = P>) -> Self {
        self.protecting_real(inputs.into_iter().filter_map(|path| path.as_ref().canonicalize().ok()))
    }

    /// The same for paths that are absolute and have no links.
    #[must_use]
    pub fn protecting_real(mut self, inputs: impl IntoIterator<Item = PathBuf>) -> Self {
        self.inputs.extend(inputs);
        self
    }

    /// The same for very many files: no file is waited for until [`settle`](Self::settle) waits for all of them. A file still gets its name only
    /// when it is complete, so that a kill leaves no half of one. After a loss of power, files that were written before `settle` may be damaged.
    #[must_use]
    pub fn in_haste(self) -> Self {
        self.waits.store(false, Ordering::Relaxed);
        self
    }

    /// Waits until all that was written [in haste](Self::in_haste) is on the disk. Files that are written later are waited for one by one.
    ///
    /// # Errors
    /// The disk reports that it has lost something.
    pub fn settle(&self) -> Result<()> {
        self.waits.store(true, Ordering::Relaxed);
        settle(&std::mem::take(&mut *locked(&self.unsettled)))
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
        // One question for a file that is not there, as most are not.
        let Ok(about) = path.metadata() else { return Ok(()) };
        if !about.is_file() {
            return Err(Error::file(path, "cannot be written: it exists and is not a regular file"));
        }
        if path.canonicalize().is_ok_and(|path| self.inputs.contains(&path)) {
            return Err(Error::file(path, "is an input, and the output would replace it; choose another place for the output"));
        }
        if self.overwrite || self.is_own(path)? {
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
        let draft = self.filled(path, bytes)?;
        self.finished(vec![draft])?.into_iter().try_for_each(Written::rename)
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
        let drafts = files.iter().map(|(path, bytes)| self.filled(path, bytes));
        self.replace_by_drafts(drafts.collect::<Result<Vec<_>>>()?, obsolete)
    }

    /// A draft with all of its bytes.
    ///
    /// # Errors
    /// As [`draft`](Self::draft), or it cannot be written.
    pub fn filled(&self, path: &Path, bytes: &[u8]) -> Result<Draft> {
        let mut draft = self.draft(path)?;
        draft.write_all(bytes).and_then(|()| draft.flush()).map_err(|error| Error::write(path, error))?;
        Ok(draft)
    }

    /// Begins a file in the folder that is too large for the memory. It gets its name by [`replace_by_drafts`](Self::replace_by_drafts); until
    /// then an old one stays, and this one vanishes if it is dropped. Missing folders are made.
    ///
    /// # Errors
    /// As [`check`](Self::check), or the file cannot be created.
    pub fn draft(&self, path: &Path) -> Result<Draft> {
        self.check(path)?;
        self.make_folder(folder_of(path))?;
        Ok(Draft { written: Written::begin(path)?, hash: self.begun(path), waiting: Vec::new() })
    }

    /// Replaces files as [`replace_together`](Self::replace_together) does, by drafts that are complete.
    ///
    /// # Errors
    /// As there.
    pub fn replace_by_drafts(&self, drafts: Vec<Draft>, obsolete: &[PathBuf]) -> Result<()> {
        obsolete.iter().try_for_each(|path| self.check(path))?;
        swap(self.finished(drafts)?, obsolete)
    }

    /// Completes drafts and notes them in the record, before they get their names, so that a command that is killed in between knows them later.
    fn finished(&self, drafts: Vec<Draft>) -> Result<Vec<Written>> {
        let finish = |mut draft: Draft| {
            draft.flush().map_err(|error| Error::write(draft.written.path(), error))?;
            match self.waits.load(Ordering::Relaxed) {
                true => draft.written.complete()?,
                false => locked(&self.unsettled).add(draft.written.path()),
            }
            Ok((draft.written, hexadecimal(draft.hash)))
        };
        let finished = drafts.into_iter().map(finish).collect::<Result<Vec<_>>>()?;
        let (written, digests): (Vec<_>, Vec<_>) = finished.into_iter().unzip();
        self.note(digests)?;
        Ok(written)
    }

    /// Notes files in the folder that this command has written by other means.
    ///
    /// # Errors
    /// A file that cannot be read, or the record cannot be written.
    pub fn adopt<P: AsRef<Path>>(&self, paths: impl IntoIterator<Item = P>) -> Result<()> {
        let digests = paths.into_iter().map(|path| self.digest_of(path.as_ref())).collect::<Result<_>>()?;
        self.note(digests)
    }

    /// Whether this command wrote a file as it is now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_own(&self, path: &Path) -> Result<bool> {
        let is_empty = locked(&self.own).is_empty();
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
        self.note(vec![WHOLE.to_owned()])
    }

    /// Whether this command has claimed the folder.
    pub fn is_claimed(&self) -> bool {
        self.knows(WHOLE)
    }

    fn knows(&self, digest: &str) -> bool {
        locked(&self.own).contains(digest)
    }

    /// As [`make_folder`](super::make_folder), which asks the system many questions, once for each folder.
    fn make_folder(&self, folder: &Path) -> Result<()> {
        if locked(&self.made).contains(folder) {
            return Ok(());
        }
        make_folder(folder)?;
        locked(&self.made).insert(folder.to_owned());
        Ok(())
    }

    /// Adds lines to the record, in one write, so that several processes may do it at once.
    fn note(&self, digests: Vec<String>) -> Result<()> {
        let new: Vec<String> = digests.into_iter().filter(|digest| !self.knows(digest)).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.make_folder(&self.folder)?;
        let mut record = locked(&self.record);
        let path = self.folder.join(RECORD);
        // It may have been put there since.
        if path.is_symlink() {
            return Err(foreign(&path));
        }
        let mut append = || -> io::Result<()> {
            let (mut file, before) = match record.take() {
                Some(file) => (file, String::new()),
                None => self.opened_record()?,
            };
            let lines: String = new.iter().map(|digest| format!("{} {digest}\n", self.command)).collect();
            file.write_all(format!("{before}{lines}").as_bytes())?;
            // Else a loss of power could leave files that nobody knows.
            if self.waits.load(Ordering::Relaxed) {
                wait_for(&file)?;
            }
            *record = Some(file);
            Ok(())
        };
        append().map_err(|error| Error::write(&path, error))?;
        locked(&self.own).extend(new);
        Ok(())
    }

    /// The record, and what must come before the next line.
    fn opened_record(&self) -> io::Result<(File, String)> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(self.folder.join(RECORD))?;
        let before = match last_byte(&mut file)? {
            None => format!("{HEADING}\n"),
            Some(b'\n') => String::new(),
            // A full disk has cut off the last line.
            Some(_) => "\n".to_owned(),
        };
        Ok((file, before))
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

/// Bytes of a draft that are written together.
const TOGETHER: usize = 1 << 16;

/// A file that is written piece by piece and has no name yet.
pub struct Draft {
    written: Written,
    hash: Sha256,
    waiting: Vec<u8>,
}

impl Draft {
    /// The bytes written so far, from the first one on. They are read through the same handle, so that nothing may be written meanwhile.
    ///
    /// # Errors
    /// The file cannot be written or read.
    pub fn reread(&mut self) -> io::Result<impl Read + '_> {
        self.flush()?;
        let file = self.written.file();
        file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::new(file))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        let file = self.written.file();
        file.seek(SeekFrom::End(0))?;
        file.write_all(bytes)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.is_empty() && bytes.len() >= TOGETHER {
            return self.append(bytes).map(|()| bytes.len());
        }
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= TOGETHER {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        self.append(&waiting)?;
        waiting.clear();
        self.waiting = waiting;
        Ok(())
    }
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

    #[test]
    fn a_large_piece_of_a_draft_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs::new(folder.path(), "detect", false).unwrap();
        let draft = outputs.filled(&folder.path().join("a"), &vec![7; 2 * TOGETHER]).unwrap();
        assert_eq!(draft.waiting.capacity(), 0);
        outputs.replace_by_drafts(vec![draft], &[]).unwrap();
        assert!(outputs.is_own(&folder.path().join("a")).unwrap());
    }

    #[test]
    fn a_draft_is_nothing_until_it_is_complete_and_then_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/a.npy");
        let outputs = || Outputs::new(folder.path(), "detect", false).unwrap();
        let pieces: Vec<u8> = (0..200_000_u32).map(|k| (k % 251) as u8).collect();
        let mut draft = outputs().draft(&path).unwrap();
        pieces.chunks(777).try_for_each(|piece| draft.write_all(piece)).unwrap();
        let mut again = Vec::new();
        draft.reread().unwrap().read_to_end(&mut again).unwrap();
        assert_eq!(again, pieces);
        draft.write_all(b"end").unwrap();
        drop(draft);
        assert!(!path.exists() && std::fs::read_dir(path.parent().unwrap()).unwrap().next().is_none());
        for round in 0..2 {
            let mut draft = outputs().draft(&path).unwrap();
            pieces.chunks(777).try_for_each(|piece| draft.write_all(piece)).unwrap();
            draft.reread().unwrap();
            draft.write_all(b"end").unwrap();
            outputs().replace_by_drafts(vec![draft], &[]).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), [&pieces[..], b"end"].concat(), "{round}");
        }
        std::fs::write(&path, "edited").unwrap();
        assert!(outputs().draft(&path).is_err());
    }

    #[test]
    fn files_in_haste_are_waited_for_together() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs::new(folder.path(), "detect", false).unwrap().in_haste();
        let pairs = |number: usize| ["a", "b"].map(|name| (folder.path().join(format!("{number}/{name}")), vec![7; 100]));
        (0..20).for_each(|number| outputs.replace_together(&pairs(number), &[]).unwrap());
        assert_eq!(locked(&outputs.unsettled).len(), 40);
        outputs.settle().unwrap();
        outputs.write(&folder.path().join("last"), b"x").unwrap();
        assert_eq!(locked(&outputs.unsettled).len(), 0, "the last file was waited for at once");
        let own = Outputs::new(folder.path(), "detect", false).unwrap();
        assert!((0..20).flat_map(pairs).all(|(path, _)| own.is_own(&path).unwrap()));
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
