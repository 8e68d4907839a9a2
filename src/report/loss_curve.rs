//! The training loss over the steps, as an SVG chart.

use super::axis::{Axis, ends, is_drawable};
use super::chart::{self, ACROSS, BLUE, Frame, UP};
use super::legend::{Entry, Sample};
use super::marks::{MAX_POINTS, line, thinned};
use super::style::{Dashes, Stroke, Symbol};

/// Strokes of the average and of the single records.
const CLEAR: Stroke = Stroke { colour: BLUE, width: 2.2, opacity: 1.0, dashes: Dashes::None };
const FAINT: Stroke = Stroke { width: 1.0, opacity: 0.4, ..CLEAR };
/// A curve of at least this many points also gets its moving average.
const MIN_FOR_AVERAGE: usize = 24;
/// The step axis is at least this long.
const MIN_STEPS: f64 = 5.0;
/// The moving average extends over 1/40 of the curve to each side.
const AVERAGE_REACH: usize = 40;

/// A line chart of `(step, loss)` in the order given, with a logarithmic vertical axis, as an SVG element. Points that are not
/// finite or not above 0 are left out and counted below the chart. Long curves also show the moving geometric mean, which is the
/// mean on a logarithmic axis.
pub fn loss_curve(points: &[(u64, f64)]) -> String {
    let drawable: Vec<(f64, f64)> = points.iter().filter(|p| p.1 > 0.0 && is_drawable(p.1)).map(|p| (p.0 as f64, p.1)).collect();
    let Some(frame) = frame(&drawable) else {
        return chart::empty("Training loss", "no loss was recorded");
    };
    let mut marks = String::new();
    let mut entries = Vec::new();
    if drawable.len() >= MIN_FOR_AVERAGE {
        marks.push_str(&line(&frame, &thinned(&drawable), FAINT));
        marks.push_str(&line(&frame, &every(&moving_average(&drawable)), CLEAR));
        let entry = |name, opacity| Entry { name, colour: BLUE, opacity, sample: Sample::Area };
        entries.extend([entry("each record", FAINT.opacity), entry("moving average", CLEAR.opacity)]);
    } else {
        marks.push_str(&line(&frame, &drawable, CLEAR));
        marks.push_str(&drawable.iter().map(|&point| Symbol::Dot.draw(frame.place(point), BLUE)).collect::<String>());
    }
    frame.draw(&marks, &entries, points.len() - drawable.len(), "not finite or not above 0")
}

/// The axes around all points; none without points.
fn frame(points: &[(f64, f64)]) -> Option<Frame<'static>> {
    let (first, last) = ends(points.iter().map(|point| point.0))?;
    let (low, high) = ends(points.iter().map(|point| point.1))?;
    Some(Frame {
        description: "Training loss over optimiser steps, logarithmic",
        // With fewer steps the ticks would not be whole numbers.
        x: Axis::linear(first, last.max(first + MIN_STEPS), ACROSS),
        y: Axis::log(low, high, UP),
        x_title: "step",
        y_title: "loss",
    })
}

/// At most about [`MAX_POINTS`] evenly spaced points, enough for a smooth line.
fn every(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().copied().step_by(points.len().div_ceil(MAX_POINTS).max(1)).chain(points.last().copied()).collect()
}

/// Geometric mean over a centred window. At the start, where the loss falls steeply, the window shrinks evenly; at the end,
/// where it is flat and noisy, only the missing right part is cut off.
fn moving_average(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let reach = (points.len() / AVERAGE_REACH).max(2);
    let mut sums = vec![0.0];
    for point in points {
        sums.push(sums[sums.len() - 1] + point.1.ln());
    }
    let mean = |index: usize| {
        let before = reach.min(index);
        let after = before.min(points.len() - 1 - index);
        let (first, last) = (index - before, index + after + 1);
        (points[index].0, ((sums[last] - sums[first]) / (last - first) as f64).exp())
    };
    (0..points.len()).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::chart::has_only_numbers;
    use super::*;

    #[test]
    fn nothing_one_point_and_constant_points_can_be_drawn() {
        assert!(loss_curve(&[]).contains("no loss was recorded"));
        let one = loss_curve(&[(7, 0.25)]);
        assert!(one.contains("<circle") && has_only_numbers(&one));
        let constant: Vec<(u64, f64)> = (0..100).map(|step| (step, 3.0)).collect();
        let svg = loss_curve(&constant);
        assert!(has_only_numbers(&svg) && svg.matches("<polyline").count() == 2);
        assert!(has_only_numbers(&loss_curve(&[(0, f64::MIN_POSITIVE), (u64::MAX, 1e100)])));
    }

    #[test]
    fn what_cannot_be_drawn_is_counted() {
        let points = [(1, 0.5), (2, f64::NAN), (3, f64::INFINITY), (4, 0.0), (5, -1.0), (6, f64::MAX), (7, 0.25)];
        let svg = loss_curve(&points);
        assert!(has_only_numbers(&svg) && svg.contains("5 not drawn"));
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(loss_curve(&[(1, f64::NAN)]).contains("no loss was recorded"));
    }

    #[test]
    fn the_average_is_the_geometric_mean_of_its_window() {
        let points: Vec<(f64, f64)> = [1.0, 10.0, 100.0, 1000.0, 1.0, 1.0].iter().map(|&loss| (0.0, loss)).collect();
        let average: Vec<f64> = moving_average(&points).iter().map(|point| point.1).collect();
        let expected = [1.0, 10.0, 1e6f64.powf(0.2), 1e6f64.powf(0.2), 1e5f64.powf(0.25), 10.0];
        for (found, expected) in average.iter().zip(expected) {
            approx::assert_relative_eq!(*found, expected, max_relative = 1e-9);
        }
    }
}
