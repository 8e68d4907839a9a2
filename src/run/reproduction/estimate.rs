//! How long the runs of a plan take, from a few timed steps of each kind of training.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cost::peak_bytes;
use super::execute::Folders;
use super::plan::{Plan, PlannedRun, name};
use super::report::run_folder;
use crate::data::AugmentConfig;
use crate::error::Result;
use crate::ops::Backend;
use crate::run::{Config, LOG_FILE, Log, load_training_set, time_step};

/// An estimate from a few steps. Loading, evaluation and the report are not part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The time of one step of each run.
    pub step_times: Vec<Duration>,
    /// Training time of the steps that are left.
    pub left: Duration,
    /// Peak memory of this process after the timed steps, in bytes; none where the system does not tell.
    pub peak_bytes: Option<u64>,
}

/// Times a few steps for the first of the runs whose trainings are alike: the same config but for seed, steps and augmentation.
///
/// # Errors
/// As those of the training.
pub fn estimate<B: Backend>(backend: &B, plan: &Plan, runs: &[PlannedRun], folders: &Folders) -> Result<Estimate> {
    let mut known: BTreeMap<String, Duration> = BTreeMap::new();
    let mut step_times = Vec::with_capacity(runs.len());
    let mut left = 0.0;
    for run in runs {
        let config = plan.config(run)?;
        let key = alike(&config).to_toml()?;
        let time = match known.get(&key) {
            Some(&time) => time,
            None => {
                let (set, _) = load_training_set(&config, &folders.data.join(&run.category))?;
                let time = time_step(backend, &config, &set.into()).map_err(|error| error.within(name(run)))?;
                *known.entry(key).or_insert(time)
            }
        };
        let log = Log::read(&run_folder(&folders.out, &run.category, run.seed).join(LOG_FILE))?;
        let done = log.last().map_or(0, |entry| entry.step);
        left += time.as_secs_f64() * config.train.steps.saturating_sub(done) as f64;
        step_times.push(time);
    }
    Ok(Estimate { step_times, left: Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX), peak_bytes: peak_bytes() })
}

/// The config without what hardly changes the time of a step.
fn alike(config: &Config) -> Config {
    let mut own = Config { seed: 0, augment: AugmentConfig::default(), ..config.clone() };
    own.train.steps = 1;
    own
}
