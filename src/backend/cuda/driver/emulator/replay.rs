//! Counts what a launch does that was planned but never ran: some of its blocks run on memory of the sizes that it was planned
//! with.

use std::collections::HashMap;

use super::{Emulator, Observation, Observer, Settings};
use crate::backend::cuda::KERNELS;
use crate::backend::cuda::driver::planner::{BufferId, PlannedLaunch};
use crate::backend::cuda::driver::{Address, Driver, Launch};
use crate::error::{Error, Result};

/// More than any network needs; only what the blocks touch takes memory of the host.
const MEMORY: usize = 1 << 46;

/// Runs up to `blocks` blocks of `launch`, spread over its grid, and counts their accesses; see [`Observer::of_sample`]. Memory
/// holds `tables`, and else zeros: what depends on other values is counted as it is for zeros.
///
/// # Errors
/// A fault in the kernel, or one that depends on values; a kernel that is not compiled for the host.
pub fn replay(launch: &PlannedLaunch, tables: &HashMap<BufferId, Vec<u8>>, blocks: usize) -> Result<Observation> {
    let missing = || Error::Device { device: "emulator", reason: format!("there is no kernel `{}`", launch.kernel) };
    let kernel = KERNELS.iter().copied().find(|kernel| kernel.name == launch.kernel).ok_or_else(missing)?;
    let observer = Observer::of_sample(blocks);
    let device = Emulator::with(Settings { memory: MEMORY, observer: Some(observer.clone()), ..Settings::default() });
    let places = launch.distinct_buffers().into_iter().map(|buffer| Ok((buffer, device.allocate(buffer.bytes)?)));
    let places: Vec<(BufferId, Address)> = places.collect::<Result<_>>()?;
    for (buffer, address) in &places {
        if let Some(table) = tables.get(buffer) {
            device.write(*address, table)?;
        }
    }
    let arguments = launch.arguments_at(&places);
    let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    device.launch(&Launch { kernel, grid: launch.grid, block: launch.block, arguments: &arguments })?;
    observer.take().pop().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::*;
    use crate::backend::Storage;
    use crate::backend::cuda::Cuda;
    use crate::backend::cuda::compiler::Arch;
    use crate::backend::cuda::driver::planner::Submission;
    use crate::backend::cuda::kernels::pointwise as kernel;

    /// `y += a x` with buffers larger than the memory of this machine.
    #[test]
    fn a_planned_launch_is_counted_without_its_memory() -> Result<()> {
        let (cuda, planner) = Cuda::planner(Arch::named("sm_90a")?);
        let len = 1usize << 31;
        let (x, mut y) = (cuda.alloc(len)?, cuda.alloc(len)?);
        cuda.launch_over(&kernel::AXPY, len).input(&x).sum(&mut y).value(2.0f32).number("len", len as u32).run()?;
        let Some(Submission::Launch(launch)) = planner.submissions().pop() else { panic!("no launch") };
        let seen = replay(&launch, &planner.tables(), 3)?;
        assert_eq!((seen.kernel, seen.observed_blocks), ("axpy", 3));
        let (loads, stores) = (seen.total(Access::GlobalLoad), seen.total(Access::GlobalStore));
        assert_eq!([loads.bytes, stores.bytes], [8 * len as u64, 4 * len as u64], "the grid is counted, not the sample");
        assert_eq!([loads.sectors, loads.ideal_sectors, stores.sectors], [len as u64 / 4, len as u64 / 4, len as u64 / 8]);
        Ok(())
    }

    #[test]
    fn a_fault_is_an_error_and_an_unknown_kernel_is_named() -> Result<()> {
        let (cuda, planner) = Cuda::planner(Arch::named("sm_90a")?);
        let (x, mut y) = (cuda.alloc(8)?, cuda.alloc(8)?);
        cuda.launch_over(&kernel::AXPY, 8).input(&x).sum(&mut y).value(2.0f32).number("len", 9).run()?;
        let Some(Submission::Launch(launch)) = planner.submissions().pop() else { panic!("no launch") };
        assert!(replay(&launch, &planner.tables(), 1).is_err(), "it reads beyond the end");
        let unknown = PlannedLaunch { kernel: "mystery", ..launch };
        assert!(replay(&unknown, &planner.tables(), 1).unwrap_err().to_string().contains("there is no kernel `mystery`"));
        Ok(())
    }
}
