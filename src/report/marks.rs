//! Lines and dots on a chart.

use super::chart::Frame;
pub(super) use super::style::Stroke;
use super::style::{attributes, ring_attributes};

/// Points beyond this number are drawn as the smallest and largest of their neighbourhood.
pub(super) const MAX_POINTS: usize = 800;

/// A line through `points`.
pub(super) fn line(frame: &Frame<'_>, points: &[(f64, f64)], stroke: Stroke) -> String {
    let place = |&(x, y): &(f64, f64)| format!("{:.1},{:.1}", frame.x.pixel(x), frame.y.pixel(y));
    let places: Vec<String> = points.iter().map(place).collect();
    format!(r#"<polyline points="{}" fill="none"{}/>"#, places.join(" "), attributes(stroke))
}

/// A dot at a point.
pub(super) fn dot(frame: &Frame<'_>, (x, y): (f64, f64), colour: &str) -> String {
    format!(r#"<circle cx="{:.1}" cy="{:.1}" r="3" fill="{colour}"/>"#, frame.x.pixel(x), frame.y.pixel(y))
}

/// A ring at a point; a dot of another series at the same place is visible inside it.
pub(super) fn ring(frame: &Frame<'_>, (x, y): (f64, f64), colour: &str) -> String {
    format!(r#"<circle cx="{:.1}" cy="{:.1}"{}/>"#, frame.x.pixel(x), frame.y.pixel(y), ring_attributes(colour))
}

/// The range from `low` to `high` at each x: a band around a line.
pub(super) fn band(frame: &Frame<'_>, ranges: &[(f64, (f64, f64))], colour: &str) -> String {
    let place = |x: f64, y: f64| format!("{:.1},{:.1}", frame.x.pixel(x), frame.y.pixel(y));
    let (up, down) =
        (ranges.iter().map(|(x, (low, _))| place(*x, *low)), ranges.iter().rev().map(|(x, (_, high))| place(*x, *high)));
    let places: Vec<String> = up.chain(down).collect();
    format!(r#"<polygon points="{}" fill="{colour}" fill-opacity=".18"/>"#, places.join(" "))
}

/// The range from `low` to `high` at x: a bar through a dot.
pub(super) fn bar(frame: &Frame<'_>, x: f64, (low, high): (f64, f64), colour: &str) -> String {
    let (x, low, high) = (frame.x.pixel(x), frame.y.pixel(low), frame.y.pixel(high));
    format!(r#"<line x1="{x:.1}" x2="{x:.1}" y1="{low:.1}" y2="{high:.1}" stroke="{colour}" stroke-width="1.5"/>"#)
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
