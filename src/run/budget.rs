//! How many optimiser steps fit into a given time, by timing a few of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::Config;
use super::memory::check_step_memory;
use crate::data::TrainingSet;
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::train::{Batches, Trainer};

/// Steps before the timed ones: they allocate, and a GPU records the graph.
const WARM_UP: u64 = 3;
/// Timed steps; their median counts.
const TIMED: usize = 5;
/// Largest value of `train.steps`.
const MAX_STEPS: f64 = u32::MAX as f64;

/// The time of one step of a training, including the wait for its batch: the median of a few steps after some for warming up.
/// Nothing is written, and the training itself does not change.
///
/// # Errors
/// As those of the training.
pub fn time_step<B: Backend>(backend: &B, config: &Config, set: &Arc<TrainingSet>) -> Result<Duration> {
    check_step_memory(backend, config)?;
    let mut trainer = Trainer::new(backend, config.recipe())?;
    let mut batches = Batches::new(backend, Arc::clone(set), config.train.batch, WARM_UP + TIMED as u64)?;
    for _ in 0..WARM_UP {
        trainer.advance(&mut batches)?;
    }
    let mut times = [Duration::ZERO; TIMED];
    for time in &mut times {
        let start = Instant::now();
        trainer.advance(&mut batches)?;
        *time = start.elapsed();
    }
    times.sort_unstable();
    Ok(times[TIMED / 2])
}

/// The number of steps for each of several trainings, the same for all, so that together they take `budget`. `step_times` has the
/// time of one step of each. Loading, evaluation and the report come on top.
///
/// # Errors
/// No training; a budget for less than one step of each.
pub fn steps_within(budget: Duration, step_times: &[Duration]) -> Result<u64> {
    let together: f64 = step_times.iter().map(Duration::as_secs_f64).sum();
    let steps = (budget.as_secs_f64() / together).floor();
    if step_times.is_empty() || steps < 1.0 {
        let step = match step_times.len() {
            1 => "one step of the training takes".to_owned(),
            runs => format!("one step of each of the {runs} trainings takes, in all,"),
        };
        let time = Duration::try_from_secs_f64(together).unwrap_or(Duration::MAX);
        return Err(Error::argument(format!("{step} {time:.2?}; a budget of {budget:?} is too small")));
    }
    Ok(steps.min(MAX_STEPS) as u64)
}

/// Most minutes of a budget, some 1900 years: more than any training takes, and far less than what a duration holds.
const MAX_MINUTES: f64 = 1e9;

/// A budget in minutes, above 0 and at most 1e9.
///
/// # Errors
/// Text that is no such number.
pub fn parse_minutes(text: &str) -> Result<Duration> {
    let minutes = text.parse::<f64>().ok().filter(|minutes| *minutes > 0.0 && *minutes <= MAX_MINUTES);
    let duration = minutes.and_then(|minutes| Duration::try_from_secs_f64(60.0 * minutes).ok());
    duration.ok_or_else(|| Error::argument(format!("a number of minutes above 0 and at most {MAX_MINUTES} is needed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_divided_over_all_trainings() {
        let seconds = Duration::from_secs;
        assert_eq!(steps_within(seconds(60), &[seconds(1), seconds(2)]).unwrap(), 20);
        assert_eq!(steps_within(seconds(60), &[seconds(7)]).unwrap(), 8);
        assert_eq!(steps_within(Duration::MAX, &[Duration::from_nanos(1)]).unwrap(), u64::from(u32::MAX));
        let error = steps_within(seconds(6), &[seconds(3), seconds(4)]).unwrap_err().to_string();
        assert_eq!(error, "one step of each of the 2 trainings takes, in all, 7.00s; a budget of 6s is too small");
        let error = steps_within(Duration::from_nanos(60), &[Duration::from_micros(3250)]).unwrap_err().to_string();
        assert_eq!(error, "one step of the training takes 3.25ms; a budget of 60ns is too small");
        assert!(steps_within(seconds(6), &[]).is_err());
    }

    #[test]
    fn budgets_are_minutes_above_zero() {
        assert_eq!(parse_minutes("1.5").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_minutes("1e9").unwrap(), Duration::from_secs(60_000_000_000));
        for text in ["0", "-1", "NaN", "inf", "1e19", "1e300", "x", ""] {
            assert!(parse_minutes(text).is_err(), "{text}");
        }
    }
}
