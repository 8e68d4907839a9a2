//! The lines of a log, read one at a time, so that a long log takes no more memory than a short one.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::log::LogLine;
use crate::disk::bounded;
use crate::error::{Error, Result};

/// Longest log that is read, in bytes: some ten million steps.
pub(super) const LONGEST: u64 = 4 << 30;

/// Longest line of a log, in bytes; one of a step has some two hundred.
pub(super) const LONGEST_LINE: u64 = 1 << 20;

/// Numbers of damaged lines in a warning.
const NAMED: usize = 5;

/// A line of a log.
pub(super) struct Line {
    pub(super) step: u64,
    /// None for a kind that this version does not know.
    pub(super) content: Option<LogLine>,
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

impl Line {
    /// None for what is no line of a log.
    fn parse(text: &str) -> Option<Self> {
        let content: Option<LogLine> = serde_json::from_str(text).ok();
        let step = match &content {
            Some(line) => line.step(),
            None => {
                let Stamp { step, others } = serde_json::from_str(text).ok()?;
                (!KINDS.iter().any(|kind| others.contains_key(*kind))).then_some(step)?
            }
        };
        Some(Self { step, content })
    }
}

/// Reads a log from its first line to its last.
pub(super) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    /// What was read last: a line without its break, or the end of one that is too long.
    bytes: Vec<u8>,
    /// Number of the lines read.
    number: usize,
    /// How many of them are none of a log, and the numbers of the first ones, from 1.
    damaged: usize,
    named: Vec<String>,
    /// Why the rest cannot be read.
    failed: Option<io::Error>,
}

impl Lines {
    /// None if there is no file.
    ///
    /// # Errors
    /// No regular file, a longer one than any log, or one that the system refuses to open.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let file = match bounded::open(path, LONGEST) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?.0,
        };
        Ok(Some(Self::over(path, file)))
    }

    pub(super) fn over(path: &Path, file: File) -> Self {
        let (path, file, bytes, named) = (path.to_owned(), BufReader::new(file), Vec::new(), Vec::new());
        Self { path, file, bytes, number: 0, damaged: 0, named, failed: None }
    }

    /// The next line of a log. What is none is counted and passed over; so are an empty line, and the last one if a crash has cut
    /// it off. None at the end, and where the rest [cannot be read](Self::finish).
    pub(super) fn next(&mut self) -> Option<Line> {
        while self.failed.is_none() {
            let pieces = self.fill().unwrap_or_else(|error| {
                self.failed = Some(error);
                0
            });
            if pieces == 0 {
                return None;
            }
            self.number += 1;
            let is_complete = self.bytes.pop_if(|byte| *byte == b'\n').is_some();
            let line = if pieces == 1 { self.text().and_then(Line::parse) } else { None };
            if line.is_some() {
                return line;
            }
            if is_complete && (pieces > 1 || !self.bytes.trim_ascii().is_empty()) {
                self.damaged += 1;
                self.named.extend((self.damaged <= NAMED).then(|| self.number.to_string()));
            }
        }
        None
    }

    /// The text of the last line. It is kept, because reading and writing a number can round it.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok().map(|text| text.trim_end_matches('\r'))
    }

    /// Reads a line with its break, and of one that is too long only the last piece. Returns the number of its pieces: 0 at the
    /// end of the file.
    fn fill(&mut self) -> io::Result<usize> {
        let mut pieces = 0;
        loop {
            self.bytes.clear();
            let length = (&mut self.file).take(LONGEST_LINE).read_until(b'\n', &mut self.bytes)?;
            pieces += usize::from(length > 0);
            if (length as u64) < LONGEST_LINE || self.bytes.ends_with(b"\n") {
                return Ok(pieces);
            }
        }
    }

    /// Warns of lines that are none of a log, and returns whether there are any.
    ///
    /// # Errors
    /// A part of the file could not be read.
    pub(super) fn finish(self) -> Result<bool> {
        let (path, more) = (self.path.display(), self.damaged.saturating_sub(NAMED));
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        match self.damaged {
            0 => {}
            1 => log::warn!("{path}: line {} is no line of a log and is left out", self.named.join("")),
            _ => log::warn!("{path}: lines {}{more} are no lines of a log and are left out", self.named.join(", ")),
        }
        let is_damaged = self.damaged > 0;
        self.failed.map_or(Ok(is_damaged), |error| Err(Error::read(&self.path, error)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    const STEP: &str = r#"{"step":7,"loss":0.5,"rate":0.001,"images_per_second":10.0}"#;

    /// The steps of a log, the numbers of its damaged lines, and the most bytes that a line took.
    fn read(path: &Path) -> (Vec<u64>, Vec<String>, usize) {
        let mut lines = Lines::open(path).unwrap().unwrap();
        let steps = std::iter::from_fn(|| lines.next()).map(|line| line.step).collect();
        (steps, lines.named.clone(), lines.bytes.capacity())
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_the_longest_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut file = File::create(&path).unwrap();
        writeln!(file, "{STEP}").unwrap();
        // Holes, which take no space.
        let hole = 3 * LONGEST_LINE;
        file.seek(SeekFrom::Current(hole as i64)).unwrap();
        writeln!(file, "\n{STEP}").unwrap();
        file.seek(SeekFrom::Current(hole as i64)).unwrap();
        let length = file.stream_position().unwrap();
        file.set_len(length).unwrap();
        let (steps, damaged, most) = read(&path);
        assert_eq!((steps, damaged), (vec![7, 7], vec!["2".to_owned()]), "the last line has no break, as after a crash");
        assert!(most as u64 <= 2 * LONGEST_LINE, "{most}");
    }

    #[test]
    fn the_end_of_a_line_that_is_too_long_is_no_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        for length in [LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1] {
            let blank = " ".repeat(length as usize - STEP.len());
            std::fs::write(&path, format!("{STEP}{blank}\n{blank}{blank}{blank}{STEP}\n{STEP}\n")).unwrap();
            let (steps, damaged, _) = read(&path);
            let is_short = length < LONGEST_LINE;
            assert_eq!(steps.len(), 1 + usize::from(is_short), "{length}");
            assert_eq!(damaged.len(), 2 - usize::from(is_short), "{length}");
        }
    }

    #[test]
    fn a_warning_names_a_few_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, "x\n".repeat(9)).unwrap();
        let mut lines = Lines::open(&path).unwrap().unwrap();
        assert!(lines.next().is_none());
        assert_eq!((lines.damaged, lines.named.join(" ").as_str()), (9, "1 2 3 4 5"));
        assert!(lines.finish().unwrap());
    }
}
