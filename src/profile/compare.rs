use super::known::cached;
use super::machine::{may_be_same, processor};
use super::settings::differing;
use super::span::Key;
use super::{Phase, Profile, Quantiles, Row};
use crate::error::{Error, Result};

/// Differences up to this many deviations of both sides together are noise.
const BAND: f64 = 3.0;
/// With fewer steps a difference of a few percent cannot be distinguished from noise.
pub const MIN_STEPS: usize = 10;

/// How the second side compares with the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Faster by more than the noise.
    Faster,
    /// Within the noise.
    Same,
    /// Slower by more than the noise.
    Slower,
    /// Only on the second side.
    New,
    /// Only on the first side.
    Gone,
    /// A record has fewer than [`MIN_STEPS`] steps.
    Unclear,
}

/// One operation, or the whole step, on both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The operation, layer and phase; None for the whole step.
    pub row: Option<(String, String, Phase)>,
    /// Median milliseconds on both sides; the median over the records of a side, 0 where there is none.
    pub ms: [f64; 2],
    /// The noise in milliseconds; smaller differences are not significant.
    pub band: f64,
    /// The verdict.
    pub change: Change,
}

/// Compares the whole step, then every operation of either side, sorted by the size of the change in milliseconds.
///
/// A side is one or more records of the same program, each of its own process. Processes differ more than the steps within one,
/// because each gets other memory and another state of the machine. So the noise is three deviations of the steps on both sides,
/// plus the range of the medians over the processes of each side; a single process has no such range.
///
/// # Errors
/// The records are of different work: the sentence names the fields that differ. A side has no record.
pub fn compare(a: &[Profile], b: &[Profile]) -> Result<Vec<Comparison>> {
    let (Some(first), false) = (a.first(), b.is_empty()) else {
        return Err(Error::argument("a comparison needs a record on both sides"));
    };
    if let Some(differing) = a.iter().chain(b).map(|other| differing(work(first), work(other))).find(|found| !found.is_empty()) {
        return Err(Error::argument(format!("these cannot be compared: {}", differing.join("; "))));
    }
    let is_clear = a.iter().chain(b).all(|profile| profile.settings.steps >= MIN_STEPS);
    let mut keys: Vec<Key<'_>> = a.iter().chain(b).flat_map(|profile| &profile.rows).map(Row::key).collect();
    keys.sort_unstable();
    keys.dedup();
    let of = |side: &[Profile], key: Key<'_>| {
        let own = side.iter().flat_map(|profile| &profile.rows).filter(|row| row.key() == key);
        Side::of(own.map(|row| row.measure.ms))
    };
    let mut rows: Vec<_> = keys.into_iter().map(|key| comparison([of(a, key), of(b, key)], Some(key), is_clear)).collect();
    rows.sort_by(|x, y| (y.ms[1] - y.ms[0]).abs().total_cmp(&(x.ms[1] - x.ms[0]).abs()));
    let whole = [a, b].map(|side| Side::of(side.iter().map(|profile| profile.steps.plain)));
    rows.insert(0, comparison(whole, None, is_clear));
    Ok(rows)
}

/// One operation in the records of one side.
#[derive(Clone, Copy, Default)]
struct Side {
    median: f64,
    /// Median deviation within a process.
    deviation: f64,
    /// From the fastest process to the slowest.
    range: f64,
}

impl Side {
    /// None without records.
    fn of(results: impl Iterator<Item = Quantiles>) -> Option<Self> {
        let (medians, deviations): (Vec<f64>, Vec<f64>) = results.map(|ms| (ms.median, ms.deviation)).unzip();
        let largest = medians.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (median, deviation) = (Quantiles::of(&medians), Quantiles::of(&deviations).median);
        (!medians.is_empty()).then_some(Self { median: median.median, deviation, range: largest - median.min })
    }
}

/// What must agree in two records.
fn work(profile: &Profile) -> impl Iterator<Item = (&'static str, String)> {
    let machine = [("device", profile.device.clone()), ("threads", profile.threads.to_string())];
    profile.settings.work().into_iter().chain(machine)
}

/// A warning if these records are of different machines or their peaks differ, so that their times do not compare the programs.
/// None where the machines agree.
pub fn doubt<'a>(records: impl IntoIterator<Item = &'a Profile>) -> Option<String> {
    let mut records = records.into_iter();
    let first = records.next()?;
    let difference = |other: &Profile| first.peaks.difference(&other.peaks).or_else(|| hosts(first, other));
    records.find_map(difference).map(|difference| format!("the records are of different machines: {difference}"))
}

/// The processors of both, where they differ.
fn hosts(a: &Profile, b: &Profile) -> Option<String> {
    let (a, b) = a.processor.as_ref().zip(b.processor.as_ref())?;
    (!may_be_same(a, b)).then(|| format!("the processors are {a} and {b}"))
}

/// A warning if a record of a CPU was not made on this machine: its processor is another one, or the peaks that are cached here
/// differ. Neither is known of the machine of a GPU record, which is usually shown elsewhere.
pub fn foreign(record: &Profile) -> Option<String> {
    let (there, here) = (record.peaks.processor(), processor());
    if !record.device.starts_with("cpu") {
        return None;
    }
    if !may_be_same(there, &here) {
        return Some(format!("was measured on {there}; this machine is {here}"));
    }
    let own = cached(&record.peaks.machine.replacen(there, &here, 1))?;
    let difference = record.peaks.difference(&own)?;
    Some(format!("was measured on a faster or slower machine than this one: {difference}"))
}

fn comparison(sides: [Option<Side>; 2], key: Option<Key<'_>>, is_clear: bool) -> Comparison {
    let [a, b] = sides.map(Option::unwrap_or_default);
    let band = BAND * (a.deviation + b.deviation) + a.range + b.range;
    let change = match sides {
        [None, _] => Change::New,
        [_, None] => Change::Gone,
        _ if !is_clear => Change::Unclear,
        _ if b.median < a.median - band => Change::Faster,
        _ if b.median > a.median + band => Change::Slower,
        _ => Change::Same,
    };
    let row = key.map(|(phase, op, layer)| (op.to_owned(), layer.to_owned(), phase));
    Comparison { row, ms: [a.median, b.median], band, change }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(medians: &[f64]) -> Option<Side> {
        Side::of(medians.iter().map(|&median| Quantiles { median, deviation: 1.0, ..Quantiles::default() }))
    }

    fn verdict(a: &[f64], b: &[f64]) -> (Change, f64) {
        let found = comparison([side(a), side(b)], None, true);
        (found.change, found.band)
    }

    #[test]
    fn differences_between_processes_of_one_program_are_noise() {
        // Within a process steps differ by 1, so 6 are noise.
        assert_eq!(verdict(&[100.0], &[106.0]), (Change::Same, 6.0));
        assert_eq!(verdict(&[100.0], &[110.0]), (Change::Slower, 6.0));
        // A second process of A was as slow as that.
        assert_eq!(verdict(&[100.0, 109.0], &[110.0]), (Change::Same, 15.0));
        assert_eq!(verdict(&[100.0, 109.0], &[70.0, 75.0]), (Change::Faster, 20.0));
        assert_eq!((verdict(&[], &[1.0]).0, verdict(&[1.0], &[]).0), (Change::New, Change::Gone));
    }

    #[test]
    fn a_side_is_the_median_of_its_processes() {
        let side = side(&[5.0, 100.0, 7.0]).unwrap();
        assert_eq!((side.median, side.deviation, side.range), (7.0, 1.0, 95.0));
    }
}
