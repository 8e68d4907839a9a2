//! The roofs: the peaks of memory and arithmetic.

use super::labels::{Label, Obstacles, ROOF_COST};
use super::plot::{Plot, flat};
use super::sheet::text;
use crate::profile::Peaks;
use crate::report::number::readable;
use crate::report::style::TEXT;

/// The lines and their labels: the slope of memory up to the first peak of arithmetic, and everything above that dashed.
pub(super) fn draw(peaks: &Peaks, plot: &Plot<'_>, obstacles: &mut Obstacles) -> String {
    let (copy, flat, [(left, right), (low, high)]) = (peaks.copy / 1e9, flat(peaks), plot.ends);
    let on_slope = |x: f64| (x, copy * x);
    let corner = flat.first().map_or(f64::min(right, high / copy), |(_, rate)| rate / copy);
    let slope = [left.max(low / copy), corner].map(on_slope);
    let mut lines = vec![(slope[0], slope[1], false)];
    for (at, (_, rate)) in flat.iter().enumerate() {
        let ridge = rate / copy;
        if ridge > corner {
            lines.push((on_slope(corner), on_slope(ridge), true));
        }
        lines.push(((ridge, *rate), (right, *rate), at > 0));
    }
    let mut svg = String::new();
    for (from, to, is_dashed) in lines {
        let (from, to) = (plot.pixel(from), plot.pixel(to));
        obstacles.add_line(from, to, ROOF_COST);
        svg += &line(from, to, is_dashed);
    }
    let [from, to] = slope.map(|end| plot.pixel(end));
    let middle = (0.5 * (from.0 + to.0), 0.5 * (from.1 + to.1));
    let copy = Label::place((middle, 0.0), format!("copy {} GB/s", readable(copy, 3)), obstacles);
    let names = if plot.sheet.is_narrow { String::new() } else { names_beside(&flat, plot) };
    svg + &copy.leader() + &copy.words() + &names
}

/// A roof or a part of it.
pub(super) fn line(from: (f64, f64), to: (f64, f64), is_dashed: bool) -> String {
    let dashes = if is_dashed { r#" stroke-dasharray="6 4.5" stroke-opacity=".55""# } else { "" };
    format!(
        r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="currentColor" stroke-width="2"{dashes}/>"#,
        from.0, from.1, to.0, to.1
    )
}

/// Names and rates to the right of the flat roofs, two lines each, from the highest down.
fn names_beside(flat: &[(&str, f64)], plot: &Plot<'_>) -> String {
    let (mut svg, mut free, mut flat) = (String::new(), 0.0, flat.to_vec());
    flat.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (name, rate) in flat {
        let top = f64::max(plot.y.pixel(rate), free);
        free = top + 3.0 * TEXT;
        for (row, words) in [name.to_owned(), format!("{} GFLOP/s", readable(rate, 3))].iter().enumerate() {
            svg += &text((plot.sheet.across.1 + 8.0, top + 4.0 + TEXT * row as f64), r#"font-weight="600""#, words);
        }
    }
    svg
}
