//! Drivers launch kernels and manage device memory. Three implement one interface: a GPU, the emulator, and a planner that only
//! notes what would be launched.

use std::time::Instant;

use super::compiler::Arch;
use super::kernel::Kernel;
use crate::error::{Error, Result};

#[cfg(feature = "emulator")]
pub mod emulator;
pub mod gpu;
mod library;
pub mod planner;
mod staging;
mod tensor_map;

pub use tensor_map::{TensorMap, Tiles};

/// An address in the memory of a device.
pub type Address = u64;

/// A launch: a kernel, its grid, and its arguments in the form that the driver takes.
pub struct Launch<'a> {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads per block along x, y, z.
    pub block: [u32; 3],
    /// The arguments in order, each as its bytes.
    pub arguments: &'a [&'a [u8]],
}

/// How memory is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Freed blocks are kept for the next request of their size, because allocation stalls the GPU.
    Reuse,
    /// Every request gets newly allocated memory, to expose uninitialised reads and out-of-bounds accesses.
    Fresh,
}

/// Recorded work that can be run any number of times.
pub trait Graph: Send + Sync {
    /// Runs the work in stream order. The memory that it uses must still be allocated.
    ///
    /// # Errors
    /// The device failed.
    fn launch(&self) -> Result<()>;
}

/// A point in the order of the stream.
pub enum Mark {
    /// A time on the host, from a synchronous driver.
    Host(Instant),
    /// An event on a GPU.
    Gpu(gpu::Event),
    /// The number of submissions so far, the clock of the planner.
    Count(usize),
}

/// A device with memory and one stream.
pub trait Driver: Send + Sync {
    /// `cuda`, `emulator` or `planner`.
    fn name(&self) -> &'static str;
    /// The name and, for a GPU, the model of the device.
    fn description(&self) -> String {
        self.name().to_owned()
    }
    /// The architecture that its kernels are compiled for; None if they are compiled for the host.
    fn arch(&self) -> Option<&'static Arch> {
        None
    }
    /// Number of multiprocessors; 1 if the device has none.
    fn multiprocessors(&self) -> u32 {
        1
    }
    /// How memory is allocated.
    fn policy(&self) -> Policy;
    /// Allocates `bytes` of memory with unspecified contents. The address is a multiple of 16.
    ///
    /// # Errors
    /// Out of memory; the error gives the requested and the free memory.
    fn allocate(&self, bytes: usize) -> Result<Address>;
    /// Frees memory.
    fn release(&self, address: Address);
    /// Copies from the host in stream order. The caller may change the host bytes after the call.
    ///
    /// # Errors
    /// The device failed.
    fn write(&self, target: Address, host: &[u8]) -> Result<()>;
    /// Waits for all previous work, then copies to the host.
    ///
    /// # Errors
    /// The device failed, now or in a previous operation.
    fn read(&self, source: Address, host: &mut [u8]) -> Result<()>;
    /// Copies between buffers in stream order.
    ///
    /// # Errors
    /// The device failed.
    fn copy(&self, source: Address, target: Address, bytes: usize) -> Result<()>;
    /// Fills with zero bytes in stream order.
    ///
    /// # Errors
    /// The device failed.
    fn zero(&self, target: Address, bytes: usize) -> Result<()>;
    /// Launches a kernel in stream order.
    ///
    /// # Errors
    /// The launch is rejected, or the emulator found a fault in the kernel; the error then names kernel, block and line.
    fn launch(&self, launch: &Launch<'_>) -> Result<()>;
    /// Describes an array to the copy engine of Hopper, as an argument of a kernel.
    ///
    /// # Errors
    /// The driver refuses the array, or the device has no such engine.
    fn tensor_map(&self, _tiles: &Tiles) -> Result<TensorMap> {
        Err(Error::Device { device: self.name(), reason: "there is no engine that copies tiles".into() })
    }
    /// Called when memory is reused for another buffer, so its contents are undefined; the emulator poisons it.
    ///
    /// # Errors
    /// The device failed.
    fn invalidate(&self, _target: Address, _bytes: usize) -> Result<()> {
        Ok(())
    }
    /// Begins a capture: launches, copies and fills are recorded instead of executed.
    ///
    /// # Errors
    /// The device failed, or a capture is already in progress.
    fn begin_capture(&self) -> Result<()>;
    /// Ends the capture and returns the recorded work.
    ///
    /// # Errors
    /// The device failed, or an operation during the capture could not be recorded.
    fn end_capture(&self) -> Result<Box<dyn Graph>>;
    /// Marks the point after all work submitted so far.
    ///
    /// # Errors
    /// The device failed.
    fn mark(&self) -> Result<Mark> {
        Ok(Mark::Host(Instant::now()))
    }
    /// Seconds from one mark of this driver to a later one; waits for the later one.
    ///
    /// # Errors
    /// The device failed, or a mark is from another driver.
    fn seconds_between(&self, from: &Mark, to: &Mark) -> Result<f64> {
        match (from, to) {
            (Mark::Host(from), Mark::Host(to)) => Ok(to.duration_since(*from).as_secs_f64()),
            _ => Err(Error::argument("a mark is from another driver")),
        }
    }
}

/// The error for a request of `requested` bytes that does not fit. `memory` is (free, total) in bytes, if known.
fn out_of_memory(device: &'static str, requested: usize, memory: Option<(usize, usize)>) -> Error {
    let left = match memory {
        Some((free, total)) => format!("{} of {} are free", size(free), size(total)),
        None => "the free memory is unknown".into(),
    };
    Error::OutOfMemory { device, reason: format!("{} were asked for, {left}", size(requested)) }
}

/// `1.5 GiB`.
fn size(bytes: usize) -> String {
    match bytes as f64 {
        bytes if bytes >= 1e9 => format!("{:.1} GiB", bytes / f64::from(1 << 30)),
        bytes if bytes >= 1e5 => format!("{:.1} MiB", bytes / f64::from(1 << 20)),
        bytes => format!("{:.1} KiB", bytes / f64::from(1 << 10)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_memory_errors_give_the_requested_and_the_free_memory() {
        let error = out_of_memory("cuda", 3 << 19, Some((1 << 20, 80 << 30)));
        assert_eq!(error.to_string(), "cuda: out of memory: 1.5 MiB were asked for, 1.0 MiB of 80.0 GiB are free");
        let error = out_of_memory("cuda", 3 << 19, None);
        assert_eq!(error.to_string(), "cuda: out of memory: 1.5 MiB were asked for, the free memory is unknown");
    }
}
