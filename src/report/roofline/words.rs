//! Titles, labels, tooltips and notes of the roofline.

use crate::profile::{Bound, Profile, Row, Task};
use crate::report::number::readable;
use crate::report::profile::bound_by;

/// Rows with a smaller share of the time, in percent, are not drawn: they are many and would stretch the axes.
pub(super) const MIN_PERCENT: f64 = 0.1;

/// An outline in the background colour keeps labels legible, in light and dark mode. A picture that is shown in at most 600
/// pixels has the narrow drawing.
pub(super) const STYLE: &str = "<style>.name{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}\
    @media(prefers-color-scheme:dark){.name{stroke:#14161a}}.narrow{display:none}\
    @media(max-width:600px){.wide{display:none}.narrow{display:inline}}</style>";

/// Why rings may be where no dot can be.
const RINGS: &str =
    "Rings can be above every roof: Winograd's method, for one, gives the formula's result with fewer operations.";

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

/// Whether executed FLOPs are known; older records have only those of the formula.
fn is_executed(profile: &Profile) -> bool {
    profile.rows.iter().all(|row| row.measure.rates.executed_gflop_per_second.is_some())
}

/// Title of the horizontal axis.
pub(super) fn x_title(profile: &Profile) -> &'static str {
    if is_executed(profile) { "executed FLOP per byte (bytes by formula)" } else { "FLOP per byte, by formula" }
}

/// Title of the vertical axis.
pub(super) fn y_title(profile: &Profile) -> &'static str {
    if is_executed(profile) { "executed GFLOP/s" } else { "GFLOP/s, by formula" }
}

/// Device and step time.
pub(super) fn subtitle(profile: &Profile) -> String {
    let machine = &profile.peaks.machine;
    let device = if *machine == profile.device { String::new() } else { format!("{} on ", profile.device) };
    let measured = profile.peaks_measured.as_ref().map(|occasion| format!("; peaks of {}", occasion.date)).unwrap_or_default();
    format!("{device}{machine}; a step takes {} ms{measured}", readable(profile.step_ms, 3))
}

/// Operation, layers and phase of rows that differ in their layer only. The operation is left out if the layer is named after it.
pub(super) fn name(rows: &[&Row]) -> String {
    let Some(Row { op, layer, phase, .. }) = rows.first() else { return String::new() };
    let layers = rows.iter().map(|row| row.layer.as_str()).collect::<Vec<_>>().join(", ");
    let phase = phase.words();
    match layer.as_str() {
        "" => format!("{op} {phase}"),
        layer if layer.starts_with(op.as_str()) => format!("{layers} {phase}"),
        _ => format!("{op} {layers} {phase}"),
    }
}

/// The numbers of a row.
pub(super) fn tooltip(row: &Row) -> String {
    let place = if row.layer.is_empty() { String::new() } else { format!(" {}", row.layer) };
    let rates = &row.measure.rates;
    let by_formula = if row.measure.work.saved > 0 {
        format!(" executed, {} by formula", readable(rates.gflop_per_second, 3))
    } else {
        String::new()
    };
    format!(
        "{}{place}, {}: {} ms, {} % of the time, {} GFLOP/s{by_formula}, {} % of peak ({})",
        row.op,
        row.phase.words(),
        readable(row.measure.ms.median, 3),
        readable(row.measure.percent_of_time, 2),
        readable(rates.executed(), 3),
        readable(rates.percent_of_peak, 3),
        bound_by(&row.measure)
    )
}

/// Which dots and rings are above the roofs and why, and which rows are left out.
pub(super) fn notes(profile: &Profile, drawn: &[&Row]) -> Vec<String> {
    let above = drawn.iter().filter(|row| row.measure.rates.percent_of_peak > 100.0);
    let (computing, moving): (Vec<&Row>, Vec<&Row>) = above.partition(|row| row.measure.rates.bound == Bound::Compute);
    let too_fast = if is_executed(profile) {
        "the peak was measured too low"
    } else {
        "this record has FLOPs by formula, of which Winograd's method executes a quarter, or the peak was measured too low"
    };
    let notes = [
        above_roof(&computing, "the roof of arithmetic", too_fast),
        above_roof(&moving, "the roof of memory", "caches deliver bytes that the formula expects from memory"),
        drawn.iter().any(|row| row.measure.work.saved > 0).then(|| RINGS.to_owned()),
        left_out(profile, drawn),
    ];
    notes.into_iter().flatten().collect()
}

/// How many dots are above this roof, what they are, and why.
fn above_roof(rows: &[&Row], roof: &str, why: &str) -> Option<String> {
    let mut ops: Vec<&str> = rows.iter().map(|row| row.op.as_str()).collect();
    ops.sort_unstable();
    ops.dedup();
    let are = if rows.len() == 1 { " is" } else { "s are" };
    (!rows.is_empty()).then(|| format!("{} dot{are} above {roof} ({}): {why}.", rows.len(), ops.join(", ")))
}

fn left_out(profile: &Profile, drawn: &[&Row]) -> Option<String> {
    let others = || profile.rows.iter().filter(|row| !drawn.iter().any(|other| std::ptr::eq(*other, *row)));
    let (moving, small): (Vec<&Row>, Vec<&Row>) =
        others().partition(|row| row.measure.work.flops == 0 && row.measure.percent_of_time >= MIN_PERCENT);
    let share = |rows: &[&Row]| readable(rows.iter().map(|row| row.measure.percent_of_time).sum(), 2);
    let part = |rows: Vec<&Row>, words: String| {
        (!rows.is_empty()).then(|| format!("{} {words} ({} % of the time)", rows.len(), share(&rows)))
    };
    let parts = [part(small, format!("below {MIN_PERCENT} % each")), part(moving, "that only move bytes".to_owned())];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("Operations not drawn: {}.", parts.join("; ")))
}
