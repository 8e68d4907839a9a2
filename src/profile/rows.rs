use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Peaks, Phase, Quantiles, Span, Unit, Work};

/// Below this many seconds for each call, by the roofline, the call itself is what takes the time.
const SMALL: f64 = 2e-6;

/// What bounds an operation, by its roofline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Moving bytes.
    Memory,
    /// Arithmetic.
    Compute,
    /// So little work that the call itself counts.
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

/// How fast work is done, beside what the machine can do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// 10⁹ operations per second.
    pub gflop_per_second: f64,
    /// 10⁹ bytes per second.
    pub gb_per_second: f64,
    /// Operations per byte; None where nothing is moved.
    pub intensity: Option<f64>,
    /// Part of what the roofline of the unit that computes allows, in percent.
    pub percent_of_peak: f64,
    /// What bounds it.
    pub bound: Bound,
}

impl Rates {
    /// Of work that is done in `seconds` and `calls`; rates are 0 where no time passes.
    pub(super) fn of(work: &Work, calls: usize, seconds: f64, peaks: &Peaks) -> Self {
        let (floor, computes) = peaks.floor(work);
        let bound = match (floor < SMALL * calls.max(1) as f64, computes) {
            (true, _) => Bound::Overhead,
            (false, true) => Bound::Compute,
            (false, false) => Bound::Memory,
        };
        let per_second = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
        Self {
            gflop_per_second: per_second(work.flops as f64 / 1e9),
            gb_per_second: per_second(work.bytes as f64 / 1e9),
            intensity: Some(work.intensity()).filter(|intensity| intensity.is_finite()),
            percent_of_peak: per_second(100.0 * floor),
            bound,
        }
    }
}

/// One operation of one layer in one phase: what all its calls of a step take together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The operation.
    pub op: String,
    /// The layer, empty where there is none.
    pub layer: String,
    /// What for.
    pub phase: Phase,
    /// Calls in a step.
    pub launches: usize,
    /// Milliseconds of a step, over the steps.
    pub ms: Quantiles,
    /// Operations and bytes of a step.
    pub work: Work,
    /// What does the operations, and so which peak they are held against: each against its own where it is both.
    #[serde(default)]
    pub unit: Unit,
    /// 10⁹ operations per second at the median.
    pub gflop_per_second: f64,
    /// 10⁹ bytes per second at the median.
    pub gb_per_second: f64,
    /// Operations per byte; None where nothing is moved.
    pub intensity: Option<f64>,
    /// Part of what the roofline allows, in percent; above 100 where caches carry what the formula has memory carry, or
    /// Winograd's method needs fewer multiplications than the formula counts.
    pub percent_of_peak: f64,
    /// What bounds it.
    pub bound: Bound,
    /// Part of all operations' time, in percent.
    pub percent_of_time: f64,
}

type Key = (Phase, String, String);

/// Rows of these steps, the longest first.
pub(super) fn rows(steps: &[Vec<Span>], peaks: &Peaks) -> Vec<Row> {
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for (step, spans) in steps.iter().enumerate() {
        for span in spans {
            let key = (span.phase, span.op.to_owned(), span.layer.clone());
            groups.entry(key).or_insert_with(|| Group::new(steps.len())).add(step, span);
        }
    }
    let mut rows: Vec<Row> = groups.into_iter().map(|(key, group)| group.row(key, steps.len(), peaks)).collect();
    let total: f64 = rows.iter().map(|row| row.ms.median).sum();
    for row in &mut rows {
        row.percent_of_time = 100.0 * row.ms.median / total;
    }
    rows.sort_by(|a, b| b.ms.median.total_cmp(&a.ms.median));
    rows
}

struct Group {
    seconds: Vec<f64>,
    calls: usize,
    work: Work,
}

impl Group {
    fn new(steps: usize) -> Self {
        Self { seconds: vec![0.0; steps], calls: 0, work: Work::default() }
    }

    fn add(&mut self, step: usize, span: &Span) {
        self.seconds[step] += span.seconds;
        self.calls += 1;
        self.work = self.work + span.work;
    }

    /// Every step does the same, so that means are exact.
    fn row(self, (phase, op, layer): Key, steps: usize, peaks: &Peaks) -> Row {
        let (work, launches, seconds) = (self.work.per(steps), self.calls / steps.max(1), Quantiles::of(&self.seconds));
        let Rates { gflop_per_second, gb_per_second, intensity, percent_of_peak, bound } =
            Rates::of(&work, launches, seconds.median, peaks);
        Row {
            op,
            layer,
            phase,
            launches,
            ms: seconds.scaled(1e3),
            work,
            unit: work.unit(),
            gflop_per_second,
            gb_per_second,
            intensity,
            percent_of_peak,
            bound,
            percent_of_time: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(op: &'static str, layer: &str, seconds: f64, work: Work) -> Span {
        Span { op, layer: layer.into(), phase: Phase::Forward, work, kernels: Vec::new(), start: 0.0, seconds, host: [0.0; 2] }
    }

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
        let conv = &rows[0];
        assert_eq!((conv.op.as_str(), conv.layer.as_str(), conv.launches, conv.work.flops), ("conv2d", "e1", 2, 40_000_000));
        assert_eq!((conv.ms.min, conv.ms.median, conv.ms.p99), (8.0, 8.0, 16.0));
        // 40 MFLOP at 10 GFLOP/s need 4 ms, 1 MB at 1 GB/s needs 1 ms.
        assert_eq!((conv.bound, conv.percent_of_peak), (Bound::Compute, 50.0));
        assert!((conv.gflop_per_second - 5.0).abs() < 1e-12 && (conv.intensity.unwrap() - 40.0).abs() < 1e-12);
        assert_eq!(rows[1].bound, Bound::Overhead);
        assert!((rows.iter().map(|row| row.percent_of_time).sum::<f64>() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn each_operation_is_held_against_the_peak_of_its_unit() {
        let peaks = Peaks { machine: String::new(), copy: 1e12, fma: Some(1e10), matrix: Some(4e10) };
        // 40 MFLOP take 4 ms on the first unit and 1 ms on the other.
        let sdc = |layer: &str, matrix: u64| span("sdc", layer, 5e-3, Work { matrix, ..Work::new(40_000_000, 0) });
        let rows = rows(&[vec![sdc("a", 0), sdc("b", 20_000_000), sdc("c", 40_000_000)]], &peaks);
        let seen: Vec<_> = rows.iter().map(|row| (row.layer.as_str(), row.unit, row.percent_of_peak.round())).collect();
        assert_eq!(seen, [("a", Unit::Fma, 80.0), ("b", Unit::Both, 50.0), ("c", Unit::Matrix, 20.0)]);
    }
}
