//! Two builds of the kernels compared.

use crate::profile::{Amount, KernelChange, KernelComparison, KernelRecord, Property};
use crate::report::table::{Cell, Column, Screen, Table};
use crate::report::wrap::wrap;

/// What the sides are, what differs, and how many kernels are equal.
pub fn comparison(sides: [&KernelRecord; 2], found: &KernelComparison, screen: Screen) -> String {
    let origin = |(name, record): (&str, &KernelRecord)| {
        let (count, archs) = (record.kernels.len(), record.archs().join(", "));
        format!("{name}: orthoscope {}, NVRTC {}, {count} kernels for {archs}", record.version, record.nvrtc)
    };
    let lines = |sentence: String| wrap(&sentence, screen.columns).join("\n") + "\n";
    let origins: String = ["A", "B"].into_iter().zip(sides).map(origin).map(lines).collect();
    let table = if found.changes.is_empty() { String::new() } else { table(&found.changes, screen) + "\n" };
    format!("{origins}\n{table}{}", lines(summary(found)))
}

fn table(changes: &[KernelChange], screen: Screen) -> String {
    let columns =
        [Column::text("kernel"), Column::text("property"), Column::number("A"), Column::number("B"), Column::number("B-A")];
    let mut table = Table::new("", columns);
    let has_sections = changes.iter().any(|change| change.arch != changes[0].arch);
    let mut last = "";
    for change in changes {
        if has_sections && change.arch != last {
            table.section(change.arch.as_str());
            last = &change.arch;
        }
        rows(change).into_iter().for_each(|row| table.row(row));
    }
    table.render(screen)
}

/// A row for each property that differs; the first has the name.
fn rows(change: &KernelChange) -> Vec<Vec<Cell>> {
    let only = match &change.sides {
        [None, _] => Some("only in B"),
        [_, None] => Some("only in A"),
        _ => None,
    };
    let name = |at: usize| Cell::from(if at == 0 { change.name.as_str() } else { "" });
    let row = |(at, (property, values)): (usize, (&Property, [Amount; 2]))| {
        let [a, b] = values.map(|value| Cell::from(words(value)));
        vec![name(at), property.name.into(), a, b, difference(property, values)]
    };
    match only {
        Some(only) => vec![vec![name(0), only.into()]],
        None => change.properties().into_iter().enumerate().map(row).collect(),
    }
}

fn words(amount: Amount) -> String {
    match amount {
        Amount::Count(count) => count.to_string(),
        Amount::Share(share) => format!("{share:.2}"),
        Amount::Word(word) => word.to_owned(),
    }
}

/// B - A, in colour where one of them is better as such.
fn difference(property: &Property, values: [Amount; 2]) -> Cell {
    let text = match values {
        [Amount::Count(a), Amount::Count(b)] if b < a => format!("-{}", a - b),
        [Amount::Count(a), Amount::Count(b)] => format!("+{}", b - a),
        [Amount::Share(a), Amount::Share(b)] => format!("{:+.2}", b - a),
        _ => String::new(),
    };
    let [a, b] = values;
    match property.improves(a, b) {
        Some(is_better) => Cell::verdict(text, is_better),
        None => text.into(),
    }
}

/// How many kernels differ and how many are equal.
fn summary(found: &KernelComparison) -> String {
    let count = |of: fn(&[bool; 2]) -> bool| {
        let sides = found.changes.iter().map(|change| change.sides.each_ref().map(Option::is_some));
        sides.filter(of).count()
    };
    let [differ, only_a, only_b] = [count(|sides| *sides == [true, true]), count(|sides| !sides[1]), count(|sides| !sides[0])];
    let plural = |count: usize| if count == 1 { "kernel differs" } else { "kernels differ" };
    format!("{differ} {}, {only_a} only in A, {only_b} only in B, {} equal", plural(differ), found.equal)
}
