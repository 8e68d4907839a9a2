//! The columns of operations and kernels: their CSV name and value, and how the table shows them if it does.

use super::bound_by;
use crate::profile::{KernelRow, Measure, Quantiles, Row};
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

    /// The same, shown in the table as it is.
    fn as_is(self, column: Column) -> Self {
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
        &self.measure
    }
}

fn ms<R: Measured>(row: &R) -> &Quantiles {
    &row.measure().ms
}

fn sum<R: Measured>(rows: &[R], value: fn(&Measure) -> f64) -> f64 {
    rows.iter().map(|row| value(row.measure())).sum()
}

fn count<R: Measured>(name: &'static str, column: Column) -> Field<R> {
    let total = |rows: &[R]| rows.iter().map(|row| row.measure().launches).sum::<usize>().to_string();
    Field::new(name, |row: &R| row.measure().launches.to_string()).as_is(column).total(total)
}

fn median<R: Measured>(column: Column) -> Field<R> {
    let total = |rows: &[R]| format!("{:.3}", sum(rows, |measure| measure.ms.median));
    Field::new("median ms", |row: &R| ms(row).median.to_string())
        .shown(column, |row| format!("{:.3}", ms(row).median))
        .total(total)
}

fn percent_of_peak<R: Measured>(column: Column) -> Field<R> {
    Field::new("% of peak", |row: &R| row.measure().rates.percent_of_peak.to_string())
        .shown(column, |row| format!("{:.0}", row.measure().rates.percent_of_peak))
}

fn percent_of_time<R: Measured>(column: Column) -> Field<R> {
    Field::new("% of time", |row: &R| row.measure().percent_of_time.to_string())
        .shown(column, |row| format!("{:.1}", row.measure().percent_of_time))
        .total(|rows| format!("{:.1}", sum(rows, |measure| measure.percent_of_time)))
}

/// Rates, without the table's columns.
fn rates<R: Measured>() -> [Field<R>; 3] {
    [
        Field::new("GFLOP/s", |row: &R| row.measure().rates.gflop_per_second.to_string()),
        Field::new("GB/s", |row: &R| row.measure().rates.gb_per_second.to_string()),
        Field::new("FLOP/byte", |row: &R| row.measure().rates.intensity.map_or(String::new(), |value| value.to_string())),
    ]
}

fn work<R: Measured>() -> [Field<R>; 3] {
    [
        Field::new("flops", |row: &R| row.measure().work.flops.to_string()),
        Field::new("bytes", |row: &R| row.measure().work.bytes.to_string()),
        Field::new("unit", |row: &R| row.measure().unit.word().to_owned()),
    ]
}

/// Columns that came later stand at the end, so that scripts find the others where they were.
fn executed<R: Measured>() -> [Field<R>; 3] {
    [
        Field::new("executed flops", |row: &R| row.measure().work.executed().to_string()),
        Field::new("executed GFLOP/s", |row: &R| row.measure().rates.executed().to_string()),
        Field::new("limit", |row: &R| bound_by(row.measure()).to_owned()),
    ]
}

/// The columns of operations. With `few` steps the 99th percentile is called the maximum.
pub(super) fn operations(few: bool) -> Vec<Field<Row>> {
    let number = Column::number;
    let [gflops, gigabytes, intensity] = rates::<Row>();
    let mut fields = vec![
        Field::new("operation", |row: &Row| row.op.clone())
            .as_is(Column::text("operation"))
            .total(|others| format!("{} others", others.len())),
        Field::new("layer", |row: &Row| row.layer.clone()).as_is(Column::text("layer")),
        Field::new("phase", |row: &Row| row.phase.words().to_owned()).as_is(Column::text("phase")),
        count("calls", number("calls").optional(2)),
        median(number("median ms")),
        Field::new("min ms", |row: &Row| ms(row).min.to_string())
            .shown(number("min ms").optional(4), |row| format!("{:.3}", ms(row).min)),
        Field::new("p99 ms", |row: &Row| ms(row).p99.to_string())
            .shown(number(if few { "max ms" } else { "p99 ms" }).optional(3), |row| format!("{:.3}", ms(row).p99)),
        gflops.shown(number("GFLOP/s"), |row| format!("{:.1}", row.measure.rates.gflop_per_second)),
        gigabytes.shown(number("GB/s"), |row| format!("{:.1}", row.measure.rates.gb_per_second)),
        intensity.shown(number("FLOP/byte").optional(1), |row| {
            row.measure.rates.intensity.map_or(String::new(), |value| format!("{value:.2}"))
        }),
        percent_of_peak(number("% of peak")),
        Field::new("bound by", |row: &Row| row.measure.rates.bound.word().to_owned())
            .shown(Column::text("bound by"), |row| bound_by(&row.measure).to_owned()),
        percent_of_time(number("% of time")),
    ];
    fields.extend(work());
    fields.extend(executed());
    fields
}

fn by(dims: [u32; 3]) -> String {
    dims.map(|dim| dim.to_string()).join("x")
}

fn known(value: Option<u32>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// The columns of kernels.
pub(super) fn kernels() -> Vec<Field<KernelRow>> {
    let number = Column::number;
    let mut fields = vec![
        Field::new("kernel", |row: &KernelRow| row.kernel.clone())
            .as_is(Column::text("kernel"))
            .total(|others| format!("{} others", others.len())),
        Field::new("operation", |row: &KernelRow| row.op.clone()),
        Field::new("layer", |row: &KernelRow| row.layer.clone()).as_is(Column::text("layer").optional(6)),
        Field::new("phase", |row: &KernelRow| row.phase.words().to_owned()).as_is(Column::text("phase")),
        count("launches", number("n").optional(5)),
        median(number("ms")),
        Field::new("min ms", |row: &KernelRow| ms(row).min.to_string()),
        Field::new("p99 ms", |row: &KernelRow| ms(row).p99.to_string()),
    ];
    fields.extend(rates());
    fields.extend([
        percent_of_peak(number("% of peak")),
        Field::new("bound by", |row: &KernelRow| row.measure.rates.bound.word().to_owned()),
        percent_of_time(number("% of time")),
        Field::new("grid", |row: &KernelRow| by(row.grid)).as_is(Column::text("grid").optional(1)),
        Field::new("block", |row: &KernelRow| by(row.block)).as_is(Column::text("block").optional(2)),
        Field::new("registers", |row: &KernelRow| known(row.registers)).as_is(number("registers").optional(3)),
    ]);
    fields.extend(work());
    fields.extend([
        Field::new("dynamic shared bytes", |row: &KernelRow| row.dynamic_shared.to_string())
            .shown(number("shared bytes").optional(4), |row| {
                row.shared().map_or_else(|| format!("{}+", row.dynamic_shared), |bytes| bytes.to_string())
            }),
        Field::new("static shared bytes", |row: &KernelRow| known(row.static_shared)),
    ]);
    fields.extend(executed());
    fields
}
