//! Axes, and the places of operations on them.

use super::dots::Dot;
use super::sheet::Sheet;
use super::words::MIN_PERCENT;
use crate::profile::{Peaks, Profile, Row};
use crate::report::axis::{Axis, ends};

/// Radius of the smallest dot in pixels.
const SMALLEST: f64 = 2.5;
/// Free space beyond dots and roofs as a factor; the upper one leaves room for labels.
const SLACK: f64 = 1.6;
const HEADROOM: f64 = 2.4;
/// Where the formula counts more FLOPs than were executed by this factor, both are shown.
const MIN_SAVED: f64 = 1.05;

/// The known peaks of arithmetic in GFLOP/s, f32 first.
pub(super) fn flat(peaks: &Peaks) -> Vec<(&'static str, f64)> {
    let known = [("f32 multiply-add", peaks.fma), ("bf16 matrix unit", peaks.matrix)];
    known.into_iter().filter_map(|(name, rate)| Some((name, rate? / 1e9))).collect()
}

/// The axes of a drawing.
pub(super) struct Plot<'a> {
    pub(super) sheet: &'a Sheet,
    x: Axis,
    pub(super) y: Axis,
    /// What the axes span, left to right and bottom to top.
    pub(super) ends: [(f64, f64); 2],
    /// Radius of a dot in pixels per square root of a percent of the time.
    pub(super) scale: f64,
}

/// FLOP per byte and GFLOP/s of the executed FLOPs.
fn executed(row: &Row) -> (f64, f64) {
    (row.measure.executed_intensity().unwrap_or_default(), row.measure.rates.executed())
}

/// The same of the formula, where it counts clearly more.
fn by_formula(row: &Row) -> Option<(f64, f64)> {
    let measure = &row.measure;
    let is_more = measure.work.flops as f64 > MIN_SAVED * measure.work.executed() as f64;
    is_more.then_some((measure.rates.intensity?, measure.rates.gflop_per_second))
}

impl<'a> Plot<'a> {
    /// Axes that include all dots, rings and roofs; None without dots.
    pub(super) fn around(profile: &Profile, drawn: &[&Row], sheet: &'a Sheet) -> Option<Self> {
        let points = || drawn.iter().flat_map(|row| std::iter::once(executed(row)).chain(by_formula(row)));
        let (left, right) = ends(points().map(|(x, _)| x))?;
        let (low, high) = ends(points().map(|(_, y)| y))?;
        let roof = flat(&profile.peaks).into_iter().map(|(_, rate)| rate).fold(0.0, f64::max);
        let x = (left / SLACK, f64::max(right, 1e9 * roof / profile.peaks.copy) * SLACK);
        let y = (low / SLACK, f64::max(high, roof) * HEADROOM);
        let heaviest = drawn.iter().map(|row| row.measure.percent_of_time).fold(MIN_PERCENT, f64::max);
        let (x_axis, y_axis) = (Axis::log(x.0, x.1, sheet.across), Axis::log(y.0, y.1, sheet.up));
        Some(Self { sheet, x: x_axis, y: y_axis, ends: [x, y], scale: sheet.largest / heaviest.sqrt() })
    }

    pub(super) fn pixel(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.pixel(x), self.y.pixel(y))
    }

    pub(super) fn dot<'b>(&self, row: &'b Row) -> Dot<'b> {
        let radius = (self.scale * row.measure.percent_of_time.sqrt()).max(SMALLEST);
        Dot { row, centre: self.pixel(executed(row)), radius, ring: by_formula(row).map(|point| self.pixel(point)) }
    }

    pub(super) fn grid(&self) -> String {
        let ((left, right), (bottom, top)) = (self.sheet.across, self.sheet.up);
        let across = |(y, label): (f64, String)| {
            format!(
                r#"<line x1="{left}" x2="{right}" y1="{y:.1}" y2="{y:.1}" stroke="currentColor" stroke-opacity=".12"/><text x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
                left - 8.0,
                y + 4.0
            )
        };
        let up = |(x, label): (f64, String)| {
            format!(
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{top}" y2="{:.1}" stroke="currentColor" stroke-opacity=".12"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{label}</text>"#,
                bottom + 5.0,
                bottom + 20.0
            )
        };
        self.y.ticks().into_iter().map(across).chain(self.x.ticks().into_iter().map(up)).collect()
    }
}
