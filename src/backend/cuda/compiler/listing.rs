//! Properties of a compiled kernel, in one row.

use serde::Serialize;

use super::{Image, Resources};
use crate::backend::cuda::kernel::Kernel;
use crate::backend::cuda::kernels::KERNELS;
use crate::error::{Error, Result};

/// A kernel as compiled for one architecture.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// Name of the kernel.
    pub name: &'static str,
    /// Name of the architecture.
    pub arch: &'static str,
    /// Where it is written.
    pub file: &'static str,
    /// Threads of a block.
    pub threads: u32,
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of shared memory of a block, static and dynamic.
    pub shared_bytes: u32,
    /// Bytes that a thread stores to local memory for want of registers.
    pub spill_stores: u32,
    /// Bytes that a thread loads from there.
    pub spill_loads: u32,
    /// Bytes of a thread's stack frame.
    pub stack: u32,
    /// Resident warps over the most possible, in 0..=1.
    pub occupancy: f64,
    /// Floating-point operations of a launch, as a formula.
    pub flops: &'static str,
    /// Bytes of global memory that a launch must move, as a formula.
    pub bytes: &'static str,
}

/// The kernels of `image`, in the order of [`KERNELS`].
///
/// # Errors
/// A kernel is not in the image: the compiler did not mention it.
pub fn list(image: &Image) -> Result<Vec<Listing>> {
    let kernels = KERNELS.iter().copied().filter(|kernel| kernel.file.name == image.file.name);
    kernels.map(|kernel| Ok(row(image, kernel, resources(image, kernel)?))).collect()
}

fn resources<'a>(image: &'a Image, kernel: &Kernel) -> Result<&'a Resources> {
    let found = image.kernels.iter().find(|used| used.name == kernel.name);
    found.ok_or_else(|| {
        let reason = format!("{} as compiled for {} has no kernel `{}`", image.file.name, image.arch, kernel.name);
        Error::Device { device: "cuda", reason }
    })
}

fn row(image: &Image, kernel: &Kernel, used: &Resources) -> Listing {
    Listing {
        name: kernel.name,
        arch: image.arch.name,
        file: kernel.file.name,
        threads: kernel.threads,
        registers: used.registers,
        shared_bytes: used.shared_bytes.saturating_add(kernel.dynamic_shared),
        spill_stores: used.spill_stores,
        spill_loads: used.spill_loads,
        stack: used.stack,
        occupancy: image.arch.occupancy(used, kernel.threads, kernel.dynamic_shared),
        flops: kernel.flops,
        bytes: kernel.bytes,
    }
}
