use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::job::Job;
use super::kernels::{KernelRow, kernel_rows};
use super::machine::peak_bytes;
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

/// Runs the steps of `settings` on `backend`, alternating plain and observed ones with the same weights and images. Returns the result
/// and the spans of each observed step.
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
        let counts = step >= settings.warmup;
        let (a, b) = if step % 2 == 0 {
            let a = measured.plain(&mut plain, counts)?;
            (a, measured.observed(&observed, &mut seen, counts)?)
        } else {
            let b = measured.observed(&observed, &mut seen, counts)?;
            (measured.plain(&mut plain, counts)?, b)
        };
        measured.same_bits &= a.iter().map(|value| value.to_bits()).eq(b.iter().map(|value| value.to_bits()));
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
    fn plain<B: Backend>(&mut self, job: &mut Job<B>, counts: bool) -> Result<Vec<f32>> {
        let (batch, made) = timed(|| Ok(job.prepare()))?;
        let (step, result) = timed(|| job.step())?;
        if counts {
            self.batch.push(if made { batch } else { 0.0 });
            self.plain.push(step);
        }
        Ok(result)
    }

    fn observed<B: Backend>(&mut self, observed: &Observed<B>, job: &mut Job<Observed<B>>, counts: bool) -> Result<Vec<f32>> {
        job.prepare();
        observed.begin()?;
        let (step, result) = timed(|| job.step())?;
        let spans = observed.take()?;
        if counts {
            self.observed.push(step);
            self.spans.push(spans);
        }
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

#[cfg(test)]
mod tests {
    use super::super::{Change, MIN_STEPS, Phase, Task, compare};
    use super::*;
    use crate::backend::{Cpu, Reference};
    use crate::model::Architecture;
    use crate::shape::Shape;

    fn settings(task: Task, model: u8) -> Settings {
        Settings { task, model, width: 2, size: 16, batch: 2, steps: 3, warmup: 1, seed: 5 }
    }

    fn peaks() -> Known {
        let peaks = Peaks { machine: "a machine".into(), copy: 1e10, fma: Some(1e11), matrix: None };
        Known { peaks, occasion: None }
    }

    #[test]
    fn observing_changes_no_bits_and_sees_every_operation() {
        for model in [1, 2] {
            let settings = settings(Task::Train, model);
            let (profile, spans) = profile(&Cpu::new(), &settings, peaks()).unwrap();
            assert!(profile.same_bits && spans.len() == 3 && spans.iter().all(|step| step.len() == spans[0].len()));
            let plan = Architecture::autoencoder(model, 2).unwrap().plan(Shape::new(&[2, 16, 16, 3]).unwrap()).unwrap();
            let products = |phase: Phase| {
                let of = profile.rows.iter().filter(|row| row.phase == phase && matches!(row.op.as_str(), "conv2d" | "sdc"));
                of.map(|row| row.measure.work.flops).sum::<u64>()
            };
            let without_ccm =
                plan.layers.iter().filter(|layer| !layer.kind.starts_with("CCM")).map(|layer| layer.flops).sum::<u64>();
            assert_eq!(products(Phase::Forward), without_ccm);
            assert_eq!(products(Phase::WeightGradient), without_ccm);
            // The input of the first layer needs no gradient.
            assert_eq!(products(Phase::InputGradient), without_ccm - plan.layers[0].flops);
            for layer in plan.layers.iter().filter(|layer| !layer.name.is_empty()) {
                assert!(profile.rows.iter().any(|row| row.layer == layer.name && row.phase == Phase::Forward), "{}", layer.name);
            }
            let adam = profile.rows.iter().find(|row| row.op == "adam").unwrap();
            assert_eq!((adam.measure.launches, adam.phase), (plan.parameters.len(), Phase::Optimiser));
            assert_eq!(adam.measure.work.flops, 13 * plan.parameter_count() as u64);
        }
    }

    #[test]
    fn winograd_executes_fewer_operations_than_the_formula_counts() {
        let settings = Settings { width: 16, size: 32, ..settings(Task::Train, 2) };
        let (profile, _) = profile(&Cpu::new(), &settings, peaks()).unwrap();
        for phase in [Phase::Forward, Phase::InputGradient, Phase::WeightGradient] {
            let work = |layer: &str| {
                let row = profile.rows.iter().find(|row| row.layer == layer && row.phase == phase && row.op == "conv2d").unwrap();
                row.measure.work
            };
            // 36 of 144 products, and the transforms of 16 channels: 150 (16 + 16) / (36 · 16 · 16) of the products once more.
            let e11 = work("e1.1");
            assert_eq!(e11.executed() * 144, e11.flops * 36 / 9216 * (9216 + 4800), "{phase:?}");
            assert_eq!(work("out").saved, 0, "1 x 1");
        }
        let sdc = profile.rows.iter().find(|row| row.op == "sdc").unwrap().measure.work;
        assert!(sdc.saved > sdc.flops / 2, "dilations beyond the image meet only padding: {sdc:?}");
    }

    #[test]
    fn inference_has_no_backward_pass() {
        let (profile, _) = profile(&Cpu::new(), &settings(Task::Infer, 2), peaks()).unwrap();
        assert!(profile.same_bits && profile.rows.iter().all(|row| matches!(row.phase, Phase::Forward | Phase::Data)));
        assert!(profile.rows.iter().any(|row| row.op == "ccm" && row.layer == "ccm1" && row.measure.launches == 1));
    }

    #[test]
    fn sums_and_gaps_make_a_step() {
        let (profile, spans) = profile(&Reference::<f32>::default(), &settings(Task::Infer, 1), peaks()).unwrap();
        let Steps { operations, gaps, observed, .. } = profile.steps;
        assert!(operations.median > 0.0 && gaps.min > -1e-9 && operations.min <= observed.p99);
        // On a device that is done when a call returns, operations do not overlap.
        for step in &spans {
            assert!(step.windows(2).all(|pair| pair[1].start >= pair[0].start + pair[0].seconds - 1e-9));
        }
    }

    #[test]
    fn records_are_read_back_and_compared() {
        let (mut a, _) = profile(&Cpu::new(), &settings(Task::Train, 1), peaks()).unwrap();
        let text = serde_json::to_string(&a).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), a);
        let compare = |a: &Profile, b: &Profile| compare(std::slice::from_ref(a), std::slice::from_ref(b));
        assert!(compare(&a, &a).unwrap().iter().all(|row| row.change == Change::Unclear), "3 steps are too few");
        a.settings.steps = MIN_STEPS;
        let same = compare(&a, &a).unwrap();
        assert!(same.iter().all(|row| row.change == Change::Same) && same[0].row.is_none());
        let mut b = a.clone();
        let row = b.rows.iter_mut().find(|row| row.op == "adam").unwrap();
        row.measure.ms.median *= 100.0;
        let (rows, slower) = (compare(&a, &b).unwrap(), Change::Slower);
        assert!(rows.iter().filter(|row| row.change == slower).count() == 1 && rows[1].change == slower);
        b.settings.width = 4;
        b.device = "cuda".into();
        let error = compare(&a, &b).unwrap_err().to_string();
        assert_eq!(error, "these cannot be compared: width is 2 and 4; device is cpu and cuda");
        a.rows.clear();
        assert!(compare(&a, &serde_json::from_str(&text).unwrap()).unwrap().iter().any(|row| row.change == Change::New));
    }

    #[test]
    fn impossible_settings_are_named() {
        let refused = |settings: Settings| profile(&Cpu::new(), &settings, peaks()).err().unwrap().to_string();
        let good = settings(Task::Train, 2);
        assert!(refused(Settings { steps: 0, ..good.clone() }).contains("steps must be at least 1"));
        assert!(refused(Settings { warmup: usize::MAX, ..good.clone() }).contains("warmup must be at most 100000"));
        assert!(refused(Settings { batch: 0, ..good.clone() }).contains("batch must be at least 1"));
        assert!(refused(Settings { model: 3, ..good.clone() }).contains('3'));
        assert!(refused(Settings { size: 20, ..good.clone() }).contains("20"));
        assert!(Settings { width: 0, ..good }.validate().is_ok());
    }
}
