//! Recording of launches for profilers.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cost::Variables;
use super::device::Cuda;
use super::driver::{Launch, Mark};
use super::nvtx::Range;
use crate::backend::{KernelLaunch, Watched};
use crate::error::Result;

/// The launches recorded so far; None while no profiler records launches.
#[derive(Default)]
pub(crate) struct LaunchLog(Mutex<Option<Vec<Watched<Mark>>>>);

impl LaunchLog {
    /// An empty list for the variables of a launch; None while no launches are recorded.
    pub(crate) fn variables(&self) -> Option<Variables> {
        self.lock().as_ref().map(|_| Variables::new())
    }

    fn push(&self, watched: Watched<Mark>) {
        if let Some(launches) = self.lock().as_mut() {
            launches.push(watched);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Watched<Mark>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cuda {
    /// See [`crate::backend::Storage::watched`].
    pub(crate) fn watch<R>(&self, name: fmt::Arguments<'_>, work: impl FnOnce() -> R) -> (R, Vec<Watched<Mark>>) {
        *self.launches.lock() = Some(Vec::new());
        let range = Range::open(name);
        let result = work();
        drop(range);
        (result, self.launches.lock().take().unwrap_or_default())
    }

    /// Submits a launch. If `variables` are given, a profiler records launches, and the launch is also recorded with its marks
    /// and its cost; one with an empty grid is not. This does not wait for the device: the profiler reads the marks later.
    pub(crate) fn send(&self, launch: &Launch<'_>, variables: Option<&Variables>) -> Result<()> {
        let Some(variables) = variables.filter(|_| !launch.grid.contains(&0)) else {
            let _guard = self.memory.lock_shared();
            return self.driver.launch(launch);
        };
        let _guard = self.memory.lock_outside_recording("a kernel cannot be timed")?;
        let &Launch { kernel, grid, block, .. } = launch;
        let work = kernel.work(variables)?;
        let before = self.driver.mark()?;
        self.driver.launch(launch)?;
        let marks = [before, self.driver.mark()?];
        let recorded = KernelLaunch { kernel: kernel.name, grid, block, dynamic_shared: kernel.dynamic_shared, work };
        self.launches.push((recorded, marks));
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
        cuda.launch_over(&kernel::AXPY, 3).input(x).sum(y).value(2.0f32).number("len", 3).run()
    }

    #[test]
    fn launches_are_recorded_only_for_a_profiler() -> Result<()> {
        let cuda = Cuda::emulator(4);
        let (a, mut y) = (cuda.upload(&[1.0, 2.0, 3.0])?, cuda.zeros(3)?);
        axpy(&cuda, &a, &mut y)?;
        // Without a list of variables, no formula is evaluated and no mark is recorded.
        assert!(cuda.launches.variables().is_none());
        let (done, launches) = cuda.watch(format_args!("an axpy"), || {
            assert!(cuda.launches.variables().is_some());
            axpy(&cuda, &a, &mut y)
        });
        done?;
        assert!(cuda.launches.variables().is_none());
        let [(launch, [before, after])] = &launches[..] else { panic!("{} launches", launches.len()) };
        assert_eq!((launch.kernel, launch.grid, launch.work.flops, launch.work.bytes), ("axpy", [1; 3], 6, 36));
        assert!(cuda.seconds_between(before, after)? > 0.0);
        assert_eq!(cuda.download(&y)?, [4.0, 8.0, 12.0]);
        Ok(())
    }
}
