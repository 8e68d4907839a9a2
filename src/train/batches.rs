use std::sync::Arc;

use crate::data::{Batch, Feed, ResidentSet, Supply, TrainingSet};
use crate::error::Result;
use crate::ops::{Backend, Picks};

/// The batches of a training run, one per step. They are made on the device if it supports this, otherwise on the host. The batch
/// of a step is the same in both cases.
pub struct Batches<B: Backend>(Source<B>);

enum Source<B: Backend> {
    /// Each batch is made on the host while the previous step runs.
    Host(Feed),
    /// Each batch is made on the device as part of its step.
    Device(Arc<TrainingSet>, ResidentSet<B>),
    /// One batch for all steps.
    Fixed(Batch),
}

/// The batch of one step.
pub(super) enum StepBatch<'a, B: Backend> {
    /// Values on the host.
    Host(&'a Batch),
    /// The images of a resident set that the device uses, and their crops and flips.
    Device(&'a ResidentSet<B>, Picks),
}

impl<B: Backend> Batches<B> {
    /// Batches of `count` images of `set` for the steps before `end`. On the host, one batch is made ahead, except for steps from
    /// `end` on.
    ///
    /// # Errors
    /// As [`TrainingSet::validate`]; a batch too large; out of device memory.
    pub fn new(backend: &B, set: impl Into<Arc<TrainingSet>>, count: usize, end: u64) -> Result<Self> {
        let set = set.into();
        Ok(match set.resident(backend, count)? {
            Some(resident) => Self(Source::Device(set, resident)),
            None => Self(Source::Host(Feed::new(set, count, end))),
        })
    }

    /// Makes the batch of `step`, counted from 0, before the step. Returns false if the device makes the batches.
    pub fn prepare(&mut self, step: u64) -> bool {
        if let Source::Host(feed) = &mut self.0 {
            feed.prepare(step);
        }
        !matches!(self.0, Source::Device(..))
    }

    /// Calls `work` with the batch of `step`, counted from 0.
    pub(super) fn step<R>(&mut self, step: u64, work: impl FnOnce(StepBatch<'_, B>) -> Result<R>) -> Result<(R, Supply)> {
        let nothing = |result| (result, Supply::default());
        match &mut self.0 {
            Source::Host(feed) => feed.step(step, |batch| work(StepBatch::Host(batch))),
            Source::Device(set, resident) => {
                let picks = set.picks(step, resident.count());
                work(StepBatch::Device(resident, picks)).map(nothing)
            }
            Source::Fixed(batch) => work(StepBatch::Host(batch)).map(nothing),
        }
    }
}

/// The same batch for every step.
impl<B: Backend> From<Batch> for Batches<B> {
    fn from(batch: Batch) -> Self {
        Self(Source::Fixed(batch))
    }
}
