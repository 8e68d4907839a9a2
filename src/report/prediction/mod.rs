//! Predicted steps: tables by kernel, layer or phase, the compiled kernels, sentences, a comparison, CSV.

mod comparison;
mod words;

pub use comparison::comparison;
pub use words::sentences;

use super::table::{Column, Screen, Table};
use crate::profile::predict::{Cost, Counts, KernelFacts, PredictedRow, Prediction, Resource, grouped};

/// What the rows of the table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Kernels.
    Kernel,
    /// Layers.
    Layer,
    /// Phases.
    Phase,
    /// Each kernel of each operation, layer and phase.
    Row,
}

/// The `most` rows that take the longest, one for the others, and the whole step.
pub fn table(prediction: &Prediction, by: By, most: usize, screen: Screen) -> String {
    let number = Column::number;
    let names = headings(by).iter().map(|heading| Column::text(*heading));
    let columns = names.chain([
        number("launches").optional(1),
        number("ms"),
        number("% of step").optional(2),
        Column::text("bound"),
        number("% of bound"),
        number("floor ms").optional(3),
        number("DRAM GB"),
        number("sectors").optional(5),
        number("conflicts").optional(4),
    ]);
    let mut table = Table::new("", columns.collect::<Vec<_>>());
    let groups = grouped(&prediction.rows, |row| names_of(row, by));
    let (first, others) = groups.split_at(most.min(groups.len()));
    for (names, cost) in first {
        table.row(names.iter().cloned().chain(numbers(cost, prediction.predicted_ms)));
    }
    let total = |name: String, costs: Cost| {
        let blank = (1..headings(by).len()).map(|_| String::new());
        std::iter::once(name).chain(blank).chain(numbers(&costs, prediction.predicted_ms)).collect::<Vec<_>>()
    };
    if !others.is_empty() {
        table.summary(total(format!("{} others", others.len()), Cost::sum(others.iter().map(|(_, cost)| cost))));
    }
    table.summary(total("step".to_owned(), Cost::sum(prediction.rows.iter().map(|row| &row.cost))));
    table.render(screen)
}

fn headings(by: By) -> &'static [&'static str] {
    match by {
        By::Kernel => &["kernel"],
        By::Layer => &["layer"],
        By::Phase => &["phase"],
        By::Row => &["kernel", "layer", "phase"],
    }
}

fn names_of(row: &PredictedRow, by: By) -> Vec<String> {
    let layer = || if row.layer.is_empty() { "(none)".to_owned() } else { row.layer.clone() };
    match by {
        By::Kernel => vec![row.kernel.clone()],
        By::Layer => vec![layer()],
        By::Phase => vec![row.phase.words().to_owned()],
        By::Row => vec![row.kernel.clone(), row.layer.clone(), row.phase.words().to_owned()],
    }
}

fn numbers(cost: &Cost, step: f64) -> [String; 9] {
    let excess = |of: fn(&Counts) -> Option<f64>| {
        cost.counts.as_ref().and_then(of).map_or_else(String::new, |excess| format!("{excess:.2}"))
    };
    [
        cost.launches.to_string(),
        format!("{:.3}", cost.predicted_ms),
        format!("{:.1}", 100.0 * cost.predicted_ms / step),
        cost.bound.word().to_owned(),
        format!("{:.0}", 100.0 * cost.share_of_bound),
        format!("{:.3}", cost.floor_ms),
        format!("{:.2}", cost.dram_bytes / 1e9),
        excess(Counts::sector_excess),
        excess(Counts::wavefront_excess),
    ]
}

/// The code of the kernels, those first that take the longest.
pub fn kernels(prediction: &Prediction, most: usize, screen: Screen) -> String {
    let number = Column::number;
    let columns = [
        Column::text("kernel"),
        number("KiB"),
        number("instructions").optional(2),
        number("longest path").optional(3),
        number("hot loop"),
        number("registers"),
        number("occupancy"),
        Column::text("limited by"),
        number("spills").optional(1),
    ];
    let mut table = Table::new("their code", columns);
    for facts in prediction.kernels.iter().take(most) {
        table.row(code(facts));
    }
    table.render(screen)
}

fn code(facts: &KernelFacts) -> [String; 9] {
    let of = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let code = facts.code.as_ref();
    [
        facts.kernel.clone(),
        format!("{:.1}", facts.code_bytes as f64 / 1024.0),
        of(code.map(|code| code.instructions)),
        of(code.map(|code| code.path.instructions)),
        of(code.and_then(|code| Some(code.hot?.instructions))),
        facts.registers.to_string(),
        format!("{:.2}", facts.occupancy),
        facts.limiter.word().to_owned(),
        facts.spills.to_string(),
    ]
}

/// All rows as CSV, numbers unrounded.
///
/// # Errors
/// Out of memory.
pub fn csv(prediction: &Prediction) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fixed = ["kernel", "operation", "layer", "phase", "launches", "predicted ms", "bound", "share of bound", "floor ms"];
    let times = Resource::ALL.map(|resource| format!("{} ms", resource.word()));
    let counts = ["sectors", "ideal sectors", "wavefronts", "least wavefronts", "matrix products"];
    let headings =
        fixed.into_iter().chain(["DRAM bytes", "flops"]).map(str::to_owned).chain(times).chain(counts.map(str::to_owned));
    writer.write_record(headings)?;
    for PredictedRow { kernel, op, layer, phase, cost } in &prediction.rows {
        let names = [kernel.clone(), op.clone(), layer.clone(), phase.words().to_owned(), cost.launches.to_string()];
        let numbers = [
            cost.predicted_ms.to_string(),
            cost.bound.word().to_owned(),
            cost.share_of_bound.to_string(),
            cost.floor_ms.to_string(),
            cost.dram_bytes.to_string(),
            cost.flops.to_string(),
        ];
        let times = Resource::ALL.map(|resource| cost.times_ms.of(resource).to_string());
        let counts = cost.counts.map(|counts| {
            [counts.sectors, counts.ideal_sectors, counts.wavefronts, counts.least_wavefronts, counts.matrix_products]
        });
        let counts = counts.map_or_else(|| [const { String::new() }; 5], |counts| counts.map(|count| count.to_string()));
        writer.write_record(names.into_iter().chain(numbers).chain(times).chain(counts))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}
