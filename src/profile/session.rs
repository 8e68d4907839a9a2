use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::job::Job;
use super::kernels::{KernelRow, kernel_rows};
use super::machine::{peak_bytes, processor};
use super::rows::rows;
use super::{Known, Observed, Occasion, Peaks, Quantiles, Row, Settings, Span};
use crate::error::Result;
use crate::ops::Backend;

/// Times of whole steps in milliseconds, over the steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// Steps that are not observed, as users run them, until the host has the result. A batch made on the host is not included.
    pub plain: Quantiles,
    /// Observed steps.
    pub observed: Quantiles,
    /// Sum of all operations of an observed step, on the device.
    pub operations: Quantiles,
    /// Sum of all kernels of an observed step, on the device; 0 on devices without kernels.
    #[serde(default)]
    pub kernels: Quantiles,
    /// Gaps between the operations of an observed step, on the device.
    pub gaps: Quantiles,
    /// Time that the host spends outside calls of operations in an observed step.
    pub host: Quantiles,
    /// Making the batch on the host; 0 where the device makes it.
    pub batch: Quantiles,
}

/// The result of profiling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Version and commit of the program.
    pub version: String,
    /// The device, and its precision if that is not f32.
    pub device: String,
    /// The processor, which is the host of a GPU; None in records of versions that did not name it there.
    #[serde(default)]
    pub processor: Option<String>,
    /// Measured peaks of the machine.
    pub peaks: Peaks,
    /// When the peaks were measured, where that is known.
    #[serde(default)]
    pub peaks_measured: Option<Occasion>,
    /// Threads of the CPU.
    pub threads: usize,
    /// What was profiled.
    pub settings: Settings,
    /// Images per second of the median plain step.
    pub images_per_second: f64,
    /// Milliseconds of the median plain step.
    pub step_ms: f64,
    /// Times of whole steps.
    pub steps: Steps,
    /// By how much the median observed step is longer than the plain one, in percent.
    pub overhead_percent: f64,
    /// Whether observed and plain steps gave bit-identical results.
    pub same_bits: bool,
    /// Peak memory of this process in bytes. It holds the network twice, for plain and for observed steps.
    pub peak_bytes: u64,
    /// The operations, the longest first.
    pub rows: Vec<Row>,
    /// The kernels that the operations launched, in the same order; empty on devices without kernels.
    #[serde(default)]
    pub kernels: Vec<KernelRow>,
    /// Sentences about the kernels, see [`Profile::describe_kernels`].
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Runs the steps of `settings` on `backend`, alternating plain and observed ones with the same weights and images. Returns the
/// result and the spans of each observed step.
///
/// # Errors
/// No network has these settings; the device failed.
pub fn profile<B: Backend>(backend: &B, settings: &Settings, peaks: Known) -> Result<(Profile, Vec<Vec<Span>>)> {
    settings.validate()?;
    let observed = Observed::new(backend.clone());
    let (mut plain, mut seen) = (Job::new(backend, settings)?, Job::new(&observed, settings)?);
    let mut measured = Measured { same_bits: true, ..Measured::default() };
    for step in 0..settings.warmup + settings.steps {
        // The order alternates, so that neither kind of step always starts with the caches that the other one left.
        let [a, b] = match step % 2 {
            0 => [measured.plain(&mut plain)?, measured.observed(&observed, &mut seen)?],
            _ => [measured.observed(&observed, &mut seen)?, measured.plain(&mut plain)?],
        };
        measured.same_bits &= a.iter().map(|value| value.to_bits()).eq(b.iter().map(|value| value.to_bits()));
        if step < settings.warmup {
            measured = Measured { same_bits: measured.same_bits, ..Measured::default() };
        }
    }
    Ok(measured.result(backend.description(), settings, peaks))
}

/// Seconds and spans of each step.
#[derive(Default)]
struct Measured {
    batch: Vec<f64>,
    plain: Vec<f64>,
    observed: Vec<f64>,
    spans: Vec<Vec<Span>>,
    same_bits: bool,
}

impl Measured {
    fn plain<B: Backend>(&mut self, job: &mut Job<B>) -> Result<Vec<f32>> {
        let (batch, made) = timed(|| Ok(job.prepare()))?;
        let (step, result) = timed(|| job.step())?;
        self.batch.push(if made { batch } else { 0.0 });
        self.plain.push(step);
        Ok(result)
    }

    fn observed<B: Backend>(&mut self, observed: &Observed<B>, job: &mut Job<Observed<B>>) -> Result<Vec<f32>> {
        job.prepare();
        observed.begin()?;
        let (step, result) = timed(|| job.step())?;
        self.spans.push(observed.take()?);
        self.observed.push(step);
        Ok(result)
    }

    fn result(self, device: String, settings: &Settings, Known { peaks, occasion }: Known) -> (Profile, Vec<Vec<Span>>) {
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
            kernels: per_step(&|spans, _| spans.iter().flat_map(|span| &span.kernels).map(|kernel| kernel.seconds).sum()),
            gaps: per_step(&|spans, wall| wall - operations(spans)),
            host: per_step(&|spans, wall| wall - in_calls(spans)),
            batch: milliseconds(&self.batch),
        };
        let rows = rows(&self.spans, &peaks);
        let profile = Profile {
            version: format!("{} commit {}", env!("CARGO_PKG_VERSION"), crate::run::COMMIT),
            device,
            processor: Some(processor()),
            threads: rayon::current_num_threads(),
            settings: settings.clone(),
            images_per_second: settings.batch as f64 / steps.plain.median * 1e3,
            step_ms: steps.plain.median,
            overhead_percent: 100.0 * (steps.observed.median / steps.plain.median - 1.0),
            same_bits: self.same_bits,
            peak_bytes: peak_bytes(),
            kernels: kernel_rows(&self.spans, &rows, &peaks),
            notes: Vec::new(),
            rows,
            peaks,
            peaks_measured: occasion,
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
