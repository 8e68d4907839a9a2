//! Loops limited by one resource each, `kernels/rates.cu`, to calibrate a model of kernel time. None waits for the device.

use super::device::Cuda;
use super::kernel::Kernel;
use super::kernels::rates as kernel;
use super::storage::Buffer;
use crate::backend::{Storage, check_len};
use crate::error::Result;

/// Floats that one thread reads at a time.
const QUAD: usize = 4;

impl Cuda {
    /// Multiprocessors of the device; 1 on the emulator.
    pub fn multiprocessors(&self) -> u32 {
        self.driver.multiprocessors()
    }

    /// A buffer with one value for each thread of a loop below: as many threads as the device holds.
    ///
    /// # Errors
    /// Out of memory.
    pub fn rate_results(&self) -> Result<Buffer> {
        self.zeros(2048 * self.multiprocessors() as usize)
    }

    /// Copies `x` to `y` by a kernel, four floats a thread. Returns the bytes read and written.
    ///
    /// # Errors
    /// The launch failed, or the lengths differ or are no multiples of 4.
    pub fn rate_copy(&self, x: &Buffer, y: &mut Buffer) -> Result<u64> {
        check_len("rate_copy", "y", y.len(), x.len() / QUAD * QUAD)?;
        let blocks = 2048 * self.multiprocessors() / kernel::RATE_COPY.threads;
        let launch = self.launch(&kernel::RATE_COPY, [blocks, 1, 1]).input(x).output(y);
        launch.number("quads", (x.len() / QUAD) as u32).run()?;
        Ok(2 * size_of::<f32>() as u64 * x.len() as u64)
    }

    /// Reads `x` `repeats` times past L1, all threads together. Returns the bytes that L2 delivers.
    ///
    /// # Errors
    /// The launch failed, or `y` is not from [`Cuda::rate_results`].
    pub fn rate_l2(&self, x: &Buffer, y: &mut Buffer, repeats: u32) -> Result<u64> {
        self.read(&kernel::RATE_L2, x, y, repeats).map(|(bytes, _)| bytes)
    }

    /// Reads `x` `repeats` times through L1, in every block. Returns the bytes that all L1 deliver.
    ///
    /// # Errors
    /// As [`Cuda::rate_l2`].
    pub fn rate_l1(&self, x: &Buffer, y: &mut Buffer, repeats: u32) -> Result<u64> {
        self.read(&kernel::RATE_L1, x, y, repeats).map(|(bytes, blocks)| bytes * u64::from(blocks))
    }

    /// Bytes of `repeats` passes over `x`, and blocks.
    fn read(&self, kernel: &'static Kernel, x: &Buffer, y: &mut Buffer, repeats: u32) -> Result<(u64, u32)> {
        let blocks = self.blocks_of(kernel, y)?;
        let launch = self.launch(kernel, [blocks, 1, 1]).input(x).output(y).number("quads", (x.len() / QUAD) as u32);
        launch.number("repeats", repeats).number("len", blocks * kernel.threads).with("blocks", blocks as usize).run()?;
        Ok(((x.len() / QUAD * QUAD * size_of::<f32>()) as u64 * u64::from(repeats), blocks))
    }

    /// Reads shared memory `iterations` times, 16 bytes in every thread. `clocks` gets the cycles of each block; there are two
    /// blocks of 1024 threads for each of its pairs. Returns the bytes that one multiprocessor's shared memory delivers.
    ///
    /// # Errors
    /// The launch failed, `x` has not 4096 elements, or `y` is not from [`Cuda::rate_results`] or `clocks` has not one element
    /// per block.
    pub fn rate_shared(&self, x: &Buffer, y: &mut Buffer, clocks: &mut Buffer, iterations: u32) -> Result<u64> {
        let kernel = &kernel::RATE_SHARED;
        let blocks = self.blocks_of(kernel, y)?;
        check_len(kernel.name, "x", x.len(), QUAD * kernel.threads as usize)?;
        check_len(kernel.name, "clocks", clocks.len(), blocks as usize)?;
        let launch = self.launch(kernel, [blocks, 1, 1]).input(x).output(y).output(clocks).number("iterations", iterations);
        launch.number("len", blocks * kernel.threads).with("blocks", blocks as usize).run()?;
        let threads = u64::from(blocks * kernel.threads) / u64::from(self.multiprocessors());
        Ok(16 * threads * u64::from(iterations))
    }

    /// Launches a kernel of one warp that writes one value for each lane.
    ///
    /// # Errors
    /// The launch failed.
    pub fn rate_empty(&self, y: &mut Buffer) -> Result<()> {
        self.launch(&kernel::RATE_EMPTY, [1, 1, 1]).output(y).number("len", y.len().min(32) as u32).run()
    }

    fn blocks_of(&self, kernel: &'static Kernel, y: &Buffer) -> Result<u32> {
        let blocks = 2048 * self.multiprocessors() / kernel.threads;
        check_len(kernel.name, "y", y.len(), (blocks * kernel.threads) as usize)?;
        Ok(blocks)
    }
}
