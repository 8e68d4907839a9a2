//! Measures the peaks of a machine by the simplest programs that reach them.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::known::{Known, known};
use super::machine::processor;
use super::peaks::Peaks;
use crate::backend::cuda::OPERANDS;
use crate::backend::{Cpu, Cuda, Storage};
use crate::error::Result;
use crate::rng::{Purpose, Stream};

/// Environment variable that makes loops on a device as short as on the emulator, if it is `least`: for a rehearsal without a
/// GPU, whose rates mean nothing.
pub const EFFORT_VARIABLE: &str = "ORTHOSCOPE_PEAK_EFFORT";

/// Bytes of each of the two arrays of the copy on the CPU, larger than all caches.
const COPIED: usize = 1 << 27;
/// Bytes of one task of the copy on the CPU.
const CHUNK: usize = 1 << 20;
/// Iterations of the arithmetic loops on the CPU, which take some milliseconds.
const ITERATIONS: usize = 400_000;
/// Fewest repetitions; the fastest one counts, because a peak is what the machine reaches undisturbed.
const MIN_REPEATS: usize = 7;
/// Repetitions go on until the three fastest agree within this many percent, but at least and at most for these times. The system
/// counts time in hundredths of a second, so a shorter time would not show the load of other processes.
const AGREEMENT: f64 = 1.0;
const TIMES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// How long the loops on a device are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Effort {
    /// Bytes of an array that is larger than all caches, and of one that fits into L2.
    pub(super) copied: usize,
    pub(super) in_l2: usize,
    /// Iterations of multiply-adds, and of products on the matrix unit.
    pub(super) vector: u32,
    pub(super) matrix: u32,
    /// Passes over L1 and L2, and reads of shared memory.
    pub(super) passes: u32,
    /// Launches in a row.
    pub(super) launches: u32,
}

impl Effort {
    const GPU: Self =
        Self { copied: 1 << 29, in_l2: 1 << 24, vector: 1 << 16, matrix: 1 << 14, passes: 1 << 9, launches: 1 << 10 };
    const LEAST: Self = Self { copied: 1 << 22, in_l2: 1 << 16, vector: 64, matrix: 8, passes: 2, launches: 16 };

    /// That of a device: least on the emulator, and where [`EFFORT_VARIABLE`] says so.
    pub(super) fn of(cuda: &Cuda) -> Self {
        let asked = std::env::var_os(EFFORT_VARIABLE).is_some_and(|value| value == "least");
        if asked || cuda.name() == "emulator" { Self::LEAST } else { Self::GPU }
    }
}

/// Random values in [-1, 1), the same for every call: a GPU is faster with zeros or ones than with real data. The first 2²⁰
/// values are repeated.
pub(super) fn noise(len: usize) -> Vec<f32> {
    let mut stream = Stream::new(0, Purpose::Test, 0, 0);
    let values: Vec<f32> = (0..len.min(1 << 20)).map(|_| stream.range(-1.0, 1.0)).collect();
    values.iter().copied().cycle().take(len).collect()
}

impl Peaks {
    /// Peaks of the CPU with the threads of the current pool: from the cache, or measured now if they are not there or `anew` is
    /// set. They are cached unless something else was running, which is logged as a warning.
    ///
    /// # Errors
    /// None at present.
    pub fn of_cpu(cpu: &Cpu, anew: bool) -> Result<Known> {
        let machine = format!("{}, {}, {} threads", processor(), cpu.isa(), rayon::current_num_threads());
        known(&machine, anew, || {
            let (copy, fma) = (host_copy(cpu)?, rate(cpu, || Ok(cpu.multiply_add(ITERATIONS)))?);
            let has_matrix = cpu.multiply_add_bf16(0).is_some();
            let products = || rate(cpu, || Ok(cpu.multiply_add_bf16(ITERATIONS).unwrap_or_default()));
            let matrix = has_matrix.then(products).transpose()?;
            let spread = [Some(copy), Some(fma), matrix].into_iter().flatten().map(|rate| rate.spread).fold(0.0, f64::max);
            let matrix = matrix.map(|rate| rate.best);
            Ok((Self { machine: machine.clone(), copy: copy.best, fma: Some(fma.best), matrix }, Some(spread)))
        })
    }

    /// Peaks of a device with kernels: from the cache, or measured by its events if they are not there or `anew` is set. The
    /// loops are those of `kernels/peak.cu`, on random data; the matrix unit runs `mma.sync` with bf16 operands, as the
    /// convolutions do.
    ///
    /// # Errors
    /// Out of memory; the device failed.
    pub fn of_device(cuda: &Cuda, anew: bool) -> Result<Known> {
        let machine = cuda.description();
        known(&machine, anew, || {
            let effort = Effort::of(cuda);
            let values = noise(effort.copied / size_of::<f32>());
            let (source, mut target) = (cuda.upload(&values)?, cuda.zeros(values.len())?);
            let copy = rate(cuda, || cuda.copy(&source, &mut target).map(|()| 2 * effort.copied as u64))?.best;
            let (fma, matrix) = arithmetic(cuda, effort)?;
            Ok((Self { machine: machine.clone(), copy, fma: Some(fma), matrix: Some(matrix) }, None))
        })
    }
}

/// FLOP/s of multiply-adds and of `mma.sync` on random operands.
pub(super) fn arithmetic(cuda: &Cuda, effort: Effort) -> Result<(f64, f64)> {
    let (operands, mut results) = (cuda.upload(&noise(OPERANDS))?, cuda.multiply_add_results()?);
    // x becomes 1 - x: its bits keep changing, and it does not grow.
    let fma = rate(cuda, || cuda.multiply_adds(&operands, [-1.0, 1.0], effort.vector, &mut results))?.best;
    let matrix = rate(cuda, || cuda.matrix_multiply_adds(&operands, effort.matrix, &mut results))?.best;
    Ok((fma, matrix))
}

/// Bytes per second of a copy with all threads; reads and writes both count.
fn host_copy(cpu: &Cpu) -> Result<Rate> {
    let (source, mut target) = (vec![1u8; COPIED], vec![2u8; COPIED]);
    let rate = rate(cpu, || {
        target.par_chunks_mut(CHUNK).zip(source.par_chunks(CHUNK)).for_each(|(target, source)| target.copy_from_slice(source));
        Ok(2 * COPIED as u64)
    });
    std::hint::black_box(target);
    rate
}

/// Rate of the fastest repetition, and by how many percent the third fastest is slower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) best: f64,
    spread: f64,
}

impl Rate {
    /// Of rates sorted from the fastest; with fewer than three the spread is 100 %.
    fn of(fastest: &[f64]) -> Self {
        let best = fastest.first().copied().unwrap_or_default();
        Self { best, spread: fastest.get(2).map_or(100.0, |third| 100.0 * (1.0 - third / best)) }
    }
}

/// The rate of `run`, which returns the amount of its work, in the time of the device.
pub(super) fn rate<B: Storage>(backend: &B, mut run: impl FnMut() -> Result<u64>) -> Result<Rate> {
    fastest(|| {
        let from = backend.mark()?;
        let amount = run()?;
        Ok((amount as f64, backend.seconds_between(&from, &backend.mark()?)?))
    })
}

/// Repeats `once`, which returns the amount of its work and its seconds, until the fastest repetitions agree.
fn fastest(mut once: impl FnMut() -> Result<(f64, f64)>) -> Result<Rate> {
    let (begin, mut rates) = (Instant::now(), Vec::new());
    loop {
        let (amount, seconds) = once()?;
        rates.push(amount / seconds);
        rates.sort_by(|a, b| b.total_cmp(a));
        let (rate, passed) = (Rate::of(&rates), begin.elapsed());
        if rates.len() >= MIN_REPEATS && passed >= TIMES[0] && (rate.spread <= AGREEMENT || passed >= TIMES[1]) {
            return Ok(rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::Isa;

    #[test]
    fn the_fastest_repetition_counts_with_its_spread() {
        let Rate { best, spread } = Rate::of(&[200.0, 199.0, 150.0, 10.0]);
        assert_eq!((best, spread), (200.0, 25.0));
        assert_eq!(Rate::of(&[1.0, 1.0]).spread, 100.0);
        let mut count = 0;
        let rate = fastest(|| {
            count += 1;
            std::thread::sleep(Duration::from_millis(40));
            Ok((1.0, 0.04))
        });
        let rate = rate.unwrap();
        assert!((MIN_REPEATS..=25).contains(&count) && rate == Rate { best: 25.0, spread: 0.0 }, "{count}: {rate:?}");
    }

    #[test]
    fn noise_is_random_and_the_same_for_every_call() {
        let values = noise((1 << 20) + 5);
        assert!(values[..5] == values[1 << 20..] && values == noise(values.len()));
        let mean = |of: fn(f32) -> f32| values.iter().map(|&value| f64::from(of(value))).sum::<f64>() / values.len() as f64;
        assert!(mean(|x| x).abs() < 2e-3 && (mean(|x| x * x) - 1.0 / 3.0).abs() < 2e-3);
    }

    #[test]
    fn loops_count_their_flops_on_every_instruction_set() {
        for isa in Isa::ALL {
            let Ok(cpu) = Cpu::with_isa(isa) else { continue };
            let few = cpu.multiply_add(10);
            assert!(few > 0 && cpu.multiply_add(20) == 2 * few, "{isa}");
            assert!(cpu.multiply_add_bf16(10).is_none_or(|few| Some(2 * few) == cpu.multiply_add_bf16(20)));
        }
    }
}
