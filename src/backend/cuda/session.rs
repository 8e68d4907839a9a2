//! What is noted of buffers while work is recorded, and checked against it afterwards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use super::driver::Address;
use super::memory::Block;
use super::plan::{Life, Plan};

/// A recorded run in progress.
pub(crate) enum Session {
    /// The first run: the work is done as always, and its buffers are counted.
    Recording(Recording),
    /// The second run: the work is captured, and its buffers lie where the plan says.
    Capture(Capture),
}

/// Which allocation of which run a buffer was.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    run: u64,
    number: usize,
}

/// Tells runs apart, so that a buffer that escaped from one is not taken for one of another.
fn new_run() -> u64 {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    RUNS.fetch_add(1, Ordering::Relaxed)
}

/// `until` of a buffer that has not been dropped.
const ALIVE: usize = usize::MAX;

/// Buffers of the first run.
pub(crate) struct Recording {
    run: u64,
    lives: Vec<Life>,
}

impl Recording {
    pub(crate) fn new() -> Self {
        Self { run: new_run(), lives: Vec::new() }
    }

    pub(crate) fn next(&mut self, bytes: usize) -> Ticket {
        let number = self.lives.len();
        self.lives.push(Life { bytes, from: number, until: ALIVE });
        Ticket { run: self.run, number }
    }

    /// The plan for what was seen, or why there is none.
    pub(crate) fn plan(self) -> Result<Plan, String> {
        match self.lives.iter().find(|life| life.until == ALIVE) {
            Some(life) => Err(escaped(life)),
            None => Ok(Plan::new(self.lives)),
        }
    }
}

fn escaped(life: &Life) -> String {
    format!("buffer {} of {} bytes, made inside repeated work, was not dropped inside", life.from + 1, life.bytes)
}

/// Buffers of the second run.
pub(crate) struct Capture {
    run: u64,
    plan: Arc<Plan>,
    /// Where the plan is laid out; `None` if it needs no memory.
    slab: Option<Arc<Block>>,
    /// Allocations so far, and which of them have been dropped.
    made: usize,
    dropped: Vec<bool>,
    /// The first difference from the plan.
    difference: Option<String>,
    /// Blocks from outside that the work uses. They must outlive what is recorded.
    pub(crate) outside: HashMap<Address, Weak<Block>>,
}

impl Capture {
    pub(crate) fn new(plan: Arc<Plan>, slab: Option<Arc<Block>>) -> Self {
        let dropped = vec![false; plan.lives.len()];
        Self { run: new_run(), plan, slab, made: 0, dropped, difference: None, outside: HashMap::new() }
    }

    /// The place of the next buffer.
    pub(crate) fn next(&mut self, bytes: usize) -> Result<(Arc<Block>, Address, Ticket), String> {
        let number = self.made;
        self.check_next(number, bytes);
        match (&self.difference, &self.slab) {
            (None, Some(slab)) => {
                self.made += 1;
                let address = slab.address + self.plan.offsets[number] as Address;
                Ok((Arc::clone(slab), address, Ticket { run: self.run, number }))
            }
            (difference, _) => Err(differs(difference.as_deref().unwrap_or("it makes a buffer, none was recorded"))),
        }
    }

    fn check_next(&mut self, number: usize, bytes: usize) {
        let recorded = self.plan.lives.len();
        let Some(life) = self.plan.lives.get(number) else {
            return self.note(format!("it makes buffer {}, {recorded} were recorded", number + 1));
        };
        if life.bytes != bytes {
            return self.note(format!("its buffer {} has {bytes} bytes, {} were recorded", number + 1, life.bytes));
        }
        let dropped = self.dropped.iter().filter(|&&dropped| dropped).count();
        let wanted = self.plan.dropped_before(number);
        if dropped != wanted {
            self.note(format!("{dropped} buffers are dropped before it makes buffer {}, {wanted} were recorded", number + 1));
        }
    }

    fn note(&mut self, difference: String) {
        self.difference.get_or_insert(difference);
    }

    fn drop_number(&mut self, number: usize) {
        self.dropped[number] = true;
        let until = self.plan.lives[number].until;
        if until != self.made {
            let made = self.made;
            self.note(format!("its buffer {} is dropped after {made} allocations, {until} were recorded", number + 1));
        }
    }

    /// The blocks from outside that the work uses, or how the run differed from the plan.
    pub(crate) fn finish(self) -> Result<Vec<Weak<Block>>, String> {
        let (made, recorded) = (self.made, self.plan.lives.len());
        if let Some(difference) = self.difference {
            return Err(differs(&difference));
        }
        if let Some(number) = self.dropped[..made].iter().position(|&dropped| !dropped) {
            return Err(escaped(&self.plan.lives[number]));
        }
        if made < recorded {
            return Err(differs(&format!("it makes {made} buffers, {recorded} were recorded")));
        }
        Ok(self.outside.into_values().collect())
    }
}

fn differs(difference: &str) -> String {
    format!("repeated work is not what was recorded: {difference}")
}

impl Session {
    /// Notes that a buffer was dropped.
    pub(crate) fn dropped(&mut self, ticket: Ticket) {
        match self {
            Self::Recording(recording) if recording.run == ticket.run => {
                recording.lives[ticket.number].until = recording.lives.len();
            }
            Self::Capture(capture) if capture.run == ticket.run => capture.drop_number(ticket.number),
            _ => {}
        }
    }
}
