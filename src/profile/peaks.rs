//! What a machine can do at best, measured by the simplest programs that do it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::machine::processor;
use crate::backend::cuda::compiler::Cache;
use crate::backend::{Cpu, Unit, Work};
use crate::disk::{make_folder, write_atomically};
use crate::error::Result;

/// Bytes of each of the two arrays of a copy, beyond all caches.
const COPIED: usize = 1 << 27;
/// Bytes that a thread copies at once.
const PIECE: usize = 1 << 20;
/// Repetitions, of which the fastest counts: a peak is what the machine can do when nothing else disturbs it.
pub(super) const REPEATS: usize = 7;
/// Iterations of the arithmetic loops, some milliseconds.
const ITERATIONS: usize = 400_000;

/// Rates of one machine; what it does not have, or what was not measured, is None.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// What they are of: processor or device, instructions, threads.
    pub machine: String,
    /// Bytes per second of a copy between two large arrays, both directions counted.
    pub copy: f64,
    /// f32 operations per second of fused multiply-adds on registers.
    pub fma: Option<f64>,
    /// Operations per second of the matrix unit: bf16 products with f32 sums.
    pub matrix: Option<f64>,
}

impl Peaks {
    /// Of the CPU with the threads of the current pool: those stored, or measured now and stored. With `anew` always measured.
    ///
    /// # Errors
    /// Never: for the same signature as [`Peaks::of_device`].
    pub fn of_cpu(cpu: &Cpu, anew: bool) -> Result<Self> {
        let machine = format!("{}, {:?}, {} threads", processor(), cpu.path(), rayon::current_num_threads());
        stored(&machine, anew, || {
            let fma = fastest(|| cpu.multiply_add(ITERATIONS));
            let matrix = cpu.multiply_add_bf16(0).map(|_| fastest(|| cpu.multiply_add_bf16(ITERATIONS).unwrap_or_default()));
            Ok(Self { machine: machine.clone(), copy: copy_rate(), fma: Some(fma), matrix })
        })
    }

    /// Seconds that this work needs at least if `unit` does its arithmetic, and whether arithmetic is what takes them.
    pub fn floor(&self, work: &Work, unit: Unit) -> (f64, bool) {
        let peak = match unit {
            Unit::Vector => self.fma,
            Unit::Matrix => self.matrix,
        };
        let moving = work.bytes as f64 / self.copy;
        let computing = peak.map_or(0.0, |peak| work.flops as f64 / peak);
        (moving.max(computing), computing > moving)
    }
}

/// Operations per second of the fastest repetition.
fn fastest(run: impl Fn() -> u64) -> f64 {
    let once = || {
        let start = Instant::now();
        let operations = run();
        operations as f64 / start.elapsed().as_secs_f64()
    };
    (0..REPEATS).map(|_| once()).fold(0.0, f64::max)
}

fn copy_rate() -> f64 {
    let (source, mut target) = (vec![1u8; COPIED], vec![2u8; COPIED]);
    let mut once = || {
        let start = Instant::now();
        target.par_chunks_mut(PIECE).zip(source.par_chunks(PIECE)).for_each(|(target, source)| target.copy_from_slice(source));
        2.0 * COPIED as f64 / start.elapsed().as_secs_f64()
    };
    let rate = (0..REPEATS).map(|_| once()).fold(0.0, f64::max);
    std::hint::black_box(target);
    rate
}

/// What the file of this machine holds; measured and written where it holds nothing, or nothing about arithmetic, as files of earlier
/// versions. A cache that cannot be written is no error.
pub(super) fn stored(machine: &str, anew: bool, measure: impl FnOnce() -> Result<Peaks>) -> Result<Peaks> {
    let path = path(machine);
    if let Some(found) =
        path.as_ref().filter(|_| !anew).and_then(read).filter(|found| found.machine == machine && found.fma.is_some())
    {
        return Ok(found);
    }
    let peaks = measure()?;
    if let Some(path) = &path
        && let Err(error) = write(path, &peaks)
    {
        log::warn!("measured peaks are not kept: {error}");
    }
    Ok(peaks)
}

fn path(machine: &str) -> Option<PathBuf> {
    let name: String = machine.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    Some(Cache::usual()?.folder().join(format!("peaks-{name}.json")))
}

fn read(path: &PathBuf) -> Option<Peaks> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn write(path: &Path, peaks: &Peaks) -> Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    write_atomically(path, |file| Ok(serde_json::to_writer_pretty(file, peaks)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_slower_of_moving_and_computing() {
        let peaks = Peaks { machine: String::new(), copy: 100.0, fma: Some(1000.0), matrix: Some(2500.0) };
        let (little, much) = (Work { flops: 500, bytes: 100 }, Work { flops: 5000, bytes: 100 });
        assert_eq!(peaks.floor(&little, Unit::Vector), (1.0, false));
        assert_eq!(peaks.floor(&much, Unit::Vector), (5.0, true));
        assert_eq!(peaks.floor(&much, Unit::Matrix), (2.0, true));
        assert_eq!(Peaks { fma: None, ..peaks }.floor(&much, Unit::Vector), (1.0, false));
    }

    #[test]
    fn loops_count_what_they_do_on_every_path() {
        for path in [crate::backend::cpu::Path::Avx512, crate::backend::cpu::Path::Avx2, crate::backend::cpu::Path::Portable] {
            let Ok(cpu) = Cpu::with_path(path) else { continue };
            let few = cpu.multiply_add(10);
            assert!(few > 0 && cpu.multiply_add(20) == 2 * few, "{path:?}");
            assert!(cpu.multiply_add_bf16(10).is_none_or(|few| Some(2 * few) == cpu.multiply_add_bf16(20)));
        }
    }
}
