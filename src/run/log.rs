use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::write_atomically;
use crate::error::{Error, Result};
use crate::train::Terms;

/// One line of `log.jsonl`.
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

/// The log of a run, one JSON object per step.
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens the log. Entries after `step` are dropped: a resumed run repeats those steps.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, step: u64) -> Result<Self> {
        let text = Self::text(path)?;
        let kept = entries(&text).filter(|(_, entry)| entry.step <= step).map(|(line, _)| line);
        write_atomically(path, |writer| kept.into_iter().try_for_each(|line| writeln!(writer, "{line}")))?;
        let file = OpenOptions::new().append(true).open(path).map_err(|error| Error::write(path, error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds one entry.
    ///
    /// # Errors
    /// The file cannot be written, e.g. the disk is full.
    pub fn append(&mut self, entry: &LogEntry) -> Result<()> {
        let line = serde_json::to_string(entry).map_err(|error| Error::file(&self.path, error))?;
        writeln!(self.file, "{line}").map_err(|error| Error::write(&self.path, error))
    }

    /// All entries; none if there is no file. An incomplete last line, left by a crash, is ignored.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Vec<LogEntry>> {
        Ok(entries(&Self::text(path)?).map(|(_, entry)| entry).collect())
    }

    fn text(path: &Path) -> Result<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(Error::read(path, error)),
        }
    }
}

/// The complete lines of a log with their entries. The text is kept, because reading and writing a number can round it.
fn entries(text: &str) -> impl Iterator<Item = (&str, LogEntry)> {
    text.lines().map_while(|line| Some((line, serde_json::from_str(line).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
