//! The page of `train --watch`: learning curves while the training goes on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::Result;
use crate::data::Dataset;
use crate::disk::OwnFile;
use crate::report::training::{History, Status, TrainingPage};
use crate::run::{Config, LOG_FILE, Log, LogLine};
use indicatif::HumanDuration;

use super::output::note;

/// File name of the page in the folder of the run.
pub const PAGE_FILE: &str = "training.html";

/// Least time between two versions of the page.
const EVERY: Duration = Duration::from_secs(5);
/// Writing may take at most one part in so many of the time.
const SHARE: u32 = 200;

/// Writes the page from the lines of the log.
pub struct Watch {
    out: PathBuf,
    title: String,
    config: Config,
    facts: Vec<(String, String)>,
    history: History,
    start: Instant,
    /// Steps done before this process.
    before: Option<u64>,
    next: Option<Instant>,
    page: OwnFile,
    /// Whether the page could not be written.
    has_failed: bool,
}

impl Watch {
    /// For the run with this config in the folder `out`.
    ///
    /// # Errors
    /// A config that cannot be written as TOML.
    pub fn new(config: &Config, data: &Dataset, out: &Path, device: String) -> Result<Self> {
        let facts = [
            ("network", config.architecture().to_string()),
            ("data", data.to_string()),
            ("size", format!("{0}x{0} pixels", config.data.size)),
            ("images per step", config.train.batch.to_string()),
            ("seed", config.seed.to_string()),
            ("config", config.hash()?),
            ("device", device),
            ("folder", out.display().to_string()),
        ];
        Ok(Self {
            out: out.to_owned(),
            title: Some(data.name()).filter(|name| !name.is_empty()).unwrap_or_else(|| "run".into()),
            config: config.clone(),
            facts: facts.map(|(name, value)| (name.to_owned(), value)).into(),
            history: History::default(),
            start: Instant::now(),
            before: None,
            next: None,
            page: OwnFile::taken_over(out.join(PAGE_FILE)),
            has_failed: false,
        })
    }

    /// A line was added to the log.
    pub fn line(&mut self, line: &LogLine) {
        let before = match self.before {
            Some(before) => before,
            None => self.begin(line.step().saturating_sub(1)),
        };
        self.history.add(line);
        if self.next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let begun = Instant::now();
        let steps = self.config.train.steps;
        let pace = self.start.elapsed().as_secs_f64() / line.step().saturating_sub(before).max(1) as f64;
        let left = Duration::try_from_secs_f64(pace * steps.saturating_sub(line.step()) as f64).ok();
        let left = left.map(|left| HumanDuration(left).to_string());
        self.write(&Status::Running { reload: EVERY.as_secs(), left });
        let now = Instant::now();
        self.next = Some(now + EVERY.max(SHARE * (now - begun)));
    }

    /// The run has ended.
    pub fn end(&mut self, status: &Status) {
        if self.before.is_none() {
            self.begin(u64::MAX);
        }
        self.write(status);
    }

    /// Takes in the lines up to `step`, which an earlier process wrote.
    fn begin(&mut self, step: u64) -> u64 {
        let add = |line: LogLine| {
            if line.step() <= step {
                self.history.add(&line)
            }
        };
        if let Err(error) = Log::each(&self.out.join(LOG_FILE), add) {
            log::warn!("the curves lack steps before {step}: {error}");
        }
        if self.out.is_dir() {
            note(format_args!("learning curves in {}", self.out.join(PAGE_FILE).display()));
        }
        self.before = Some(step);
        step
    }

    /// Writes a version of the page. A page that cannot be written does not end the run.
    fn write(&mut self, status: &Status) {
        if self.has_failed || !self.out.is_dir() {
            return;
        }
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace('T', " ").replace('Z', " UTC");
        let page = TrainingPage {
            title: &self.title,
            steps: self.config.train.steps,
            batch: self.config.train.batch,
            status,
            history: &self.history,
            validate_every: self.config.output.validate_every,
            facts: &self.facts,
            written: &time,
        };
        if let Err(error) = self.page.write(page.render().as_bytes()) {
            log::warn!("the learning curves are not written any more: {error}");
            self.has_failed = true;
        }
    }
}
