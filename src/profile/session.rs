use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::job::{Job, job};
use super::machine::peak_bytes;
use super::rows::rows;
use super::{Observed, Peaks, Quantiles, Row, Span};
use crate::backend::Backend;
use crate::error::{Error, Result};

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Batch, forward and backward pass, optimiser.
    Train,
    /// A forward pass.
    Infer,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Training or inference.
    pub task: Task,
    /// 1 or 2.
    pub model: u8,
    /// w.
    pub width: usize,
    /// Pixels a side.
    pub size: usize,
    /// Images in a step.
    pub batch: usize,
    /// Steps that count.
    pub steps: usize,
    /// Steps before them, which do not: memory is new, kernels are compiled, caches are cold.
    pub warmup: usize,
    /// Seed of weights and pictures.
    pub seed: u64,
}

/// Times of whole steps, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// As users have them: not observed. The host waits for the result; making the batch on the host is not in it.
    pub plain: Quantiles,
    /// Observed.
    pub observed: Quantiles,
    /// All operations of an observed step together, on the device.
    pub operations: Quantiles,
    /// Of an observed step what no operation takes: gaps between operations on the device.
    pub gaps: Quantiles,
    /// Of an observed step what the host spends outside the calls of operations.
    pub host: Quantiles,
    /// Making a batch on the host; 0 where the device makes it.
    pub batch: Quantiles,
}

/// A result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Version of the program.
    pub version: String,
    /// What computed.
    pub device: String,
    /// What it can do.
    pub peaks: Peaks,
    /// Threads of the CPU.
    pub threads: usize,
    /// What was measured.
    pub settings: Settings,
    /// Images per second of the median plain step.
    pub images_per_second: f64,
    /// Milliseconds of the median plain step.
    pub step_ms: f64,
    /// All about whole steps.
    pub steps: Steps,
    /// How much longer the median observed step takes than the plain one, in percent.
    pub overhead_percent: f64,
    /// Whether observed and plain steps gave the same results, bit for bit.
    pub same_bits: bool,
    /// Most bytes of memory of this process, with everything that runs here beside each other.
    pub peak_bytes: u64,
    /// The operations, the longest first.
    pub rows: Vec<Row>,
}

impl Settings {
    fn validate(&self) -> Result<()> {
        match [("steps", self.steps), ("batch", self.batch)].into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(Error::argument(format!("profile: {name} must be at least 1"))),
            None => Ok(()),
        }
    }
}

/// Does the steps that `settings` ask for on `backend`, plain and observed in turn, from the same weights and pictures. Returns the
/// result, and the spans of each observed step.
///
/// # Errors
/// Settings that no network has; the device failed.
pub fn profile<B: Backend>(backend: &B, settings: &Settings, peaks: Peaks) -> Result<(Profile, Vec<Vec<Span>>)> {
    settings.validate()?;
    let observed = Observed::new(backend.clone());
    let (mut plain, mut seen) = (job(backend, settings)?, job(&observed, settings)?);
    let mut measured = Measured { same_bits: true, ..Measured::default() };
    for step in 0..settings.warmup + settings.steps {
        // In turn, so that neither always finds the caches as the other left them.
        let counts = step >= settings.warmup;
        let (a, b) = if step % 2 == 0 {
            let a = measured.plain(&mut *plain, counts)?;
            (a, measured.observed(&observed, &mut *seen, counts)?)
        } else {
            let b = measured.observed(&observed, &mut *seen, counts)?;
            (measured.plain(&mut *plain, counts)?, b)
        };
        measured.same_bits &= a.iter().map(|value| value.to_bits()).eq(b.iter().map(|value| value.to_bits()));
    }
    Ok(measured.result(backend.description(), settings, peaks))
}

/// Seconds, an entry for each step.
#[derive(Default)]
struct Measured {
    batch: Vec<f64>,
    plain: Vec<f64>,
    observed: Vec<f64>,
    spans: Vec<Vec<Span>>,
    same_bits: bool,
}

impl Measured {
    fn plain(&mut self, job: &mut dyn Job, counts: bool) -> Result<Vec<f32>> {
        let (batch, ()) = timed(|| job.prepare())?;
        let (step, result) = timed(|| job.step())?;
        if counts {
            self.batch.push(batch);
            self.plain.push(step);
        }
        Ok(result)
    }

    fn observed<B: Backend>(&mut self, observed: &Observed<B>, job: &mut dyn Job, counts: bool) -> Result<Vec<f32>> {
        job.prepare()?;
        observed.begin()?;
        let (step, result) = timed(|| job.step())?;
        let spans = observed.take()?;
        if counts {
            self.observed.push(step);
            self.spans.push(spans);
        }
        Ok(result)
    }

    fn result(self, device: String, settings: &Settings, peaks: Peaks) -> (Profile, Vec<Vec<Span>>) {
        let per_step = |value: &dyn Fn(&[Span], f64) -> f64| {
            let values: Vec<f64> = self.spans.iter().zip(&self.observed).map(|(spans, &wall)| value(spans, wall)).collect();
            Quantiles::of(&values).scaled(1e3)
        };
        let operations = |spans: &[Span]| spans.iter().map(|span| span.seconds).sum::<f64>();
        let in_calls = |spans: &[Span]| spans.iter().map(|span| span.host[1] - span.host[0]).sum::<f64>();
        let milliseconds = |seconds: &[f64]| Quantiles::of(seconds).scaled(1e3);
        let steps = Steps {
            plain: milliseconds(&self.plain),
            observed: milliseconds(&self.observed),
            operations: per_step(&|spans, _| operations(spans)),
            gaps: per_step(&|spans, wall| wall - operations(spans)),
            host: per_step(&|spans, wall| wall - in_calls(spans)),
            batch: milliseconds(&self.batch),
        };
        let profile = Profile {
            version: format!("{} commit {}", env!("CARGO_PKG_VERSION"), crate::run::COMMIT),
            device,
            threads: rayon::current_num_threads(),
            settings: settings.clone(),
            images_per_second: settings.batch as f64 / steps.plain.median * 1e3,
            step_ms: steps.plain.median,
            overhead_percent: 100.0 * (steps.observed.median / steps.plain.median - 1.0),
            same_bits: self.same_bits,
            peak_bytes: peak_bytes(),
            rows: rows(&self.spans, &peaks),
            peaks,
            steps,
        };
        (profile, self.spans)
    }
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed().as_secs_f64(), result))
}
