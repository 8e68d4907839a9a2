//! What a machine can do at best, measured by the simplest programs that do it.

use std::time::{Duration, Instant};

use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};

use super::known::{Known, known};
use super::machine::processor;
use crate::backend::{Cpu, Work};
use crate::error::Result;

/// Bytes of each of the two arrays of a copy, beyond all caches.
const COPIED: usize = 1 << 27;
/// Bytes that a thread copies at once.
const PIECE: usize = 1 << 20;
/// Repetitions at least, of which the fastest counts: a peak is what the machine can do when nothing else disturbs it.
pub(super) const REPEATS: usize = 7;
/// Repetitions go on until the three fastest differ by less than this many percent, and for at least and at most such a time. The system
/// counts time in hundredths of a second, so that less does not show what others took.
const AGREEMENT: f64 = 1.0;
const TIMES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];
/// Iterations of the arithmetic loops, some milliseconds.
const ITERATIONS: usize = 400_000;

/// Rates of one machine; what it does not have, or what was not measured, is None.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// What they are of: processor or device, instructions, threads.
    #[serde(deserialize_with = "machine")]
    pub machine: String,
    /// Bytes per second of a copy between two large arrays, both directions counted.
    pub copy: f64,
    /// f32 operations per second of fused multiply-adds on registers.
    pub fma: Option<f64>,
    /// Operations per second of the matrix unit: bf16 products with f32 sums.
    pub matrix: Option<f64>,
}

impl Peaks {
    /// Of the CPU with the threads of the current pool: those kept, or measured now; kept if nothing else ran meanwhile, else a warning
    /// is logged. With `anew` always measured.
    ///
    /// # Errors
    /// Never now; those of [`Peaks::of_device`] can.
    pub fn of_cpu(cpu: &Cpu, anew: bool) -> Result<Known> {
        let machine = format!("{}, {}, {} threads", processor(), cpu.path(), rayon::current_num_threads());
        known(&machine, anew, || {
            let (copy, fma) = (copy_rate(), operations(|| cpu.multiply_add(ITERATIONS)));
            let has_matrix = cpu.multiply_add_bf16(0).is_some();
            let matrix = has_matrix.then(|| operations(|| cpu.multiply_add_bf16(ITERATIONS).unwrap_or_default()));
            let spread = [Some(copy), Some(fma), matrix].into_iter().flatten().map(|rate| rate.spread).fold(0.0, f64::max);
            let rates =
                Self { machine: machine.clone(), copy: copy.best, fma: Some(fma.best), matrix: matrix.map(|rate| rate.best) };
            Ok((rates, Some(spread)))
        })
    }

    /// What is wrong with rates from a file, as a clause; None where each can be one.
    pub fn fault(&self) -> Option<String> {
        let rates = [("copy", Some(self.copy)), ("fma", self.fma), ("matrix", self.matrix)];
        let wrong =
            rates.into_iter().find_map(|(name, rate)| Some((name, rate.filter(|rate| !(rate.is_finite() && *rate > 0.0))?)));
        wrong.map(|(name, rate)| format!("peaks.{name} must be a positive rate, got {rate}"))
    }

    /// Seconds that this work needs at least, and whether arithmetic is what takes them. What the matrix unit does is held against its
    /// peak and the rest against that of multiply-adds; where the first is not known everything is held against the second.
    pub fn floor(&self, work: &Work) -> (f64, bool) {
        let moving = work.bytes as f64 / self.copy;
        let matrix = work.matrix.min(work.flops);
        let seconds = |flops: u64, rate: Option<f64>| rate.map_or(0.0, |rate| flops as f64 / rate);
        let computing = seconds(work.flops - matrix, self.fma) + seconds(matrix, self.matrix.or(self.fma));
        (moving.max(computing), computing > moving)
    }
}

/// Older records have the instructions as they are spelled in the source.
fn machine<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<String, D::Error> {
    let text = String::deserialize(source)?;
    let old = [(", Avx512, ", ", AVX-512, "), (", Avx2, ", ", AVX2, "), (", Portable, ", ", portable, ")];
    Ok(old.into_iter().fold(text, |text, (old, new)| text.replace(old, new)))
}

/// The rate of the fastest repetition, and how far the third fastest is from it, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    best: f64,
    spread: f64,
}

impl Rate {
    /// Of rates, the fastest first; of fewer than three nothing is sure.
    fn of(fastest: &[f64]) -> Self {
        let best = fastest.first().copied().unwrap_or_default();
        Self { best, spread: fastest.get(2).map_or(100.0, |third| 100.0 * (1.0 - third / best)) }
    }
}

/// Repeats what does `amount` until the fastest agree.
fn fastest(mut once: impl FnMut() -> f64) -> Rate {
    let (begin, mut rates) = (Instant::now(), Vec::new());
    loop {
        let start = Instant::now();
        let amount = once();
        rates.push(amount / start.elapsed().as_secs_f64());
        rates.sort_by(|a, b| b.total_cmp(a));
        let (rate, passed) = (Rate::of(&rates), begin.elapsed());
        if rates.len() >= REPEATS && passed >= TIMES[0] && (rate.spread <= AGREEMENT || passed >= TIMES[1]) {
            return rate;
        }
    }
}

/// Operations per second.
fn operations(run: impl Fn() -> u64) -> Rate {
    fastest(|| run() as f64)
}

fn copy_rate() -> Rate {
    let (source, mut target) = (vec![1u8; COPIED], vec![2u8; COPIED]);
    let rate = fastest(|| {
        target.par_chunks_mut(PIECE).zip(source.par_chunks(PIECE)).for_each(|(target, source)| target.copy_from_slice(source));
        2.0 * COPIED as f64
    });
    std::hint::black_box(target);
    rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_slower_of_moving_and_computing() {
        let peaks = Peaks { machine: String::new(), copy: 100.0, fma: Some(1000.0), matrix: None };
        assert_eq!(peaks.floor(&Work::new(500, 100)), (1.0, false));
        assert_eq!(peaks.floor(&Work::new(5000, 100)), (5.0, true));
        let some = Work { matrix: 4000, ..Work::new(5000, 100) };
        assert_eq!(peaks.floor(&some), (5.0, true), "no such unit is known");
        assert_eq!(Peaks { matrix: Some(2000.0), ..peaks.clone() }.floor(&some), (3.0, true));
        assert_eq!(Peaks { fma: None, ..peaks }.floor(&Work::new(5000, 100)), (1.0, false));
    }

    #[test]
    fn the_fastest_count_and_their_spread_is_told() {
        let Rate { best, spread } = Rate::of(&[200.0, 199.0, 150.0, 10.0]);
        assert_eq!((best, spread), (200.0, 25.0));
        assert_eq!(Rate::of(&[1.0, 1.0]).spread, 100.0);
        let mut count = 0;
        let rate = fastest(|| {
            count += 1;
            std::thread::sleep(Duration::from_millis(40));
            1.0
        });
        assert!((REPEATS..=25).contains(&count) && (1.0..=25.0).contains(&rate.best), "{count}: {rate:?}");
    }

    #[test]
    fn rates_of_files_are_positive_numbers() {
        let peaks = Peaks { machine: String::new(), copy: 1.0, fma: Some(2.0), matrix: None };
        assert_eq!(peaks.fault(), None);
        assert!(
            Peaks { copy: 0.0, ..peaks.clone() }
                .fault()
                .is_some_and(|fault| fault == "peaks.copy must be a positive rate, got 0")
        );
        for wrong in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Peaks { fma: Some(wrong), ..peaks.clone() }.fault().is_some(), "{wrong}");
        }
    }

    #[test]
    fn machines_of_old_records_are_those_of_new_ones() {
        let read = |machine: &str| {
            let text = format!(r#"{{"machine": "{machine}", "copy": 1.0, "fma": null, "matrix": null}}"#);
            serde_json::from_str::<Peaks>(&text).unwrap().machine
        };
        assert_eq!(read("AMD EPYC, Avx512, 2 threads"), "AMD EPYC, AVX-512, 2 threads");
        for same in ["AMD EPYC, AVX-512, 2 threads", "cuda (NVIDIA H100)"] {
            assert_eq!(read(same), same);
        }
    }

    #[test]
    fn loops_count_what_they_do_on_every_path() {
        for path in [crate::backend::cpu::Path::Avx512, crate::backend::cpu::Path::Avx2, crate::backend::cpu::Path::Portable] {
            let Ok(cpu) = Cpu::with_path(path) else { continue };
            let few = cpu.multiply_add(10);
            assert!(few > 0 && cpu.multiply_add(20) == 2 * few, "{path}");
            assert!(cpu.multiply_add_bf16(10).is_none_or(|few| Some(2 * few) == cpu.multiply_add_bf16(20)));
        }
    }
}
