use std::sync::Arc;

use super::compiler::Arch;
use super::driver::{self, Driver};
use super::kernels::KERNELS;
use super::memory::Memory;
use super::watch::Journal;
use crate::error::Result;

/// The CUDA backend, f32. Clones share one device, stream and memory.
#[derive(Clone)]
pub struct Cuda {
    pub(super) driver: Arc<dyn Driver>,
    pub(super) memory: Arc<Memory>,
    pub(super) journal: Arc<Journal>,
    pub(crate) mode: Mode,
}

/// Which kernels to use when an operation has several.
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
        if let Some(kernel) = KERNELS.first() {
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

    /// Whether the naive kernels run.
    pub(crate) fn is_naive(&self) -> bool {
        self.mode == Mode::Naive
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
