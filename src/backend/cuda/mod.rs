//! The CUDA engine: hand-written kernels (`kernels/*.cu`), launched by one of two drivers with one signature.
//!
//! - [`driver`] is what launches: the GPU through cudarc, or the emulator, which runs the same kernel text on the CPU, one fiber
//!   per CUDA thread.
//! - [`compiler`] gives the kernels' code for an architecture, with or without NVRTC.
//! - `memory` and `storage` hold buffers, `launch` the typed launches; one file per operation, named as its contract.
//!
//! Everything goes to one stream, so operations run in the order of the calls. Only [`crate::backend::Storage::download`]
//! waits.

use std::sync::Arc;

use crate::error::{Error, Result};

mod box_average;
mod ccm;
mod channels;
pub mod compiler;
mod conv2d;
mod conv2d_bf16;
mod corruption;
mod cost;
pub mod driver;
mod gemm;
pub mod kernel;
mod launch;
mod linear;
mod memory;
mod nvtx;
mod objective;
mod optimise;
mod peak;
mod plan;
mod pointwise;
mod pool;
mod reduce;
mod repeat;
mod sdc;
mod sdc_bf16;
mod session;
mod storage;
mod upsample;
mod watch;

pub use driver::gpu::{Device, Probe, probe};
pub use kernel::{File, KERNELS, Kernel};
pub use nvtx::Nvtx;
pub use plan::Planned;
pub use repeat::Program;
pub use storage::Buffer;

use compiler::Arch;
use driver::Driver;
use memory::Memory;
use watch::Journal;

/// The CUDA backend, f32. Clones share one device, stream and memory.
#[derive(Clone)]
pub struct Cuda {
    driver: Arc<dyn Driver>,
    memory: Arc<Memory>,
    journal: Arc<Journal>,
    mode: Mode,
}

/// Which kernels run, where an operation has several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The fast ones; convolutions and products of matrices in tiles, f32.
    #[default]
    Tiled,
    /// One thread per output element, f32: what the others are checked against on the device.
    Naive,
    /// Convolutions on tensor cores: operands rounded to bf16 in every call, sums and results f32. The rest as `Tiled`.
    Bf16,
}

impl Cuda {
    fn with_driver(driver: Arc<dyn Driver>) -> Self {
        Self { memory: Arc::new(Memory::new(Arc::clone(&driver))), driver, journal: Arc::default(), mode: Mode::default() }
    }

    /// GPU number `ordinal`.
    ///
    /// # Errors
    /// No driver, one that is too old, no such GPU, or no compiler for its kernels.
    pub fn gpu(ordinal: usize) -> Result<Self> {
        let gpu = driver::gpu::Gpu::open(ordinal)?;
        if let Some(kernel) = KERNELS.iter().copied().flatten().next() {
            gpu.prepare(kernel)?;
        }
        Ok(Self::with_driver(Arc::new(gpu)))
    }

    /// The emulator, with schedules drawn from `seed`; 0 runs threads and blocks in index order.
    #[cfg(feature = "emulator")]
    pub fn emulator(seed: u64) -> Self {
        Self::with_driver(Arc::new(driver::emulator::Emulator::new(seed)))
    }

    /// The emulator with `bytes` of memory.
    #[cfg(feature = "emulator")]
    pub fn emulator_with_memory(seed: u64, bytes: usize) -> Self {
        Self::with_driver(Arc::new(driver::emulator::Emulator::with_memory(seed, bytes)))
    }

    /// The same device with other kernels.
    #[must_use]
    pub fn with_mode(&self, mode: Mode) -> Self {
        Self { mode, ..self.clone() }
    }

    /// What its kernels are compiled for; `None` on the emulator.
    pub fn arch(&self) -> Option<&'static Arch> {
        self.driver.arch()
    }

    /// Most bytes held at once so far.
    pub fn peak_bytes(&self) -> usize {
        self.memory.peak_bytes()
    }
}

/// Refuses buffers of another length than the spec says; each operand is `(name, found, wanted)`.
fn check_lengths(op: &'static str, operands: &[(&str, usize, usize)]) -> Result<()> {
    match operands.iter().find(|(_, found, wanted)| found != wanted) {
        Some((name, found, wanted)) => Err(Error::shape(op, format!("{name} must have {wanted} elements, has {found}"))),
        None => Ok(()),
    }
}
