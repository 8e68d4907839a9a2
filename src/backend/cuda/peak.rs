//! Multiply-adds limited only by arithmetic, `kernels/peak.cu`, to measure the peak of the device.

use super::device::Cuda;
use super::kernel::Kernel;
use super::kernels::peak as kernel;
use super::storage::Buffer;
use crate::backend::{Storage, check_len};
use crate::error::Result;

/// Blocks per multiprocessor: 2048 threads, the most that any supported architecture holds.
const BLOCKS: u32 = 8;

impl Cuda {
    /// A buffer for the results of [`Cuda::multiply_adds`], one value per thread.
    ///
    /// # Errors
    /// Out of memory.
    pub fn multiply_add_results(&self) -> Result<Buffer> {
        self.alloc(self.busy_blocks() as usize * kernel::PEAK_MULTIPLY_ADD.threads as usize)
    }

    /// Performs `iterations` of f32 multiply-adds on registers, in enough threads to keep every multiprocessor busy. Returns the
    /// number of floating-point operations, 2 per multiply-add. With a = b = 1 every iteration adds 1 to each sum, which is exact
    /// below 2²⁴; see the kernel. Does not wait for the device.
    ///
    /// # Errors
    /// The launch failed, or `results` has another length than the buffer from [`Cuda::multiply_add_results`].
    pub fn multiply_adds(&self, factors: [f32; 2], iterations: u32, results: &mut Buffer) -> Result<u64> {
        self.keep_busy(&kernel::PEAK_MULTIPLY_ADD, factors, iterations, results)
    }

    /// As [`Cuda::multiply_adds`], but on the matrix unit with bf16 operands. With a = b = 1 every iteration adds 16 to each sum.
    ///
    /// # Errors
    /// As [`Cuda::multiply_adds`].
    pub fn matrix_multiply_adds(&self, factors: [f32; 2], iterations: u32, results: &mut Buffer) -> Result<u64> {
        self.keep_busy(&kernel::PEAK_MATRIX, factors, iterations, results)
    }

    fn keep_busy(&self, kernel: &'static Kernel, [a, b]: [f32; 2], iterations: u32, results: &mut Buffer) -> Result<u64> {
        let len = results.len() as u32;
        let grid = [self.busy_blocks(), 1, 1];
        check_len(kernel.name, "results", results.len(), (grid[0] * kernel.threads) as usize)?;
        let launch = self.launch(kernel, grid).output(results).value(a).value(b);
        launch.number("iterations", iterations).number("len", len).run()?;
        Ok(kernel.work(&[("iterations".into(), u64::from(iterations)), ("len".into(), u64::from(len))])?.flops)
    }

    fn busy_blocks(&self) -> u32 {
        BLOCKS * self.driver.multiprocessors()
    }
}
