//! Records the allocations of repeated work in its first run and checks them in the second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use super::driver::Address;
use super::memory::Block;
use super::plan::{Lifetime, Plan};

/// A recorded run in progress.
pub(crate) enum Session {
    /// The first run: the work is executed, and its allocations are recorded.
    Recording(Recording),
    /// The second run: the work is captured, and its buffers are placed according to the plan.
    Capture(Capture),
}

/// Identifies an allocation of a run.
#[derive(Clone, Copy)]
pub(crate) struct AllocationId {
    run: u64,
    number: usize,
}

/// A new number for a run, so that a buffer that escaped from one run is not mistaken for a buffer of another.
fn new_run() -> u64 {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    RUNS.fetch_add(1, Ordering::Relaxed)
}

/// `until` of a buffer that has not been dropped.
const ALIVE: usize = usize::MAX;

/// Buffers of the first run.
pub(crate) struct Recording {
    run: u64,
    lifetimes: Vec<Lifetime>,
}

impl Recording {
    pub(crate) fn new() -> Self {
        Self { run: new_run(), lifetimes: Vec::new() }
    }

    pub(crate) fn next(&mut self, bytes: usize) -> AllocationId {
        let number = self.lifetimes.len();
        self.lifetimes.push(Lifetime { bytes, from: number, until: ALIVE });
        AllocationId { run: self.run, number }
    }

    /// The plan for the recorded buffers, or the reason why there is none.
    pub(crate) fn plan(self) -> Result<Plan, String> {
        match self.lifetimes.iter().find(|lifetime| lifetime.until == ALIVE) {
            Some(lifetime) => Err(escaped(lifetime)),
            None => Ok(Plan::new(self.lifetimes)),
        }
    }
}

fn escaped(lifetime: &Lifetime) -> String {
    format!(
        "buffer {} of {} bytes was allocated inside repeated work but not dropped inside it",
        lifetime.from + 1,
        lifetime.bytes
    )
}

/// Buffers of the second run.
pub(crate) struct Capture {
    run: u64,
    plan: Arc<Plan>,
    /// Memory for all buffers of the plan; None if it needs none.
    slab: Option<Arc<Block>>,
    /// Number of allocations so far.
    made: usize,
    /// For each allocation of the plan, whether it has been dropped.
    dropped: Vec<bool>,
    /// The first difference from the plan.
    difference: Option<String>,
    /// Blocks used by the work that were allocated outside of it. They must outlive the captured graph.
    pub(crate) external: HashMap<Address, Weak<Block>>,
}

impl Capture {
    pub(crate) fn new(plan: Arc<Plan>, slab: Option<Arc<Block>>) -> Self {
        let dropped = vec![false; plan.lifetimes.len()];
        Self { run: new_run(), plan, slab, made: 0, dropped, difference: None, external: HashMap::new() }
    }

    /// Slab, address and identity of the next buffer, or how the run differs from the plan.
    pub(crate) fn next(&mut self, bytes: usize) -> Result<(Arc<Block>, Address, AllocationId), String> {
        let number = self.made;
        self.check_next(number, bytes);
        match (&self.difference, &self.slab) {
            (None, Some(slab)) => {
                self.made += 1;
                let address = slab.address + self.plan.offsets[number] as Address;
                Ok((Arc::clone(slab), address, AllocationId { run: self.run, number }))
            }
            (difference, _) => Err(differs(difference.as_deref().unwrap_or("it allocates a buffer, but none was recorded"))),
        }
    }

    fn check_next(&mut self, number: usize, bytes: usize) {
        let recorded = self.plan.lifetimes.len();
        let Some(lifetime) = self.plan.lifetimes.get(number) else {
            return self.note(format!("it allocates buffer {}, but {recorded} were recorded", number + 1));
        };
        if lifetime.bytes != bytes {
            return self.note(format!("its buffer {} has {bytes} bytes, but {} were recorded", number + 1, lifetime.bytes));
        }
        let dropped = self.dropped.iter().filter(|&&dropped| dropped).count();
        let wanted = self.plan.dropped_before(number);
        if dropped != wanted {
            self.note(format!(
                "{dropped} buffers are dropped before it allocates buffer {}, but {wanted} were recorded",
                number + 1
            ));
        }
    }

    fn note(&mut self, difference: String) {
        self.difference.get_or_insert(difference);
    }

    fn drop_number(&mut self, number: usize) {
        self.dropped[number] = true;
        let until = self.plan.lifetimes[number].until;
        if until != self.made {
            let made = self.made;
            self.note(format!("its buffer {} is dropped after {made} allocations, but {until} were recorded", number + 1));
        }
    }

    /// The blocks used by the work that were allocated outside of it, or how the run differed from the plan.
    pub(crate) fn finish(self) -> Result<Vec<Weak<Block>>, String> {
        let (made, recorded) = (self.made, self.plan.lifetimes.len());
        if let Some(difference) = self.difference {
            return Err(differs(&difference));
        }
        if let Some(number) = self.dropped[..made].iter().position(|&dropped| !dropped) {
            return Err(escaped(&self.plan.lifetimes[number]));
        }
        if made < recorded {
            return Err(differs(&format!("it allocates {made} buffers, but {recorded} were recorded")));
        }
        Ok(self.external.into_values().collect())
    }
}

fn differs(difference: &str) -> String {
    format!("repeated work differs from the recorded run: {difference}")
}

impl Session {
    /// Records that a buffer was dropped.
    pub(crate) fn dropped(&mut self, id: AllocationId) {
        match self {
            Self::Recording(recording) if recording.run == id.run => {
                recording.lifetimes[id.number].until = recording.lifetimes.len();
            }
            Self::Capture(capture) if capture.run == id.run => capture.drop_number(id.number),
            _ => {}
        }
    }
}
