//! What the roofline says in words.

use super::{Dot, SMALL};
use crate::profile::{Profile, Row, Task};
use crate::report::number::readable;
use crate::report::profile::{bound_by, is_cpu};

/// Names stand out from what is behind them, on light and on dark paper.
pub(super) const STYLE: &str = "<style>.name{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}\
    @media(prefers-color-scheme:dark){.name{stroke:#14161a}}</style>";

/// What was profiled.
pub(super) fn title(profile: &Profile) -> String {
    let settings = &profile.settings;
    format!(
        "Roofline of {} step: Model {} w={}, {} image{} of {size} x {size} px",
        match settings.task {
            Task::Train => "a training",
            Task::Infer => "an inference",
        },
        if settings.model == 1 { "I" } else { "II" },
        settings.width,
        settings.batch,
        if settings.batch == 1 { "" } else { "s" },
        size = settings.size
    )
}

/// Where.
pub(super) fn subtitle(profile: &Profile) -> String {
    let machine = &profile.peaks.machine;
    let device = if *machine == profile.device { String::new() } else { format!("{} on ", profile.device) };
    let measured = profile.peaks_measured.as_ref().map(|occasion| format!("; peaks of {}", occasion.date)).unwrap_or_default();
    format!("{device}{machine}; a step takes {} ms{measured}", readable(profile.step_ms, 3))
}

/// Operation, layers and phase of dots that differ in layers only; a layer that bears the operation's name tells it already.
pub(super) fn name(dots: &[&Dot<'_>]) -> String {
    let Some(Row { op, layer, phase, .. }) = dots.first().map(|dot| dot.row) else { return String::new() };
    let layers = dots.iter().map(|dot| dot.row.layer.as_str()).collect::<Vec<_>>().join(", ");
    let phase = phase.words();
    match layer.as_str() {
        "" => format!("{op} {phase}"),
        layer if layer.starts_with(op.as_str()) => format!("{layers} {phase}"),
        _ => format!("{op} {layers} {phase}"),
    }
}

/// All about a dot.
pub(super) fn tooltip(row: &Row) -> String {
    let place = if row.layer.is_empty() { String::new() } else { format!(" {}", row.layer) };
    format!(
        "{}{place}, {}: {} ms, {} % of the time, {} GFLOP/s, {} % of peak ({})",
        row.op,
        row.phase.words(),
        readable(row.ms.median, 3),
        readable(row.percent_of_time, 2),
        readable(row.gflop_per_second, 3),
        readable(row.percent_of_peak, 3),
        bound_by(row.bound, row.unit)
    )
}

/// What is above the roofs and why, and what is left out.
pub(super) fn notes(profile: &Profile, drawn: &[&Row]) -> Vec<String> {
    let above = drawn.iter().filter(|row| row.percent_of_peak > 100.0).count();
    let products = if is_cpu(profile) { ", of which Winograd's method does a quarter of the products" } else { "" };
    let why = format!(
        "{above} dot{} above {} roof: FLOPs and bytes are those of the formula{products}, and caches carry what the formula has memory \
         carry.",
        if above == 1 { " is" } else { "s are" },
        if above == 1 { "its" } else { "their" }
    );
    [(above > 0).then_some(why), left_out(profile, drawn)].into_iter().flatten().collect()
}

fn left_out(profile: &Profile, drawn: &[&Row]) -> Option<String> {
    let others = || profile.rows.iter().filter(|row| !drawn.iter().any(|other| std::ptr::eq(*other, *row)));
    let (moving, small): (Vec<&Row>, Vec<&Row>) = others().partition(|row| row.work.flops == 0 && row.percent_of_time >= SMALL);
    let share = |rows: &[&Row]| readable(rows.iter().map(|row| row.percent_of_time).sum(), 2);
    let part = |rows: Vec<&Row>, words: String| {
        (!rows.is_empty()).then(|| format!("{} {words} ({} % of the time)", rows.len(), share(&rows)))
    };
    let parts = [part(small, format!("below {SMALL} % each")), part(moving, "that only move bytes".to_owned())];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("Operations that are not drawn: {}.", parts.join("; ")))
}
