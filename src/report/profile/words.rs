//! The sentences below the tables.

use super::is_short;
use crate::profile::{Bound, MIN_STEPS, Measure, Occasion, Profile, Row, Steps};
use crate::report::number::readable;
use crate::report::table::Screen;
use crate::report::wrap::wrap;

/// Rows bound by arithmetic above this percentage of the peak mean that the peak was measured too low.
const MAX_PERCENT: f64 = 105.0;

/// Whole steps, their FLOPs, the effect of observation, and the peaks, in lines that fit the screen.
pub fn sentences(profile: &Profile, screen: Screen) -> Vec<String> {
    let Profile { settings, steps, .. } = profile;
    let plural = if settings.batch == 1 { "" } else { "s" };
    let mut lines = vec![
        format!(
            "{} image{plural} of {size} x {size} in a step of {}, Model {} w={}: {} images/s (min {}, {} {}; {} steps after {})",
            settings.batch,
            ms(profile.step_ms),
            if settings.model == 1 { "I" } else { "II" },
            settings.width,
            readable(profile.images_per_second, 3),
            ms(steps.plain.min),
            if is_short(profile) { "max" } else { "p99" },
            ms(steps.plain.p99),
            settings.steps,
            settings.warmup,
            size = settings.size,
        ),
        format!(
            "operations take {} of an observed step's {}, gaps between them {}, the host outside calls {}",
            ms(steps.operations.median),
            ms(steps.observed.median),
            ms(steps.gaps.median),
            ms(steps.host.median),
        ),
        batch(steps),
        flops(profile),
        format!(
            "observing changes {}; {}",
            if profile.same_bits { "no bits" } else { "RESULTS, which it must not" },
            overhead(profile)
        ),
        format!("peaks measured on {}{}:", profile.peaks.machine, occasion(profile.peaks_measured.as_ref())),
        format!("  {}", rates(profile)),
    ];
    lines.extend(above(profile));
    lines.extend(kernels(profile));
    lines.extend(profile.notes.iter().cloned());
    lines.iter().flat_map(|line| wrap(line, screen.columns)).collect()
}

pub(super) fn ms(value: f64) -> String {
    format!("{} ms", readable(value, 3))
}

/// FLOPs of a step: by formula, and executed if the record has them.
fn flops(profile: &Profile) -> String {
    let sum = |of: fn(&Row) -> u64| profile.rows.iter().map(|row| of(row) as f64).sum::<f64>();
    let [formula, executed] = [sum(|row| row.measure.work.flops), sum(|row| row.measure.work.executed())];
    let rate = |flops: f64| format!("{} GFLOP, {} GFLOP/s", readable(flops / 1e9, 3), readable(flops / 1e6 / profile.step_ms, 3));
    let words = format!("a step has {} over the whole step by formula (2 FLOPs per multiply-add)", rate(formula));
    if executed == formula { words } else { format!("{words}; executed were {}, as % of peak counts them", rate(executed)) }
}

/// The peaks in a line.
pub(super) fn rates(profile: &Profile) -> String {
    let peaks = &profile.peaks;
    let rate =
        |value: Option<f64>| value.map_or("not measured".to_owned(), |value| format!("{} GFLOP/s", readable(value / 1e9, 3)));
    format!(
        "copy {} GB/s, f32 multiply-add {}, bf16 matrix unit {}",
        readable(peaks.copy / 1e9, 3),
        rate(peaks.fma),
        rate(peaks.matrix)
    )
}

/// When the peaks were measured and under which load, to follow the name of the machine.
pub(super) fn occasion(occasion: Option<&Occasion>) -> String {
    let Some(Occasion { date, others, spread }) = occasion else { return String::new() };
    match (others, spread) {
        (Some(others), Some(_)) => format!(", {date}, while other processes used {others:.0} % of the processors"),
        _ => format!(", {date}"),
    }
}

/// Why rows are above the peak of arithmetic, if any are.
fn above(profile: &Profile) -> Option<String> {
    let rates = || profile.rows.iter().map(|row| &row.measure.rates);
    let is_old = rates().any(|rates| rates.executed_gflop_per_second.is_none());
    let fewer =
        if is_old { "this record counts FLOPs by formula, of which Winograd's method executes a quarter, or " } else { "" };
    rates().any(|rates| rates.bound == Bound::Compute && rates.percent_of_peak > MAX_PERCENT).then(|| {
        format!(
            "above 100 % of peak: {fewer}the peaks were measured too low; --measure-peaks measures them again; nothing else should be running"
        )
    })
}

fn batch(steps: &Steps) -> String {
    let share = 100.0 * steps.batch.median / steps.plain.median;
    match steps.batch.median {
        0.0 => "no batch is made on the host".into(),
        batch => format!(
            "making a batch on the host takes {}, {share:.1} % of a step; training does it during the step before",
            ms(batch)
        ),
    }
}

/// The cost of observation, if there are enough steps to measure it.
fn overhead(profile: &Profile) -> String {
    let (steps, cost) = (&profile.steps, profile.overhead_percent);
    let noise = 100.0 * (steps.plain.deviation + steps.observed.deviation) / steps.plain.median;
    match profile.settings.steps {
        ..MIN_STEPS => format!("measuring its cost takes {MIN_STEPS} steps or more"),
        _ if cost <= noise => format!("its cost is below the noise (±{noise:.1} %)"),
        _ => format!("it costs {cost:.1} % (noise ±{noise:.1} %)"),
    }
}

/// All launches. The sum saturates: the numbers of a record may be anything.
pub(super) fn launches<'a>(measures: impl Iterator<Item = &'a Measure>) -> usize {
    measures.fold(0, |sum, own| sum.saturating_add(own.launches))
}

/// The kernels of a step compared with its operations; None on devices without kernels.
fn kernels(profile: &Profile) -> Option<String> {
    let launches = launches(profile.kernels.iter().map(|kernel| &kernel.row.measure));
    let [kernels, operations] = [profile.steps.kernels.median, profile.steps.operations.median];
    (launches > 0).then(|| {
        format!(
            "{launches} kernels take {} of the operations' {} ({:.1} %); the rest is copies, fills and time around launches. \
             --kernels FILE has their rates, bounds and spreads",
            ms(kernels),
            ms(operations),
            100.0 * kernels / operations
        )
    })
}
