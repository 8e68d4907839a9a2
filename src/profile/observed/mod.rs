//! A backend that computes as another one does, to the bit, and writes down when.

mod elementwise;
mod products;
mod storage;
mod training;

use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{KernelSpan, Phase, Span, Work};
use crate::backend::{Backend, Pass, Watched};
use crate::error::{Error, Result};

/// A backend that computes as another one does, to the bit, and writes down when. Clones write into one log. Nothing is recorded to be repeated: [`Storage::repeat`](crate::backend::Storage::repeat)
/// does its work every time, so that every operation is seen.
pub struct Observed<B: Backend> {
    inner: B,
    log: Arc<Mutex<Log<B>>>,
}

impl<B: Backend> Clone for Observed<B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), log: Arc::clone(&self.log) }
    }
}

/// The calls of one step.
struct Log<B: Backend> {
    layer: Arc<str>,
    pass: Pass,
    /// Of the step, on the device and on the host.
    begin: Option<(B::Mark, Instant)>,
    calls: Vec<Call<B::Mark>>,
}

struct Call<M> {
    op: &'static str,
    layer: Arc<str>,
    phase: Phase,
    work: Work,
    device: [M; 2],
    host: [Instant; 2],
    kernels: Vec<Watched<M>>,
}

/// What is known of a call beforehand. Without a phase it is that of the pass.
struct Subject {
    op: &'static str,
    phase: Option<Phase>,
    work: Work,
}

impl Subject {
    /// The same with so many operations on the matrix unit.
    fn on_matrix(mut self, flops: u64) -> Self {
        self.work.matrix = flops;
        self
    }

    /// The same with so many operations of the formula not executed.
    fn without(mut self, saved: u64) -> Self {
        self.work.saved = saved;
        self
    }
}

impl<B: Backend> Observed<B> {
    /// Observes `inner`.
    pub fn new(inner: B) -> Self {
        let log = Log { layer: "".into(), pass: Pass::Forward, begin: None, calls: Vec::new() };
        Self { inner, log: Arc::new(Mutex::new(log)) }
    }

    /// Forgets what was seen and begins a step.
    ///
    /// # Errors
    /// The device failed.
    pub fn begin(&self) -> Result<()> {
        let mark = self.inner.mark()?;
        let mut log = self.log();
        log.calls.clear();
        log.begin = Some((mark, Instant::now()));
        Ok(())
    }

    /// What was called since [`Observed::begin`], in the order of the calls. Waits for the device.
    ///
    /// # Errors
    /// The device failed.
    pub fn take(&self) -> Result<Vec<Span>> {
        let mut log = self.log();
        let calls = take(&mut log.calls);
        let Some((mark, instant)) = &log.begin else { return Ok(Vec::new()) };
        let start_and_length = |[first, last]: &[B::Mark; 2]| {
            Ok::<_, Error>((self.inner.seconds_between(mark, first)?, self.inner.seconds_between(first, last)?))
        };
        let kernel = |(launch, marks): Watched<B::Mark>| {
            let (start, seconds) = start_and_length(&marks)?;
            Ok(KernelSpan { launch, start, seconds })
        };
        let span = |call: Call<B::Mark>| {
            let (start, seconds) = start_and_length(&call.device)?;
            Ok(Span {
                op: call.op,
                layer: call.layer.to_string(),
                phase: call.phase,
                work: on_unit(call.work, &call.kernels),
                kernels: call.kernels.into_iter().map(kernel).collect::<Result<_>>()?,
                start,
                seconds,
                host: call.host.map(|moment| moment.duration_since(*instant).as_secs_f64()),
            })
        };
        calls.into_iter().map(span).collect()
    }

    fn log(&self) -> MutexGuard<'_, Log<B>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe<R>(&self, subject: Subject, call: impl FnOnce(&B) -> Result<R>) -> Result<R> {
        let Subject { op, phase, work } = subject;
        let (layer, phase) = {
            let log = self.log();
            (Arc::clone(&log.layer), phase.unwrap_or_else(|| log.pass.into()))
        };
        let separator = if layer.is_empty() { "" } else { "/" };
        let (done, kernels) = self.inner.watched(format_args!("{layer}{separator}{}/{op}", phase.words()), || {
            let (first, from) = (self.inner.mark()?, Instant::now());
            let result = call(&self.inner)?;
            let (to, last) = (Instant::now(), self.inner.mark()?);
            Ok((result, [first, last], [from, to]))
        });
        let (result, device, host) = done?;
        let mut log = self.log();
        if log.begin.is_some() {
            log.calls.push(Call { op, layer, phase, work, device, host, kernels });
        }
        Ok(result)
    }

    /// Bytes of these buffers.
    fn bytes(&self, buffers: &[&B::Buffer]) -> u64 {
        let elements: usize = buffers.iter().map(|buffer| self.inner.len(buffer)).sum();
        (elements * size_of::<B::Elem>()) as u64
    }

    /// Elements of a buffer.
    fn count(&self, buffer: &B::Buffer) -> u64 {
        self.inner.len(buffer) as u64
    }
}

/// The work of an operation whose backend tells nothing of units: on the matrix unit if one of its kernels is.
fn on_unit<M>(work: Work, kernels: &[Watched<M>]) -> Work {
    let uses_matrix = kernels.iter().any(|(launch, _)| launch.work.matrix > 0);
    if uses_matrix { Work { matrix: work.flops, ..work } } else { work }
}
