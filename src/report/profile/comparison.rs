//! Records of two programs compared.

use super::words::{ms, occasion, rates};
use crate::profile::{Change, Comparison, MIN_STEPS, Profile};
use crate::report::table::{Cell, Column, Screen, Table};
use crate::report::wrap::wrap;

/// Where the records come from, the whole step, the `most` rows that changed the most, and how the noise was found.
pub fn comparison(sides: [&[Profile]; 2], rows: &[Comparison], most: usize, screen: Screen) -> String {
    let lines = |sentences: Vec<String>| {
        let lines = sentences.iter().flat_map(|sentence| wrap(sentence, screen.columns));
        lines.map(|line| line + "\n").collect::<String>()
    };
    let origins = ["A", "B"].into_iter().zip(sides).flat_map(|(name, side)| origins(name, side)).collect();
    format!("{}\n{}\n{}", lines(origins), table(rows, most, screen), lines(noise(sides)))
}

/// The records of a side, three lines each.
fn origins(name: &str, side: &[Profile]) -> Vec<String> {
    let one = |(at, profile): (usize, &Profile)| {
        let number = if side.len() > 1 { (at + 1).to_string() } else { String::new() };
        [
            format!(
                "{name}{number}: orthoscope {}, {} steps of {}",
                profile.version,
                profile.settings.steps,
                ms(profile.step_ms)
            ),
            format!("   peaks of {}{}:", profile.peaks.machine, occasion(profile.peaks_measured.as_ref())),
            format!("   {}", rates(profile)),
        ]
    };
    side.iter().enumerate().flat_map(one).collect()
}

/// What the noise includes, and whether there are enough steps.
fn noise(sides: [&[Profile]; 2]) -> Vec<String> {
    let steps = sides.into_iter().flatten().map(|profile| profile.settings.steps).min().unwrap_or_default();
    let mut lines = Vec::new();
    if steps < MIN_STEPS {
        let plural = if steps == 1 { "" } else { "s" };
        lines
            .push(format!("a record has {steps} step{plural}: below {MIN_STEPS} differences cannot be distinguished from noise"));
    }
    let processes = if sides.iter().any(|side| side.len() < 2) {
        "processes differ by more; to include that, give several records of each side: --diff A1.json,A2.json B1.json,B2.json"
    } else {
        "and the range from the fastest to the slowest process of each side"
    };
    lines.extend(["noise: three deviations of the steps within a process, of both sides together", processes].map(str::to_owned));
    lines
}

fn table(rows: &[Comparison], most: usize, screen: Screen) -> String {
    let columns = [
        Column::text("operation"),
        Column::text("layer"),
        Column::text("phase"),
        Column::number("A ms"),
        Column::number("B ms"),
        Column::number("B/A"),
        Column::number("noise ms"),
        Column::text("verdict"),
    ];
    let mut table = Table::new("", columns);
    // The whole step comes first and is not counted as a row.
    let (first, others) = rows.split_at(rows.len().min(most.saturating_add(1)));
    for Comparison { row, ms, band, change } in first {
        let names = match row {
            Some((op, layer, phase)) => [op.clone(), layer.clone(), phase.words().to_owned()],
            None => ["whole step".to_owned(), String::new(), String::new()],
        };
        let cells = names.into_iter().chain(times(*ms)).chain([format!("{band:.3}")]);
        table.row(cells.map(Cell::from).chain([verdict(*change)]));
    }
    if !others.is_empty() {
        let sum = |side: usize| others.iter().map(|row| row.ms[side]).sum::<f64>();
        let names = [format!("{} others", others.len()), String::new(), String::new()];
        table.summary(names.into_iter().chain(times([sum(0), sum(1)])));
    }
    table.render(screen)
}

/// Both sides and their ratio.
fn times(ms: [f64; 2]) -> [String; 3] {
    let ratio = if ms[0] > 0.0 { format!("{:.2}", ms[1] / ms[0]) } else { String::new() };
    [format!("{:.3}", ms[0]), format!("{:.3}", ms[1]), ratio]
}

fn verdict(change: Change) -> Cell {
    match change {
        Change::Faster => Cell::verdict("faster", true),
        Change::Same => "within noise".into(),
        Change::Slower => Cell::verdict("slower", false),
        Change::New => "only in B".into(),
        Change::Gone => "only in A".into(),
        Change::Unclear => "too few steps".into(),
    }
}
