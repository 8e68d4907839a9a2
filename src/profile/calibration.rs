//! The rates of a device that a model of kernel time needs.

use super::machine::today;
use super::measure::{Effort, arithmetic, noise, rate};
use super::predict::Calibration;
use crate::backend::cuda::OPERANDS;
use crate::backend::{Cuda, Storage};
use crate::error::Result;

/// Arrays that fit into the L1 of one multiprocessor, in floats: 16 KiB.
const IN_L1: usize = 4096;

/// Measures all rates of one device, each by a loop that is bound by that resource, on random data. `examples/calibrate.rs`
/// writes them as JSON, which `profile --predict --peaks` reads. This takes a few seconds on a GPU.
///
/// # Errors
/// Out of memory; the device failed.
pub fn calibrate(cuda: &Cuda) -> Result<Calibration> {
    let effort = Effort::of(cuda);
    let (ffma, mma) = arithmetic(cuda, effort)?;
    let (shared_bytes_per_clock, clock) = shared(cuda, effort)?;
    let multiprocessors = cuda.multiprocessors();
    let (launch, graph_launch) = launches(cuda, effort)?;
    let l1 = reads(cuda, 4 * IN_L1, |x, y| cuda.rate_l1(x, y, effort.passes))?;
    Ok(Calibration {
        device: cuda.description(),
        date: today(),
        version: Some(env!("CARGO_PKG_VERSION").into()),
        multiprocessors: Some(multiprocessors),
        dram_gb_s: Some(copy(cuda, effort)? / 1e9),
        l2_gb_s: Some(reads(cuda, effort.in_l2, |x, y| cuda.rate_l2(x, y, effort.passes))? / 1e9),
        l1_bytes_per_clock: Some(l1 / f64::from(multiprocessors) / clock),
        shared_bytes_per_clock: Some(shared_bytes_per_clock),
        ffma_tflop_s: Some(ffma / 1e12),
        mma_bf16_tflop_s: Some(mma / 1e12),
        wgmma_bf16_tflop_s: wgmma(cuda, effort)?.map(|rate| rate / 1e12),
        launch_us: Some(1e6 * launch),
        graph_launch_us: Some(1e6 * graph_launch),
        clock_mhz: Some(clock / 1e6),
    })
}

type Buffer = <Cuda as Storage>::Buffer;

fn copy(cuda: &Cuda, effort: Effort) -> Result<f64> {
    let values = noise(effort.copied / size_of::<f32>());
    let (source, mut target) = (cuda.upload(&values)?, cuda.zeros(values.len())?);
    Ok(rate(cuda, || cuda.rate_copy(&source, &mut target))?.best)
}

/// Bytes per second of reading an array of `bytes`.
fn reads(cuda: &Cuda, bytes: usize, read: impl Fn(&Buffer, &mut Buffer) -> Result<u64>) -> Result<f64> {
    let (x, mut y) = (cuda.upload(&noise(bytes / size_of::<f32>()))?, cuda.rate_results()?);
    Ok(rate(cuda, || read(&x, &mut y))?.best)
}

/// FLOP/s; None on a device that has no such instruction. The emulator has all of them.
fn wgmma(cuda: &Cuda, effort: Effort) -> Result<Option<f64>> {
    if cuda.arch().is_some_and(|arch| arch.name != "sm_90a") {
        return Ok(None);
    }
    let (operands, mut results) = (cuda.upload(&noise(OPERANDS))?, cuda.multiply_add_results()?);
    Ok(Some(rate(cuda, || cuda.group_multiply_adds(&operands, effort.matrix, &mut results))?.best))
}

/// Bytes per clock of one multiprocessor, and clocks per second.
fn shared(cuda: &Cuda, effort: Effort) -> Result<(f64, f64)> {
    let iterations = 64 * effort.passes;
    let (x, mut y) = (cuda.upload(&noise(IN_L1))?, cuda.rate_results()?);
    let mut clocks = cuda.zeros(2 * cuda.multiprocessors() as usize)?;
    let mut bytes = 0;
    let runs = rate(cuda, || {
        bytes = cuda.rate_shared(&x, &mut y, &mut clocks, iterations)?;
        Ok(1)
    })?;
    // Of the last run. The longest block stands for all: both blocks of a multiprocessor run at once.
    let longest = f64::from(cuda.download(&clocks)?.into_iter().fold(1.0, f32::max));
    Ok((bytes as f64 / longest, longest * runs.best))
}

/// Seconds between two launches that do nothing, in a stream and in a graph.
fn launches(cuda: &Cuda, effort: Effort) -> Result<(f64, f64)> {
    let mut y = cuda.zeros(32)?;
    let stream = rate(cuda, || launch_all(cuda, effort, &mut y))?;
    let mut program = Default::default();
    let graph = rate(cuda, || {
        cuda.repeat(&mut program, || launch_all(cuda, effort, &mut y).map(|_| ()))?;
        Ok(u64::from(effort.launches))
    })?;
    Ok((1.0 / stream.best, 1.0 / graph.best))
}

fn launch_all(cuda: &Cuda, effort: Effort, y: &mut Buffer) -> Result<u64> {
    (0..effort.launches).try_for_each(|_| cuda.rate_empty(y))?;
    Ok(u64::from(effort.launches))
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use super::*;

    /// Rates of the emulator mean nothing, but the file has every field that a prediction knows, and no other.
    #[test]
    fn what_is_measured_is_read_by_predictions() {
        let measured = calibrate(&Cuda::emulator(1)).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), serde_json::to_string(&measured).unwrap()).unwrap();
        assert_eq!(Calibration::read(file.path()).unwrap(), (measured.clone(), Vec::new()));
        assert_eq!(measured.measured().len(), 11, "{measured:?}");
    }
}
