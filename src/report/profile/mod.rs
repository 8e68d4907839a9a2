//! What the profiler found, as tables for the terminal, CSV files and sentences.
//!
//! `fields` lists the columns of operations and kernels, `words` has the sentences below the tables, `comparison` compares
//! records.

mod comparison;
mod fields;
mod words;

pub use comparison::comparison;
pub use words::sentences;

use super::table::{Screen, Table};
use crate::profile::{Bound, Measure, Profile};
use fields::{Field, kernels, operations};

/// Whether there are so few steps that the 99th percentile is the maximum.
fn is_short(profile: &Profile) -> bool {
    profile.settings.steps < 100
}

/// The `most` operations that take the longest, with a row for all others.
pub fn table(profile: &Profile, most: usize, screen: Screen) -> String {
    draw("", &operations(is_short(profile)), &profile.rows, most, screen)
}

/// The first `most` kernels, those of the longest operations, with a row for all others. Where static shared memory is not known,
/// dynamic shared memory is shown as `64+`.
pub fn kernel_table(profile: &Profile, most: usize, screen: Screen) -> String {
    draw("kernels, in the order of the operations above", &kernels(is_short(profile)), &profile.kernels, most, screen)
}

/// The operations as CSV, numbers unrounded.
///
/// # Errors
/// Out of memory.
pub fn csv(profile: &Profile) -> std::io::Result<Vec<u8>> {
    written(&operations(false), &profile.rows)
}

/// The kernels as CSV, numbers unrounded.
///
/// # Errors
/// Out of memory.
pub fn kernel_csv(profile: &Profile) -> std::io::Result<Vec<u8>> {
    written(&kernels(false), &profile.kernels)
}

/// What bounds an operation, in a word; if it is arithmetic, the unit that does it.
pub(super) fn bound_by(measure: &Measure) -> &'static str {
    if measure.rates.bound == Bound::Compute { measure.unit.word() } else { measure.rates.bound.word() }
}

fn draw<R>(title: &str, fields: &[Field<R>], rows: &[R], most: usize, screen: Screen) -> String {
    let shown: Vec<_> = fields.iter().filter_map(|field| Some((field, field.column.clone()?))).collect();
    let mut table = Table::new(title, shown.iter().map(|(_, column)| column.clone()).collect::<Vec<_>>());
    let (first, others) = rows.split_at(most.min(rows.len()));
    for row in first {
        table.row(shown.iter().map(|(field, _)| (field.rounded)(row)));
    }
    if !others.is_empty() {
        table.summary(shown.iter().map(|(field, _)| (field.total)(others)));
    }
    table.render(screen)
}

fn written<R>(fields: &[Field<R>], rows: &[R]) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields.iter().map(|field| field.name))?;
    for row in rows {
        writer.write_record(fields.iter().map(|field| (field.exact)(row)))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}
