//! Pinned host memory through which small uploads pass.
//!
//! A GPU may read host memory after the call that submits the copy has returned. Bytes that were copied here first stay unchanged
//! until the stream has been waited for, so the caller need not wait. The engine waits after every step, when it reads the loss,
//! which empties the memory for the next one.

use std::ffi::c_void;

use cudarc::driver::result::{self, DriverError};

/// Size in bytes; larger uploads do not pass through here.
pub const CAPACITY: usize = 256 * 1024;
/// Alignment in bytes of every piece.
const ALIGNMENT: usize = 256;

/// The memory, filled from its beginning.
pub struct Staging {
    memory: *mut u8,
    used: usize,
    /// Number of pieces so far; it tells whether one was added during a wait.
    pieces: u64,
}

// SAFETY: the memory belongs to this value alone.
unsafe impl Send for Staging {}

impl Staging {
    /// Allocates the memory in the current context.
    pub fn new() -> Result<Self, DriverError> {
        // SAFETY: the memory is not read before it is written.
        let memory = unsafe { result::malloc_host(CAPACITY, 0) }?;
        Ok(Self { memory: memory.cast(), used: 0, pieces: 0 })
    }

    /// Whether `bytes` more fit.
    pub fn fits(&self, bytes: usize) -> bool {
        self.used + bytes <= CAPACITY
    }

    /// Copies bytes, which must fit, and returns the copy. It stays unchanged until [`Staging::clear`].
    pub fn put(&mut self, bytes: &[u8]) -> &[u8] {
        assert!(self.fits(bytes.len()), "{} bytes do not fit", bytes.len());
        // SAFETY: `used + bytes.len()` is at most the capacity.
        let piece = unsafe { std::slice::from_raw_parts_mut(self.memory.add(self.used), bytes.len()) };
        piece.copy_from_slice(bytes);
        self.used = (self.used + bytes.len()).next_multiple_of(ALIGNMENT).min(CAPACITY);
        self.pieces += 1;
        piece
    }

    /// Number of pieces so far.
    pub fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Makes room again. Every copy from here must have finished.
    pub fn clear(&mut self) {
        self.used = 0;
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // SAFETY: freed once, when no copy from it is pending, see `Inner::drop`.
        let _ = unsafe { result::free_host(self.memory.cast::<c_void>()) };
    }
}
