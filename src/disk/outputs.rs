//! What a command may replace: only files that it has written itself, as the record in their folder says.
//!
//! The record is the hidden file `.orthoscope-written`. Every file that a command writes through [`Outputs`] adds a line to it:
//! the command, a space, and the SHA-256 of the file's path below the folder, a zero byte and the file's bytes. So an output that
//! somebody has changed, moved or put there is not ours any more, whatever its name; nor is one that another command wrote.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use super::atomic::{Written, folder_of, swap};
use super::draft::{Draft, hexadecimal};
use super::leftovers::remove_leftovers_below;
use super::record::{Record, WHOLE, locked};
use super::settle::{Unsettled, settle};
use super::{check_output_file, make_folder};
use crate::error::{Error, Result};

/// Most bytes of a file name, by all usual systems.
pub const LONGEST_NAME: usize = 255;

/// The files that one command writes into one folder.
pub struct Outputs {
    folder: PathBuf,
    overwrite: bool,
    inputs: HashSet<PathBuf>,
    record: Record,
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
        Ok(Self {
            folder: folder.to_owned(),
            overwrite,
            inputs: HashSet::new(),
            record: Record::read(folder, command)?,
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

    /// The same for very many files: no file is waited for until [`settle`](Self::settle) waits for all of them. A file still
    /// gets its name only when it is complete, so that a kill leaves no half of one. After a loss of power, files that were
    /// written before `settle` may be damaged.
    #[must_use]
    pub fn in_haste(self) -> Self {
        self.waits.store(false, Ordering::Relaxed);
        self
    }

    /// Waits until all that was written [in haste](Self::in_haste) is on the disk. Files that are written later are waited for
    /// one by one.
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
        self.record.command()
    }

    /// Checks that a file in the folder may be written: there is none, or it is ours.
    ///
    /// # Errors
    /// It is an input or no regular file, or this command did not write it; a name that is too long.
    pub fn check(&self, path: &Path) -> Result<()> {
        self.is_free(path).map(drop)
    }

    /// The same; whether there is nothing at the path, not even a link.
    fn is_free(&self, path: &Path) -> Result<bool> {
        let name = path.file_name().map_or(0, |name| name.len());
        if name > LONGEST_NAME {
            let reason = format!("cannot be written: the name has {name} bytes, and a file name may have {LONGEST_NAME}");
            return Err(Error::file(path, reason));
        }
        // One question for a file that is not there, as most are not.
        if is_missing(path) {
            return Ok(true);
        }
        let Ok(about) = path.metadata() else { return Ok(false) };
        if !about.is_file() {
            return Err(Error::file(path, "cannot be written: it exists and is not a regular file"));
        }
        self.check_owner(path)
    }

    /// Checks that a file that was there may be replaced. Whether another process has removed it meanwhile.
    fn check_owner(&self, path: &Path) -> Result<bool> {
        if path.canonicalize().is_ok_and(|path| self.inputs.contains(&path)) {
            return Err(Error::file(path, "is an input, and the output would replace it; choose another place for the output"));
        }
        let digest = self.digest_of(path);
        if digest.as_ref().is_err_and(is_gone) {
            return Ok(true);
        }
        let is_own = || digest.as_ref().is_ok_and(|digest| self.record.knows(digest));
        if is_own() {
            return Ok(false);
        }
        if path.is_symlink() {
            return Err(refused_link(path));
        }
        if self.overwrite {
            return Ok(false);
        }
        // Another process may have written it by this command since the record was read. It was noted before it got its name.
        self.record.refresh()?;
        if is_own() {
            return Ok(false);
        }
        let command = self.command();
        let reason = format!(
            "is there already, and `orthoscope {command}` did not write it in this form; choose another place for the output, or \
             pass --overwrite to replace it"
        );
        Err(Error::file(path, reason))
    }

    /// Writes a file in the folder, completely or not at all, and notes it in the record. Missing folders are made.
    ///
    /// # Errors
    /// As [`check`](Self::check), now or when the file is complete; the file or the record cannot be written.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let draft = self.filled(path, bytes)?;
        self.named(vec![draft], |written| written.into_iter().try_for_each(Written::rename))
    }

    /// Replaces several files that belong together, and removes the `obsolete` ones. All are complete on the disk before the
    /// first old one goes: on a full disk the old ones stay, all of them. Then old and new are never seen together, even after a
    /// kill, and the last file says that the others are complete.
    ///
    /// # Errors
    /// As [`write`](Self::write), and then the old ones stay; an old file cannot be removed.
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

    /// Begins a file in the folder that is too large for the memory. It gets its name by
    /// [`replace_by_drafts`](Self::replace_by_drafts); until then an old one stays, and this one vanishes if it is dropped.
    /// Missing folders are made.
    ///
    /// # Errors
    /// As [`check`](Self::check), or the file cannot be created.
    pub fn draft(&self, path: &Path) -> Result<Draft> {
        let is_free = self.is_free(path)?;
        self.make_folder(folder_of(path))?;
        // With `overwrite`, what is put there meanwhile is replaced, too.
        let written = if is_free && !self.overwrite { Written::begin_new(path) } else { Written::begin(path) };
        Ok(Draft::new(written?, self.begun(path)))
    }

    /// Replaces files as [`replace_together`](Self::replace_together) does, by drafts that are complete.
    ///
    /// # Errors
    /// As there.
    pub fn replace_by_drafts(&self, drafts: Vec<Draft>, obsolete: &[PathBuf]) -> Result<()> {
        obsolete.iter().try_for_each(|path| self.check(path))?;
        self.named(drafts, |written| swap(written, obsolete))
    }

    /// Completes drafts, and gives them their names by `name`. Until all have them, no other process names files in the folder.
    fn named(&self, drafts: Vec<Draft>, name: impl FnOnce(Vec<Written>) -> Result<()>) -> Result<()> {
        let mut written = self.finished(drafts)?;
        let _turn = self.record.turn();
        written.iter_mut().try_for_each(|file| self.look_again(file))?;
        name(written)
    }

    /// Completes drafts and notes them in the record, before they get their names, so that a command that is killed in between
    /// knows them later.
    fn finished(&self, drafts: Vec<Draft>) -> Result<Vec<Written>> {
        let finish = |draft: Draft| {
            let (written, digest) = draft.finish()?;
            match self.waits.load(Ordering::Relaxed) {
                true => written.complete()?,
                false => locked(&self.unsettled).add(written.path()),
            }
            Ok((written, digest))
        };
        let finished = drafts.into_iter().map(finish).collect::<Result<Vec<_>>>()?;
        let (written, digests) = finished.into_iter().unzip();
        self.note(digests)?;
        Ok(written)
    }

    /// Looks whether something has been put at a name that was free when the file was begun. It is replaced only if another
    /// process wrote it by this command.
    fn look_again(&self, written: &mut Written) -> Result<()> {
        match written.path().symlink_metadata() {
            Ok(about) if written.is_new() && about.is_symlink() => return Err(refused_link(written.path())),
            Ok(_) if written.is_new() => {}
            _ => return Ok(()),
        }
        if !self.is_free(written.path())? {
            written.replace_another();
        }
        Ok(())
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
        // Nothing needs to be read if the command never wrote anything here.
        if self.record.is_empty() {
            return Ok(false);
        }
        match self.digest_of(path) {
            Err(error) if is_gone(&error) => Ok(false),
            digest => Ok(self.record.knows(&digest?)),
        }
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
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path, "cannot be removed", error)),
            _ => Ok(()),
        }
    }

    /// Removes the temporary files that killed processes have left in the folder and below it, also in folders in which nothing
    /// is written now, if this command has written here before. Other folders are not searched: they may be large.
    pub fn remove_leftovers(&self) {
        if !self.record.is_empty() {
            remove_leftovers_below(&self.folder);
        }
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
        self.record.knows(WHOLE)
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

    /// Adds lines to the record.
    fn note(&self, digests: Vec<String>) -> Result<()> {
        let new = self.record.unknown(digests);
        if new.is_empty() {
            return Ok(());
        }
        self.make_folder(&self.folder)?;
        self.record.add(new, self.waits.load(Ordering::Relaxed))
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

/// Whether another process has just removed the file.
fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::NotFound)
}

/// Whether there is nothing at a path, not even a link.
fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// A link in the place of an output leads out of the folder, perhaps to an input that the command finds in a folder.
pub fn refused_link(path: &Path) -> Error {
    let target = std::fs::read_link(path).unwrap_or_default();
    let target = target.display();
    let reason =
        format!("is a link to {target}, which would be replaced; remove the link, or choose another place for the output");
    Error::file(path, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::record::{HEADING, RECORD};

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
    fn what_appears_while_a_file_is_written_is_replaced_only_if_it_is_of_the_same_command() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
        let outputs = |command, overwrite| Outputs::new(folder.path(), command, overwrite).unwrap();
        let [own, same] = [(); 2].map(|()| outputs("detect", false));
        let both = |outputs: &Outputs| ["a", "b"].map(|name| outputs.filled(&at(name), b"new").unwrap());
        own.write(&at("a"), b"old").unwrap();
        let drafts = both(&own);
        std::fs::write(at("b"), "theirs").unwrap();
        let error = own.replace_by_drafts(drafts.into(), &[]).unwrap_err().to_string();
        assert!(error.contains("b: is there already, and `orthoscope detect` did not write it"), "{error}");
        assert_eq!([read("a"), read("b")], ["old", "theirs"]);
        std::fs::remove_file(at("b")).unwrap();
        let drafts = both(&own);
        same.write(&at("b"), b"of another process").unwrap();
        own.replace_by_drafts(drafts.into(), &[]).unwrap();
        assert_eq!([read("a"), read("b")], ["new", "new"]);
        std::fs::remove_file(at("b")).unwrap();
        #[cfg(unix)]
        for target in ["a", "nowhere"] {
            let drafts = both(&own);
            std::os::unix::fs::symlink(at(target), at("b")).unwrap();
            assert!(own.replace_by_drafts(drafts.into(), &[]).unwrap_err().to_string().contains("b: is a link to "), "{target}");
            assert!(at("b").is_symlink());
            std::fs::remove_file(at("b")).unwrap();
        }
        let draft = outputs("detect", true).filled(&at("b"), b"anyway").unwrap();
        std::fs::write(at("b"), "theirs").unwrap();
        outputs("detect", true).replace_by_drafts(vec![draft], &[]).unwrap();
        assert_eq!(read("b"), "anyway");
    }

    #[test]
    fn what_another_process_wrote_since_the_record_was_read_is_of_the_same_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let [early, later, other] =
            ["detect", "detect", "evaluate"].map(|command| Outputs::new(folder.path(), command, false).unwrap());
        later.write(&path, b"of another process").unwrap();
        early.check(&path).unwrap();
        early.write(&path, b"new").unwrap();
        assert!(refused(&other, &path).contains("`orthoscope evaluate` did not write it"));
        std::fs::write(&path, "edited").unwrap();
        assert!(refused(&early, &path).contains("`orthoscope detect` did not write it"));
    }

    #[test]
    fn processes_that_write_the_same_files_at_once_replace_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let files = || ["a", "b", "c"].map(|name| (folder.path().join(name), b"same".to_vec()));
        let process = || {
            let outputs = Outputs::new(folder.path(), "detect", false).unwrap().in_haste();
            for _ in 0..100 {
                outputs.replace_together(&files(), &[]).unwrap();
                files().iter().try_for_each(|(path, _)| outputs.remove(path)).unwrap();
            }
            outputs.replace_together(&files(), &[]).unwrap();
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(process))));
        assert!(files().iter().all(|(path, bytes)| std::fs::read(path).unwrap() == *bytes));
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
