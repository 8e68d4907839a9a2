//! A backend that gives the same bits as another backend and records when each operation ran.

use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ndarray::ArrayView3;

use super::{KernelSpan, Span};
use crate::backend::{Arithmetic, Phase, Storage, Watched, Work};
use crate::error::{Error, Result};
use crate::ops::{Backend, Batch, Call, Checked, CorruptionSpec, Sampler};
use crate::shape::Shape;

/// A backend that gives the same bits as another backend and records when each operation ran. Clones write into one log. No step
/// is captured: [`Storage::repeat`] does its work every time, so that every operation is seen.
pub struct Observed<B: Backend> {
    inner: B,
    log: Arc<Mutex<Log<B>>>,
}

impl<B: Backend> Clone for Observed<B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), log: Arc::clone(&self.log) }
    }
}

/// The operations of one step.
struct Log<B: Backend> {
    layer: Arc<str>,
    phase: Phase,
    /// When the step began, on the device and on the host.
    begin: Option<(B::Mark, Instant)>,
    records: Vec<Record<B::Mark>>,
}

struct Record<M> {
    op: &'static str,
    layer: Arc<str>,
    phase: Phase,
    work: Work,
    device: [M; 2],
    host: [Instant; 2],
    kernels: Vec<Watched<M>>,
    live_bytes: Option<usize>,
}

impl<B: Backend> Observed<B> {
    /// Observes `inner`.
    pub fn new(inner: B) -> Self {
        let log = Log { layer: "".into(), phase: Phase::Forward, begin: None, records: Vec::new() };
        Self { inner, log: Arc::new(Mutex::new(log)) }
    }

    /// Forgets what was recorded and begins a step.
    ///
    /// # Errors
    /// The device failed.
    pub fn begin(&self) -> Result<()> {
        let mark = self.inner.mark()?;
        let mut log = self.log();
        log.records.clear();
        log.begin = Some((mark, Instant::now()));
        Ok(())
    }

    /// The operations since [`Observed::begin`], in order. Waits for the device.
    ///
    /// # Errors
    /// The device failed.
    pub fn take(&self) -> Result<Vec<Span>> {
        let mut log = self.log();
        let records = take(&mut log.records);
        let Some((mark, instant)) = &log.begin else { return Ok(Vec::new()) };
        records.into_iter().map(|record| self.span(record, mark, *instant)).collect()
    }

    fn span(&self, record: Record<B::Mark>, begin: &B::Mark, instant: Instant) -> Result<Span> {
        let start_and_length = |[first, last]: &[B::Mark; 2]| {
            Ok::<_, Error>((self.inner.seconds_between(begin, first)?, self.inner.seconds_between(first, last)?))
        };
        let kernel = |(launch, marks): Watched<B::Mark>| {
            let (start, seconds) = start_and_length(&marks)?;
            Ok(KernelSpan { launch, start, seconds })
        };
        let (start, seconds) = start_and_length(&record.device)?;
        Ok(Span {
            op: record.op,
            layer: record.layer.to_string(),
            phase: record.phase,
            work: on_unit(record.work, &record.kernels),
            kernels: record.kernels.into_iter().map(kernel).collect::<Result<_>>()?,
            start,
            seconds,
            host: record.host.map(|moment| moment.duration_since(instant).as_secs_f64()),
            live_bytes: record.live_bytes,
        })
    }

    fn log(&self) -> MutexGuard<'_, Log<B>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs an operation and records it. Without a `phase` it is in that of the pass.
    fn observe<R>(&self, op: &'static str, phase: Option<Phase>, work: Work, run: impl FnOnce() -> Result<R>) -> Result<R> {
        let (layer, phase) = {
            let log = self.log();
            (Arc::clone(&log.layer), phase.unwrap_or(log.phase))
        };
        let separator = if layer.is_empty() { "" } else { "/" };
        let (done, kernels) = self.inner.watched(format_args!("{layer}{separator}{}/{op}", phase.words()), || {
            let (first, from) = (self.inner.mark()?, Instant::now());
            let result = run()?;
            let (to, last) = (Instant::now(), self.inner.mark()?);
            Ok((result, [first, last], [from, to]))
        });
        let (result, device, host) = done?;
        let live_bytes = self.inner.live_bytes();
        let mut log = self.log();
        if log.begin.is_some() {
            log.records.push(Record { op, layer, phase, work, device, host, kernels, live_bytes });
        }
        Ok(result)
    }

    /// The same for an operation that writes or copies `len` elements, without arithmetic.
    fn moved<R>(&self, op: &'static str, phase: Option<Phase>, len: usize, run: impl FnOnce() -> Result<R>) -> Result<R> {
        self.observe(op, phase, Work::traffic((len * size_of::<B::Elem>()) as u64), run)
    }
}

/// For backends that do not report units: all FLOPs count as done by the matrix unit if one of the kernels uses it.
fn on_unit<M>(work: Work, kernels: &[Watched<M>]) -> Work {
    let uses_matrix = kernels.iter().any(|(launch, _)| launch.work.matrix > 0);
    if uses_matrix { Work { matrix: work.flops, ..work } } else { work }
}

impl<B: Backend> Backend for Observed<B> {
    fn execute(&self, call: Checked<'_, B::Buffer>) -> Result<()> {
        let len = |buffer: &B::Buffer| self.inner.len(buffer);
        let contract = call.call().contract(&len);
        let (matrix, saved) = (self.inner.matrix_flops(call.call()), self.inner.saved_flops(call.call()));
        let work = Work {
            matrix,
            saved,
            ..contract.work(&|buffer| self.inner.element_bytes(buffer), &|buffer| self.inner.is_blank(buffer))
        };
        let (op, phase) = (contract.op, contract.phase);
        drop(contract);
        self.observe(op, phase, work, || self.inner.execute(call))
    }

    fn matrix_flops(&self, call: &Call<'_, B::Buffer>) -> u64 {
        self.inner.matrix_flops(call)
    }

    fn saved_flops(&self, call: &Call<'_, B::Buffer>) -> u64 {
        self.inner.saved_flops(call)
    }

    fn sampler(&self, pictures: &[ArrayView3<'_, f32>]) -> Result<Option<Box<dyn Sampler<B::Buffer>>>> {
        let observed = |inner| Box::new(ObservedSampler { inner, observed: self.clone() }) as Box<dyn Sampler<B::Buffer>>;
        Ok(self.inner.sampler(pictures)?.map(observed))
    }
}

/// A sampler whose batches are recorded. Arithmetic is not counted: it depends on what is drawn.
struct ObservedSampler<B: Backend> {
    inner: Box<dyn Sampler<B::Buffer>>,
    observed: Observed<B>,
}

impl<B: Backend> Sampler<B::Buffer> for ObservedSampler<B> {
    fn batch(&self, spec: &CorruptionSpec, picks: &B::Buffer, batch: Batch<'_, B::Buffer>) -> Result<()> {
        // x̂ is written and read again.
        let len = 3 * spec.image_len() + spec.region_len();
        self.observed.moved("corruption", Some(Phase::Data), len, || self.inner.batch(spec, picks, batch))
    }
}

impl<B: Backend> Storage for Observed<B> {
    type Elem = B::Elem;
    type Buffer = B::Buffer;
    type Program = ();
    type Mark = B::Mark;

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn spare_host_memory(&self) -> Option<usize> {
        self.inner.spare_host_memory()
    }

    fn description(&self) -> String {
        self.inner.description()
    }

    fn arithmetic(&self) -> Arithmetic {
        self.inner.arithmetic()
    }

    /// Not an operation: nothing is written.
    fn alloc(&self, len: usize) -> Result<B::Buffer> {
        self.inner.alloc(len)
    }

    fn zeros(&self, len: usize) -> Result<B::Buffer> {
        self.moved("zeros", None, len, || self.inner.zeros(len))
    }

    fn alloc_activation(&self, shape: &Shape) -> Result<B::Buffer> {
        self.inner.alloc_activation(shape)
    }

    /// Recorded under the same name as written zeros; what a device saves shows in the time.
    fn gradient_of(&self, value: &B::Buffer) -> Result<B::Buffer> {
        self.moved("zeros", None, self.len(value), || self.inner.gradient_of(value))
    }

    /// Part of the operation before it: on most devices it does nothing.
    fn settle(&self, value: &mut B::Buffer) -> Result<()> {
        self.inner.settle(value)
    }

    fn upload_parameter(&self, shape: &Shape, host: &[B::Elem]) -> Result<B::Buffer> {
        self.moved("upload", Some(Phase::Data), host.len(), || self.inner.upload_parameter(shape, host))
    }

    fn upload(&self, host: &[B::Elem]) -> Result<B::Buffer> {
        self.moved("upload", Some(Phase::Data), host.len(), || self.inner.upload(host))
    }

    fn write(&self, host: &[B::Elem], target: &mut B::Buffer) -> Result<()> {
        self.moved("write", Some(Phase::Data), host.len(), || self.inner.write(host, target))
    }

    fn download(&self, buffer: &B::Buffer) -> Result<Vec<B::Elem>> {
        self.moved("download", Some(Phase::Data), self.len(buffer), || self.inner.download(buffer))
    }

    fn copy(&self, source: &B::Buffer, target: &mut B::Buffer) -> Result<()> {
        let bytes = self.len(source) * (self.element_bytes(source) + self.element_bytes(target));
        self.observe("copy", None, Work::traffic(bytes as u64), || self.inner.copy(source, target))
    }

    fn len(&self, buffer: &B::Buffer) -> usize {
        self.inner.len(buffer)
    }

    fn element_bytes(&self, buffer: &B::Buffer) -> usize {
        self.inner.element_bytes(buffer)
    }

    fn is_blank(&self, buffer: &B::Buffer) -> bool {
        self.inner.is_blank(buffer)
    }

    fn live_bytes(&self) -> Option<usize> {
        self.inner.live_bytes()
    }

    fn repeat(&self, (): &mut (), work: impl FnOnce() -> Result<()>) -> Result<()> {
        work()
    }

    fn mark(&self) -> Result<B::Mark> {
        self.inner.mark()
    }

    fn seconds_between(&self, from: &B::Mark, to: &B::Mark) -> Result<f64> {
        self.inner.seconds_between(from, to)
    }

    fn enter(&self, layer: &str, phase: Phase) {
        let mut log = self.log();
        log.phase = phase;
        if *log.layer != *layer {
            log.layer = layer.into();
        }
    }
}
