//! What the profiler found: a table, sentences about whole steps, a roofline, a comparison.

use super::curves::curves_file;
use super::number::readable;
use super::table::{Column, Table};
use crate::profile::{Bound, Change, Comparison, Phase, Profile, Row, Steps};
use crate::theory::figure::{AxisSpec, Chart, Series};

/// Fewer steps say nothing about a difference of a few percent.
const FEW: usize = 10;
/// Percent of the peak of arithmetic that no row has but by a peak that was measured beside other work.
const ABOVE: f64 = 105.0;
/// Points of each roof.
const ROOF_POINTS: i32 = 60;

/// Headings of [`table`] and of the CSV file.
const HEADINGS: [&str; 13] = [
    "operation",
    "layer",
    "phase",
    "calls",
    "median ms",
    "min ms",
    "p99 ms",
    "GFLOP/s",
    "GB/s",
    "FLOP/byte",
    "% of peak",
    "bound by",
    "% of time",
];

/// The `most` rows that take the longest, then a row of all others together.
pub fn table(profile: &Profile, most: usize) -> String {
    let column = |name: &'static str| match name {
        "operation" | "layer" | "phase" | "bound by" => Column::text(name),
        _ => Column::number(name),
    };
    let mut table = Table::new("", HEADINGS.map(column));
    let shown = profile.rows.len().min(most);
    profile.rows[..shown].iter().for_each(|row| table.row(cells(row)));
    let others = &profile.rows[shown..];
    if !others.is_empty() {
        let (calls, ms) =
            (others.iter().map(|row| row.launches).sum::<usize>(), others.iter().map(|row| row.ms.median).sum::<f64>());
        let share = others.iter().map(|row| row.percent_of_time).sum::<f64>();
        let mut cells =
            vec![format!("{} others", others.len()), String::new(), String::new(), calls.to_string(), format!("{ms:.3}")];
        cells.resize(HEADINGS.len() - 1, String::new());
        cells.push(format!("{share:.1}"));
        table.summary(cells);
    }
    table.plain()
}

fn cells(row: &Row) -> [String; 13] {
    [
        row.op.clone(),
        row.layer.clone(),
        row.phase.words().to_owned(),
        row.launches.to_string(),
        format!("{:.3}", row.ms.median),
        format!("{:.3}", row.ms.min),
        format!("{:.3}", row.ms.p99),
        format!("{:.1}", row.gflop_per_second),
        format!("{:.1}", row.gb_per_second),
        row.intensity.map_or(String::new(), |value| format!("{value:.2}")),
        format!("{:.0}", row.percent_of_peak),
        row.bound.word().to_owned(),
        format!("{:.1}", row.percent_of_time),
    ]
}

/// What there is to say about whole steps and about the machine, a line each.
pub fn sentences(profile: &Profile) -> Vec<String> {
    let Profile { settings, steps, peaks, .. } = profile;
    let gflop: u64 = profile.rows.iter().map(|row| row.work.flops).sum();
    let rate =
        |value: Option<f64>| value.map_or("not measured".to_owned(), |value| format!("{} GFLOP/s", readable(value / 1e9, 3)));
    let ms = |value: f64| format!("{} ms", readable(value, 3));
    let mut lines = vec![
        format!(
            "{} image{} of {size} x {size} in a step of {}, Model {} w={}: {} images/s (min {}, p99 {}; {} steps after {})",
            settings.batch,
            if settings.batch == 1 { "" } else { "s" },
            ms(profile.step_ms),
            if settings.model == 1 { "I" } else { "II" },
            settings.width,
            readable(profile.images_per_second, 3),
            ms(steps.plain.min),
            ms(steps.plain.p99),
            settings.steps,
            settings.warmup,
            size = settings.size,
        ),
        format!(
            "operations {} of {} observed, gaps {}, host outside calls {}; {}",
            ms(steps.operations.median),
            ms(steps.observed.median),
            ms(steps.gaps.median),
            ms(steps.host.median),
            batch(steps)
        ),
        format!(
            "{} GFLOP a step by formula (2 per multiply-add), {} GFLOP/s over the whole step",
            readable(gflop as f64 / 1e9, 3),
            readable(gflop as f64 / 1e6 / profile.step_ms, 3)
        ),
        format!(
            "observation changes {}; {}",
            if profile.same_bits { "no bit" } else { "RESULTS, which it must not" },
            overhead(profile)
        ),
        format!(
            "peaks measured on {}: copy {} GB/s, f32 multiply-add {}, bf16 matrix unit {}",
            peaks.machine,
            readable(peaks.copy / 1e9, 3),
            rate(peaks.fma),
            rate(peaks.matrix)
        ),
    ];
    if profile.rows.iter().any(|row| row.bound == Bound::Compute && row.percent_of_peak > ABOVE) {
        lines.push(
            "above 100 % of peak: fewer multiplications than the formula counts (Winograd), pairs of bf16, or peaks that are too low; \
             --measure-peaks measures them anew while nothing else runs"
                .into(),
        );
    }
    lines.extend(super::kernels::sentence(profile));
    lines.extend(profile.notes.iter().cloned());
    lines
}

/// What the batches cost beside a step.
fn batch(steps: &Steps) -> String {
    let share = 100.0 * steps.batch.median / steps.plain.median;
    match steps.batch.median {
        0.0 => "no batch is made on the host".into(),
        batch => format!(
            "a batch made on the host {} ms, {share:.1} % of a step; training makes it beside the step before",
            readable(batch, 3)
        ),
    }
}

/// What observation costs, as far as the steps can tell.
fn overhead(profile: &Profile) -> String {
    let steps = &profile.steps;
    let noise = 100.0 * (steps.plain.deviation + steps.observed.deviation) / steps.plain.median;
    match profile.settings.steps {
        ..FEW => format!("what it costs takes {FEW} steps or more to tell"),
        _ => format!("it costs {:.1} % (noise {noise:.1} %)", profile.overhead_percent),
    }
}

/// The rows as CSV, with operations and bytes of a step beside what the table shows.
///
/// # Errors
/// Never but out of memory.
pub fn csv(profile: &Profile) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADINGS.iter().copied().chain(["flops", "bytes"]))?;
    for row in &profile.rows {
        let exact =
            [row.ms.median, row.ms.min, row.ms.p99, row.gflop_per_second, row.gb_per_second].map(|value| value.to_string());
        let mut cells = cells(row);
        cells[4..9].clone_from_slice(&exact);
        cells[9] = row.intensity.map_or(String::new(), |value| value.to_string());
        cells[10] = row.percent_of_peak.to_string();
        cells[12] = row.percent_of_time.to_string();
        writer.write_record(cells.into_iter().chain([row.work.flops.to_string(), row.work.bytes.to_string()]))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

/// Every row as a dot under the roofs of memory and arithmetic, as an SVG file.
pub fn roofline(profile: &Profile) -> String {
    let peaks = &profile.peaks;
    let dot = |row: &Row| row.intensity.filter(|intensity| *intensity > 0.0).map(|intensity| (intensity, row.gflop_per_second));
    let of = |phase: Phase| profile.rows.iter().filter(|row| row.phase == phase).filter_map(dot).collect::<Vec<_>>();
    let phases = [Phase::Forward, Phase::InputGradient, Phase::WeightGradient, Phase::Optimiser];
    let mut series = vec![Series::line("roof: copy and multiply-add", roof(peaks.copy, peaks.fma))];
    series.extend(
        phases.map(|phase| Series::dots(phase.words(), of(phase))).into_iter().filter(|series| !series.points.is_empty()),
    );
    let chart = Chart { x: AxisSpec::log("FLOP per byte"), y: AxisSpec::log("GFLOP/s"), series };
    curves_file(&format!("Roofline of one step on {}", peaks.machine), &chart)
}

/// GFLOP/s that are possible at each intensity, from 0.05 to 500 operations per byte.
fn roof(copy: f64, fma: Option<f64>) -> Vec<(f64, f64)> {
    let at = |step: i32| {
        let intensity = 0.05 * 1e4_f64.powf(f64::from(step) / f64::from(ROOF_POINTS));
        (intensity, (intensity * copy).min(fma.unwrap_or(f64::INFINITY)) / 1e9)
    };
    (0..=ROOF_POINTS).map(at).collect()
}

/// Two results beside each other; differences within the noise are marked as such.
pub fn comparison(rows: &[Comparison]) -> String {
    let columns = [
        Column::text("operation"),
        Column::text("layer"),
        Column::text("phase"),
        Column::number("A ms"),
        Column::number("B ms"),
        Column::number("B / A"),
        Column::number("noise ms"),
        Column::text("verdict"),
    ];
    let mut table = Table::new("", columns);
    for Comparison { row, ms, band, change } in rows {
        let names = match row {
            Some((op, layer, phase)) => [op.clone(), layer.clone(), phase.words().to_owned()],
            None => ["whole step".to_owned(), String::new(), String::new()],
        };
        let ratio = if ms[0] > 0.0 { format!("{:.2}", ms[1] / ms[0]) } else { String::new() };
        let numbers =
            [format!("{:.3}", ms[0]), format!("{:.3}", ms[1]), ratio, format!("{band:.3}"), verdict(*change).to_owned()];
        table.row(names.into_iter().chain(numbers));
    }
    table.plain()
}

fn verdict(change: Change) -> &'static str {
    match change {
        Change::Faster => "faster",
        Change::Same => "within noise",
        Change::Slower => "slower",
        Change::New => "only in B",
        Change::Gone => "only in A",
    }
}
