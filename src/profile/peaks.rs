//! Measured peaks of a machine, by the simplest programs that reach them.

use std::time::{Duration, Instant};

use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};

use super::known::{Known, known};
use super::machine::processor;
use crate::backend::{Cpu, Work};
use crate::error::Result;

/// Bytes of each of the two arrays of the copy, larger than all caches.
const COPIED: usize = 1 << 27;
/// Bytes of one task of the copy.
const PIECE: usize = 1 << 20;
/// Fewest repetitions; the fastest one counts, because a peak is what the machine reaches undisturbed.
const MIN_REPEATS: usize = 7;
/// Repetitions go on until the three fastest agree within this many percent, but at least and at most for these times. The system counts
/// time in hundredths of a second, so a shorter time would not show the load of other processes.
const AGREEMENT: f64 = 1.0;
const TIMES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];
/// Iterations of the arithmetic loops; they take some milliseconds.
const ITERATIONS: usize = 400_000;
/// Peaks of one machine that differ by more than this factor were not measured on equal machines.
const MAX_RATIO: f64 = 1.2;

/// Highest rates of one machine; None where it has no such unit or its rate was not measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// Processor model, instruction set and threads, or the device.
    #[serde(deserialize_with = "machine")]
    pub machine: String,
    /// Bytes per second of a copy between two large arrays; reads and writes both count.
    pub copy: f64,
    /// FLOP/s of f32 fused multiply-adds on registers.
    pub fma: Option<f64>,
    /// FLOP/s of the matrix unit: bf16 products with f32 sums.
    pub matrix: Option<f64>,
}

impl Peaks {
    /// Peaks of the CPU with the threads of the current pool: from the cache, or measured now if they are not there or `anew` is set. They
    /// are cached unless something else was running, which is logged as a warning.
    ///
    /// # Errors
    /// None at present.
    pub fn of_cpu(cpu: &Cpu, anew: bool) -> Result<Known> {
        let machine = format!("{}, {}, {} threads", processor(), cpu.isa(), rayon::current_num_threads());
        known(&machine, anew, || {
            let (copy, fma) = (copy_rate()?, operations(|| cpu.multiply_add(ITERATIONS))?);
            let has_matrix = cpu.multiply_add_bf16(0).is_some();
            let matrix = has_matrix.then(|| operations(|| cpu.multiply_add_bf16(ITERATIONS).unwrap_or_default())).transpose()?;
            let spread = [Some(copy), Some(fma), matrix].into_iter().flatten().map(|rate| rate.spread).fold(0.0, f64::max);
            let rates =
                Self { machine: machine.clone(), copy: copy.best, fma: Some(fma.best), matrix: matrix.map(|rate| rate.best) };
            Ok((rates, Some(spread)))
        })
    }

    /// The processor model in [`Peaks::machine`], or the device.
    pub fn processor(&self) -> &str {
        self.machine.split(", ").next().unwrap_or_default()
    }

    /// How these peaks and another machine's differ, as a clause: by name, or by more than 20 % in one rate. None where they agree.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.machine != other.machine {
            return Some(format!("{} and {}", self.machine, other.machine));
        }
        let rates = |peaks: &Self| [("copy", Some(peaks.copy)), ("multiply-add", peaks.fma), ("matrix unit", peaks.matrix)];
        let (name, a, b) = rates(self).into_iter().zip(rates(other)).find_map(|((name, a), (_, b))| {
            let (a, b) = a.zip(b)?;
            (a.max(b) > MAX_RATIO * a.min(b)).then_some((name, a / 1e9, b / 1e9))
        })?;
        Some(format!("the {name} peaks of {} are {a:.0} and {b:.0} G/s", self.machine))
    }

    /// What is wrong with rates from a file, as a clause; None if they are valid.
    pub fn fault(&self) -> Option<String> {
        let rates = [("copy", Some(self.copy)), ("fma", self.fma), ("matrix", self.matrix)];
        let wrong =
            rates.into_iter().find_map(|(name, rate)| Some((name, rate.filter(|rate| !(rate.is_finite() && *rate > 0.0))?)));
        wrong.map(|(name, rate)| format!("peaks.{name} must be a positive rate, got {rate}"))
    }

    /// Roofline time of this work in seconds, and whether arithmetic bounds it. Executed FLOPs on the matrix unit are compared with its
    /// peak, the others with that of multiply-adds; without a known matrix peak all are compared with the latter.
    pub fn floor(&self, work: &Work) -> (f64, bool) {
        let moving = work.bytes as f64 / self.copy;
        let matrix = work.matrix.min(work.executed());
        let seconds = |flops: u64, rate: Option<f64>| rate.map_or(0.0, |rate| flops as f64 / rate);
        let computing = seconds(work.executed() - matrix, self.fma) + seconds(matrix, self.matrix.or(self.fma));
        (moving.max(computing), computing > moving)
    }
}

/// Older records spell the instruction sets as in the source code.
fn machine<'de, D: Deserializer<'de>>(source: D) -> std::result::Result<String, D::Error> {
    let text = String::deserialize(source)?;
    let old = [(", Avx512, ", ", AVX-512, "), (", Avx2, ", ", AVX2, "), (", Portable, ", ", portable, ")];
    Ok(old.into_iter().fold(text, |text, (old, new)| text.replace(old, new)))
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

/// Repeats `once`, which returns the amount of its work and its seconds, until the fastest repetitions agree.
pub(super) fn fastest(mut once: impl FnMut() -> Result<(f64, f64)>) -> Result<Rate> {
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

/// The amount of work that `run` returns, and its seconds.
fn timed(run: impl FnOnce() -> f64) -> Result<(f64, f64)> {
    let start = Instant::now();
    let amount = run();
    Ok((amount, start.elapsed().as_secs_f64()))
}

/// FLOP/s of a loop that returns its FLOPs.
fn operations(run: impl Fn() -> u64) -> Result<Rate> {
    fastest(|| timed(|| run() as f64))
}

fn copy_rate() -> Result<Rate> {
    let (source, mut target) = (vec![1u8; COPIED], vec![2u8; COPIED]);
    let mut copy = || {
        target.par_chunks_mut(PIECE).zip(source.par_chunks(PIECE)).for_each(|(target, source)| target.copy_from_slice(source));
        2.0 * COPIED as f64
    };
    let rate = fastest(|| timed(&mut copy));
    std::hint::black_box(target);
    rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roofline_time_is_the_longer_of_memory_and_arithmetic() {
        let peaks = Peaks { machine: String::new(), copy: 100.0, fma: Some(1000.0), matrix: None };
        assert_eq!(peaks.floor(&Work::new(500, 100)), (1.0, false));
        assert_eq!(peaks.floor(&Work::new(5000, 100)), (5.0, true));
        let some = Work { matrix: 4000, ..Work::new(5000, 100) };
        assert_eq!(peaks.floor(&some), (5.0, true), "no matrix peak is known");
        assert_eq!(peaks.floor(&Work { saved: 2000, ..Work::new(5000, 100) }), (3.0, true), "only executed FLOPs take time");
        assert_eq!(Peaks { matrix: Some(2000.0), ..peaks.clone() }.floor(&some), (3.0, true));
        assert_eq!(Peaks { fma: None, ..peaks }.floor(&Work::new(5000, 100)), (1.0, false));
    }

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
    fn machines_differ_by_name_or_by_more_than_a_fifth() {
        let peaks = Peaks { machine: "a".into(), copy: 30e9, fma: Some(200e9), matrix: None };
        assert_eq!(peaks.difference(&peaks), None);
        assert_eq!(peaks.difference(&Peaks { copy: 35e9, matrix: Some(1e9), ..peaks.clone() }), None);
        let slower = peaks.difference(&Peaks { fma: Some(100e9), ..peaks.clone() });
        assert_eq!(slower.as_deref(), Some("the multiply-add peaks of a are 200 and 100 G/s"));
        assert_eq!(peaks.difference(&Peaks { machine: "b".into(), ..peaks.clone() }).as_deref(), Some("a and b"));
    }

    #[test]
    fn rates_in_files_must_be_positive() {
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
    fn old_spellings_of_machines_are_read() {
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
    fn loops_count_their_flops_on_every_instruction_set() {
        for isa in crate::backend::cpu::Isa::ALL {
            let Ok(cpu) = Cpu::with_isa(isa) else { continue };
            let few = cpu.multiply_add(10);
            assert!(few > 0 && cpu.multiply_add(20) == 2 * few, "{isa}");
            assert!(cpu.multiply_add_bf16(10).is_none_or(|few| Some(2 * few) == cpu.multiply_add_bf16(20)));
        }
    }
}
