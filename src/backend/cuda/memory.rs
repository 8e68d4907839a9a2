//! Device memory: blocks that are freed when their last owner drops them, and the gate that blocks other threads while
//! work is recorded.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::driver::{Address, Driver, Policy};
use super::plan::ALIGNMENT;
use super::session::{Session, Ticket};
use crate::error::{Error, Result};

/// The memory of one device.
pub(crate) struct Memory {
    driver: Arc<dyn Driver>,
    gate: Gate,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes in use.
    held: usize,
    /// Bytes in the free list.
    idle: usize,
    peak: usize,
    /// The free list: unused blocks by size.
    waiting: HashMap<usize, Vec<Address>>,
    /// The recording in progress. Only the thread that closed the gate sees one.
    session: Option<Session>,
}

/// A range of device memory, freed when dropped.
pub(crate) struct Block {
    pub address: Address,
    size: usize,
    memory: Arc<Memory>,
    /// The slab that it is part of; without one it is a block of its own.
    slab: Option<Arc<Block>>,
    /// Which allocation of which recorded run it was.
    ticket: Option<Ticket>,
}

impl Block {
    /// Notes that recorded work uses a block that was made outside of it.
    pub(crate) fn touch(this: &Arc<Self>) {
        if this.slab.is_some() || !this.memory.gate.is_mine() {
            return;
        }
        if let Some(Session::Capture(capture)) = &mut this.memory.state().session {
            capture.outside.entry(this.address).or_insert_with(|| Arc::downgrade(this));
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let _pass = self.memory.pass();
        let mut state = self.memory.state();
        if let (Some(ticket), Some(session)) = (self.ticket, &mut state.session) {
            session.dropped(ticket);
        }
        if self.slab.is_none() {
            self.memory.put_back(&mut state, self.address, self.size);
        }
    }
}

impl Memory {
    pub(crate) fn new(driver: Arc<dyn Driver>) -> Self {
        Self { driver, gate: Gate::default(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `bytes` of unspecified content. While work is captured they come from its plan.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Result<Block> {
        let _pass = self.pass();
        let mut state = self.state();
        if let Some(Session::Capture(capture)) = &mut state.session {
            let (slab, address, ticket) = capture.next(bytes).map_err(|reason| self.refuse(reason))?;
            self.driver.renew(address, bytes)?;
            return Ok(Block { address, size: bytes, memory: Arc::clone(self), slab: Some(slab), ticket: Some(ticket) });
        }
        let size = match self.driver.policy() {
            Policy::Reuse => bytes.max(1).next_multiple_of(ALIGNMENT),
            Policy::Fresh => bytes,
        };
        let address = self.find(&mut state, size)?;
        let ticket = match &mut state.session {
            Some(Session::Recording(recording)) => Some(recording.next(bytes)),
            _ => None,
        };
        Ok(Block { address, size, memory: Arc::clone(self), slab: None, ticket })
    }

    /// A block from the free list, or a new one. The free list is released before out of memory is reported.
    fn find(&self, state: &mut State, size: usize) -> Result<Address> {
        let address = if let Some(address) = state.waiting.get_mut(&size).and_then(Vec::pop) {
            state.idle -= size;
            address
        } else {
            match self.driver.allocate(size) {
                Err(_) if state.idle > 0 => {
                    self.release_waiting(state);
                    self.driver.allocate(size)?
                }
                result => result?,
            }
        };
        state.held += size;
        state.peak = state.peak.max(state.held + state.idle);
        Ok(address)
    }

    fn put_back(&self, state: &mut State, address: Address, size: usize) {
        state.held -= size;
        match self.driver.policy() {
            Policy::Reuse => {
                state.idle += size;
                state.waiting.entry(size).or_default().push(address);
            }
            Policy::Fresh => self.driver.release(address),
        }
    }

    fn release_waiting(&self, state: &mut State) {
        state.waiting.drain().flat_map(|(_, blocks)| blocks).for_each(|address| self.driver.release(address));
        state.idle = 0;
    }

    /// Releases the free list to the device, to make room for a large allocation.
    pub(crate) fn trim(&self) {
        let _pass = self.pass();
        self.release_waiting(&mut self.state());
    }

    /// Peak bytes allocated on the device so far, including the free list.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.state().peak
    }

    /// Held while work is submitted to the device: waits while another thread records.
    pub(crate) fn pass(&self) -> Option<RwLockReadGuard<'_, ()>> {
        self.gate.pass()
    }

    /// As [`Memory::pass`] for what cannot be part of recorded work, since it moves data between host and device.
    pub(crate) fn pass_with_data(&self, what: &str) -> Result<Option<RwLockReadGuard<'_, ()>>> {
        let pass = self.pass();
        match self.state().session {
            None => Ok(pass),
            Some(_) => Err(self.refuse(format!("{what} inside repeated work; do it before or after"))),
        }
    }

    /// Runs `work` while every other thread waits.
    pub(crate) fn alone<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.gate.is_mine() {
            return Err(self.refuse("work is repeated inside repeated work".into()));
        }
        self.gate.close(work)
    }

    /// Runs `work` as part of `session` and gives back what the session saw. To be called inside [`Memory::alone`].
    pub(crate) fn during(&self, session: Session, work: impl FnOnce() -> Result<()>) -> Result<Session> {
        self.state().session = Some(session);
        let ending = Ending(self);
        work()?;
        ending.take().ok_or_else(|| self.refuse("a recording got lost".into()))
    }

    /// A sentence of this device.
    pub(crate) fn refuse(&self, reason: String) -> Error {
        Error::Device { device: self.driver.name(), reason }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let waiting = std::mem::take(&mut self.state().waiting);
        waiting.into_values().flatten().for_each(|address| self.driver.release(address));
    }
}

/// Ends a session however its work ends.
struct Ending<'a>(&'a Memory);

impl Ending<'_> {
    /// The lock is free again before the session, and with it a slab, may be dropped.
    fn take(&self) -> Option<Session> {
        self.0.state().session.take()
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Open to all threads, or closed to all but one.
#[derive(Default)]
struct Gate {
    lock: RwLock<()>,
    /// The token of the thread that closed it, or 0.
    owner: AtomicUsize,
}

impl Gate {
    /// Never the same for two threads that live.
    fn token() -> usize {
        thread_local!(static HERE: u8 = const { 0 });
        HERE.with(|here| std::ptr::from_ref(here) as usize)
    }

    /// Only the thread itself ever stores its own token, so no ordering is needed to recognise it.
    fn is_mine(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == Self::token()
    }

    fn pass(&self) -> Option<RwLockReadGuard<'_, ()>> {
        (!self.is_mine()).then(|| self.lock.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn close<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Open<'a>(&'a AtomicUsize);
        impl Drop for Open<'_> {
            fn drop(&mut self) {
                self.0.store(0, Ordering::Relaxed);
            }
        }
        let _closed = self.lock.write().unwrap_or_else(PoisonError::into_inner);
        self.owner.store(Self::token(), Ordering::Relaxed);
        let _open = Open(&self.owner);
        work()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cuda::driver::{Graph, Launch};

    /// A device that counts, and holds no more than `room` bytes.
    struct Counter {
        room: usize,
        taken: Mutex<HashMap<Address, usize>>,
        allocations: AtomicUsize,
    }

    fn memory(room: usize) -> (Arc<Counter>, Arc<Memory>) {
        let counter = Arc::new(Counter { room, taken: Mutex::default(), allocations: AtomicUsize::new(0) });
        let driver: Arc<dyn Driver> = counter.clone();
        (counter, Arc::new(Memory::new(driver)))
    }

    impl Counter {
        fn taken(&self) -> usize {
            self.taken.lock().unwrap().values().sum()
        }
    }

    impl Driver for Counter {
        fn name(&self) -> &'static str {
            "counter"
        }
        fn policy(&self) -> Policy {
            Policy::Reuse
        }
        fn allocate(&self, bytes: usize) -> Result<Address> {
            if self.taken() + bytes > self.room {
                return Err(Error::Device { device: "counter", reason: format!("no {bytes} bytes left") });
            }
            let number = self.allocations.fetch_add(1, Ordering::Relaxed) + 1;
            self.taken.lock().unwrap().insert(number as Address, bytes);
            Ok(number as Address)
        }
        fn release(&self, address: Address) {
            assert!(self.taken.lock().unwrap().remove(&address).is_some(), "released twice");
        }
        fn write(&self, _: Address, _: &[u8]) -> Result<()> {
            Ok(())
        }
        fn read(&self, _: Address, _: &mut [u8]) -> Result<()> {
            Ok(())
        }
        fn copy(&self, _: Address, _: Address, _: usize) -> Result<()> {
            Ok(())
        }
        fn zero(&self, _: Address, _: usize) -> Result<()> {
            Ok(())
        }
        fn launch(&self, _: &Launch<'_>) -> Result<()> {
            Ok(())
        }
        fn begin_capture(&self) -> Result<()> {
            Ok(())
        }
        fn end_capture(&self) -> Result<Box<dyn Graph>> {
            Err(Error::argument("nothing is recorded here"))
        }
    }

    #[test]
    fn blocks_of_one_size_are_used_again_without_the_device() {
        let (counter, memory) = memory(1 << 20);
        let first = memory.take(1000).unwrap();
        let address = first.address;
        drop(first);
        let second = memory.take(1024).unwrap();
        assert_eq!((second.address, counter.allocations.load(Ordering::Relaxed)), (address, 1));
        let third = memory.take(1000).unwrap();
        assert!(third.address != address);
        assert_eq!((memory.peak_bytes(), counter.taken()), (2048, 2048));
        drop((second, third));
        drop(memory.take(100).unwrap());
        assert_eq!(memory.peak_bytes(), 2048 + 256);
    }

    #[test]
    fn waiting_blocks_make_room_before_the_device_is_full() {
        let (counter, memory) = memory(4096);
        let kept = memory.take(1024).unwrap();
        drop([512, 1024, 1536].map(|bytes| memory.take(bytes).unwrap()));
        assert_eq!(counter.taken(), 4096);
        let large = memory.take(3072).unwrap();
        assert_eq!(counter.taken(), 4096);
        assert_eq!(memory.take(1).err().unwrap().to_string(), "counter: no 256 bytes left");
        drop((kept, large));
        memory.trim();
        assert_eq!(counter.taken(), 0);
    }

    #[test]
    fn everything_goes_back_in_the_end() {
        let (counter, memory) = memory(1 << 20);
        let blocks = [1, 300, 70_000].map(|bytes| memory.take(bytes).unwrap());
        drop(memory);
        assert!(counter.taken() > 0);
        drop(blocks);
        assert_eq!(counter.taken(), 0);
    }

    #[test]
    fn an_error_of_the_device_in_a_session_ends_it() {
        let (_, memory) = memory(1 << 20);
        let session = || Session::Recording(crate::backend::cuda::session::Recording::new());
        let failed = memory.alone(|| memory.during(session(), || Err(Error::argument("no"))));
        assert_eq!(failed.err().unwrap().to_string(), "no");
        assert!(memory.alone(|| memory.during(session(), || memory.take(1).map(drop))).is_ok());
    }
}
