use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Batch, TrainingSet};
use crate::error::Result;

/// Host batches of a training run. Each batch is made while the previous step runs.
///
/// The next batch is a task in the thread pool of the step, not a separate thread. Workers make it when the step leaves them
/// idle. So the number of threads stays as requested, and a worker never waits for a worker that is itself waiting. One batch is
/// made ahead.
pub struct Feed {
    set: Arc<TrainingSet>,
    count: usize,
    end: u64,
    ahead: Option<Made>,
}

/// The batch of a step, or the error of making it.
struct Made {
    step: u64,
    batch: Result<Batch>,
    supply: Supply,
}

/// How long the batch of a step took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supply {
    /// Time to make it. The step uses the same threads meanwhile.
    pub making: Duration,
    /// The part of it during which training had to wait.
    pub waiting: Duration,
}

impl Feed {
    /// Batches of `count` images for the steps before `end`.
    pub fn new(set: Arc<TrainingSet>, count: usize, end: u64) -> Self {
        Self { set, count, end, ahead: None }
    }

    /// Makes the batch of `step` now, before [`Feed::step`], which also reports an error of making it.
    pub fn prepare(&mut self, step: u64) {
        self.ahead = Some(self.take(step));
    }

    /// Runs `work` on the batch of `step` while the next batch is made. A batch is a pure function of seed and step, so its bits
    /// do not depend on the thread and the time at which it is made.
    ///
    /// # Errors
    /// As [`TrainingSet::batch`] for this step, and the errors of `work`. An error of the next batch is reported at the next
    /// step.
    pub fn step<R>(&mut self, step: u64, work: impl FnOnce(&Batch) -> Result<R>) -> Result<(R, Supply)> {
        let Made { batch, supply, .. } = self.take(step);
        let batch = batch?;
        let next = step + 1;
        if next >= self.end {
            return work(&batch).map(|result| (result, supply));
        }
        let (set, count) = (&*self.set, self.count);
        let mut ahead = None;
        let (result, done) = rayon::in_place_scope(|scope| {
            scope.spawn(|_| ahead = Some(Made::new(set, next, count)));
            (work(&batch), Instant::now())
        });
        self.ahead = ahead;
        if let Some(made) = &mut self.ahead {
            made.supply.waiting = done.elapsed();
        }
        result.map(|result| (result, supply))
    }

    /// The batch of `step`, which is made now unless it was made ahead.
    fn take(&mut self, step: u64) -> Made {
        self.ahead.take().filter(|made| made.step == step).unwrap_or_else(|| {
            let mut made = Made::new(&self.set, step, self.count);
            made.supply.waiting = made.supply.making;
            made
        })
    }
}

impl Made {
    fn new(set: &TrainingSet, step: u64, count: usize) -> Self {
        let start = Instant::now();
        let batch = set.batch(step, count);
        Self { step, batch, supply: Supply { making: start.elapsed(), waiting: Duration::ZERO } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::corruption::CorruptionConfig;
    use crate::data::{AugmentConfig, Image};
    use crate::error::Error;

    fn set(region_threshold: f32) -> TrainingSet {
        TrainingSet {
            images: vec![Image::from_elem((8, 8, 3), 0.5)],
            textures: Vec::new(),
            size: 8,
            augment: AugmentConfig::default(),
            corruption: CorruptionConfig { region_threshold, ..CorruptionConfig::default() },
            objects: Default::default(),
            seed: 1,
        }
    }

    #[test]
    fn a_batch_that_cannot_be_made_is_the_error_of_its_own_step() {
        let bad = Arc::new(set(2.0));
        let key = |error: Error| matches!(error, Error::Config { key, .. } if key.contains("region_threshold"));
        assert!(key(Feed::new(Arc::clone(&bad), 2, 9).step(0, |_| Ok(())).unwrap_err()));
        // The error of a batch made ahead must not end the previous step.
        let good = Arc::new(set(0.5));
        let mut feed = Feed::new(good, 2, 9);
        feed.step(0, |_| Ok(())).unwrap();
        feed.ahead = Some(Made::new(&bad, 1, 2));
        assert!(key(feed.step(1, |_| Ok(())).unwrap_err()));
    }

    #[test]
    fn one_batch_is_made_ahead_but_none_beyond_the_last_step() {
        let set = Arc::new(set(0.5));
        let mut feed = Feed::new(set, 2, 2);
        let (_, first) = feed.step(0, |_| Ok(())).unwrap();
        assert!(first.waiting == first.making && feed.ahead.as_ref().unwrap().step == 1);
        feed.step(1, |_| Ok(())).unwrap();
        assert!(feed.ahead.is_none());
    }
}
