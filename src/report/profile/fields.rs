//! The columns of operations and kernels: their CSV name and value, and how the table shows them if it does.

use super::bound_by;
use super::words::launches;
use crate::profile::{KernelRow, Measure, Row};
use crate::report::table::Column;

/// One column.
pub(super) struct Field<R> {
    /// Heading in the CSV file.
    pub(super) name: &'static str,
    /// The value in the CSV file.
    pub(super) exact: fn(&R) -> String,
    /// The column of the table; None where only the CSV file has it.
    pub(super) column: Option<Column>,
    /// The value in the table.
    pub(super) rounded: fn(&R) -> String,
    /// The value in the table for several rows together; empty where there is none.
    pub(super) total: fn(&[R]) -> String,
}

impl<R> Field<R> {
    /// A column of the CSV file alone.
    fn new(name: &'static str, exact: fn(&R) -> String) -> Self {
        Self { name, exact, column: None, rounded: exact, total: |_| String::new() }
    }

    /// The same, shown in the table with this precision.
    fn shown(self, column: Column, rounded: fn(&R) -> String) -> Self {
        Self { column: Some(column), rounded, ..self }
    }

    /// The same, shown in the table with the value of the CSV file.
    fn verbatim(self, column: Column) -> Self {
        Self { column: Some(column), ..self }
    }

    fn total(self, total: fn(&[R]) -> String) -> Self {
        Self { total, ..self }
    }
}

/// A row that was measured.
trait Measured {
    fn measure(&self) -> &Measure;
}

impl Measured for Row {
    fn measure(&self) -> &Measure {
        &self.measure
    }
}

impl Measured for KernelRow {
    fn measure(&self) -> &Measure {
        &self.row.measure
    }
}

fn sum<R: Measured>(rows: &[R], value: fn(&Measure) -> f64) -> f64 {
    rows.iter().map(|row| value(row.measure())).sum()
}

/// The name of a row, with the number of the others in their total.
fn name<R>(heading: &'static str, value: fn(&R) -> String) -> Field<R> {
    Field::new(heading, value).verbatim(Column::text(heading)).total(|others| format!("{} others", others.len()))
}

fn count<R: Measured>(heading: &'static str) -> Field<R> {
    let total = |rows: &[R]| launches(rows.iter().map(Measured::measure)).to_string();
    Field::new(heading, |row: &R| row.measure().launches.to_string()).verbatim(Column::number(heading).optional(2)).total(total)
}

/// Times and rates. With `few` steps the 99th percentile is called the maximum.
fn measured<R: Measured>(few: bool) -> [Field<R>; 9] {
    let number = Column::number;
    [
        Field::new("median ms", |row: &R| row.measure().ms.median.to_string())
            .shown(number("median ms"), |row| format!("{:.3}", row.measure().ms.median))
            .total(|rows| format!("{:.3}", sum(rows, |measure| measure.ms.median))),
        Field::new("min ms", |row: &R| row.measure().ms.min.to_string())
            .shown(number("min ms").optional(4), |row| format!("{:.3}", row.measure().ms.min)),
        Field::new("p99 ms", |row: &R| row.measure().ms.p99.to_string())
            .shown(number(if few { "max ms" } else { "p99 ms" }).optional(3), |row| format!("{:.3}", row.measure().ms.p99)),
        Field::new("GFLOP/s", |row: &R| row.measure().rates.gflop_per_second.to_string())
            .shown(number("GFLOP/s").optional(6), |row| format!("{:.1}", row.measure().rates.gflop_per_second)),
        Field::new("GB/s", |row: &R| row.measure().rates.gb_per_second.to_string())
            .shown(number("GB/s").optional(5), |row| format!("{:.1}", row.measure().rates.gb_per_second)),
        Field::new("FLOP/byte", |row: &R| row.measure().rates.intensity.map_or(String::new(), |value| value.to_string()))
            .shown(number("FLOP/byte").optional(1), |row| {
                row.measure().rates.intensity.map_or(String::new(), |value| format!("{value:.2}"))
            }),
        Field::new("% of peak", |row: &R| row.measure().rates.percent_of_peak.to_string())
            .shown(number("% of peak"), |row| format!("{:.0}", row.measure().rates.percent_of_peak)),
        Field::new("bound by", |row: &R| row.measure().rates.bound.word().to_owned())
            .shown(Column::text("bound by"), |row| bound_by(row.measure()).to_owned()),
        Field::new("% of time", |row: &R| row.measure().percent_of_time.to_string())
            .shown(number("% of time"), |row| format!("{:.1}", row.measure().percent_of_time))
            .total(|rows| format!("{:.1}", sum(rows, |measure| measure.percent_of_time))),
    ]
}

fn work<R: Measured>() -> [Field<R>; 3] {
    [
        Field::new("flops", |row: &R| row.measure().work.flops.to_string()),
        Field::new("bytes", |row: &R| row.measure().work.bytes.to_string()),
        Field::new("unit", |row: &R| row.measure().unit.word().to_owned()),
    ]
}

/// Columns that were added later come last, so that scripts find the others where they were.
fn executed<R: Measured>() -> [Field<R>; 3] {
    [
        Field::new("executed flops", |row: &R| row.measure().work.executed().to_string()),
        Field::new("executed GFLOP/s", |row: &R| row.measure().rates.executed().to_string()),
        Field::new("limit", |row: &R| bound_by(row.measure()).to_owned()),
    ]
}

/// The columns of operations.
pub(super) fn operations(few: bool) -> Vec<Field<Row>> {
    let names = [
        name("operation", |row: &Row| row.op.clone()),
        Field::new("layer", |row: &Row| row.layer.clone()).verbatim(Column::text("layer")),
        Field::new("phase", |row: &Row| row.phase.words().to_owned()).verbatim(Column::text("phase")),
        count("calls"),
    ];
    names.into_iter().chain(measured(few)).chain(work()).chain(executed()).collect()
}

fn by(dims: [u32; 3]) -> String {
    dims.map(|dim| dim.to_string()).join("x")
}

fn known(value: Option<u32>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// The columns of kernels.
pub(super) fn kernels(few: bool) -> Vec<Field<KernelRow>> {
    let names = [
        name("kernel", |row: &KernelRow| row.kernel.clone()),
        Field::new("operation", |kernel: &KernelRow| kernel.row.op.clone()),
        Field::new("layer", |kernel: &KernelRow| kernel.row.layer.clone()).verbatim(Column::text("layer").optional(12)),
        Field::new("phase", |kernel: &KernelRow| kernel.row.phase.words().to_owned()).verbatim(Column::text("phase")),
        count("launches"),
    ];
    let launch = [
        Field::new("grid", |row: &KernelRow| by(row.grid)).verbatim(Column::text("grid").optional(7)),
        Field::new("block", |row: &KernelRow| by(row.block)).verbatim(Column::text("block").optional(8)),
        Field::new("registers", |row: &KernelRow| known(row.registers)).verbatim(Column::number("registers").optional(9)),
    ];
    let shared = [
        Field::new("dynamic shared bytes", |row: &KernelRow| row.dynamic_shared.to_string())
            .shown(Column::number("shared bytes").optional(10), |row| {
                row.shared().map_or_else(|| format!("{}+", row.dynamic_shared), |bytes| bytes.to_string())
            }),
        Field::new("static shared bytes", |row: &KernelRow| known(row.static_shared)),
    ];
    let measured = measured(few).into_iter().chain(launch);
    names.into_iter().chain(measured).chain(work()).chain(shared).chain(executed()).collect()
}
