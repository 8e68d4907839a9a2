//! Measured peaks of a device with kernels: a copy, and the loops of `kernels/peak.cu`.

use super::Peaks;
use super::known::{Known, known};
use super::peaks::fastest;
use crate::backend::cuda::Buffer;
use crate::backend::{Cuda, Storage};
use crate::error::Result;

/// How much work a measurement does.
struct Effort {
    /// Bytes of each of the two arrays of the copy, larger than all caches.
    copied: usize,
    /// Iterations of the loops of multiply-adds and of products of matrices.
    iterations: [u32; 2],
}

impl Effort {
    /// Some milliseconds on a large GPU; little enough on the emulator.
    fn of(cuda: &Cuda) -> Self {
        match cuda.name() {
            "emulator" => Self { copied: 1 << 22, iterations: [64, 8] },
            _ => Self { copied: 1 << 29, iterations: [1 << 16, 1 << 14] },
        }
    }
}

impl Peaks {
    /// Peaks of a device with kernels: from the cache, or measured by its events if they are not there or `anew` is set. The matrix unit
    /// runs `mma.sync` with bf16 operands, as the convolutions do.
    ///
    /// # Errors
    /// Out of memory; the device failed.
    pub fn of_device(cuda: &Cuda, anew: bool) -> Result<Known> {
        let machine = cuda.description();
        let peaks = || {
            let Effort { copied, iterations: [vector, matrix] } = Effort::of(cuda);
            let copy = copy_rate(cuda, copied)?;
            let fma = Some(arithmetic_rate(cuda, |results| cuda.multiply_adds([1.0; 2], vector, results))?);
            let matrix = Some(arithmetic_rate(cuda, |results| cuda.matrix_multiply_adds([1.0; 2], matrix, results))?);
            Ok(Self { machine: machine.clone(), copy, fma, matrix })
        };
        known(&machine, anew, || Ok((peaks()?, None)))
    }
}

/// Bytes per second of the fastest copy; reads and writes both count.
fn copy_rate(cuda: &Cuda, bytes: usize) -> Result<f64> {
    let elements = bytes / size_of::<f32>();
    let (source, mut target) = (cuda.zeros(elements)?, cuda.zeros(elements)?);
    fastest(|| timed(cuda, || cuda.copy(&source, &mut target).map(|()| 2.0 * bytes as f64))).map(|rate| rate.best)
}

/// FLOP/s of the fastest repetition of `run`, which returns its FLOPs.
fn arithmetic_rate(cuda: &Cuda, run: impl Fn(&mut Buffer) -> Result<u64>) -> Result<f64> {
    let mut results = cuda.multiply_add_results()?;
    fastest(|| timed(cuda, || run(&mut results).map(|flops| flops as f64))).map(|rate| rate.best)
}

/// The amount of work that `run` returns, and its seconds on the device.
fn timed(cuda: &Cuda, run: impl FnOnce() -> Result<f64>) -> Result<(f64, f64)> {
    let from = cuda.mark()?;
    let amount = run()?;
    Ok((amount, cuda.seconds_between(&from, &cuda.mark()?)?))
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use super::*;

    #[test]
    fn every_peak_of_a_device_is_a_rate() -> Result<()> {
        let peaks = Peaks::of_device(&Cuda::emulator(7), true)?.peaks;
        assert_eq!(peaks.machine, "emulator");
        for rate in [Some(peaks.copy), peaks.fma, peaks.matrix] {
            assert!(rate.is_some_and(|rate| rate.is_finite() && rate > 0.0), "{peaks:?}");
        }
        Ok(())
    }
}
