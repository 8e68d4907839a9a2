//! Findings as a table for the terminal: under each claim its checks, under each check its control.

use super::super::number::readable;
use super::super::table::{Column, Table};
use super::words::{control_verdict, verdict};
use crate::theory::record::Worst;

/// Characters of the column of quantities; the whole table then fits into 120.
const QUANTITY: usize = 48;
const DIGITS: usize = 4;

/// The checks of all claims, several seeds merged to the worst, as lines of at most 120 characters.
pub fn table(checks: &[Worst]) -> String {
    let several = checks.iter().any(|check| check.seeds > 1);
    let mut columns = vec![Column::wrapped("quantity", QUANTITY)];
    columns.extend(["predicted", "measured", "tolerance", "margin"].map(Column::number));
    columns.push(Column::text("verdict"));
    columns.extend(several.then(|| Column::number("seeds")));
    let mut table = Table::new("", columns);
    let mut last = "";
    for check in checks {
        if check.record.id != last {
            table.section(format!("{}  {}", check.record.id, check.record.title));
            last = check.record.id;
        }
        table.row(subject(check));
        if let Some(cells) = control(check) {
            table.row(cells);
        }
    }
    table.plain()
}

fn subject(Worst { record, seeds }: &Worst) -> [String; 7] {
    let number = |value: f64| readable(value, DIGITS);
    [
        format!("  {}", record.quantity),
        format!("{} {}", record.relation, number(record.predicted)),
        number(record.measured),
        readable(record.tolerance, 2),
        readable(record.margin, 3),
        verdict(record).words(),
        seeds.to_string(),
    ]
}

fn control(Worst { record, .. }: &Worst) -> Option<[String; 6]> {
    let name = record.control.as_ref()?;
    let number = |value: Option<f64>, digits: usize| value.map_or(String::new(), |value| readable(value, digits));
    Some([
        format!("    control: {name}"),
        String::new(),
        number(record.control_measured, DIGITS),
        String::new(),
        number(record.control_margin, 3),
        control_verdict(record).words(),
    ])
}
