use super::super::number::readable;
use super::super::table::{Cell, Column, Screen, Table};
use crate::audit::{Card, Finding, Measures, Quantity};

/// Significant digits of a value.
const DIGITS: usize = 3;
/// Smaller values are rounding errors of f64 and shown as 0.
const ROUNDING: f64 = 1e-9;

/// A card as a table that fits the screen: what was found of the map with 95 % intervals, beside the baselines.
pub fn table(card: &Card, name: &str, screen: Screen) -> String {
    let mut columns = vec![Column::text("quantity"), Column::number(name), Column::number("95 %")];
    let beside = card.baselines.keys().enumerate();
    // The last baselines are left out first.
    columns.extend(beside.map(|(place, name)| Column::number(name).optional((card.baselines.len() - place) as u8)));
    let mut table = Table::new("", columns);
    for quantity in Quantity::ALL {
        table.row(row(quantity.symbols(), card.map.get(quantity), card, |measures| Some(measures.get(quantity))));
    }
    for (place, finding) in card.map.singular_values.iter().enumerate() {
        let name = format!("singular value {}", place + 1);
        table.row(row(&name, finding, card, |measures| measures.singular_values.get(place)));
    }
    for (name, finding) in dimensions(card) {
        table.row(row(name, finding, card, |_| None));
    }
    table.render(screen)
}

/// Both estimates of the dimension, with their names.
pub(super) fn dimensions(card: &Card) -> [(&'static str, &Finding); 2] {
    [("d, two neighbours", &card.dimension), ("d, local components", &card.local_dimension)]
}

fn row<'a>(name: &str, own: &Finding, card: &'a Card, of: impl Fn(&'a Measures) -> Option<&'a Finding>) -> Vec<Cell> {
    let beside = card.baselines.values().map(|measures| of(measures).map_or(String::new(), value));
    [name.to_owned(), value(own), interval(own)].into_iter().chain(beside).map(Cell::from).collect()
}

/// The value, or `–`.
pub(super) fn value(finding: &Finding) -> String {
    finding.value().map_or("–".to_owned(), shown)
}

fn shown(value: f64) -> String {
    readable(if value.abs() < ROUNDING { 0.0 } else { value }, DIGITS)
}

/// `low to high`; nothing if undetermined.
pub(super) fn interval(finding: &Finding) -> String {
    match finding {
        Finding::Estimate { low, high, .. } => format!("{} to {}", shown(*low), shown(*high)),
        Finding::Undetermined(_) => String::new(),
    }
}

/// One sentence for each thing that the data cannot tell about the map; equal reasons in one sentence.
pub fn notes(card: &Card) -> Vec<String> {
    let quantities = Quantity::ALL.iter().map(|&quantity| (quantity.symbols(), card.map.get(quantity)));
    let mut reasons: indexmap::IndexMap<&str, Vec<&str>> = indexmap::IndexMap::new();
    for (name, finding) in quantities.chain(dimensions(card)) {
        if let Finding::Undetermined(why) = finding {
            reasons.entry(why.as_str()).or_default().push(name);
        }
    }
    reasons.iter().map(|(why, names)| format!("Undetermined: {} ({why}).", names.join("; "))).collect()
}
