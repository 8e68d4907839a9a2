//! Loops limited only by arithmetic, `kernels/peak.cu` and `kernels/peak_wgmma.cu`, to measure the peaks of the device.

use super::device::Cuda;
use super::kernel::Kernel;
use super::kernels::{peak as kernel, peak_wgmma};
use super::launch::Builder;
use super::storage::Buffer;
use crate::backend::{Storage, check_len};
use crate::error::Result;

/// Blocks per multiprocessor: 2048 threads, the most that any supported architecture holds.
const BLOCKS: u32 = 8;
/// Elements of a buffer of operands.
pub const OPERANDS: usize = 1024;

impl Cuda {
    /// A buffer for the results of [`Cuda::multiply_adds`], one value per thread.
    ///
    /// # Errors
    /// Out of memory.
    pub fn multiply_add_results(&self) -> Result<Buffer> {
        self.alloc(self.busy_blocks() as usize * kernel::PEAK_MULTIPLY_ADD.threads as usize)
    }

    /// Performs `iterations` of f32 multiply-adds x = a x + b on registers, in enough threads to keep every multiprocessor busy.
    /// Each thread has 16 chains, which start at its part of the [`OPERANDS`] operands. Returns the number of floating-point
    /// operations, 2 per multiply-add. Does not wait for the device.
    ///
    /// # Errors
    /// The launch failed, or `operands` or `results` has another length than it must.
    pub fn multiply_adds(&self, operands: &Buffer, [a, b]: [f32; 2], iterations: u32, results: &mut Buffer) -> Result<u64> {
        self.keep_busy(&kernel::PEAK_MULTIPLY_ADD, operands, iterations, results, |launch| launch.value(a).value(b))
    }

    /// Performs `iterations` of eight products on the matrix unit by `mma.sync`, of operands rounded to bf16. With operands of 1
    /// every iteration adds 16 to each sum.
    ///
    /// # Errors
    /// As [`Cuda::multiply_adds`].
    pub fn matrix_multiply_adds(&self, operands: &Buffer, iterations: u32, results: &mut Buffer) -> Result<u64> {
        self.keep_busy(&kernel::PEAK_MATRIX, operands, iterations, results, |launch| launch)
    }

    /// As [`Cuda::matrix_multiply_adds`] by `wgmma`, the instruction of Hopper. With operands of 1 every iteration adds 64 to
    /// each sum.
    ///
    /// # Errors
    /// As [`Cuda::multiply_adds`]; the GPU is no Hopper.
    pub fn group_multiply_adds(&self, operands: &Buffer, iterations: u32, results: &mut Buffer) -> Result<u64> {
        self.keep_busy(&peak_wgmma::PEAK_WGMMA, operands, iterations, results, |launch| launch)
    }

    fn keep_busy<'a>(
        &'a self,
        kernel: &'static Kernel,
        operands: &Buffer,
        iterations: u32,
        results: &mut Buffer,
        factors: impl FnOnce(Builder<'a>) -> Builder<'a>,
    ) -> Result<u64> {
        let len = self.busy_blocks() * super::kernels::peak::PEAK_MULTIPLY_ADD.threads;
        check_len(kernel.name, "operands", operands.len(), OPERANDS)?;
        check_len(kernel.name, "results", results.len(), len as usize)?;
        let launch = self.launch(kernel, [len / kernel.threads, 1, 1]).input(operands).output(results);
        factors(launch).number("iterations", iterations).number("len", len).run()?;
        Ok(kernel.work(&[("iterations".into(), u64::from(iterations)), ("len".into(), u64::from(len))])?.flops)
    }

    fn busy_blocks(&self) -> u32 {
        BLOCKS * self.driver.multiprocessors()
    }
}
