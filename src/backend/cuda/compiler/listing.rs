//! Properties of a compiled kernel, as one row of a table.

use serde::{Deserialize, Serialize};

use super::{Cubin, Limiter, Resources};
use crate::backend::cuda::kernel::Kernel;
use crate::backend::cuda::kernels::KERNELS;
use crate::error::Result;

/// A kernel as compiled for one architecture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// Name of the kernel.
    pub name: String,
    /// Name of the architecture.
    pub arch: String,
    /// Name of its file in `kernels/`.
    pub file: String,
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
    pub flops: String,
    /// Bytes of global memory that a launch must read and write at least, as a formula.
    pub bytes: String,
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
        name: kernel.name.to_owned(),
        arch: cubin.arch.name.to_owned(),
        file: kernel.file.name.to_owned(),
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
        flops: kernel.flops.to_owned(),
        bytes: kernel.bytes.to_owned(),
    }
}
