//! What the profiler found: a table, sentences about whole steps, a comparison.

use super::number::readable;
use super::table::{Cell, Column, Screen, Table, Tone};
use super::wrap::wrap;
use crate::profile::{Bound, Change, Comparison, FEW_STEPS, Occasion, Profile, Row, Steps, Unit};

/// From so many steps on the 99th percentile is not their maximum.
const MANY: usize = 100;
/// Percent of the peak of arithmetic that no row has but by a peak that was measured beside other work.
const ABOVE: f64 = 105.0;

/// Headings of the CSV file; those of [`table`] are shorter.
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
pub fn table(profile: &Profile, most: usize, screen: Screen) -> String {
    let column = |name: &'static str| match name {
        "operation" | "layer" | "phase" | "bound by" => Column::text(name),
        "FLOP/byte" => Column::number(name).optional(1),
        "calls" => Column::number(name).optional(2),
        "p99 ms" => Column::number(name).optional(3),
        "min ms" => Column::number(name).optional(4),
        _ => Column::number(name),
    };
    let mut columns = HEADINGS.map(column);
    if profile.settings.steps < MANY {
        columns[6] = Column::number("max ms").optional(3);
    }
    let mut table = Table::new("", columns);
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
    table.render(screen)
}

/// What bounds an operation, in a word: where it is arithmetic, the unit that does it.
pub(super) fn bound_by(bound: Bound, unit: Unit) -> &'static str {
    if bound == Bound::Compute { unit.word() } else { bound.word() }
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
        bound_by(row.bound, row.unit).to_owned(),
        format!("{:.1}", row.percent_of_time),
    ]
}

/// What there is to say about whole steps and about the machine, a line or more each.
pub fn sentences(profile: &Profile, screen: Screen) -> Vec<String> {
    let Profile { settings, steps, .. } = profile;
    let gflop: u64 = profile.rows.iter().map(|row| row.work.flops).sum();
    let mut lines = vec![
        format!(
            "{} image{} of {size} x {size} in a step of {}, Model {} w={}: {} images/s (min {}, {} {}; {} steps after {})",
            settings.batch,
            if settings.batch == 1 { "" } else { "s" },
            ms(profile.step_ms),
            if settings.model == 1 { "I" } else { "II" },
            settings.width,
            readable(profile.images_per_second, 3),
            ms(steps.plain.min),
            if settings.steps < MANY { "max" } else { "p99" },
            ms(steps.plain.p99),
            settings.steps,
            settings.warmup,
            size = settings.size,
        ),
        format!(
            "operations {} of {} observed, gaps {}, host outside calls {}",
            ms(steps.operations.median),
            ms(steps.observed.median),
            ms(steps.gaps.median),
            ms(steps.host.median),
        ),
        batch(steps),
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
        format!("peaks measured on {}{}:", profile.peaks.machine, occasion(profile.peaks_measured.as_ref())),
        format!("  {}", rates(profile)),
    ];
    lines.extend(above(profile));
    lines.extend(super::kernels::sentence(profile));
    lines.extend(profile.notes.iter().cloned());
    lines.iter().flat_map(|line| wrap(line, screen.columns)).collect()
}

fn ms(value: f64) -> String {
    format!("{} ms", readable(value, 3))
}

/// The peaks in a line.
fn rates(profile: &Profile) -> String {
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

/// When peaks were measured, and what else ran, to follow the machine's name.
fn occasion(occasion: Option<&Occasion>) -> String {
    let Some(Occasion { date, others, spread }) = occasion else { return String::new() };
    match (others, spread) {
        (Some(others), Some(_)) => format!(", {date}, while others had {others:.0} % of the processors"),
        _ => format!(", {date}"),
    }
}

/// Why rows are above their peak, if any are.
fn above(profile: &Profile) -> Option<String> {
    let is_above = |row: &&Row| row.bound == Bound::Compute && row.percent_of_peak > ABOVE;
    let fewer = if is_cpu(profile) { "fewer multiplications than the formula counts (Winograd), or " } else { "" };
    profile.rows.iter().any(|row| is_above(&row)).then(|| {
        format!("above 100 % of peak: {fewer}peaks that are too low; --measure-peaks measures them anew while nothing else runs")
    })
}

/// Whether the processor computed, whose convolutions are done by Winograd's method.
pub(super) fn is_cpu(profile: &Profile) -> bool {
    profile.device.starts_with("cpu")
}

/// What the batches cost beside a step.
fn batch(steps: &Steps) -> String {
    let share = 100.0 * steps.batch.median / steps.plain.median;
    match steps.batch.median {
        0.0 => "no batch is made on the host".into(),
        batch => format!(
            "a batch made on the host takes {}, {share:.1} % of a step; training makes it beside the step before",
            ms(batch)
        ),
    }
}

/// What observation costs, as far as the steps can tell.
fn overhead(profile: &Profile) -> String {
    let (steps, cost) = (&profile.steps, profile.overhead_percent);
    let noise = 100.0 * (steps.plain.deviation + steps.observed.deviation) / steps.plain.median;
    match profile.settings.steps {
        ..FEW_STEPS => format!("what it costs takes {FEW_STEPS} steps or more to tell"),
        _ if cost <= noise => format!("what it costs is below the noise (±{noise:.1} %)"),
        _ => format!("it costs {cost:.1} % (noise ±{noise:.1} %)"),
    }
}

/// The rows as CSV, with operations and bytes of a step and the unit that does them beside what the table shows.
///
/// # Errors
/// Never but out of memory.
pub fn csv(profile: &Profile) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADINGS.iter().copied().chain(["flops", "bytes", "unit"]))?;
    for row in &profile.rows {
        let exact =
            [row.ms.median, row.ms.min, row.ms.p99, row.gflop_per_second, row.gb_per_second].map(|value| value.to_string());
        let mut cells = cells(row);
        row.bound.word().clone_into(&mut cells[11]);
        cells[4..9].clone_from_slice(&exact);
        cells[9] = row.intensity.map_or(String::new(), |value| value.to_string());
        cells[10] = row.percent_of_peak.to_string();
        cells[12] = row.percent_of_time.to_string();
        let beside = [row.work.flops.to_string(), row.work.bytes.to_string(), row.unit.word().to_owned()];
        writer.write_record(cells.into_iter().chain(beside))?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

/// Results of two programs beside each other: what they are, the whole step, the `most` rows that changed by most, and what to think of
/// the noise.
pub fn comparison(sides: [&[Profile]; 2], rows: &[Comparison], most: usize, screen: Screen) -> String {
    let origins = ["A", "B"].into_iter().zip(sides).flat_map(|(name, side)| origins(name, side));
    let noise: String = noise(sides).iter().flat_map(|line| wrap(line, screen.columns)).map(|line| format!("{line}\n")).collect();
    let origins: String = origins.map(|line| format!("{line}\n")).collect();
    format!("{origins}\n{}\n{}", comparison_table(rows, most, screen), noise)
}

/// Where the results of a side come from, three lines each.
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
            format!("   peaks{}:", occasion(profile.peaks_measured.as_ref())),
            format!("   {}", rates(profile)),
        ]
    };
    side.iter().enumerate().flat_map(one).collect()
}

/// What the noise band is, what is not in it, and whether there are steps enough.
fn noise(sides: [&[Profile]; 2]) -> Vec<String> {
    let steps = sides.into_iter().flatten().map(|profile| profile.settings.steps).min().unwrap_or_default();
    let mut lines = Vec::new();
    if steps < FEW_STEPS {
        let plural = if steps == 1 { "" } else { "s" };
        lines.push(format!("a result has {steps} step{plural}: below {FEW_STEPS} differences cannot be told from noise"));
    }
    lines.push("noise: three deviations of the steps within a process, of both sides together".to_owned());
    lines.push(
        if sides.iter().any(|side| side.len() < 2) {
            "processes differ by more; to have it in the noise give several of each: --diff A1.json,A2.json B1.json,B2.json"
        } else {
            "and from the fastest to the slowest process of a side, of both sides together"
        }
        .to_owned(),
    );
    lines
}

fn comparison_table(rows: &[Comparison], most: usize, screen: Screen) -> String {
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
    // The whole step is not counted as a row.
    let shown = rows.len().min(most.saturating_add(1));
    for Comparison { row, ms, band, change } in &rows[..shown] {
        let names = match row {
            Some((op, layer, phase)) => [op.clone(), layer.clone(), phase.words().to_owned()],
            None => ["whole step".to_owned(), String::new(), String::new()],
        };
        let numbers = names.into_iter().chain(times(*ms)).chain([format!("{band:.3}")]);
        table.row(numbers.map(Cell::from).chain([verdict(*change)]));
    }
    let others = &rows[shown..];
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
    let usual = |words: &str| words.into();
    match change {
        Change::Faster => Cell::new("faster", Tone::Good),
        Change::Same => usual("within noise"),
        Change::Slower => Cell::new("slower", Tone::Bad),
        Change::New => usual("only in B"),
        Change::Gone => usual("only in A"),
        Change::Unclear => usual("too few steps"),
    }
}
