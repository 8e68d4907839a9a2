//! Two predictions side by side.

use super::words::step;
use crate::profile::predict::{Cost, PredictedChange, Prediction};
use crate::report::table::{Column, Screen, Table};
use crate::report::wrap::wrap;

/// What the sides are, the whole step, and the `most` kernels whose time changes most.
pub fn comparison(sides: [&Prediction; 2], changes: &[PredictedChange], most: usize, screen: Screen) -> String {
    let origin = |(name, prediction): (&str, &Prediction)| {
        let lines = wrap(&format!("{name}: orthoscope {}, {}", prediction.version, step(prediction)), screen.columns);
        lines.join("\n") + "\n"
    };
    let origins: String = ["A", "B"].into_iter().zip(sides).map(origin).collect();
    format!("{origins}\n{}", table(changes, most, screen))
}

fn table(changes: &[PredictedChange], most: usize, screen: Screen) -> String {
    let number = Column::number;
    let columns = [
        Column::text("kernel"),
        number("A ms"),
        number("B ms"),
        number("B/A"),
        Column::text("A bound"),
        Column::text("B bound"),
        number("A GB"),
        number("B GB"),
        number("A launches").optional(1),
        number("B launches").optional(2),
    ];
    let mut table = Table::new("", columns);
    let (first, others) = changes.split_at(changes.len().min(most.saturating_add(1)));
    for change in first {
        let name = change.kernel.clone().unwrap_or_else(|| "whole step".to_owned());
        table.row(row(name, change));
    }
    if !others.is_empty() {
        let sides = [0, 1].map(|side| Some(Cost::sum(others.iter().filter_map(|change| change.sides[side].as_ref()))));
        let others = PredictedChange { kernel: None, sides };
        table.summary(row(format!("{} others", changes.len() - first.len()), &others));
    }
    table.render(screen)
}

fn row(name: String, change: &PredictedChange) -> [String; 10] {
    let [a, b] = change.ms();
    let of = |side: usize, words: &dyn Fn(&Cost) -> String| change.sides[side].as_ref().map_or_else(String::new, words);
    let ms = |cost: &Cost| format!("{:.3}", cost.predicted_ms);
    let bound = |cost: &Cost| cost.bound.word().to_owned();
    let bytes = |cost: &Cost| format!("{:.2}", cost.dram_bytes / 1e9);
    let launches = |cost: &Cost| cost.launches.to_string();
    let ratio = if a > 0.0 && b > 0.0 { format!("{:.2}", b / a) } else { String::new() };
    [
        name,
        of(0, &ms),
        of(1, &ms),
        ratio,
        of(0, &bound),
        of(1, &bound),
        of(0, &bytes),
        of(1, &bytes),
        of(0, &launches),
        of(1, &launches),
    ]
}
