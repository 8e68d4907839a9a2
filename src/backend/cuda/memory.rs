//! Device memory: blocks that come back when their buffer is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::driver::{Address, Driver};
use crate::error::Result;

/// The memory of one device.
pub(super) struct Memory {
    driver: Arc<dyn Driver>,
    held: AtomicUsize,
    peak: AtomicUsize,
}

impl Memory {
    pub(super) fn new(driver: Arc<dyn Driver>) -> Self {
        Self { driver, held: AtomicUsize::new(0), peak: AtomicUsize::new(0) }
    }

    /// `bytes` of unspecified content.
    pub(super) fn take(&self, bytes: usize) -> Result<Address> {
        let address = self.driver.allocate(bytes)?;
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(held, Ordering::Relaxed);
        Ok(address)
    }

    pub(super) fn give_back(&self, address: Address, bytes: usize) {
        self.driver.release(address);
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn peak_bytes(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}
