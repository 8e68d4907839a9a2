//! What profilers are told of launches.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Cuda;
use super::driver::Launch;
use super::nvtx::Range;
use crate::backend::KernelLaunch;

/// The launches since somebody began to watch; `None` while nobody does.
#[derive(Default)]
pub(super) struct Journal(Mutex<Option<Vec<KernelLaunch>>>);

impl Journal {
    /// Writes a launch down if somebody watches. A launch without blocks is none.
    pub(super) fn note(&self, launch: &Launch<'_>) {
        let &Launch { kernel, grid, block, .. } = launch;
        if let Some(launches) = self.open().as_mut()
            && !grid.contains(&0)
        {
            launches.push(KernelLaunch { kernel: kernel.name, grid, block, dynamic_shared: kernel.dynamic_shared });
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Vec<KernelLaunch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cuda {
    /// See [`crate::backend::Storage::watched`].
    pub(super) fn watch<R>(&self, name: fmt::Arguments<'_>, work: impl FnOnce() -> R) -> (R, Vec<KernelLaunch>) {
        *self.journal.open() = Some(Vec::new());
        let range = Range::open(name);
        let result = work();
        drop(range);
        (result, self.journal.open().take().unwrap_or_default())
    }
}
