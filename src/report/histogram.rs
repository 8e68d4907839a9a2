//! Image scores of good and anomalous images, as an SVG chart.

use super::axis::{Axis, ends, is_drawable};
use super::chart::{self, ACROSS, BLUE, Frame, ORANGE, UP};
use super::legend::{Entry, Sample};
use super::marks::upright;
use super::number::readable;

const BINS: usize = 28;
/// Scores above 0 that span more than this factor get a logarithmic axis: squared errors have heavy tails.
const LOG_FROM: f64 = 30.0;
const OPACITY: f64 = 0.62;
/// The vertical axis ends at this number or above, so that its ticks are whole numbers.
const MIN_IMAGES: usize = 4;

/// A histogram of `(score, is_anomalous)` as an SVG element: anomalous scores in front of good ones, and the `threshold`, an edge
/// of the bins, as a dashed line. `score_name` is the title of the horizontal axis, which is logarithmic if all scores and the
/// threshold are above 0 and span more than a factor of 30. Scores that are not finite are left out and counted below the chart;
/// a threshold that is not finite is not drawn.
pub fn score_histogram(scores: &[(f64, bool)], threshold: f64, score_name: &str) -> String {
    let drawable: Vec<(f64, bool)> = scores.iter().copied().filter(|score| is_drawable(score.0)).collect();
    let Some(x) = axis_around(&drawable, threshold) else {
        return chart::empty("Image scores", "no score was recorded");
    };
    let edges = x.bin_edges(BINS, Some(threshold));
    let [good, anomalous] = [false, true].map(|kind| counts(&drawable, kind, &edges));
    let tallest = good.iter().chain(&anomalous).copied().max().unwrap_or(0).max(MIN_IMAGES);
    let y = Axis::linear(0.0, tallest as f64 * 1.08, UP);
    let description = describe(&drawable, threshold);
    let frame = Frame { description: &description, x, y, x_title: score_name, y_title: "images" };
    let mut marks = bars(&frame, &good, &edges, BLUE) + &bars(&frame, &anomalous, &edges, ORANGE);
    if is_drawable(threshold) {
        marks.push_str(&upright(&frame, threshold, UP.1 + 10.0, &format!("threshold {}", readable(threshold, 3))));
    }
    let entries = [("good", BLUE), ("anomalous", ORANGE)].map(|(name, colour)| Entry {
        name,
        colour,
        opacity: OPACITY,
        sample: Sample::Area,
    });
    frame.draw(&marks, &entries, scores.len() - drawable.len(), "not finite")
}

/// The axis around all scores and the threshold, with a bin to spare at both ends, because the bins there are narrower; none
/// without scores.
fn axis_around(scores: &[(f64, bool)], threshold: f64) -> Option<Axis> {
    let (low, high) = ends(scores.iter().map(|score| score.0))?;
    let (low, high) = if is_drawable(threshold) { (low.min(threshold), high.max(threshold)) } else { (low, high) };
    let is_log = low > 0.0 && high / low > LOG_FROM;
    let (margin, factor) = ((high - low) / BINS as f64, (high / low).powf(1.0 / BINS as f64));
    Some(if is_log { Axis::log(low / factor, high * factor, ACROSS) } else { Axis::linear(low - margin, high + margin, ACROSS) })
}

/// The number of scores of one kind in each bin. A bin includes its upper edge, because an image exactly at the threshold is
/// normal; the first bin also includes its lower edge.
fn counts(scores: &[(f64, bool)], is_anomalous: bool, edges: &[f64]) -> Vec<usize> {
    let last = edges.len() - 2;
    let mut counts = vec![0; last + 1];
    for (score, _) in scores.iter().filter(|score| score.1 == is_anomalous) {
        counts[edges[1..=last].partition_point(|edge| edge < score)] += 1;
    }
    counts
}

fn bars(frame: &Frame<'_>, counts: &[usize], edges: &[f64], colour: &str) -> String {
    let base = frame.y.pixel(0.0);
    let bar = |(index, &count): (usize, &usize)| {
        let (left, right) = (frame.x.pixel(edges[index]) + 0.75, frame.x.pixel(edges[index + 1]) - 0.75);
        let top = frame.y.pixel(count as f64);
        format!(
            r#"<rect x="{left:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" rx="1.5" fill="{colour}" fill-opacity="{OPACITY}"/>"#,
            right - left,
            base - top
        )
    };
    counts.iter().enumerate().filter(|(_, count)| **count > 0).map(bar).collect()
}

fn describe(scores: &[(f64, bool)], threshold: f64) -> String {
    let anomalous = scores.iter().filter(|score| score.1).count();
    let good = scores.len() - anomalous;
    let threshold = if is_drawable(threshold) { format!(", threshold {}", readable(threshold, 3)) } else { String::new() };
    format!("Histogram of the scores of {good} good and {anomalous} anomalous images{threshold}")
}

#[cfg(test)]
mod tests {
    use super::chart::has_only_numbers;
    use super::*;

    #[test]
    fn every_score_is_counted_once() {
        let scores = [(0.0, false), (0.5, false), (1.0, false), (1.0, true), (2.0, true), (4.0, true)];
        let edges = [0.0, 1.0, 2.0, 3.0, 4.0];
        assert_eq!(counts(&scores, false, &edges), [3, 0, 0, 0]);
        assert_eq!(counts(&scores, true, &edges), [1, 1, 0, 1]);
    }

    #[test]
    fn nothing_one_score_and_equal_scores_can_be_drawn() {
        assert!(score_histogram(&[], 1.0, "score").contains("no score was recorded"));
        for (scores, threshold) in
            [(vec![(0.0, true)], 0.0), (vec![(2.5, false); 9], 2.5), (vec![(-1e99, true), (1e99, false)], 0.0)]
        {
            let svg = score_histogram(&scores, threshold, "score");
            assert!(has_only_numbers(&svg) && svg.contains("<rect"), "{svg}");
        }
    }

    #[test]
    fn the_bars_of_the_extreme_scores_are_as_wide_as_the_others() {
        for scores in [[(1.0, false), (1.37, false), (2.1, true)], [(0.01, false), (0.3, false), (7.0, true)]] {
            let svg = score_histogram(&scores, 1.5, "score");
            let widths: Vec<f64> =
                svg.split("<rect ").filter(|part| part.contains("rx=")).map(|part| attribute(part, "width=\"")).collect();
            let [least, most] = [f64::min, f64::max].map(|of| widths.iter().copied().reduce(of).unwrap());
            assert!(widths.len() >= 3 && least > 0.8 * most, "{widths:?}");
        }
    }

    fn attribute(part: &str, name: &str) -> f64 {
        let tail = &part[part.find(name).unwrap() + name.len()..];
        tail[..tail.find('"').unwrap()].parse().unwrap()
    }

    #[test]
    fn what_is_not_finite_is_left_out_and_counted() {
        let svg = score_histogram(&[(f64::NAN, true), (f64::INFINITY, false), (1.0, true)], f64::NAN, "<score>");
        assert!(has_only_numbers(&svg) && svg.contains("2 not drawn") && !svg.contains("stroke-dasharray"));
        assert!(svg.contains("&lt;score&gt;") && !svg.contains("<score>"));
    }

    #[test]
    fn the_threshold_is_drawn_between_normal_and_anomalous_bars() {
        let svg = score_histogram(&[(0.01, false), (0.02, false), (50.0, true)], 0.7, "score");
        let x = |marker: &str| -> f64 {
            let tail = &svg[svg.find(marker).unwrap() + marker.len()..];
            tail[..tail.find('"').unwrap()].parse().unwrap()
        };
        let dashed = svg.find("stroke-dasharray").unwrap();
        let start = svg[..dashed].rfind("<line x1=\"").unwrap() + 10;
        let threshold: f64 = svg[start..].split('"').next().unwrap().parse().unwrap();
        let anomalous = svg[..svg.find("fill=\"#e5762e\"").unwrap()].rfind("<rect x=\"").unwrap() + 9;
        let anomalous: f64 = svg[anomalous..].split('"').next().unwrap().parse().unwrap();
        assert!(x("<rect x=\"") < threshold && threshold < anomalous);
    }
}
