//! Peaks of a machine, the roofline they make, and how those of two machines differ.

use std::ops::RangeInclusive;

use serde::{Deserialize, Deserializer, Serialize};

use super::machine::may_be_same;
use crate::backend::Work;

/// Peaks of one machine that differ by more than this factor were not measured on equal machines.
const MAX_RATIO: f64 = 1.2;

/// Rates that a machine may have, far beyond those of any.
const RATES: RangeInclusive<f64> = 1e-9..=1e30;

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
    /// The processor model in [`Peaks::machine`], or the device.
    pub fn processor(&self) -> &str {
        self.machine.split(", ").next().unwrap_or_default()
    }

    /// How these peaks and another machine's differ, as a clause: by name, or by more than 20 % in one rate. None where they
    /// agree.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if !may_be_same(&self.machine, &other.machine) {
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
        let wrong = |rate: &f64| !(rate.is_finite() && *rate > 0.0);
        if let Some((name, rate)) = rates.into_iter().find_map(|(name, rate)| Some((name, rate.filter(wrong)?))) {
            return Some(format!("peaks.{name} must be a positive rate, got {rate}"));
        }
        // Ratios of rates beyond these overflow.
        let absurd = |rate: &f64| !RATES.contains(rate);
        let (name, rate) = rates.into_iter().find_map(|(name, rate)| Some((name, rate.filter(absurd)?)))?;
        Some(format!("peaks.{name} must be from {:e} to {:e} a second, got {rate:e}", RATES.start(), RATES.end()))
    }

    /// Roofline time of this work in seconds, and whether arithmetic bounds it. Executed FLOPs on the matrix unit are compared
    /// with its peak, the others with that of multiply-adds; without a known matrix peak all are compared with the latter.
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
        for absurd in [1e-300, 1e300, f64::MIN_POSITIVE] {
            let fault = Peaks { copy: absurd, ..peaks.clone() }.fault().unwrap();
            assert!(fault.starts_with("peaks.copy must be from 1e-9 to 1e30 a second, got "), "{fault}");
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
}
