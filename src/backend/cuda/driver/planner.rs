//! A device that computes nothing and holds nothing but small tables: it notes what is submitted. With it the launches of a step
//! are known on any machine, for any size of the network, in the time that the host needs to submit them.
//!
//! Its clock counts submissions: a mark is the number of launches, fills and copies so far, and the time between two marks is how
//! many were submitted between them. What is read back is zero.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Address, Driver, Graph, Launch, Mark, Policy};
use crate::backend::cuda::Kernel;
use crate::backend::cuda::compiler::Arch;
use crate::error::{Error, Result};

/// Address of the first buffer. Arguments are searched for addresses by value, so no pair of numbers in a spec may look like one:
/// the upper half is a NaN as a float and too large for a size.
const FIRST: Address = 0x7FA5_7FA5_0000_0000;
/// Alignment of buffers in bytes.
const ALIGNMENT: usize = 256;

/// Most bytes of a buffer whose contents are kept: sizes and places that kernels read, but no images.
const TABLE: usize = 1 << 16;

/// Something submitted to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// A launch of a kernel.
    Launch(PlannedLaunch),
    /// Zeros written to a buffer, with their number of bytes.
    Zero(BufferId, usize),
    /// A copy from the first buffer to the second, with its number of bytes.
    Copy(BufferId, BufferId, usize),
}

/// A launch that was not executed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlannedLaunch {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y, z.
    pub block: [u32; 3],
    /// The arguments as bytes. Addresses among them are those of [`PlannedLaunch::buffers`].
    pub arguments: Vec<Vec<u8>>,
    /// The buffers among the arguments, in order.
    pub buffers: Vec<BufferId>,
}

/// A buffer, which no other one shares even after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId {
    /// Its address.
    pub address: Address,
    /// Its size in bytes.
    pub bytes: usize,
}

impl PlannedLaunch {
    /// Its buffers, each once, in the order in which the arguments name them first.
    pub fn distinct_buffers(&self) -> Vec<BufferId> {
        let mut seen = HashSet::new();
        self.buffers.iter().copied().filter(|&buffer| seen.insert(buffer)).collect()
    }

    /// Its arguments if each buffer lies at another address.
    pub fn arguments_at(&self, places: &[(BufferId, Address)]) -> Vec<Vec<u8>> {
        let moved = |word: Address| {
            let place = places.iter().find(|(buffer, _)| buffer.contains(word));
            place.map(|(buffer, address)| address + (word - buffer.address))
        };
        let mut arguments = self.arguments.clone();
        for word in arguments.iter_mut().flat_map(|bytes| bytes.chunks_exact_mut(size_of::<Address>())) {
            let address = word.first_chunk().and_then(|bytes| moved(Address::from_ne_bytes(*bytes)));
            if let Some(address) = address {
                word.copy_from_slice(&address.to_ne_bytes());
            }
        }
        arguments
    }

    /// The launch with its buffers one after another: equal for launches that differ only in where their buffers are.
    pub fn placed_in_order(&self) -> Self {
        let mut next = FIRST;
        let mut places = Vec::new();
        for buffer in self.distinct_buffers() {
            places.push((buffer, next));
            next += aligned(buffer.bytes);
        }
        let address =
            |buffer: &BufferId| places.iter().find(|(known, _)| known == buffer).map_or(buffer.address, |place| place.1);
        let buffers = self.buffers.iter().map(|buffer| BufferId { address: address(buffer), ..*buffer }).collect();
        Self { arguments: self.arguments_at(&places), buffers, ..self.clone() }
    }
}

/// The room of a buffer.
fn aligned(bytes: usize) -> Address {
    bytes.max(1).next_multiple_of(ALIGNMENT) as Address
}

impl BufferId {
    /// Whether it is the buffer of this address; one without elements has its start alone.
    pub fn contains(&self, address: Address) -> bool {
        (self.address..self.address + self.bytes.max(1) as Address).contains(&address)
    }
}

/// The device.
pub struct Planner {
    arch: &'static Arch,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    submissions: Vec<Submission>,
    /// Sizes of the buffers that are alive, by address.
    alive: BTreeMap<Address, usize>,
    /// What the host wrote last to each buffer of at most [`TABLE`] bytes.
    tables: HashMap<BufferId, Vec<u8>>,
    /// Where the next buffer begins.
    next: Address,
    capturing: bool,
}

impl State {
    /// The buffer that contains an address.
    fn buffer(&self, address: Address) -> Option<BufferId> {
        let (&start, &bytes) = self.alive.range(..=address).next_back()?;
        Some(BufferId { address: start, bytes }).filter(|buffer| buffer.contains(address))
    }

    /// The same for operations of the host, which name only buffers that exist.
    fn known(&self, address: Address) -> Result<BufferId> {
        self.buffer(address).ok_or_else(|| refused("a buffer is used that does not exist"))
    }
}

fn refused(reason: &str) -> Error {
    Error::Device { device: "planner", reason: reason.into() }
}

impl Planner {
    /// A device of this architecture.
    pub fn new(arch: &'static Arch) -> Self {
        Self { arch, state: Mutex::new(State { next: FIRST, ..State::default() }) }
    }

    /// Everything submitted so far, in order. The clock of the device counts along it.
    pub fn submissions(&self) -> Vec<Submission> {
        self.state().submissions.clone()
    }

    /// What the host wrote last to each small buffer, even if that is gone.
    pub fn tables(&self) -> HashMap<BufferId, Vec<u8>> {
        self.state().tables.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work that was captured has been noted already, so running it does nothing.
struct Noted;

impl Graph for Noted {
    fn launch(&self) -> Result<()> {
        Ok(())
    }
}

impl Driver for Planner {
    fn name(&self) -> &'static str {
        "planner"
    }

    fn description(&self) -> String {
        self.arch.to_string()
    }

    fn arch(&self) -> Option<&'static Arch> {
        Some(self.arch)
    }

    fn policy(&self) -> Policy {
        Policy::Fresh
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        let mut state = self.state();
        let address = state.next;
        state.next += aligned(bytes);
        state.alive.insert(address, bytes);
        Ok(address)
    }

    fn release(&self, address: Address) {
        self.state().alive.remove(&address);
    }

    fn write(&self, target: Address, host: &[u8]) -> Result<()> {
        let mut state = self.state();
        let buffer = state.known(target)?;
        if buffer.bytes <= TABLE && buffer.address == target {
            state.tables.insert(buffer, host.to_vec());
        }
        Ok(())
    }

    fn read(&self, source: Address, host: &mut [u8]) -> Result<()> {
        host.fill(0);
        self.state().known(source).map(drop)
    }

    fn copy(&self, source: Address, target: Address, bytes: usize) -> Result<()> {
        let mut state = self.state();
        let (from, to) = (state.known(source)?, state.known(target)?);
        match state.tables.get(&from).cloned() {
            Some(table) => drop(state.tables.insert(to, table)),
            None => drop(state.tables.remove(&to)),
        }
        state.submissions.push(Submission::Copy(from, to, bytes));
        Ok(())
    }

    fn zero(&self, target: Address, bytes: usize) -> Result<()> {
        let mut state = self.state();
        let buffer = state.known(target)?;
        state.tables.remove(&buffer);
        state.submissions.push(Submission::Zero(buffer, bytes));
        Ok(())
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        let &Launch { kernel: &Kernel { name, .. }, grid, block, arguments } = launch;
        let mut state = self.state();
        // A struct of pointers is one argument, so every word counts.
        let words = arguments.iter().flat_map(|bytes| bytes.chunks_exact(size_of::<Address>()));
        let addresses = words.filter_map(|word| Some(Address::from_ne_bytes(word.try_into().ok()?)));
        let buffers = addresses.filter_map(|address| state.buffer(address)).collect();
        let arguments = arguments.iter().map(|bytes| bytes.to_vec()).collect();
        state.submissions.push(Submission::Launch(PlannedLaunch { kernel: name, grid, block, arguments, buffers }));
        Ok(())
    }

    fn begin_capture(&self) -> Result<()> {
        let was = std::mem::replace(&mut self.state().capturing, true);
        if was { Err(refused("a capture began inside another")) } else { Ok(()) }
    }

    fn end_capture(&self) -> Result<Box<dyn Graph>> {
        let was = std::mem::replace(&mut self.state().capturing, false);
        if was { Ok(Box::new(Noted)) } else { Err(refused("a capture ended that never began")) }
    }

    fn mark(&self) -> Result<Mark> {
        Ok(Mark::Count(self.state().submissions.len()))
    }

    fn seconds_between(&self, from: &Mark, to: &Mark) -> Result<f64> {
        match (from, to) {
            (Mark::Count(from), Mark::Count(to)) if from <= to => Ok((to - from) as f64),
            _ => Err(Error::argument("a mark is from another driver, or later than the other")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cuda::Cuda;
    use crate::backend::cuda::kernels::pointwise as kernel;
    use crate::backend::{Storage, cuda::Buffer};

    fn axpy(cuda: &Cuda, x: &Buffer, y: &mut Buffer) -> Result<()> {
        cuda.launch_over(&kernel::AXPY, 3).input(x).output(y).value(2.0f32).number("len", 3).run()
    }

    fn bytes(buffer: &BufferId) -> usize {
        buffer.bytes
    }

    #[test]
    fn submissions_are_noted_with_their_buffers() -> Result<()> {
        let (cuda, planner) = Cuda::planner(Arch::named("sm_90a")?);
        assert_eq!((cuda.arch().map(|arch| arch.name), cuda.description().as_str()), (Some("sm_90a"), "sm_90a"));
        let (x, mut y) = (cuda.upload(&[1.0, 2.0, 3.0, 4.0])?, cuda.zeros(3)?);
        let before = cuda.mark()?;
        axpy(&cuda, &x, &mut y)?;
        let mut copy = cuda.alloc(3)?;
        cuda.copy(&y, &mut copy)?;
        assert_eq!(cuda.seconds_between(&before, &cuda.mark()?)?, 2.0, "the clock counts submissions");
        assert!(cuda.seconds_between(&cuda.mark()?, &before).is_err());
        assert_eq!(cuda.download(&copy)?, [0.0; 3], "finite, as a loss must be");
        let submissions = planner.submissions();
        let [Submission::Zero(zeros, 12), Submission::Launch(launch), Submission::Copy(from, to, 12)] = &submissions[..] else {
            panic!("{submissions:?}")
        };
        assert_eq!((launch.kernel, launch.grid, launch.block, launch.arguments.len()), ("axpy", [1; 3], [256, 1, 1], 4));
        assert_eq!(launch.buffers.iter().map(bytes).collect::<Vec<_>>(), [16, 12]);
        assert!(launch.buffers[1] == *zeros && zeros == from && from != to);
        let written: Vec<f32> = bytemuck::pod_collect_to_vec(&planner.tables()[&launch.buffers[0]]);
        assert_eq!(written, [1.0, 2.0, 3.0, 4.0]);
        Ok(())
    }

    #[test]
    fn launches_that_differ_only_in_their_buffers_are_equal_when_placed_in_order() -> Result<()> {
        let (cuda, planner) = Cuda::planner(Arch::named("sm_90a")?);
        let (x, mut y, mut z) = (cuda.alloc(3)?, cuda.alloc(3)?, cuda.alloc(300)?);
        [&mut y, &mut z].into_iter().try_for_each(|target| axpy(&cuda, &x, target))?;
        axpy(&cuda, &z, &mut y)?;
        let [Submission::Launch(a), Submission::Launch(b), Submission::Launch(c)] = &planner.submissions()[..] else { panic!() };
        let placed = a.placed_in_order();
        assert_eq!(placed.buffers.iter().map(|buffer| buffer.address).collect::<Vec<_>>(), [FIRST, FIRST + 256]);
        assert_eq!(placed.arguments[1], (FIRST + 256).to_ne_bytes());
        assert_eq!(placed.arguments[2..], a.arguments[2..]);
        assert!(placed != b.placed_in_order() && b.placed_in_order() != c.placed_in_order(), "other sizes");
        assert_eq!(placed, placed.placed_in_order());
        Ok(())
    }

    #[test]
    fn a_buffer_is_never_confused_with_a_later_one() -> Result<()> {
        let (cuda, planner) = Cuda::planner(Arch::named("sm_80")?);
        for _ in 0..2 {
            cuda.zeros(3)?;
        }
        let [Submission::Zero(a, _), Submission::Zero(b, _)] = &planner.submissions()[..] else { panic!() };
        assert!(a.address != b.address && a.bytes == b.bytes);
        assert_eq!(cuda.peak_bytes(), 12, "the first was dropped before the second");
        assert!(planner.copy(FIRST, FIRST, 4).is_err() && planner.zero(7, 4).is_err(), "no such buffer");
        Ok(())
    }

    #[test]
    fn repeated_work_is_noted_when_it_is_submitted_and_not_when_a_graph_runs() -> Result<()> {
        let (cuda, planner) = Cuda::planner(Arch::named("sm_90a")?);
        let (x, mut y, mut program) = (cuda.upload(&[1.0; 3])?, cuda.alloc(3)?, Default::default());
        for count in [1, 2, 2] {
            cuda.repeat(&mut program, || axpy(&cuda, &x, &mut y))?;
            assert_eq!(planner.submissions().len(), count);
        }
        assert!(program.is_captured() && planner.end_capture().is_err());
        Ok(())
    }
}
