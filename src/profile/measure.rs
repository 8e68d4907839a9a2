//! Measures the peaks of a machine by the simplest programs that reach them.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::known::{Known, known};
use super::machine::processor;
use super::peaks::Peaks;
use crate::backend::{Cpu, Cuda, Storage};
use crate::error::Result;

/// Bytes of each of the two arrays of the copy, larger than all caches, on the CPU and on a GPU; fewer on the emulator.
const COPIED: [usize; 3] = [1 << 27, 1 << 29, 1 << 22];
/// Bytes of one task of the copy on the CPU.
const CHUNK: usize = 1 << 20;
/// Iterations of the arithmetic loops, which take some milliseconds: on the CPU, and of multiply-adds and of matrix products on a GPU and
/// on the emulator.
const ITERATIONS: usize = 400_000;
const GPU_ITERATIONS: [u32; 2] = [1 << 16, 1 << 14];
const EMULATOR_ITERATIONS: [u32; 2] = [64, 8];
/// Fewest repetitions; the fastest one counts, because a peak is what the machine reaches undisturbed.
const MIN_REPEATS: usize = 7;
/// Repetitions go on until the three fastest agree within this many percent, but at least and at most for these times. The system counts
/// time in hundredths of a second, so a shorter time would not show the load of other processes.
const AGREEMENT: f64 = 1.0;
const TIMES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

impl Peaks {
    /// Peaks of the CPU with the threads of the current pool: from the cache, or measured now if they are not there or `anew` is set. They
    /// are cached unless something else was running, which is logged as a warning.
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

    /// Peaks of a device with kernels: from the cache, or measured by its events if they are not there or `anew` is set. The loops are
    /// those of `kernels/peak.cu`; the matrix unit runs `mma.sync` with bf16 operands, as the convolutions do.
    ///
    /// # Errors
    /// Out of memory; the device failed.
    pub fn of_device(cuda: &Cuda, anew: bool) -> Result<Known> {
        let machine = cuda.description();
        let (bytes, [vector, matrix]) = match cuda.name() {
            "emulator" => (COPIED[2], EMULATOR_ITERATIONS),
            _ => (COPIED[1], GPU_ITERATIONS),
        };
        known(&machine, anew, || {
            let len = bytes / size_of::<f32>();
            let (source, mut target) = (cuda.zeros(len)?, cuda.zeros(len)?);
            let copy = rate(cuda, || cuda.copy(&source, &mut target).map(|()| 2 * bytes as u64))?.best;
            let mut results = cuda.multiply_add_results()?;
            let fma = rate(cuda, || cuda.multiply_adds([1.0; 2], vector, &mut results))?.best;
            let matrix = rate(cuda, || cuda.matrix_multiply_adds([1.0; 2], matrix, &mut results))?.best;
            Ok((Self { machine: machine.clone(), copy, fma: Some(fma), matrix: Some(matrix) }, None))
        })
    }
}

/// Bytes per second of a copy with all threads; reads and writes both count.
fn host_copy(cpu: &Cpu) -> Result<Rate> {
    let [bytes, ..] = COPIED;
    let (source, mut target) = (vec![1u8; bytes], vec![2u8; bytes]);
    let rate = rate(cpu, || {
        target.par_chunks_mut(CHUNK).zip(source.par_chunks(CHUNK)).for_each(|(target, source)| target.copy_from_slice(source));
        Ok(2 * bytes as u64)
    });
    std::hint::black_box(target);
    rate
}

/// Rate of the fastest repetition, and by how many percent the third fastest is slower.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    best: f64,
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
fn rate<B: Storage>(backend: &B, mut run: impl FnMut() -> Result<u64>) -> Result<Rate> {
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
    fn loops_count_their_flops_on_every_instruction_set() {
        for isa in Isa::ALL {
            let Ok(cpu) = Cpu::with_isa(isa) else { continue };
            let few = cpu.multiply_add(10);
            assert!(few > 0 && cpu.multiply_add(20) == 2 * few, "{isa}");
            assert!(cpu.multiply_add_bf16(10).is_none_or(|few| Some(2 * few) == cpu.multiply_add_bf16(20)));
        }
    }
}
