//! The cache of measured peaks, one file per machine.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Peaks;
use super::load::Ticks;
use super::machine::today;
use crate::backend::cuda::compiler::Cache;
use crate::disk::bounded;
use crate::disk::{make_folder, write_atomically};
use crate::error::Result;

/// Largest share of the processors that other processes may use while peaks are measured, in percent.
const MAX_OTHERS: f64 = 5.0;
/// Largest difference between the three fastest repetitions, in percent.
const MAX_SPREAD: f64 = 3.0;

/// When peaks were measured, and how quiet the machine was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occasion {
    /// The date in UTC, as 2026-11-26.
    pub date: String,
    /// Share of all processors that other processes used meanwhile, in percent; None where the system does not report it.
    pub others: Option<f64>,
    /// Largest difference between the three fastest repetitions of a rate, in percent; None on GPUs, which other processes do not
    /// disturb.
    pub spread: Option<f64>,
}

/// Peaks and when they were measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The rates.
    #[serde(flatten)]
    pub peaks: Peaks,
    /// When they were measured, where that is known.
    #[serde(default)]
    pub occasion: Option<Occasion>,
}

impl Occasion {
    /// Why the peaks cannot be trusted, as a clause; None if they can.
    fn disturbance(&self) -> Option<String> {
        let spread = self.spread?;
        match self.others {
            Some(others) if others > MAX_OTHERS => {
                Some(format!("other processes used {others:.0} % of the processors while they were measured"))
            }
            _ if spread > MAX_SPREAD => {
                Some(format!("their three fastest repetitions differ by {spread:.1} %, so something else was running"))
            }
            _ => None,
        }
    }
}

/// The cached peaks of this machine; measured if there are none or `anew` is set. `measure` returns the rates and the spread of
/// its repetitions. Peaks measured while other processes ran are not cached, and a warning says so. A cache that cannot be
/// written is no error.
pub(super) fn known(machine: &str, anew: bool, measure: impl FnOnce() -> Result<(Peaks, Option<f64>)>) -> Result<Known> {
    known_in(path(machine).as_deref(), machine, anew, measure)
}

fn known_in(
    path: Option<&Path>,
    machine: &str,
    anew: bool,
    measure: impl FnOnce() -> Result<(Peaks, Option<f64>)>,
) -> Result<Known> {
    if let Some(kept) = path.filter(|_| !anew).and_then(|path| kept(path, machine)) {
        return Ok(kept);
    }
    let before = Ticks::now();
    let (peaks, spread) = measure()?;
    let others = before.zip(Ticks::now()).and_then(|(before, after)| before.others(&after));
    let occasion = Occasion { date: today(), others, spread };
    let disturbance = occasion.disturbance();
    let known = Known { peaks, occasion: Some(occasion) };
    match (disturbance, path) {
        (Some(reason), _) => log::warn!("the peaks of this machine are not cached and will be measured again: {reason}"),
        (None, Some(path)) => {
            write(path, &known).unwrap_or_else(|error| log::warn!("the peaks of this machine are not cached: {error}"));
        }
        (None, None) => {}
    }
    Ok(known)
}

/// The cached peaks of this machine; None if they were not measured yet.
pub(super) fn cached(machine: &str) -> Option<Peaks> {
    Some(kept(&path(machine)?, machine)?.peaks)
}

fn kept(path: &Path, machine: &str) -> Option<Known> {
    read(path).filter(|kept| kept.peaks.machine == machine)
}

fn path(machine: &str) -> Option<PathBuf> {
    let name: String = machine.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    Some(Cache::from_environment()?.folder().join(format!("peaks-{name}.json")))
}

/// Files of older versions are ignored: they lack the date and the load of the measurement.
fn read(path: &Path) -> Option<Known> {
    let known: Option<Known> = serde_json::from_slice(&bounded::read(path, bounded::TEXT).ok()?).ok();
    known.filter(|known| known.occasion.is_some())
}

fn write(path: &Path, known: &Known) -> Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    write_atomically(path, |file| Ok(serde_json::to_writer_pretty(file, known)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaks(copy: f64) -> Peaks {
        Peaks { machine: "a machine".into(), copy, fma: Some(1.0), matrix: None }
    }

    #[test]
    fn only_undisturbed_peaks_are_cached() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/peaks.json");
        let ask = |anew: bool, copy: f64, spread: Option<f64>| {
            known_in(Some(&path), "a machine", anew, || Ok((peaks(copy), spread))).unwrap().peaks.copy
        };
        assert_eq!(ask(false, 1.0, Some(50.0)), 1.0);
        assert!(!path.exists(), "it was disturbed");
        // A GPU is not disturbed by what runs on the processors.
        assert_eq!((ask(false, 2.0, None), ask(false, 3.0, None)), (2.0, 2.0), "cached");
        assert_eq!((ask(true, 4.0, Some(50.0)), ask(false, 5.0, None)), (4.0, 2.0), "measured anew, but not cached");
        assert_eq!((ask(true, 6.0, None), ask(false, 7.0, None)), (6.0, 6.0));
        let kept = read(&path).unwrap();
        assert!(kept.occasion.is_some_and(|occasion| occasion.date == today()));
        let other = known_in(Some(&path), "another", false, || Ok((peaks(8.0), None))).unwrap();
        assert_eq!(other.peaks.copy, 8.0);
        std::fs::write(&path, serde_json::to_string(&peaks(9.0)).unwrap()).unwrap();
        assert_eq!(ask(false, 10.0, None), 10.0, "how old ones were measured is not known");
    }

    #[test]
    fn warnings_give_the_size_of_the_disturbance() {
        let warning = |others, spread| Occasion { date: String::new(), others, spread }.disturbance();
        assert_eq!(warning(Some(4.9), Some(2.9)), None);
        assert!(warning(Some(37.0), Some(0.0)).unwrap().contains("other processes used 37 % of the processors"));
        assert!(warning(None, Some(6.25)).unwrap().contains("differ by 6.2 %"));
        assert_eq!(warning(Some(90.0), None), None);
    }
}
