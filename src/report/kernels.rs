//! What the profiler found of single kernels: a table, a CSV file, a sentence.

use super::number::readable;
use super::profile::bound_by;
use super::table::{Column, Screen, Table};
use crate::profile::{KernelRow, Profile};

/// Columns of the CSV file.
const HEADINGS: [&str; 18] = [
    "kernel",
    "operation",
    "layer",
    "phase",
    "launches",
    "median ms",
    "min ms",
    "p99 ms",
    "GFLOP/s",
    "GB/s",
    "FLOP/byte",
    "% of peak",
    "bound by",
    "% of time",
    "grid",
    "block",
    "registers",
    "shared bytes",
];
/// Those of them that [`table`] shows, so that it fits into a terminal, with their headings there.
const SHOWN: [(usize, &str); 11] = [
    (0, "kernel"),
    (2, "layer"),
    (3, "phase"),
    (4, "n"),
    (5, "ms"),
    (11, "% peak"),
    (13, "% time"),
    (14, "grid"),
    (15, "block"),
    (16, "regs"),
    (17, "shared"),
];
/// Those of the columns of [`HEADINGS`] that the CSV file has unrounded.
const EXACT: std::ops::Range<usize> = 5..14;
/// What it has beside them.
const BESIDE: [&str; 5] = ["flops", "bytes", "unit", "dynamic shared bytes", "static shared bytes"];

/// The first `most` kernels, those of the operations that take the longest, then a row of all others together. Where the compiler was
/// not at hand, shared memory is the dynamic one, as "64+".
pub fn table(profile: &Profile, most: usize, screen: Screen) -> String {
    let column = |(_, name): (usize, &'static str)| match name {
        "kernel" | "phase" => Column::text(name),
        "layer" => Column::text(name).optional(6),
        "n" => Column::number(name).optional(5),
        "shared" => Column::number(name).optional(4),
        "regs" => Column::number(name).optional(3),
        "block" => Column::text(name).optional(2),
        "grid" => Column::text(name).optional(1),
        _ => Column::number(name),
    };
    let mut table = Table::new("kernels, in the order of the operations above; ms is the median of a step", SHOWN.map(column));
    let shown = profile.kernels.len().min(most);
    for row in &profile.kernels[..shown] {
        let cells = cells(row);
        table.row(SHOWN.map(|(place, _)| cells[place].clone()));
    }
    let others = &profile.kernels[shown..];
    if !others.is_empty() {
        table.summary(summary(others));
    }
    table.render(screen)
}

/// The cells of a row of these kernels together, up to their part of the time.
fn summary(others: &[KernelRow]) -> Vec<String> {
    let launches = others.iter().map(|row| row.launches).sum::<usize>();
    let [ms, share] =
        [|row: &KernelRow| row.ms.median, |row: &KernelRow| row.percent_of_time].map(|of| others.iter().map(of).sum::<f64>());
    let empty = String::new;
    vec![
        format!("{} others", others.len()),
        empty(),
        empty(),
        launches.to_string(),
        format!("{ms:.3}"),
        empty(),
        format!("{share:.1}"),
    ]
}

fn cells(row: &KernelRow) -> [String; HEADINGS.len()] {
    let by = |extents: [u32; 3]| extents.map(|extent| extent.to_string()).join("x");
    let rates = &row.rates;
    [
        row.kernel.clone(),
        row.op.clone(),
        row.layer.clone(),
        row.phase.words().to_owned(),
        row.launches.to_string(),
        format!("{:.3}", row.ms.median),
        format!("{:.3}", row.ms.min),
        format!("{:.3}", row.ms.p99),
        format!("{:.1}", rates.gflop_per_second),
        format!("{:.1}", rates.gb_per_second),
        rates.intensity.map_or(String::new(), |value| format!("{value:.2}")),
        format!("{:.0}", rates.percent_of_peak),
        bound_by(rates.bound, row.unit).to_owned(),
        format!("{:.1}", row.percent_of_time),
        by(row.grid),
        by(row.block),
        row.registers.map_or(String::new(), |registers| registers.to_string()),
        row.shared().map_or_else(|| format!("{}+", row.dynamic_shared), |bytes| bytes.to_string()),
    ]
}

/// The kernels as CSV: numbers as they are, operations and bytes of a step beside them, and the two kinds of shared memory apart.
///
/// # Errors
/// Never but out of memory.
pub fn csv(profile: &Profile) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let same = HEADINGS.len() - 1;
    writer.write_record(HEADINGS[..same].iter().copied().chain(BESIDE))?;
    for row in &profile.kernels {
        let (rates, static_shared) = (&row.rates, row.static_shared.map_or(String::new(), |bytes| bytes.to_string()));
        let exact = [
            row.ms.median.to_string(),
            row.ms.min.to_string(),
            row.ms.p99.to_string(),
            rates.gflop_per_second.to_string(),
            rates.gb_per_second.to_string(),
            rates.intensity.map_or(String::new(), |value| value.to_string()),
            rates.percent_of_peak.to_string(),
            rates.bound.word().to_owned(),
            row.percent_of_time.to_string(),
        ];
        let beside = [
            row.work.flops.to_string(),
            row.work.bytes.to_string(),
            row.unit.word().to_owned(),
            row.dynamic_shared.to_string(),
            static_shared,
        ];
        let mut cells = cells(row);
        cells[EXACT].clone_from_slice(&exact);
        writer.write_record(cells.into_iter().take(same).chain(beside))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

/// The kernels of a step beside its operations; None on devices without kernels.
pub fn sentence(profile: &Profile) -> Option<String> {
    let (steps, launches) = (&profile.steps, profile.kernels.iter().map(|row| row.launches).sum::<usize>());
    let [kernels, operations] = [steps.kernels.median, steps.operations.median];
    let ms = |value: f64| format!("{} ms", readable(value, 3));
    (launches > 0).then(|| {
        format!(
            "{launches} kernels take {} of the operations' {} ({:.1} %); the rest are copies, fills and the time around launches. \
             --kernels FILE has their rates, bounds and spreads",
            ms(kernels),
            ms(operations),
            100.0 * kernels / operations
        )
    })
}
