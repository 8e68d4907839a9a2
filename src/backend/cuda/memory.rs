//! Device memory: blocks that are freed when their last owner drops them, and the lock that makes other threads wait while work
//! is recorded.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::driver::{Address, Driver, Policy};
use super::plan::ALIGNMENT;
use super::session::{AllocationId, Session};
use crate::error::{Error, Result};

/// The memory of one device.
pub(crate) struct Memory {
    driver: Arc<dyn Driver>,
    lock: RecordingLock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes in use.
    in_use: usize,
    /// Bytes in the free list.
    cached: usize,
    /// Peak bytes allocated on the device.
    peak: usize,
    /// Unused blocks by size.
    free_list: HashMap<usize, Vec<Address>>,
    /// The recording in progress. Only the thread that holds the lock exclusively finds one here.
    session: Option<Session>,
}

/// A range of device memory, freed when dropped.
pub(crate) struct Block {
    pub address: Address,
    size: usize,
    memory: Arc<Memory>,
    /// The slab that it is part of; None for a block allocated by itself.
    slab: Option<Arc<Block>>,
    /// The allocation of a recorded run that it came from.
    id: Option<AllocationId>,
}

impl Block {
    /// If work is being captured, notes that it uses a block that was allocated outside of it.
    pub(crate) fn note_use(this: &Arc<Self>) {
        if this.slab.is_some() || !this.memory.lock.is_held_here() {
            return;
        }
        if let Some(Session::Capture(capture)) = &mut this.memory.state().session {
            capture.external.entry(this.address).or_insert_with(|| Arc::downgrade(this));
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let _guard = self.memory.lock_shared();
        let mut state = self.memory.state();
        if let (Some(id), Some(session)) = (self.id, &mut state.session) {
            session.dropped(id);
        }
        if self.slab.is_none() {
            self.memory.recycle(&mut state, self.address, self.size);
        }
    }
}

impl Memory {
    pub(crate) fn new(driver: Arc<dyn Driver>) -> Self {
        Self { driver, lock: RecordingLock::default(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block of `bytes` with unspecified contents. While work is captured, it is the part of the slab given by the plan.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Result<Block> {
        let _guard = self.lock_shared();
        let mut state = self.state();
        if let Some(Session::Capture(capture)) = &mut state.session {
            let (slab, address, id) = capture.next(bytes).map_err(|reason| self.error(reason))?;
            self.driver.invalidate(address, bytes)?;
            return Ok(Block { address, size: bytes, memory: Arc::clone(self), slab: Some(slab), id: Some(id) });
        }
        let size = match self.driver.policy() {
            Policy::Reuse => bytes.max(1).next_multiple_of(ALIGNMENT),
            Policy::Fresh => bytes,
        };
        let address = self.find(&mut state, size)?;
        let id = match &mut state.session {
            Some(Session::Recording(recording)) => Some(recording.next(bytes)),
            _ => None,
        };
        Ok(Block { address, size, memory: Arc::clone(self), slab: None, id })
    }

    /// A block from the free list or a new one. If there is no memory for a new one, the free list is released first.
    fn find(&self, state: &mut State, size: usize) -> Result<Address> {
        let address = if let Some(address) = state.free_list.get_mut(&size).and_then(Vec::pop) {
            state.cached -= size;
            address
        } else {
            match self.driver.allocate(size) {
                Err(_) if state.cached > 0 => {
                    self.release_free_list(state);
                    self.driver.allocate(size)?
                }
                result => result?,
            }
        };
        state.in_use += size;
        state.peak = state.peak.max(state.in_use + state.cached);
        Ok(address)
    }

    fn recycle(&self, state: &mut State, address: Address, size: usize) {
        state.in_use -= size;
        match self.driver.policy() {
            Policy::Reuse => {
                state.cached += size;
                state.free_list.entry(size).or_default().push(address);
            }
            Policy::Fresh => self.driver.release(address),
        }
    }

    fn release_free_list(&self, state: &mut State) {
        state.free_list.drain().flat_map(|(_, blocks)| blocks).for_each(|address| self.driver.release(address));
        state.cached = 0;
    }

    /// Releases the free list, to make memory available for a large allocation.
    pub(crate) fn trim(&self) {
        let _guard = self.lock_shared();
        self.release_free_list(&mut self.state());
    }

    /// Bytes of the blocks that are alive. Those of a captured step share a slab and are not counted.
    pub(crate) fn live_bytes(&self) -> usize {
        self.state().in_use
    }

    /// Peak bytes allocated on the device so far, including the free list.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.state().peak
    }

    /// A guard to hold while work is submitted to the device. Waits while another thread records; None on the recording thread.
    pub(crate) fn lock_shared(&self) -> Option<RwLockReadGuard<'_, ()>> {
        self.lock.lock_shared()
    }

    /// As [`Memory::lock_shared`], for operations that recorded work must not contain, such as copies between host and device.
    /// `what` begins the error message.
    pub(crate) fn lock_outside_recording(&self, what: &str) -> Result<Option<RwLockReadGuard<'_, ()>>> {
        let guard = self.lock_shared();
        match self.state().session {
            None => Ok(guard),
            Some(_) => Err(self.error(format!("{what} inside repeated work; do it before or after"))),
        }
    }

    /// Runs `work` while every other thread that submits work waits.
    pub(crate) fn exclusively<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.lock.is_held_here() {
            return Err(self.error("work is repeated inside repeated work".into()));
        }
        self.lock.exclusively(work)
    }

    /// Runs `work` with `session` active and returns the session with what it recorded. Must be called inside
    /// [`Memory::exclusively`].
    pub(crate) fn run_in_session(&self, session: Session, work: impl FnOnce() -> Result<()>) -> Result<Session> {
        self.state().session = Some(session);
        let guard = SessionGuard(self);
        work()?;
        guard.take().ok_or_else(|| self.error("the recording was lost".into()))
    }

    /// An error of this device.
    pub(crate) fn error(&self, reason: String) -> Error {
        Error::Device { device: self.driver.name(), reason }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let free_list = std::mem::take(&mut self.state().free_list);
        free_list.into_values().flatten().for_each(|address| self.driver.release(address));
    }
}

/// Ends the session when dropped, even if its work fails or panics.
struct SessionGuard<'a>(&'a Memory);

impl SessionGuard<'_> {
    /// Removes the session. The state is unlocked before the caller drops the session, because dropping its slab locks the state
    /// again.
    fn take(&self) -> Option<Session> {
        self.0.state().session.take()
    }
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// A lock that many threads hold while they submit work, or one thread holds exclusively while it records.
#[derive(Default)]
struct RecordingLock {
    lock: RwLock<()>,
    /// The token of the thread that holds it exclusively, or 0.
    owner: AtomicUsize,
}

impl RecordingLock {
    /// A number that identifies this thread among all running threads.
    fn token() -> usize {
        thread_local!(static HERE: u8 = const { 0 });
        HERE.with(|here| std::ptr::from_ref(here) as usize)
    }

    /// Whether this thread holds the lock exclusively. Only a thread itself stores its token, so no memory ordering is needed.
    fn is_held_here(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == Self::token()
    }

    fn lock_shared(&self) -> Option<RwLockReadGuard<'_, ()>> {
        (!self.is_held_here()).then(|| self.lock.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn exclusively<T>(&self, work: impl FnOnce() -> T) -> T {
        struct ClearOwner<'a>(&'a AtomicUsize);
        impl Drop for ClearOwner<'_> {
            fn drop(&mut self) {
                self.0.store(0, Ordering::Relaxed);
            }
        }
        let _guard = self.lock.write().unwrap_or_else(PoisonError::into_inner);
        self.owner.store(Self::token(), Ordering::Relaxed);
        let _clear = ClearOwner(&self.owner);
        work()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cuda::driver::{Graph, Launch};

    /// A device with `total` bytes of memory that counts allocations.
    struct Counter {
        total: usize,
        allocated: Mutex<HashMap<Address, usize>>,
        allocations: AtomicUsize,
    }

    fn memory(total: usize) -> (Arc<Counter>, Arc<Memory>) {
        let counter = Arc::new(Counter { total, allocated: Mutex::default(), allocations: AtomicUsize::new(0) });
        let driver: Arc<dyn Driver> = counter.clone();
        (counter, Arc::new(Memory::new(driver)))
    }

    impl Counter {
        fn allocated(&self) -> usize {
            self.allocated.lock().unwrap().values().sum()
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
            if self.allocated() + bytes > self.total {
                return Err(Error::Device { device: "counter", reason: format!("no {bytes} bytes left") });
            }
            let number = self.allocations.fetch_add(1, Ordering::Relaxed) + 1;
            self.allocated.lock().unwrap().insert(number as Address, bytes);
            Ok(number as Address)
        }
        fn release(&self, address: Address) {
            assert!(self.allocated.lock().unwrap().remove(&address).is_some(), "released twice");
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
    fn freed_blocks_are_reused_for_requests_of_the_same_size() {
        let (counter, memory) = memory(1 << 20);
        let first = memory.take(1000).unwrap();
        let address = first.address;
        drop(first);
        let second = memory.take(1024).unwrap();
        assert_eq!((second.address, counter.allocations.load(Ordering::Relaxed)), (address, 1));
        let third = memory.take(1000).unwrap();
        assert!(third.address != address);
        assert_eq!((memory.peak_bytes(), memory.live_bytes(), counter.allocated()), (2048, 2048, 2048));
        drop((second, third));
        assert_eq!(memory.live_bytes(), 0);
        drop(memory.take(100).unwrap());
        assert_eq!(memory.peak_bytes(), 2048 + 256);
    }

    #[test]
    fn the_free_list_is_released_before_out_of_memory_is_reported() {
        let (counter, memory) = memory(4096);
        let kept = memory.take(1024).unwrap();
        drop([512, 1024, 1536].map(|bytes| memory.take(bytes).unwrap()));
        assert_eq!(counter.allocated(), 4096);
        let large = memory.take(3072).unwrap();
        assert_eq!(counter.allocated(), 4096);
        assert_eq!(memory.take(1).err().unwrap().to_string(), "counter: no 256 bytes left");
        drop((kept, large));
        memory.trim();
        assert_eq!(counter.allocated(), 0);
    }

    #[test]
    fn all_memory_is_released_in_the_end() {
        let (counter, memory) = memory(1 << 20);
        let blocks = [1, 300, 70_000].map(|bytes| memory.take(bytes).unwrap());
        drop(memory);
        assert!(counter.allocated() > 0);
        drop(blocks);
        assert_eq!(counter.allocated(), 0);
    }

    #[test]
    fn an_error_of_the_work_ends_the_session() {
        let (_, memory) = memory(1 << 20);
        let session = || Session::Recording(crate::backend::cuda::session::Recording::new());
        let failed = memory.exclusively(|| memory.run_in_session(session(), || Err(Error::argument("no"))));
        assert_eq!(failed.err().unwrap().to_string(), "no");
        assert!(memory.exclusively(|| memory.run_in_session(session(), || memory.take(1).map(drop))).is_ok());
    }
}
