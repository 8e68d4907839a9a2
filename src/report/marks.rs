//! Lines, bands and bars on a chart.

use super::chart::{ACROSS, Frame, UP};
use super::style::{Stroke, attributes};

/// Longer series are reduced to the smallest and the largest value of each run of neighbours.
pub(super) const MAX_POINTS: usize = 800;

/// A line through `points`.
pub(super) fn line(frame: &Frame<'_>, points: &[(f64, f64)], stroke: Stroke) -> String {
    format!(r#"<polyline points="{}" fill="none"{}/>"#, places(frame, points.iter().copied()), attributes(stroke))
}

/// The range from `low` to `high` at each x: a band around a line.
pub(super) fn band(frame: &Frame<'_>, ranges: &[(f64, (f64, f64))], colour: &str) -> String {
    let (there, back) = (ranges.iter().map(|&(x, (low, _))| (x, low)), ranges.iter().rev().map(|&(x, (_, high))| (x, high)));
    format!(r#"<polygon points="{}" fill="{colour}" fill-opacity=".18"/>"#, places(frame, there.chain(back)))
}

/// The range from `low` to `high` at x: a bar through a dot.
pub(super) fn bar(frame: &Frame<'_>, x: f64, (low, high): (f64, f64), colour: &str) -> String {
    let (x, low, high) = (frame.x.pixel(x), frame.y.pixel(low), frame.y.pixel(high));
    format!(r#"<line x1="{x:.1}" x2="{x:.1}" y1="{low:.1}" y2="{high:.1}" stroke="{colour}" stroke-width="1.5"/>"#)
}

/// A dashed line at x from bottom to top, with a label at this baseline on the wider side.
pub(super) fn upright(frame: &Frame<'_>, x: f64, baseline: f64, label: &str) -> String {
    let x = frame.x.pixel(x);
    let (anchor, label_x) = if x < 0.5 * (ACROSS.0 + ACROSS.1) { ("start", x + 6.0) } else { ("end", x - 6.0) };
    let (bottom, top) = UP;
    format!(
        r#"<line x1="{x:.1}" x2="{x:.1}" y1="{bottom}" y2="{top}" stroke="currentColor" stroke-width="1.5" stroke-dasharray="5 4"/><text x="{label_x:.1}" y="{baseline:.1}" text-anchor="{anchor}">{label}</text>"#
    )
}

/// The pixels of points, as the `points` attribute of an SVG element.
fn places(frame: &Frame<'_>, points: impl Iterator<Item = (f64, f64)>) -> String {
    let place = |(x, y): (f64, f64)| format!("{x:.1},{y:.1}");
    points.map(|point| place(frame.place(point))).collect::<Vec<_>>().join(" ")
}

/// At most about [`MAX_POINTS`] points that keep every peak: the lowest and highest of each run of neighbours.
pub(super) fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    let run = points.len().div_ceil(MAX_POINTS / 2);
    let extremes = |run: &[(f64, f64)]| {
        let by_height = |a: &usize, b: &usize| run[*a].1.total_cmp(&run[*b].1);
        let (low, high) = ((0..run.len()).min_by(by_height).unwrap_or(0), (0..run.len()).max_by(by_height).unwrap_or(0));
        [run[low.min(high)], run[low.max(high)]]
    };
    points.chunks(run).flat_map(extremes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_every_peak_and_the_order() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|step| (f64::from(step), 1.0)).collect();
        points[4321].1 = 9.0;
        points[7654].1 = 0.1;
        let thin = thinned(&points);
        assert!(thin.len() <= MAX_POINTS && thin.contains(&points[4321]) && thin.contains(&points[7654]));
        assert!(thin.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }
}
