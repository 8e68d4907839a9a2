//! Engines: the devices that compute. They hold memory and the machinery that operations are built from, and know no operation;
//! operations are in [`crate::ops`], a folder each.
//!
//! - [`mod@reference`]: plain memory, f32 or f64, for the loops that specify every operation.
//! - [`cpu`]: f32 with SIMD and threads.
//! - [`cuda`]: kernels on a GPU, or on its emulator.
//!
//! Results are deterministic: fixed-order reductions, the same bits for any number of threads. Engines never see each other.

use crate::error::{Error, Result};

pub mod cpu;
pub mod cuda;
mod phase;
pub mod reference;
mod work;

pub use cpu::Cpu;
pub use cuda::Cuda;
pub use phase::Phase;
pub use reference::Reference;
pub use work::{Unit, Work};

/// Element types: f32 and f64.
pub trait Real:
    num_traits::Float + num_traits::NumAssign + std::iter::Sum + std::fmt::Debug + std::fmt::Display + Default + Send + Sync + 'static
{
    /// Nearest value of this type.
    fn of(value: f64) -> Self;
    /// The value as f64, exact.
    fn f64(self) -> f64;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn f64(self) -> f64 {
        self
    }
}

/// One launch of a kernel, see [`Storage::watched`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelLaunch {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y, z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory of a block.
    pub dynamic_shared: u32,
    /// What it costs, by the formulas in the kernel's header.
    pub work: Work,
}

/// A launch, with the marks right before and right after it.
pub type Watched<M> = (KernelLaunch, [M; 2]);

/// Memory of a device. Cloning a backend gives another handle of the same device.
pub trait Storage: Clone + Send + Sync + 'static {
    /// Element type.
    type Elem: Real;
    /// A block of device memory, freed when dropped.
    type Buffer: Send + Sync + 'static;
    /// Recorded state of repeated work, see [`Storage::repeat`].
    type Program: Default + Send;
    /// A point in the order of the device's work, see [`Storage::mark`].
    type Mark: Send + 'static;

    /// Name for messages and reports, e.g. `cpu`.
    fn name(&self) -> &'static str;
    /// The name and, if it has one, the model of the device, e.g. `cuda (NVIDIA H100 80GB HBM3)`.
    fn description(&self) -> String {
        self.name().to_owned()
    }
    /// `len` elements of unspecified content, for kernels that overwrite all of it.
    ///
    /// # Errors
    /// Out of memory.
    fn alloc(&self, len: usize) -> Result<Self::Buffer>;
    /// `len` zeros.
    ///
    /// # Errors
    /// Out of memory.
    fn zeros(&self, len: usize) -> Result<Self::Buffer>;
    /// `len` zeros to accumulate into before the first read, such as a gradient; a device may delay writing them until then.
    ///
    /// # Errors
    /// Out of memory.
    fn zeros_to_add_to(&self, len: usize) -> Result<Self::Buffer> {
        self.zeros(len)
    }
    /// Copy from the host.
    ///
    /// # Errors
    /// Out of memory.
    fn upload(&self, host: &[Self::Elem]) -> Result<Self::Buffer>;
    /// Overwrites `target` with host values of the same number.
    ///
    /// # Errors
    /// The device failed, or lengths differ.
    fn write(&self, host: &[Self::Elem], target: &mut Self::Buffer) -> Result<()>;
    /// Copy to the host.
    ///
    /// # Errors
    /// The device failed.
    fn download(&self, buffer: &Self::Buffer) -> Result<Vec<Self::Elem>>;
    /// Overwrites `target` with `source` of the same length.
    ///
    /// # Errors
    /// The device failed, or lengths differ.
    fn copy(&self, source: &Self::Buffer, target: &mut Self::Buffer) -> Result<()>;
    /// Number of elements.
    fn len(&self, buffer: &Self::Buffer) -> usize;
    /// Runs `work`, or what was recorded of it under `program`. Every time it must be the same operations on the same
    /// buffers: what differs from time to time is written into buffers before. Buffers made inside must be dropped inside, and
    /// nothing may be uploaded or downloaded there.
    ///
    /// # Errors
    /// What `work` reports; the device failed.
    fn repeat(&self, program: &mut Self::Program, work: impl FnOnce() -> Result<()>) -> Result<()>;
    /// Marks the point after everything that was asked for so far. Not inside [`Storage::repeat`].
    ///
    /// # Errors
    /// The device failed.
    fn mark(&self) -> Result<Self::Mark>;
    /// Seconds that the device took from one mark to a later one; waits for the later one.
    ///
    /// # Errors
    /// The device failed.
    fn seconds_between(&self, from: &Self::Mark, to: &Self::Mark) -> Result<f64>;
    /// Sets the layer (empty if none) and the phase of the following operations. Only profilers use it.
    fn enter(&self, _layer: &str, _phase: Phase) {}
    /// Runs `work` and returns the kernels it launched, if the device has kernels, each with the marks just before and after it;
    /// external profiling tools see `name` meanwhile. For profilers only, from one thread at a time, and not for work that
    /// [`Storage::repeat`] records, since recorded work cannot be timed.
    fn watched<R>(&self, _name: std::fmt::Arguments<'_>, work: impl FnOnce() -> R) -> (R, Vec<Watched<Self::Mark>>) {
        (work(), Vec::new())
    }
}

/// Rejects a buffer of the wrong length, outside of the operations' contracts.
pub(crate) fn check_len(op: &'static str, name: &str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(Error::shape(op, format!("{name} must have {wanted} elements, has {found}"))) }
}
