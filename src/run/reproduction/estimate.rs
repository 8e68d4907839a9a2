//! How long the runs of a plan take, from a few timed steps of each kind of training.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::cost::peak_bytes;
use super::execute::Folders;
use super::plan::{Plan, PlannedRun, name};
use super::report::run_folder;
use crate::data::AugmentConfig;
use crate::error::Result;
use crate::ops::Backend;
use crate::run::{Config, LOG_FILE, Log, LogLine, load_training_set, time_step};

/// What a few timed steps say about the runs of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The time of one step of each run, or why none could be timed. Loading, evaluation and the report are not part of it.
    pub step_times: std::result::Result<Vec<Duration>, String>,
    /// Peak memory of this process after the timed steps, in bytes; none where the system does not tell.
    pub peak_bytes: Option<u64>,
}

impl Estimate {
    /// Times a few steps for the first of the runs whose trainings are alike: the same config but for seed, steps and
    /// augmentation. A run that cannot be loaded, and so will fail, counts as the slowest of the others.
    ///
    /// # Errors
    /// A config that is not valid.
    pub fn measure<B: Backend>(backend: &B, plan: &Plan, runs: &[PlannedRun], folders: &Folders) -> Result<Self> {
        let mut known: BTreeMap<String, Duration> = BTreeMap::new();
        let (mut keys, mut failure) = (Vec::with_capacity(runs.len()), None);
        for run in runs {
            let config = plan.config(run)?;
            let key = alike(&config).to_toml()?;
            if !known.contains_key(&key) {
                match time(backend, &config, &folders.data.join(&run.category)) {
                    Ok(time) => drop(known.insert(key.clone(), time)),
                    Err(error) => failure = failure.or(Some(error.within(name(run)))),
                }
            }
            keys.push(key);
        }
        let step_times = match (known.values().max().copied(), failure) {
            (None, Some(error)) => Err(error.to_string()),
            (slowest, _) => Ok(keys.iter().map(|key| known.get(key).copied().unwrap_or(slowest.unwrap_or_default())).collect()),
        };
        Ok(Self { step_times, peak_bytes: peak_bytes() })
    }

    /// Training time of the steps that are left in `runs`, the same runs in the same order, of `steps` each; none if no run could
    /// be timed.
    ///
    /// # Errors
    /// The log of a run cannot be read.
    pub fn time_left(&self, runs: &[PlannedRun], steps: u64, folders: &Folders) -> Result<Option<Duration>> {
        let Ok(step_times) = &self.step_times else { return Ok(None) };
        let mut seconds = 0.0;
        for (run, time) in runs.iter().zip(step_times) {
            let (log, mut done) = (run_folder(&folders.out, &run.category, run.seed).join(LOG_FILE), 0);
            let read = Log::each(&log, |line| {
                if let LogLine::Step(entry) = line {
                    done = entry.step
                }
            });
            // A training puts a log aside that cannot be read.
            let done = read.map_or(0, |()| done);
            seconds += time.as_secs_f64() * steps.saturating_sub(done) as f64;
        }
        Ok(Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
    }
}

fn time<B: Backend>(backend: &B, config: &Config, category: &Path) -> Result<Duration> {
    let set = load_training_set(config, &category.into())?.set;
    time_step(backend, config, &set.into())
}

/// The config without what hardly changes the time of a step.
fn alike(config: &Config) -> Config {
    let mut own = Config { seed: 0, augment: AugmentConfig::default(), ..config.clone() };
    own.train.steps = 1;
    own
}
