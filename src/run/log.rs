use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::log_lines::Lines;
use crate::disk::{OwnFile, put_aside};
use crate::error::{Error, Result};
use crate::train::Terms;

/// One line of `log.jsonl`. Lines of other kinds, from a later version, are skipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LogLine {
    /// An optimiser step.
    Step(LogEntry),
    /// Scores on the validation set.
    Validation(ValidationEntry),
    /// Something that looks wrong.
    Warning(WarningEntry),
}

impl LogLine {
    /// The optimiser step after which the line was written.
    pub fn step(&self) -> u64 {
        match self {
            Self::Step(entry) => entry.step,
            Self::Validation(entry) => entry.step,
            Self::Warning(entry) => entry.step,
        }
    }
}

/// An optimiser step in `log.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Optimiser step, from 1.
    pub step: u64,
    /// Objective of the batch before the update.
    pub loss: f64,
    /// The terms of the objective without their weights, if it has several.
    #[serde(flatten)]
    pub terms: Option<Terms<f64>>,
    /// Learning rate.
    pub rate: f64,
    /// Throughput of this step, including the wait for its batch.
    pub images_per_second: f64,
    /// Milliseconds of this step, including the wait for its batch.
    #[serde(default)]
    pub step_ms: f64,
    /// Milliseconds for making the batch on the host, during the previous step; 0 if the device makes it.
    #[serde(default)]
    pub batch_ms: f64,
    /// Milliseconds that the run waited for the batch.
    #[serde(default)]
    pub wait_ms: f64,
}

/// A validation in `log.jsonl`. It is never used to choose a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationEntry {
    /// Optimiser step after which it was made.
    pub step: u64,
    /// Its results.
    pub validation: ValidationScores,
}

/// Scores of the weights that a run would save, the moving average, on held-out images with and without drawn defects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationScores {
    /// Image AUROC, with the image score of the config.
    pub image_auroc: f64,
    /// Pixel AUROC at working resolution.
    pub pixel_auroc: f64,
    /// Mean over normal images, pixels and channels of (x - f(x))².
    pub normal_residual: f64,
}

/// An early warning in `log.jsonl`. The training goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WarningEntry {
    /// Optimiser step after which it was given.
    pub step: u64,
    /// What looks wrong.
    pub warning: WarningKind,
    /// The loss, or the standard deviation of the output.
    pub value: f64,
    /// The lowest earlier loss, or the standard deviation of the input.
    pub reference: f64,
    /// The warning as a sentence with its numbers.
    pub message: String,
}

/// What looks wrong with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// The loss is far above its earlier level.
    RisingLoss,
    /// The output hardly varies over pixels and images.
    ConstantOutput,
}

/// The log of a run: one JSON object per line, at least one line for each step.
pub struct Log {
    path: PathBuf,
    file: File,
    /// Its bytes, as far as this process wrote them.
    length: u64,
}

impl Log {
    /// Opens the log. Lines after `step` are dropped: a resumed run repeats those steps. So are lines that are damaged or of
    /// somebody else, with a warning, and the whole file is put aside. So is a file that cannot be read: the log begins anew, or
    /// goes on after the lines that could be read. A log of earlier steps that is gone gives a warning. A link is replaced by the
    /// log, and what it leads to stays as it is.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(path: &Path, step: u64) -> Result<Self> {
        Self::open_with(path, step, |_| {})
    }

    /// The same. `kept` gets the lines that stay, in order.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_with(path: &Path, step: u64, kept: impl FnMut(LogLine)) -> Result<Self> {
        let lines = match Lines::open(path) {
            Ok(None) if step > 0 => {
                log::warn!("{}: the log of the steps up to {step} is gone; a new one begins", path.display());
                None
            }
            Ok(lines) => lines,
            Err(error) => keep_unreadable(path, &error, "begins anew").map(|()| None)?,
        };
        let mut log = OwnFile::taken_over(path.to_owned());
        log.write_with(|writer| lines.map_or(Ok(()), |lines| copy(lines, writer, step, kept, path)))?;
        let file = OpenOptions::new().read(true).append(true).open(path).map_err(|error| Error::write(path, error))?;
        let length = file.metadata().map_err(|error| Error::read(path, error))?.len();
        Ok(Self { path: path.to_owned(), file, length })
    }

    /// Adds one line.
    ///
    /// # Errors
    /// The file cannot be written, e.g. the disk is full.
    pub fn append(&mut self, line: &LogLine) -> Result<()> {
        let line = serde_json::to_string(line).map_err(|error| Error::file(&self.path, error))? + "\n";
        self.length += line.len() as u64;
        self.file.write_all(line.as_bytes()).map_err(|error| {
            // A part of the line may be there.
            self.length = self.file.metadata().map_or(self.length, |about| about.len());
            Error::write(&self.path, error)
        })
    }

    /// Ends the log: writes it anew if something else has taken its name, which gets another one. If somebody wrote into the file
    /// itself, a warning says so, because no other copy of the lines is left.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn settle(mut self) -> Result<()> {
        let own = self.file.metadata().map_err(|error| Error::read(&self.path, error))?;
        if own.len() != self.length {
            log::warn!("{}: somebody else has written into the log of this run; lines may be missing", self.path.display());
        }
        let is_own =
            |found: Metadata| found.is_file() && (found.len(), found.modified().ok()) == (own.len(), own.modified().ok());
        if self.path.symlink_metadata().is_ok_and(is_own) {
            return Ok(());
        }
        self.file.rewind().map_err(|error| Error::read(&self.path, error))?;
        OwnFile::new(self.path.clone()).write_with(|writer| io::copy(&mut self.file, writer).map(drop))
    }

    /// Hands over the lines of a log one after another; none if there is no file. An incomplete last line, left by a crash, is
    /// ignored, and so are other lines that are no lines of a log, with a warning.
    ///
    /// # Errors
    /// The file cannot be read; the lines before the fault have been handed over.
    pub fn each(path: &Path, mut take: impl FnMut(LogLine)) -> Result<()> {
        let Some(mut lines) = Lines::open(path)? else { return Ok(()) };
        while let Some(line) = lines.next() {
            line.content.into_iter().for_each(&mut take);
        }
        lines.finish().map(drop)
    }

    /// The lines of a log, as [`Log::each`] gives them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn lines(path: &Path) -> Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        Self::each(path, |line| lines.push(line)).map(|()| lines)
    }

    /// The same for steps only.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Vec<LogEntry>> {
        let mut steps = Vec::new();
        Self::each(path, |line| {
            if let LogLine::Step(entry) = line {
                steps.push(entry)
            }
        })
        .map(|()| steps)
    }

    /// The last warning of each kind in a log.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last_warnings(path: &Path) -> Result<Vec<WarningEntry>> {
        let mut last: Vec<WarningEntry> = Vec::new();
        Self::each(path, |line| {
            if let LogLine::Warning(entry) = line {
                last.retain(|earlier| earlier.warning != entry.warning);
                last.push(entry);
            }
        })?;
        Ok(last)
    }
}

/// Copies the lines up to `step`. If others are lost by that, the whole log at `path` is put aside.
fn copy(mut lines: Lines, to: &mut impl Write, step: u64, mut kept: impl FnMut(LogLine), path: &Path) -> io::Result<()> {
    while let Some(line) = lines.next() {
        if line.step <= step {
            writeln!(to, "{}", lines.text().unwrap_or_default())?;
            line.content.into_iter().for_each(&mut kept);
        }
    }
    to.flush()?;
    let kept = match lines.finish() {
        Ok(false) => Ok(()),
        Ok(true) => put_aside(path, "damaged").map(|aside| log::warn!("the whole log is kept as {}", aside.display())),
        Err(error) => keep_unreadable(path, &error, "goes on after the lines before"),
    };
    kept.map_err(io::Error::other)
}

/// Gives a log that cannot be read another name.
fn keep_unreadable(path: &Path, error: &Error, then: &str) -> Result<()> {
    let aside = put_aside(path, "unreadable")?;
    log::warn!("{error}; it is kept as {}, and the log {then}", aside.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::log_lines::LONGEST;

    /// A step of version 0.1.0, a step, a warning, a validation, and a kind from the future; then a line that a crash has cut
    /// off.
    const TEXT: &str = concat!(
        r#"{"step":1,"loss":0.5,"rate":0.001,"images_per_second":10.0}"#,
        "\n",
        r#"{"step":2,"loss":0.1,"rate":0.002,"images_per_second":12.5,"step_ms":4.0,"batch_ms":1.0,"wait_ms":0.25}"#,
        "\n",
        r#"{"step":2,"warning":"rising_loss","value":0.5,"reference":0.1,"message":"high"}"#,
        "\n",
        r#"{"step":2,"validation":{"image_auroc":0.75,"pixel_auroc":0.5,"normal_residual":0.01}}"#,
        "\n",
        r#"{"step":2,"something":{"new":1}}"#,
        "\n",
        r#"{"step":3,"loss":0.30000000000000004,"rate":0.003,"images_per_second":1.0}"#,
        "\n",
        r#"{"step":4,"loss":0.2,"ra"#,
    );

    #[test]
    fn readers_of_steps_skip_lines_of_other_kinds_and_old_steps_lack_times() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        assert!(Log::read(&path).unwrap().is_empty());
        std::fs::write(&path, TEXT).unwrap();
        let steps = Log::read(&path).unwrap();
        let values: Vec<_> = steps.iter().map(|entry| (entry.step, entry.loss, entry.step_ms)).collect();
        assert_eq!(values, [(1, 0.5, 0.0), (2, 0.1, 4.0), (3, 0.300_000_000_000_000_04, 0.0)]);
        let lines = Log::lines(&path).unwrap();
        assert_eq!(lines.iter().map(LogLine::step).collect::<Vec<_>>(), [1, 2, 2, 2, 3]);
        let LogLine::Warning(warning) = &lines[2] else { panic!("{:?}", lines[2]) };
        assert_eq!((warning.warning, warning.value, warning.message.as_str()), (WarningKind::RisingLoss, 0.5, "high"));
        let validation = ValidationScores { image_auroc: 0.75, pixel_auroc: 0.5, normal_residual: 0.01 };
        assert_eq!(lines[3], LogLine::Validation(ValidationEntry { step: 2, validation }));
    }

    #[test]
    fn lines_after_the_checkpoint_are_dropped_and_the_others_keep_their_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, TEXT).unwrap();
        let last = Log::lines(&path).unwrap().pop().unwrap();
        Log::open(&path, 2).unwrap();
        let kept: Vec<&str> = TEXT.lines().take(5).collect();
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!(text(&path), kept.join("\n") + "\n");
        Log::open(&path, 2).unwrap().append(&last).unwrap();
        assert!(text(&path).ends_with(
            "0.30000000000000004,\"rate\":0.003,\"images_per_second\":1.0,\"step_ms\":0.0,\"batch_ms\":0.0,\"wait_ms\":0.0}\n"
        ));
    }

    #[test]
    fn terms_of_the_loss_are_keys_of_their_own_and_absent_without_terms() {
        let plain = LogEntry {
            step: 3,
            loss: 0.5,
            terms: None,
            rate: 0.1,
            images_per_second: 1.0,
            step_ms: 2.0,
            batch_ms: 0.5,
            wait_ms: 0.0,
        };
        let text = serde_json::to_string(&plain).unwrap();
        assert!(!text.contains("loss_"), "{text}");
        assert_eq!(serde_json::from_str::<LogEntry>(&text).unwrap(), plain);
        let more = LogEntry { terms: Some(Terms { regions: 0.25, ssim: Some(0.125), gradient: None }), ..plain };
        let text = serde_json::to_string(&more).unwrap();
        assert!(text.contains(r#""loss":0.5,"loss_regions":0.25,"loss_ssim":0.125,"rate""#), "{text}");
        assert_eq!(serde_json::from_str::<LogEntry>(&text).unwrap(), more);
    }

    #[test]
    fn a_damaged_line_loses_nothing_but_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let good = |step: u64| format!(r#"{{"step":{step},"loss":0.5,"rate":0.001,"images_per_second":10.0}}"#);
        for bad in [
            &b"GARBAGE"[..],
            b"\xff\xfe",
            b"{}",
            b"[1, 2]",
            b"null",
            br#"{"step":2,"loss":null,"rate":0.001,"images_per_second":10.0}"#,
            br#"{"step":2,"loss":1e999,"rate":0.001,"images_per_second":10.0}"#,
            br#"{"step":-2,"loss":0.5,"rate":0.001,"images_per_second":10.0}"#,
            br#"{"step":2,"loss":0.5}"#,
            br#"{"step":2,"validation":{}}"#,
            br#"{"step":2,"loss":0.5,"ra"#,
        ] {
            let text = [good(1).as_bytes(), bad, good(3).as_bytes(), b"", good(4).as_bytes(), b""].join(&b'\n');
            std::fs::write(&path, &text).unwrap();
            let steps = Log::read(&path).unwrap();
            let steps: Vec<u64> = steps.iter().map(|entry| entry.step).collect();
            assert_eq!(steps, [1, 3, 4], "{}", String::from_utf8_lossy(bad));
            Log::open(&path, 3).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n{}\n", good(1), good(3)));
            let aside = folder.path().join("log.jsonl.damaged");
            assert_eq!(std::fs::read(&aside).unwrap(), text, "somebody may want it");
            std::fs::remove_file(aside).unwrap();
        }
    }

    #[test]
    fn a_log_of_any_length_is_not_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        // A file with a hole, which takes no space.
        File::create(&path).unwrap().set_len(LONGEST + 1).unwrap();
        let error = Log::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("log.jsonl: has 4294967297 bytes; at most 4294967296 are read"), "{error}");
        Log::open(&path, 3).unwrap();
        assert_eq!(path.metadata().unwrap().len(), 0);
    }

    #[test]
    fn what_cannot_be_read_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("mine"), "x").unwrap();
        assert!(Log::read(&path).is_err());
        Log::open(&path, 3).unwrap();
        assert!(path.is_file() && folder.path().join("log.jsonl.unreadable/mine").exists());
        // Another one does not replace it.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        Log::open(&path, 3).unwrap();
        assert!(
            folder.path().join("log.jsonl.unreadable/mine").exists() && folder.path().join("log.jsonl.unreadable.2").is_dir()
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_log_of_which_a_part_cannot_be_read_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, TEXT).unwrap();
        // A folder can be opened but not read.
        let lines = || Lines::over(&path, File::open(folder.path()).unwrap());
        assert!(lines().next().is_none());
        let mut unread = lines();
        unread.next();
        assert!(unread.finish().unwrap_err().to_string().contains("log.jsonl: cannot be read: "));
        copy(lines(), &mut Vec::new(), 3, |_| {}, &path).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("log.jsonl.unreadable")).unwrap(), TEXT);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("log.jsonl"), folder.path().join("far.jsonl"));
        for text in [TEXT, "GARBAGE\n"] {
            std::fs::write(&target, text).unwrap();
            std::os::unix::fs::symlink(&target, &path).unwrap();
            drop(Log::open(&path, 1).unwrap());
            assert!(!path.is_symlink());
            assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), usize::from(text == TEXT));
            assert_eq!(std::fs::read_to_string(&target).unwrap(), text);
            std::fs::remove_file(&path).unwrap();
        }
        assert!(folder.path().join("log.jsonl.damaged").is_symlink());
    }

    #[test]
    fn the_lines_that_stay_are_handed_over_while_they_are_copied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, TEXT).unwrap();
        let mut kept = Vec::new();
        drop(Log::open_with(&path, 2, |line| kept.push(line)).unwrap());
        assert_eq!(kept, Log::lines(&path).unwrap());
        assert_eq!(kept.len(), 4);
    }

    fn warning_of(step: u64) -> LogLine {
        let (warning, message) = (WarningKind::RisingLoss, "high".to_owned());
        LogLine::Warning(WarningEntry { step, warning, value: 1.0, reference: 0.5, message })
    }

    #[test]
    fn what_takes_the_name_of_the_log_gets_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let add = |step: u64, occupy: &dyn Fn(&Path)| {
            let mut log = Log::open(&at("log.jsonl"), step - 1).unwrap();
            log.append(&warning_of(step)).unwrap();
            std::fs::remove_file(at("log.jsonl")).unwrap();
            occupy(&at("log.jsonl"));
            log.settle().unwrap();
        };
        add(1, &|_| {});
        add(2, &|path| std::fs::write(path, "mine").unwrap());
        add(3, &|path| std::fs::create_dir(path).unwrap());
        #[cfg(unix)]
        add(4, &|path| std::os::unix::fs::symlink("log.jsonl.foreign", path).unwrap());
        #[cfg(not(unix))]
        add(4, &|path| std::fs::write(path, "mine, too").unwrap());
        let steps: Vec<u64> = Log::lines(&at("log.jsonl")).unwrap().iter().map(LogLine::step).collect();
        assert_eq!(steps, [1, 2, 3, 4]);
        assert_eq!(std::fs::read_to_string(at("log.jsonl.foreign")).unwrap(), "mine");
        assert!(at("log.jsonl.foreign.2").is_dir() && at("log.jsonl.foreign.3").symlink_metadata().is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn what_is_written_into_the_log_stays_there_beside_later_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut log = Log::open(&path, 0).unwrap();
        log.append(&warning_of(1)).unwrap();
        std::fs::write(&path, "mine\n").unwrap();
        log.append(&warning_of(2)).unwrap();
        log.settle().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("mine\n{\"step\":2,"), "{text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_last_warning_of_each_kind_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        assert!(Log::last_warnings(&path).unwrap().is_empty());
        let mut log = Log::open(&path, 0).unwrap();
        let kinds = [WarningKind::ConstantOutput, WarningKind::RisingLoss, WarningKind::ConstantOutput];
        for (step, warning) in (100..).zip(kinds) {
            let message = format!("at step {step}");
            log.append(&LogLine::Warning(WarningEntry { step, warning, value: 0.0, reference: 1.0, message })).unwrap();
        }
        let found: Vec<u64> = Log::last_warnings(&path).unwrap().iter().map(|entry| entry.step).collect();
        assert_eq!(found, [101, 102]);
    }
}
