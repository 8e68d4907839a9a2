//! Peaks, when they were measured, and where they are kept.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Peaks;
use super::load::Ticks;
use super::machine::today;
use crate::backend::cuda::compiler::Cache;
use crate::disk::{make_folder, write_atomically};
use crate::error::Result;

/// Percent of the processors that others may have had.
const MOST_OTHERS: f64 = 5.0;
/// Percent by which the three fastest repetitions may differ.
const MOST_SPREAD: f64 = 3.0;

/// When peaks were measured, and what disturbed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occasion {
    /// The day in UTC, as 2026-11-26.
    pub date: String,
    /// What other processes had of all processors meanwhile, in percent; None where the system does not say.
    pub others: Option<f64>,
    /// By how much the three fastest repetitions of any of the rates differed at most, in percent; None on devices beside the
    /// processor, whom others do not disturb.
    pub spread: Option<f64>,
}

/// Peaks, and when they were measured where that is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The rates.
    #[serde(flatten)]
    pub peaks: Peaks,
    /// When and how.
    #[serde(default)]
    pub occasion: Option<Occasion>,
}

impl From<Peaks> for Known {
    fn from(peaks: Peaks) -> Self {
        Self { peaks, occasion: None }
    }
}

impl Occasion {
    /// Why the numbers cannot be trusted, as a clause; None where they can.
    fn disturbance(&self) -> Option<String> {
        let spread = self.spread?;
        match self.others {
            Some(others) if others > MOST_OTHERS => {
                Some(format!("other processes had {others:.0} % of the processors while they were measured"))
            }
            _ if spread > MOST_SPREAD => {
                Some(format!("their three fastest repetitions differ by {spread:.1} %, so something else was running"))
            }
            _ => None,
        }
    }
}

impl Known {
    /// What is kept of these peaks' machine, if it is these numbers.
    pub fn recalled(peaks: Peaks) -> Self {
        let kept = path(&peaks.machine).and_then(|path| read(&path));
        kept.filter(|kept| kept.peaks == peaks).unwrap_or_else(|| peaks.into())
    }
}

/// What the file of this machine holds; measured where it holds nothing, with `anew` always. `measure` returns the rates and the spread
/// of its repetitions. What was measured beside other work is not kept, and said to be so. A cache that cannot be written is no error.
pub(super) fn known(machine: &str, anew: bool, measure: impl FnOnce() -> Result<(Peaks, Option<f64>)>) -> Result<Known> {
    known_in(path(machine).as_deref(), machine, anew, measure)
}

fn known_in(
    path: Option<&Path>,
    machine: &str,
    anew: bool,
    measure: impl FnOnce() -> Result<(Peaks, Option<f64>)>,
) -> Result<Known> {
    if let Some(kept) = path.filter(|_| !anew).and_then(read).filter(|kept| kept.peaks.machine == machine) {
        return Ok(kept);
    }
    let before = Ticks::now();
    let (peaks, spread) = measure()?;
    let others = before.zip(Ticks::now()).and_then(|(before, after)| before.others(&after));
    let occasion = Occasion { date: today(), others, spread };
    let disturbance = occasion.disturbance();
    let known = Known { peaks, occasion: Some(occasion) };
    match (disturbance, path) {
        (Some(reason), _) => log::warn!("the peaks of this machine are not kept, and measured again next time: {reason}"),
        (None, Some(path)) => {
            write(path, &known).unwrap_or_else(|error| log::warn!("the peaks of this machine are not kept: {error}"));
        }
        (None, None) => {}
    }
    Ok(known)
}

fn path(machine: &str) -> Option<PathBuf> {
    let name: String = machine.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    Some(Cache::usual()?.folder().join(format!("peaks-{name}.json")))
}

/// Files of older versions do not say when they were measured, nor beside what: they are measured again.
fn read(path: &Path) -> Option<Known> {
    let known: Option<Known> = serde_json::from_slice(&std::fs::read(path).ok()?).ok();
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
    fn only_what_was_measured_in_quiet_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/peaks.json");
        let ask = |anew: bool, copy: f64, spread: Option<f64>| {
            known_in(Some(&path), "a machine", anew, || Ok((peaks(copy), spread))).unwrap().peaks.copy
        };
        assert_eq!(ask(false, 1.0, Some(50.0)), 1.0);
        assert!(!path.exists(), "it was disturbed");
        // A device beside the processor is not disturbed, whatever runs here.
        assert_eq!((ask(false, 2.0, None), ask(false, 3.0, None)), (2.0, 2.0), "kept");
        assert_eq!((ask(true, 4.0, Some(50.0)), ask(false, 5.0, None)), (4.0, 2.0), "measured anew, but not kept");
        assert_eq!((ask(true, 6.0, None), ask(false, 7.0, None)), (6.0, 6.0));
        let kept = read(&path).unwrap();
        assert!(kept.occasion.is_some_and(|occasion| occasion.date == today()));
        let other = known_in(Some(&path), "another", false, || Ok((peaks(8.0), None))).unwrap();
        assert_eq!(other.peaks.copy, 8.0);
        std::fs::write(&path, serde_json::to_string(&peaks(9.0)).unwrap()).unwrap();
        assert_eq!(ask(false, 10.0, None), 10.0, "nobody knows how old ones were measured");
    }

    #[test]
    fn disturbances_are_told_with_their_number() {
        let told = |others, spread| Occasion { date: String::new(), others, spread }.disturbance();
        assert_eq!(told(Some(4.9), Some(2.9)), None);
        assert!(told(Some(37.0), Some(0.0)).unwrap().contains("other processes had 37 % of the processors"));
        assert!(told(None, Some(6.25)).unwrap().contains("differ by 6.2 %"));
        assert_eq!(told(Some(90.0), None), None);
    }
}
