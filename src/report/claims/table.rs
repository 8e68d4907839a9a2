//! Findings as a table for the terminal: under each claim its checks, under each check its control.

use super::super::number::readable;
use super::super::table::{Cell, Column, Screen, Table, Tone};
use super::words::{Verdict, control_verdict, verdict};
use crate::theory::record::Worst;

const DIGITS: usize = 4;

/// The checks of all claims as a table that fits the screen; of several seeds the worst is shown.
pub fn table(checks: &[Worst], screen: Screen) -> String {
    let several = checks.iter().any(|check| check.seeds > 1);
    let mut columns = vec![Column::wrapped("quantity"), Column::number("predicted"), Column::number("measured")];
    columns.extend([Column::number("tolerance").optional(1), Column::number("margin")]);
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
    table.render(screen)
}

fn subject(Worst { record, seeds }: &Worst) -> [Cell; 7] {
    let number = |value: f64| readable(value, DIGITS);
    [
        format!("  {}", record.quantity).into(),
        format!("{} {}", record.relation, number(record.predicted)).into(),
        number(record.measured).into(),
        readable(record.tolerance, 2).into(),
        readable(record.margin, 3).into(),
        coloured(verdict(record)),
        seeds.to_string().into(),
    ]
}

fn control(Worst { record, .. }: &Worst) -> Option<[Cell; 6]> {
    let name = record.control.as_ref()?;
    let number = |value: Option<f64>, digits: usize| value.map_or(Cell::default(), |value| readable(value, digits).into());
    Some([
        format!("    control: {name}").into(),
        Cell::default(),
        number(record.control_measured, DIGITS),
        Cell::default(),
        number(record.control_margin, 3),
        coloured(control_verdict(record)),
    ])
}

fn coloured(verdict: Verdict) -> Cell {
    Cell::new(verdict.words(), if verdict.is_right { Tone::Good } else { Tone::Bad })
}
