use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::own_files::put_aside;
use crate::data::write_atomically;
use crate::disk::bounded;
use crate::error::{Error, Result};
use crate::train::Terms;

/// Longest log that is read, in bytes: some ten million steps.
const LONGEST: u64 = 4 << 30;

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
}

impl Log {
    /// Opens the log. Lines after `step` are dropped: a resumed run repeats those steps. So are lines that are damaged or of somebody else, with a
    /// warning, and the whole file is put aside. So is what cannot be read at all, and the log begins anew.
    ///
    /// # Errors
    /// The file cannot be written; too little memory to read it.
    pub fn open(path: &Path, step: u64) -> Result<Self> {
        let bytes = match Self::bytes(path) {
            Err(error) if !is_short_of_memory(path, &error) => begin_anew(path, &error).map(|()| Vec::new())?,
            read => read?,
        };
        let (lines, damaged) = parse(&bytes);
        if warn(path, &damaged) {
            let aside = put_aside(path, "damaged")?;
            log::warn!("the whole log is kept as {}", aside.display());
        }
        let kept = lines.into_iter().filter(|line| line.step <= step).map(|line| line.text);
        write_atomically(path, |writer| kept.into_iter().try_for_each(|line| writeln!(writer, "{line}")))?;
        let file = OpenOptions::new().append(true).open(path).map_err(|error| Error::write(path, error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds one line.
    ///
    /// # Errors
    /// The file cannot be written, e.g. the disk is full.
    pub fn append(&mut self, line: &LogLine) -> Result<()> {
        let line = serde_json::to_string(line).map_err(|error| Error::file(&self.path, error))?;
        writeln!(self.file, "{line}").map_err(|error| Error::write(&self.path, error))
    }

    /// The steps in a log; none if there is no file. An incomplete last line, left by a crash, is ignored, and so are other lines that are no lines
    /// of a log, with a warning.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Vec<LogEntry>> {
        let step = |line| if let LogLine::Step(entry) = line { Some(entry) } else { None };
        Ok(Self::lines(path)?.into_iter().filter_map(step).collect())
    }

    /// The same with the lines of every kind.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn lines(path: &Path) -> Result<Vec<LogLine>> {
        Ok(warned(path, &Self::bytes(path)?).into_iter().filter_map(|line| line.content).collect())
    }

    /// The last warning of each kind in a log.
    pub fn last_warnings(lines: &[LogLine]) -> Vec<&WarningEntry> {
        let mut last: Vec<&WarningEntry> = Vec::new();
        for line in lines {
            if let LogLine::Warning(entry) = line {
                last.retain(|earlier| earlier.warning != entry.warning);
                last.push(entry);
            }
        }
        last
    }

    fn bytes(path: &Path) -> Result<Vec<u8>> {
        match bounded::read(path, LONGEST) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }
}

/// A complete line of a log. Its text is kept, because reading and writing a number can round it.
struct Line<'a> {
    text: &'a str,
    step: u64,
    /// None for a kind that this version does not know.
    content: Option<LogLine>,
}

/// All that is known of a line of an unknown kind.
#[derive(Deserialize)]
struct Stamp {
    step: u64,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

/// Keys of the known kinds. A line that has one but is of none of these kinds is damaged.
const KINDS: [&str; 3] = ["loss", "validation", "warning"];

/// Numbers of damaged lines in a warning.
const NAMED: usize = 5;

impl<'a> Line<'a> {
    /// None for what is no line of a log.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\r');
        let content: Option<LogLine> = serde_json::from_str(text).ok();
        let step = match &content {
            Some(line) => line.step(),
            None => {
                let Stamp { step, others } = serde_json::from_str(text).ok()?;
                (!KINDS.iter().any(|kind| others.contains_key(*kind))).then_some(step)?
            }
        };
        Some(Line { text, step, content })
    }
}

/// The lines of a log, and the numbers, from 1, of those that are none. What follows the last line break was cut off and does not count.
fn parse(bytes: &[u8]) -> (Vec<Line<'_>>, Vec<usize>) {
    let (mut lines, mut damaged) = (Vec::new(), Vec::new());
    let mut parts = bytes.split(|&byte| byte == b'\n').zip(1..).peekable();
    while let Some((part, number)) = parts.next() {
        match Line::parse(part) {
            Some(line) => lines.push(line),
            None if parts.peek().is_none() || part.trim_ascii().is_empty() => {}
            None => damaged.push(number),
        }
    }
    (lines, damaged)
}

/// The lines of a log, with a warning about others.
fn warned<'a>(path: &Path, bytes: &'a [u8]) -> Vec<Line<'a>> {
    let (lines, damaged) = parse(bytes);
    warn(path, &damaged);
    lines
}

/// Warns of lines that are none of a log, and returns whether there are any.
fn warn(path: &Path, damaged: &[usize]) -> bool {
    let named: Vec<String> = damaged.iter().take(NAMED).map(usize::to_string).collect();
    let more = if damaged.len() > NAMED { format!(" and {} more", damaged.len() - NAMED) } else { String::new() };
    match damaged.len() {
        0 => {}
        1 => log::warn!("{}: line {} is no line of a log and is left out", path.display(), named[0]),
        _ => log::warn!("{}: lines {}{more} are no lines of a log and are left out", path.display(), named.join(", ")),
    }
    !damaged.is_empty()
}

/// Whether a log could not be read because memory is short: it is whole all the same, and another time it can be read.
fn is_short_of_memory(path: &Path, error: &Error) -> bool {
    match error.root() {
        Error::Io { source, .. } => source.kind() == std::io::ErrorKind::OutOfMemory,
        // The only other reasons are the kind of the file and its length.
        Error::File { .. } => path.metadata().is_ok_and(|about| about.is_file() && about.len() <= LONGEST),
        _ => false,
    }
}

/// Gives a log that cannot be read another name.
fn begin_anew(path: &Path, error: &Error) -> Result<()> {
    let aside = put_aside(path, "unreadable")?;
    log::warn!("{error}; it is kept as {}, and the log begins anew", aside.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step of version 0.1.0, a step, a warning, a validation, and a kind from the future; then a line that a crash has cut off.
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
            assert_eq!(parse(&text).1, [2], "{}", String::from_utf8_lossy(bad));
            std::fs::write(&path, &text).unwrap();
            let steps = Log::read(&path).unwrap();
            assert_eq!(steps.iter().map(|entry| entry.step).collect::<Vec<_>>(), [1, 3, 4]);
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

    #[test]
    fn a_log_for_which_memory_is_short_is_not_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, TEXT).unwrap();
        assert!(is_short_of_memory(&path, &Error::file(&path, "has 1 bytes, for which memory is short")));
        assert!(is_short_of_memory(&path, &Error::read(&path, std::io::ErrorKind::OutOfMemory.into())));
        assert!(!is_short_of_memory(&path, &Error::read(&path, std::io::ErrorKind::PermissionDenied.into())));
        assert!(!is_short_of_memory(folder.path(), &Error::file(folder.path(), "is a folder; a file is needed here")));
    }
}
