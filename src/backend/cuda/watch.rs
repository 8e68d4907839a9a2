//! Launch records for profilers.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cost::Numbers;
use super::device::Cuda;
use super::driver::{Launch, Mark};
use super::nvtx::Range;
use crate::backend::{KernelLaunch, Watched};
use crate::error::Result;

/// Launches recorded since watching began; `None` when not watching.
#[derive(Default)]
pub(crate) struct Journal(Mutex<Option<Vec<Watched<Mark>>>>);

impl Journal {
    /// Room for the numbers of a launch if somebody watches.
    pub(crate) fn numbers(&self) -> Option<Numbers> {
        self.open().as_ref().map(|_| Numbers::new())
    }

    fn note(&self, watched: Watched<Mark>) {
        if let Some(launches) = self.open().as_mut() {
            launches.push(watched);
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Vec<Watched<Mark>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cuda {
    /// See [`crate::backend::Storage::watched`].
    pub(crate) fn watch<R>(&self, name: fmt::Arguments<'_>, work: impl FnOnce() -> R) -> (R, Vec<Watched<Mark>>) {
        *self.journal.open() = Some(Vec::new());
        let range = Range::open(name);
        let result = work();
        drop(range);
        (result, self.journal.open().take().unwrap_or_default())
    }

    /// Submits a launch; when watching, which is when there are numbers, also records it with its marks and its cost.
    /// Nothing waits for the device: marks are read by those who asked. A launch without blocks is none.
    pub(crate) fn send(&self, launch: &Launch<'_>, numbers: Option<&Numbers>) -> Result<()> {
        let Some(numbers) = numbers.filter(|_| !launch.grid.contains(&0)) else {
            let _pass = self.memory.pass();
            return self.driver.launch(launch);
        };
        let _pass = self.memory.pass_with_data("a kernel cannot be timed")?;
        let &Launch { kernel, grid, block, .. } = launch;
        let work = kernel.work(numbers)?;
        let before = self.driver.mark()?;
        self.driver.launch(launch)?;
        let marks = [before, self.driver.mark()?];
        let told = KernelLaunch { kernel: kernel.name, grid, block, dynamic_shared: kernel.dynamic_shared, work };
        self.journal.note((told, marks));
        Ok(())
    }
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use super::*;
    use crate::backend::Storage;
    use crate::backend::cuda::Buffer;
    use crate::backend::cuda::kernels::pointwise as kernel;

    fn axpy(cuda: &Cuda, x: &Buffer, y: &mut Buffer) -> Result<()> {
        cuda.launch_over(&kernel::AXPY, 3).input(x).output(y).value(2.0f32).number("len", 3).run()
    }

    #[test]
    fn launches_are_recorded_only_while_a_profiler_listens() -> Result<()> {
        let cuda = Cuda::emulator(4);
        let (a, mut y) = (cuda.upload(&[1.0, 2.0, 3.0])?, cuda.zeros(3)?);
        axpy(&cuda, &a, &mut y)?;
        // No list of numbers is made, so nothing is evaluated and no mark set.
        assert!(cuda.journal.numbers().is_none());
        let (done, told) = cuda.watch(format_args!("an axpy"), || {
            assert!(cuda.journal.numbers().is_some());
            axpy(&cuda, &a, &mut y)
        });
        done?;
        assert!(cuda.journal.numbers().is_none());
        let [(launch, [before, after])] = &told[..] else { panic!("{} launches", told.len()) };
        assert_eq!((launch.kernel, launch.grid, launch.work.flops, launch.work.bytes), ("axpy", [1; 3], 6, 36));
        assert!(cuda.seconds_between(before, after)? > 0.0);
        assert_eq!(cuda.download(&y)?, [4.0, 8.0, 12.0]);
        Ok(())
    }
}
