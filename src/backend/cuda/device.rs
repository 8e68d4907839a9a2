use std::sync::Arc;

use super::compiler::Arch;
#[cfg(feature = "emulator")]
use super::driver::emulator::{Emulator, Observer, Settings};
use super::driver::planner::Planner;
use super::driver::{self, Driver};
use super::kernel::Kernel;
use super::kernels::KERNELS;
use super::memory::Memory;
use super::watch::LaunchLog;
use crate::error::Result;

/// The CUDA backend, in f32. Clones share one device, one stream and its memory.
#[derive(Clone)]
pub struct Cuda {
    pub(super) driver: Arc<dyn Driver>,
    pub(super) memory: Arc<Memory>,
    pub(super) launches: Arc<LaunchLog>,
    pub(crate) mode: Mode,
    /// Whether convolutions may run the matrix instruction of Hopper.
    pub(crate) wgmma: bool,
}

/// Which kernels to use when an operation has several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Fast kernels in f32, with tiled convolutions and matrix products.
    #[default]
    Tiled,
    /// Kernels in f32 with one thread per output element: the reference for the other kernels on the device.
    Naive,
    /// Convolutions on tensor cores: every call rounds its operands to bf16; sums and results are f32. Other operations are as in
    /// `Tiled`.
    Bf16,
}

impl Cuda {
    fn with_driver(driver: Arc<dyn Driver>) -> Self {
        Self {
            memory: Arc::new(Memory::new(Arc::clone(&driver))),
            driver,
            launches: Arc::default(),
            mode: Mode::default(),
            wgmma: false,
        }
    }

    /// GPU number `ordinal`.
    ///
    /// # Errors
    /// There is no driver or it is too old, there is no such GPU, or its kernels can be neither found nor compiled.
    pub fn gpu(ordinal: usize) -> Result<Self> {
        let gpu = driver::gpu::Gpu::open(ordinal)?;
        if let Some(kernel) = KERNELS.first() {
            gpu.prepare(kernel)?;
        }
        Ok(Self::with_driver(Arc::new(gpu)))
    }

    /// The emulator, with random schedules drawn from `seed`. With seed 0, threads and blocks run in index order.
    #[cfg(feature = "emulator")]
    pub fn emulator(seed: u64) -> Self {
        Self::emulated(Settings { seed, ..Settings::default() })
    }

    /// The emulator with these settings.
    #[cfg(feature = "emulator")]
    pub fn emulated(settings: Settings) -> Self {
        Self::with_driver(Arc::new(Emulator::with(settings)))
    }

    /// The emulator with an observer of every load and store, see [`Observer`].
    #[cfg(feature = "emulator")]
    pub fn observed(seed: u64, observer: &Observer) -> Self {
        Self::emulated(Settings { seed, observer: Some(observer.clone()), ..Settings::default() })
    }

    /// A device of this architecture that computes nothing, and the list of what was submitted to it.
    pub fn planner(arch: &'static Arch) -> (Self, Arc<Planner>) {
        let planner = Arc::new(Planner::new(arch));
        (Self::with_driver(Arc::clone(&planner) as Arc<dyn Driver>), planner)
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

    /// The architecture that its kernels are compiled for; None on the emulator.
    pub fn arch(&self) -> Option<&'static Arch> {
        self.driver.arch()
    }

    /// Whether the device has enough shared memory for a block of `kernel`. The emulator has as much as an H100.
    pub(crate) fn can_launch(&self, kernel: &Kernel) -> bool {
        self.arch().is_none_or(|arch| kernel.dynamic_shared <= arch.shared_per_block)
    }

    /// Peak bytes allocated on the device so far.
    pub fn peak_bytes(&self) -> usize {
        self.memory.peak_bytes()
    }
}
