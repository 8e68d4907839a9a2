//! Properties of a compiled kernel, as one row of a table.

use serde::Serialize;

use super::{Cubin, Limiter, Resources};
use crate::backend::cuda::kernel::Kernel;
use crate::backend::cuda::kernels::KERNELS;
use crate::error::Result;

/// A kernel as compiled for one architecture.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// Name of the kernel.
    pub name: &'static str,
    /// Name of the architecture.
    pub arch: &'static str,
    /// Name of its file in `kernels/`.
    pub file: &'static str,
    /// Threads per block.
    pub threads: u32,
    /// Registers per thread.
    pub registers: u32,
    /// Bytes of shared memory per block, static and dynamic.
    pub shared_bytes: u32,
    /// Bytes per thread of register spills stored to local memory.
    pub spill_stores: u32,
    /// Bytes per thread of register spills loaded from local memory.
    pub spill_loads: u32,
    /// Bytes of stack frame per thread.
    pub stack: u32,
    /// Resident warps divided by the maximum, in 0..=1.
    pub occupancy: f64,
    /// Resident blocks per multiprocessor.
    pub resident_blocks: u32,
    /// What keeps further blocks from being resident.
    pub limiter: Limiter,
    /// Bytes of machine code.
    pub code_bytes: u64,
    /// Floating-point operations per launch, as a formula.
    pub flops: &'static str,
    /// Bytes of global memory that a launch must read and write at least, as a formula.
    pub bytes: &'static str,
}

/// The kernels of `cubin`, in the order of [`KERNELS`].
///
/// # Errors
/// The compiler's log did not mention one of the kernels.
pub fn list(cubin: &Cubin) -> Result<Vec<Listing>> {
    let kernels = KERNELS.iter().copied().filter(|kernel| kernel.file.name == cubin.file.name);
    kernels.map(|kernel| Ok(row(cubin, kernel, cubin.resources(kernel.name)?))).collect()
}

fn row(cubin: &Cubin, kernel: &Kernel, used: &Resources) -> Listing {
    let residency = cubin.arch.residency(used, kernel.threads, kernel.dynamic_shared);
    Listing {
        name: kernel.name,
        arch: cubin.arch.name,
        file: kernel.file.name,
        threads: kernel.threads,
        registers: used.registers,
        shared_bytes: used.shared_bytes.saturating_add(kernel.dynamic_shared),
        spill_stores: used.spill_stores,
        spill_loads: used.spill_loads,
        stack: used.stack,
        occupancy: cubin.arch.occupancy(used, kernel.threads, kernel.dynamic_shared),
        resident_blocks: residency.blocks,
        limiter: residency.limiter,
        code_bytes: cubin.code_bytes(kernel.name).unwrap_or_default(),
        flops: kernel.flops,
        bytes: kernel.bytes,
    }
}
