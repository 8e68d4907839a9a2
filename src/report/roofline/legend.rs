//! The legend above the chart: phases, the meaning of the area and of a ring, and on phones the roofs of arithmetic.

use super::dots::{Dot, PHASES, colour, draw_ring};
use super::labels::LETTER;
use super::plot::{Plot, flat};
use super::roofs::line;
use super::sheet::Sheet;
use super::words::MIN_PERCENT;
use crate::profile::Peaks;
use crate::report::number::readable;
use crate::report::style::MARGIN;

/// Pixels between a sample and its words, and between two rows.
const SMALL_GAP: f64 = 6.0;
const ROW: f64 = 24.0;

/// What is beside the words.
#[derive(Clone, Copy)]
enum Sample {
    Dot(&'static str),
    Area(f64),
    Ring,
    Roof { is_dashed: bool },
}

impl Sample {
    fn width(self) -> f64 {
        match self {
            Self::Dot(_) => 10.0,
            Self::Area(radius) => 2.0 * radius,
            Self::Ring | Self::Roof { .. } => 26.0,
        }
    }

    /// From `left`, around the height `middle`.
    fn draw(self, left: f64, middle: f64) -> String {
        let circle =
            |x: f64, radius: f64, paint: &str| format!(r#"<circle cx="{x:.1}" cy="{middle:.1}" r="{radius:.1}" {paint}/>"#);
        match self {
            Self::Dot(colour) => circle(left + 5.0, 5.0, &format!(r#"fill="{colour}""#)),
            Self::Area(radius) => circle(left + radius, radius, r#"fill="none" stroke="currentColor" stroke-opacity=".6""#),
            Self::Ring => {
                let (dot, ring) = ((left + 4.0, middle + 5.0), (left + 22.0, middle - 5.0));
                format!(r#"{}<circle cx="{:.1}" cy="{:.1}" r="4"/>"#, draw_ring(dot, ring, "currentColor"), dot.0, dot.1)
            }
            Self::Roof { is_dashed } => line((left, middle), (left + self.width(), middle), is_dashed),
        }
    }
}

/// The legend in as many rows as it needs; the first is at this baseline.
pub(super) fn draw(sheet: &Sheet, peaks: &Peaks, plot: &Plot<'_>, dots: &[Dot<'_>], baseline: f64) -> String {
    let gap = if sheet.is_narrow { 14.0 } else { 24.0 };
    let (mut svg, mut x, mut baseline) = (String::new(), MARGIN, baseline);
    for (sample, words) in entries(sheet, peaks, plot, dots) {
        let width = sample.width() + SMALL_GAP + LETTER * words.chars().count() as f64;
        if x > MARGIN && x + width > sheet.right {
            (x, baseline) = (MARGIN, baseline + ROW);
        }
        svg += &sample.draw(x, baseline - 4.0);
        svg += &format!(r#"<text x="{:.1}" y="{baseline:.1}">{words}</text>"#, x + sample.width() + SMALL_GAP);
        x += width + gap;
    }
    svg
}

fn entries(sheet: &Sheet, peaks: &Peaks, plot: &Plot<'_>, dots: &[Dot<'_>]) -> Vec<(Sample, String)> {
    let phases = PHASES.into_iter().filter(|phase| dots.iter().any(|dot| dot.row.phase == *phase));
    let phases = phases.map(|phase| (Sample::Dot(colour(phase)), phase.words().to_owned()));
    let fits = |percent: &f64| plot.scale * percent.sqrt() <= sheet.largest;
    let percent = [5.0, 2.0, 1.0, 0.5].into_iter().find(fits).unwrap_or(MIN_PERCENT);
    let area = (Sample::Area(plot.scale * percent.sqrt()), format!("{} % of the time, by area", readable(percent, 2)));
    let words = if sheet.is_narrow {
        "ring: FLOPs of the formula"
    } else {
        "executed FLOPs (dot) and FLOPs of the formula (ring), where fewer were executed"
    };
    let ring = dots.iter().any(|dot| dot.ring.is_some()).then(|| (Sample::Ring, words.to_owned()));
    // Wide drawings have room for the names beside the roofs.
    let roofs = flat(peaks).into_iter().enumerate().filter(|_| sheet.is_narrow).map(|(at, (name, rate))| {
        let format = name.split(' ').next().unwrap_or(name);
        (Sample::Roof { is_dashed: at > 0 }, format!("{format} {} GFLOP/s", readable(rate, 3)))
    });
    phases.chain([area]).chain(ring).chain(roofs).collect()
}
