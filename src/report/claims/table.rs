//! Findings as a table for the terminal: under each claim its checks, under each check its control.

use super::super::table::{Cell, Column, Screen, Table};
use super::words::{Verdict, control_numbers, control_verdict, notices, numbers, verdict};
use crate::theory::record::Worst;

/// The checks of all claims as a table that fits the screen; of several seeds the worst is shown. `notices` is the detection
/// limit.
pub fn table(checks: &[Worst], screen: Screen) -> String {
    let several = checks.iter().any(|check| check.seeds > 1);
    let mut columns = vec![Column::wrapped("quantity"), Column::number("predicted"), Column::number("measured")];
    columns.extend([Column::number("tolerance").optional(1), Column::number("margin").optional(2)]);
    columns.extend([Column::number("notices").optional(3), Column::text("verdict")]);
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

fn subject(Worst { record, seeds }: &Worst) -> Vec<Cell> {
    let rest = [notices(record).into(), coloured(verdict(record)), seeds.to_string().into()];
    let mark = match (&record.follows, record.empirical) {
        (Some(_), _) => " (follows)",
        (None, true) => " (empirical)",
        (None, false) => "",
    };
    cells(format!("  {}{mark}", record.quantity), numbers(record)).chain(rest).collect()
}

fn control(Worst { record, .. }: &Worst) -> Option<Vec<Cell>> {
    let name = record.control.as_ref()?;
    let cells = cells(format!("    control: {name}"), control_numbers(record));
    Some(cells.chain([Cell::from(String::new()), coloured(control_verdict(record))]).collect())
}

fn cells(name: String, numbers: [String; 4]) -> impl Iterator<Item = Cell> {
    [name].into_iter().chain(numbers).map(Cell::from)
}

fn coloured(verdict: Verdict) -> Cell {
    Cell::verdict(verdict.words(), verdict.is_right)
}
