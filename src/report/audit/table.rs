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
    [("d, nearest neighbours", &card.dimension), ("d, local components", &card.local_dimension)]
}

fn row<'a>(name: &str, own: &Finding, card: &'a Card, of: impl Fn(&'a Measures) -> Option<&'a Finding>) -> Vec<Cell> {
    let beside = card.baselines.values().map(|measures| of(measures).map_or(String::new(), value));
    [name.to_owned(), value(own), interval(own)].into_iter().chain(beside).map(Cell::from).collect()
}

/// The value, a lower bound, or `–`.
pub(super) fn value(finding: &Finding) -> String {
    match finding {
        Finding::Estimate { value, .. } => shown(*value),
        Finding::AtLeast { low, .. } => format!("≥ {}", shown(*low)),
        Finding::Undetermined(_) => "–".to_owned(),
    }
}

fn shown(value: f64) -> String {
    readable(if value.abs() < ROUNDING { 0.0 } else { value }, DIGITS)
}

/// `low to high`; nothing without an interval.
pub(super) fn interval(finding: &Finding) -> String {
    match finding {
        Finding::Estimate { low, high, .. } => format!("{} to {}", shown(*low), shown(*high)),
        Finding::AtLeast { .. } | Finding::Undetermined(_) => String::new(),
    }
}

/// One sentence for each reason why something about the map or the images is not determined, then one for each why it is only
/// bounded.
pub fn notes(card: &Card) -> Vec<String> {
    let mut reasons: indexmap::IndexMap<(bool, &str), Vec<String>> = indexmap::IndexMap::new();
    let quantities = Quantity::ALL.iter().map(|&quantity| (quantity.symbols().to_owned(), card.map.get(quantity)));
    let dimensions = dimensions(card).map(|(name, finding)| (name.to_owned(), finding));
    for (name, finding) in quantities.chain(dimensions) {
        if let Some(why) = finding.why() {
            reasons.entry((is_bound(finding), why)).or_default().push(name);
        }
    }
    if let Some(why) = card.map.no_singular_values() {
        reasons.entry((false, why)).or_default().push("singular values".to_owned());
    }
    let bounds: Vec<_> = (1..).zip(&card.map.singular_values).filter(|(_, finding)| finding.why().is_some()).collect();
    if let Some((first, finding)) = bounds.first() {
        let why = finding.why().unwrap_or_default();
        reasons.entry((is_bound(finding), why)).or_default().push(format!("singular values from {first} on"));
    }
    let sentence = |((is_bound, why), names): (&(bool, &str), &Vec<String>)| {
        let what = if *is_bound { "Only a lower bound" } else { "Not determined" };
        format!("{what}: {} ({why}).", names.join("; "))
    };
    reasons.sort_by_key(|(is_bound, _), _| *is_bound);
    reasons.iter().map(sentence).collect()
}

fn is_bound(finding: &Finding) -> bool {
    matches!(finding, Finding::AtLeast { .. })
}
