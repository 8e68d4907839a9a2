//! Calls of many steps, summed to one row for each operation, layer and phase.

use std::hash::Hash;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::span::Key;
use super::{Peaks, Phase, Quantiles, Span, Unit, Work};

/// Calls whose roofline time is shorter than this many seconds are bound by the overhead of the call itself.
const SHORT: f64 = 2e-6;

/// What bounds an operation, by its roofline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Memory bandwidth.
    Memory,
    /// Arithmetic.
    Compute,
    /// The call itself: there is too little work to matter.
    Overhead,
}

impl Bound {
    /// One word for tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Compute => "compute",
            Self::Overhead => "overhead",
        }
    }
}

/// Rates at the median time, compared with the machine's peaks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// FLOPs of the formula per second, in 10⁹.
    pub gflop_per_second: f64,
    /// Executed FLOPs per second, in 10⁹; None in records of versions that did not count them.
    #[serde(default)]
    pub executed_gflop_per_second: Option<f64>,
    /// Bytes of the formula per second, in 10⁹.
    pub gb_per_second: f64,
    /// FLOPs per byte, both by formula; None where nothing is moved.
    pub intensity: Option<f64>,
    /// Roofline time of the executed FLOPs divided by the measured time, in percent; above 100 where caches deliver bytes that
    /// the formula expects from memory.
    pub percent_of_peak: f64,
    /// What bounds the operation.
    pub bound: Bound,
}

impl Rates {
    /// Of work done in `seconds` by `calls` calls; all 0 where no time passes.
    fn of(work: &Work, calls: usize, seconds: f64, peaks: &Peaks) -> Self {
        let (floor, computes) = peaks.floor(work);
        let bound = match (floor < SHORT * calls.max(1) as f64, computes) {
            (true, _) => Bound::Overhead,
            (false, true) => Bound::Compute,
            (false, false) => Bound::Memory,
        };
        let per_second = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
        Self {
            gflop_per_second: per_second(work.flops as f64 / 1e9),
            executed_gflop_per_second: Some(per_second(work.executed() as f64 / 1e9)),
            gb_per_second: per_second(work.bytes as f64 / 1e9),
            intensity: Some(work.intensity()).filter(|intensity| intensity.is_finite()),
            percent_of_peak: per_second(100.0 * floor),
            bound,
        }
    }

    /// Executed GFLOP/s, or in older records those of the formula.
    pub fn executed(&self) -> f64 {
        self.executed_gflop_per_second.unwrap_or(self.gflop_per_second)
    }
}

/// Time and work of one row in a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Calls or launches in a step.
    pub launches: usize,
    /// Milliseconds of all of them in a step, over the steps.
    pub ms: Quantiles,
    /// FLOPs and bytes of all of them in a step, by formula.
    pub work: Work,
    /// The unit that computes, whose peak counts. Where both do, each part is compared with its own peak.
    #[serde(default)]
    pub unit: Unit,
    /// Rates at the median time.
    #[serde(flatten)]
    pub rates: Rates,
    /// Share of the time of all operations, in percent.
    pub percent_of_time: f64,
}

impl Measure {
    /// Executed FLOPs per byte, by formula in older records; None where nothing is moved.
    pub fn executed_intensity(&self) -> Option<f64> {
        (self.work.bytes > 0).then(|| self.work.executed() as f64 / self.work.bytes as f64)
    }
}

/// One operation of one layer in one phase: all its calls in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The operation.
    pub op: String,
    /// The layer; empty where there is none.
    pub layer: String,
    /// Forward, backward, optimiser or data.
    pub phase: Phase,
    /// Time and work.
    #[serde(flatten)]
    pub measure: Measure,
}

impl Row {
    pub(super) fn key(&self) -> Key<'_> {
        (self.phase, &self.op, &self.layer)
    }

    pub(super) fn new((phase, op, layer): Key<'_>, measure: Measure) -> Self {
        Self { op: op.to_owned(), layer: layer.to_owned(), phase, measure }
    }
}

/// The rows of these steps, the longest first.
pub(super) fn rows(steps: &[Vec<Span>], peaks: &Peaks) -> Vec<Row> {
    let groups = grouped(steps, |span| [(span.key(), span.seconds, span.work)]);
    let total = groups.values().map(|sums| Quantiles::of(&sums.seconds).median).sum();
    let mut rows: Vec<Row> = groups.into_iter().map(|(key, sums)| Row::new(key, sums.measure(total, peaks))).collect();
    rows.sort_by(|a, b| b.measure.ms.median.total_cmp(&a.measure.ms.median));
    rows
}

/// Sums of everything with the same key, in the order of its first time. `parts` are the key, the seconds and the work of a call,
/// or of each kernel that it launched.
pub(super) fn grouped<'a, K, I>(steps: &'a [Vec<Span>], parts: impl Fn(&'a Span) -> I) -> IndexMap<K, Sums>
where
    K: Hash + Eq,
    I: IntoIterator<Item = (K, f64, Work)>,
{
    let mut groups = IndexMap::new();
    for (step, spans) in steps.iter().enumerate() {
        for (key, seconds, work) in spans.iter().flat_map(&parts) {
            let none = || Sums { seconds: vec![0.0; steps.len()], calls: 0, work: Work::default() };
            let sums = groups.entry(key).or_insert_with(none);
            sums.seconds[step] += seconds;
            sums.calls += 1;
            sums.work = sums.work + work;
        }
    }
    groups
}

/// Calls of one row: their seconds in each step, and the work of all steps together.
pub(super) struct Sums {
    seconds: Vec<f64>,
    calls: usize,
    work: Work,
}

impl Sums {
    /// Averages over the steps, which is exact because every step does the same work. `total` is the seconds of all operations.
    pub(super) fn measure(&self, total: f64, peaks: &Peaks) -> Measure {
        let steps = self.seconds.len();
        let (work, launches, seconds) = (self.work.per(steps), self.calls / steps.max(1), Quantiles::of(&self.seconds));
        Measure {
            launches,
            ms: seconds.scaled(1e3),
            work,
            unit: work.unit(),
            rates: Rates::of(&work, launches, seconds.median, peaks),
            percent_of_time: if total > 0.0 { 100.0 * seconds.median / total } else { 0.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::span::sample as span;
    use super::*;

    #[test]
    fn calls_are_grouped_by_layer_and_summed_within_a_step() {
        let peaks = Peaks { machine: String::new(), copy: 1e9, fma: Some(1e10), matrix: None };
        let work = Work::new(20_000_000, 500_000);
        let step = |factor: f64| {
            vec![
                span("conv2d", "e1", factor * 4e-3, work),
                span("conv2d", "e1", factor * 4e-3, work),
                span("add", "", factor * 1e-3, Work::new(10, 120)),
            ]
        };
        let rows = rows(&[step(1.0), step(2.0), step(1.0)], &peaks);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].op.as_str(), rows[0].layer.as_str()), ("conv2d", "e1"));
        let conv = &rows[0].measure;
        assert_eq!((conv.launches, conv.work.flops), (2, 40_000_000));
        assert_eq!((conv.ms.min, conv.ms.median, conv.ms.p99), (8.0, 8.0, 16.0));
        // 40 MFLOP at 10 GFLOP/s need 4 ms, 1 MB at 1 GB/s needs 1 ms.
        assert_eq!((conv.rates.bound, conv.rates.percent_of_peak), (Bound::Compute, 50.0));
        assert!((conv.rates.gflop_per_second - 5.0).abs() < 1e-12 && (conv.rates.intensity.unwrap() - 40.0).abs() < 1e-12);
        assert_eq!(rows[1].measure.rates.bound, Bound::Overhead);
        assert!((rows.iter().map(|row| row.measure.percent_of_time).sum::<f64>() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn each_operation_is_compared_with_the_peak_of_its_unit() {
        let peaks = Peaks { machine: String::new(), copy: 1e12, fma: Some(1e10), matrix: Some(4e10) };
        // 40 MFLOP take 4 ms on the first unit and 1 ms on the other.
        let sdc = |layer: &str, matrix: u64| span("sdc", layer, 5e-3, Work { matrix, ..Work::new(40_000_000, 0) });
        let rows = rows(&[vec![sdc("a", 0), sdc("b", 20_000_000), sdc("c", 40_000_000)]], &peaks);
        let seen = |row: &Row| (row.layer.clone(), row.measure.unit, row.measure.rates.percent_of_peak.round());
        let seen: Vec<_> = rows.iter().map(seen).collect();
        let expected = [("a", Unit::Fma, 80.0), ("b", Unit::Both, 50.0), ("c", Unit::Matrix, 20.0)];
        assert_eq!(seen, expected.map(|(layer, unit, percent)| (layer.to_owned(), unit, percent)));
    }

    #[test]
    fn only_executed_operations_are_compared_with_the_peak() {
        let peaks = Peaks { machine: String::new(), copy: 1e12, fma: Some(1e10), matrix: None };
        // 40 MFLOP by formula in 2 ms would be twice the peak; Winograd executes a quarter of them.
        let work = Work { saved: 30_000_000, ..Work::new(40_000_000, 0) };
        let rates = rows(&[vec![span("conv2d", "", 2e-3, work)]], &peaks)[0].measure.rates;
        assert!((rates.percent_of_peak - 50.0).abs() < 1e-9 && (rates.gflop_per_second - 20.0).abs() < 1e-9);
        assert!((rates.executed() - 5.0).abs() < 1e-9);
        assert_eq!(Rates { executed_gflop_per_second: None, ..rates }.executed(), rates.gflop_per_second);
    }
}
