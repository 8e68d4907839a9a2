//! Backends: memory on a device, and the building blocks of operations. The operations themselves are in [`crate::ops`], one
//! folder each.
//!
//! - [`mod@reference`]: plain memory in f32 or f64, for the loops that specify every operation.
//! - [`cpu`]: f32 with SIMD and threads.
//! - [`cuda`]: kernels on a GPU or on the emulator.
//!
//! Results are deterministic: reductions have a fixed order, and the bits do not depend on the number of threads. Backends do not
//! use each other.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::shape::Shape;

mod arithmetic;
pub mod cpu;
pub mod cuda;
mod phase;
pub mod reference;
mod slope;
mod work;

pub use arithmetic::Arithmetic;
pub use cpu::Cpu;
pub use cuda::Cuda;
pub use phase::Phase;
pub use reference::Reference;
pub use slope::Slope;
pub use work::{Unit, Work};

/// Element types: f32 and f64.
pub trait Real:
    num_traits::Float + num_traits::NumAssign + std::iter::Sum + std::fmt::Debug + std::fmt::Display + Default + Send + Sync + 'static
{
    /// The nearest value of this type.
    fn of(value: f64) -> Self;
    /// The value as f64, exact.
    fn f64(self) -> f64;
    /// Values of f32 in this type, exact. They are copied only if the type is another one.
    fn from_f32(values: &[f32]) -> Cow<'_, [Self]>;
    /// The nearest values of f32. They are copied only if the type is another one.
    fn into_f32(values: Vec<Self>) -> Vec<f32>;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
    fn from_f32(values: &[f32]) -> Cow<'_, [Self]> {
        Cow::Borrowed(values)
    }
    fn into_f32(values: Vec<Self>) -> Vec<f32> {
        values
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn f64(self) -> f64 {
        self
    }
    fn from_f32(values: &[f32]) -> Cow<'_, [Self]> {
        Cow::Owned(values.iter().copied().map(f64::from).collect())
    }
    fn into_f32(values: Vec<Self>) -> Vec<f32> {
        values.into_iter().map(|value| value as f32).collect()
    }
}

/// One launch of a kernel. See [`Storage::watched`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelLaunch {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y, z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory per block.
    pub dynamic_shared: u32,
    /// Its cost by the formulas in the kernel's header.
    pub work: Work,
}

/// A launch with the marks immediately before and after it.
pub type Watched<M> = (KernelLaunch, [M; 2]);

/// Memory of a device. A clone of a backend is another handle to the same device.
pub trait Storage: Clone + Send + Sync + 'static {
    /// Element type.
    type Elem: Real;
    /// A block of device memory, freed when dropped.
    type Buffer: Send + Sync + 'static;
    /// A recording of repeated work. See [`Storage::repeat`].
    type Program: Default + Send;
    /// A point in the sequence of the device's work. See [`Storage::mark`].
    type Mark: Send + 'static;

    /// Name for messages and reports, e.g. `cpu`.
    fn name(&self) -> &'static str;
    /// If its blocks are memory of the program: the bytes that it keeps for further blocks, beside what the system has free. None
    /// for a device with memory of its own.
    fn spare_host_memory(&self) -> Option<usize> {
        None
    }
    /// The name, and the model of the device if it has one, e.g. `cuda (NVIDIA H100 80GB HBM3)`.
    fn description(&self) -> String {
        self.name().to_owned()
    }
    /// How the device computes.
    fn arithmetic(&self) -> Arithmetic {
        Arithmetic::new(self.name(), "")
    }
    /// `len` elements with unspecified values, to be overwritten completely.
    ///
    /// # Errors
    /// Out of memory.
    fn alloc(&self, len: usize) -> Result<Self::Buffer>;
    /// An activation of a network, with unspecified values, to be overwritten completely. A device may store activations with
    /// fewer bits than other values; each is then rounded once, when it is stored.
    ///
    /// # Errors
    /// Out of memory.
    fn alloc_activation(&self, shape: &Shape) -> Result<Self::Buffer> {
        self.alloc(shape.len())
    }
    /// `len` zeros.
    ///
    /// # Errors
    /// Out of memory.
    fn zeros(&self, len: usize) -> Result<Self::Buffer>;
    /// Zeros for the accumulation of the gradient with respect to `value`, stored as `value` is. A device may postpone writing
    /// the zeros.
    ///
    /// # Errors
    /// Out of memory.
    fn gradient_of(&self, value: &Self::Buffer) -> Result<Self::Buffer> {
        self.zeros(self.len(value))
    }
    /// Rounds an activation, or a gradient of one, to the precision with which the device stores it. The tape calls it once
    /// after each operation that has written to it. Devices whose kernels round when they store have nothing to do.
    ///
    /// # Errors
    /// The device failed.
    fn settle(&self, _value: &mut Self::Buffer) -> Result<()> {
        Ok(())
    }
    /// Copies values from the host to new memory.
    ///
    /// # Errors
    /// Out of memory.
    fn upload(&self, host: &[Self::Elem]) -> Result<Self::Buffer>;
    /// As [`Storage::upload`] for a parameter of a network. A device may keep a rounded copy of it for products, and keeps the
    /// copy equal whenever the values are written.
    ///
    /// # Errors
    /// Out of memory.
    fn upload_parameter(&self, _shape: &Shape, host: &[Self::Elem]) -> Result<Self::Buffer> {
        self.upload(host)
    }
    /// Overwrites `target` with values from the host. The lengths must be equal.
    ///
    /// # Errors
    /// The device failed, or lengths differ.
    fn write(&self, host: &[Self::Elem], target: &mut Self::Buffer) -> Result<()>;
    /// Copies values to the host.
    ///
    /// # Errors
    /// The device failed.
    fn download(&self, buffer: &Self::Buffer) -> Result<Vec<Self::Elem>>;
    /// Overwrites `target` with `source`. The lengths must be equal.
    ///
    /// # Errors
    /// The device failed, or lengths differ.
    fn copy(&self, source: &Self::Buffer, target: &mut Self::Buffer) -> Result<()>;
    /// Number of elements.
    fn len(&self, buffer: &Self::Buffer) -> usize;
    /// Bytes in which each element of a buffer is stored. Used only by profilers.
    fn element_bytes(&self, _buffer: &Self::Buffer) -> usize {
        size_of::<Self::Elem>()
    }
    /// Bytes of the buffers that are alive; None where they are not counted. Used only by profilers.
    fn live_bytes(&self) -> Option<usize> {
        None
    }
    /// Whether a buffer stands for zeros that are not written, so that an addition to it does not read it. Used only by
    /// profilers.
    fn is_blank(&self, _buffer: &Self::Buffer) -> bool {
        false
    }
    /// Runs `work`, or replays the recording of it in `program`. Each run must perform the same operations on the same buffers,
    /// so values that change between runs must be written to buffers beforehand. Buffers allocated inside `work` must be dropped
    /// inside it, and `work` may not upload or download.
    ///
    /// # Errors
    /// The errors of `work`; the device failed.
    fn repeat(&self, program: &mut Self::Program, work: impl FnOnce() -> Result<()>) -> Result<()>;
    /// Marks the point after all work submitted so far. Not allowed inside [`Storage::repeat`].
    ///
    /// # Errors
    /// The device failed.
    fn mark(&self) -> Result<Self::Mark>;
    /// Device time in seconds from one mark to a later one. Waits until the device reaches the later one.
    ///
    /// # Errors
    /// The device failed.
    fn seconds_between(&self, from: &Self::Mark, to: &Self::Mark) -> Result<f64>;
    /// Sets the layer (empty if none) and the phase of the following operations. Used only by profilers.
    fn enter(&self, _layer: &str, _phase: Phase) {}
    /// Runs `work` and returns its kernel launches, each with the marks immediately before and after it. The list is empty on
    /// devices without kernels. External profiling tools show `name` for the work. Used only by profilers, from one thread at a
    /// time. Not allowed inside [`Storage::repeat`], because recorded work cannot be timed.
    fn watched<R>(&self, _name: std::fmt::Arguments<'_>, work: impl FnOnce() -> R) -> (R, Vec<Watched<Self::Mark>>) {
        (work(), Vec::new())
    }
}

/// Rejects a buffer of the wrong length, for functions that are not operations and so have no contract.
pub(crate) fn check_len(op: &'static str, name: &str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(Error::shape(op, format!("{name} must have {wanted} elements, has {found}"))) }
}
