//! ROC and PRO curves, and the histogram of the image scores.

use super::super::axis::Axis;
use super::super::chart::{self, ACROSS, BLUE, Frame, ORANGE, UP};
use super::super::histogram::score_histogram;
use super::super::legend::{Entry, Sample};
use super::super::marks::{band, line, upright};
use super::super::number::readable;
use super::super::results::Results;
use super::super::style::{Dashes, Stroke, Symbol};
use super::cases::Test;
use super::drawing::{Drawing, Name};
use crate::detect::metrics::{Curves, FPR_LIMIT};
use crate::error::Result;
use crate::ops::Backend;

const GREY: &str = "currentColor";

/// ROC curves of images and pixels, with the point of the image threshold.
pub(super) fn roc<B: Backend>(test: &Test<'_, B>) -> Result<Drawing> {
    let results = test.results();
    let title = format!("ROC curves of {}", test.category().name);
    let svg = roc_chart(&title, &results, test.curves());
    let threshold = results.threshold.map(|_| format!(" The ring marks the image threshold {}.", test.image_rule()));
    let caption = format!(
        "Share of anomalous images or pixels found against the share of good ones called anomalous, at every threshold; the area under a \
         curve is its AUROC. Images are ranked by the {}; pixels are ranked by the heatmap. The dashed line is chance.{}",
        results.score_name(),
        threshold.unwrap_or_default()
    );
    Ok(Drawing::svg(Name::Roc, title, caption, svg))
}

fn roc_chart(title: &str, results: &Results<'_>, curves: &Curves) -> String {
    let Curves { image_roc, pixel_roc, .. } = curves;
    let frame = Frame {
        description: title,
        x: Axis::linear(0.0, 1.0, ACROSS),
        y: Axis::linear(0.0, 1.0, UP),
        x_title: "false positive rate",
        y_title: "true positive rate",
    };
    let chance = Stroke { colour: GREY, width: 1.2, opacity: 0.5, dashes: Dashes::Even };
    let mut marks = line(&frame, &[(0.0, 0.0), (1.0, 1.0)], chance);
    marks += &line(&frame, pixel_roc, Stroke { dashes: Dashes::DashDot, ..solid(ORANGE) });
    marks += &line(&frame, image_roc, solid(BLUE));
    marks += &operating_point(results).map(|point| Symbol::Ring.draw(frame.place(point), BLUE)).unwrap_or_default();
    let names = ["image AUROC", "pixel AUROC"].map(|label| named(results, label));
    let looks = [(BLUE, Dashes::None), (ORANGE, Dashes::DashDot)];
    let mut entries: Vec<_> =
        names.iter().zip(looks).map(|(name, (colour, dashes))| entry(name, colour, Sample::Line(dashes, None))).collect();
    if results.threshold.is_some() {
        entries.push(entry("image threshold", BLUE, Sample::Points(Symbol::Ring)));
    }
    chart::standalone(&chart::titled(title, &frame.draw(&marks, &entries, 0, "")))
}

/// FPR and TPR at the image threshold.
fn operating_point(results: &Results<'_>) -> Option<(f64, f64)> {
    let (threshold, scores) = (results.threshold?, results.scores());
    let share = |of_anomalous: bool| {
        let of_kind = scores.iter().filter(|score| score.1 == of_anomalous);
        let above = of_kind.clone().filter(|score| score.0 > threshold).count();
        above as f64 / of_kind.count().max(1) as f64
    };
    Some((share(false), share(true)))
}

/// The curve whose area up to the limit is AU-PRO.
pub(super) fn pro<B: Backend>(test: &Test<'_, B>) -> Result<Drawing> {
    let title = format!("Per-region overlap on {}", test.category().name);
    let svg = pro_chart(&title, &test.results(), test.curves());
    let caption = format!(
        "Mean share of each annotated defect region that is marked, against the share of normal pixels that are marked, at every \
         threshold. AU-PRO is the shaded area up to a false positive rate of {FPR_LIMIT}, divided by {FPR_LIMIT}."
    );
    Ok(Drawing::svg(Name::Pro, title, caption, svg))
}

fn pro_chart(title: &str, results: &Results<'_>, Curves { pro: curve, .. }: &Curves) -> String {
    let frame = Frame {
        description: title,
        x: Axis::linear(0.0, 1.0, ACROSS),
        y: Axis::linear(0.0, 1.0, UP),
        x_title: "false positive rate of pixels",
        y_title: "mean overlap (PRO)",
    };
    let inside = up_to(curve, FPR_LIMIT);
    let area: Vec<_> = inside.iter().map(|&(x, y)| (x, (0.0, y))).collect();
    let mut marks = band(&frame, &area, BLUE) + &line(&frame, curve, solid(BLUE));
    marks += &upright(&frame, FPR_LIMIT, UP.0 - 12.0, &format!("limit {}", readable(FPR_LIMIT, 2)));
    let name = named(results, "AU-PRO");
    let svg = frame.draw(&marks, &[entry(&name, BLUE, Sample::Line(Dashes::None, None))], 0, "");
    chart::standalone(&chart::titled(title, &svg))
}

/// The part of a rising curve left of `limit`, with the point at `limit`.
fn up_to(curve: &[(f64, f64)], limit: f64) -> Vec<(f64, f64)> {
    let inside = curve.partition_point(|point| point.0 <= limit);
    let mut part = curve[..inside].to_vec();
    if let (Some(&(x0, y0)), Some(&(x1, y1))) = (part.last(), curve.get(inside)) {
        part.push((limit, y0 + (y1 - y0) * (limit - x0) / (x1 - x0)));
    }
    part
}

/// Histogram of the image scores with the threshold.
pub(super) fn scores<B: Backend>(test: &Test<'_, B>) -> Result<Drawing> {
    let results = test.results();
    let title = format!("Image scores of {}", test.category().name);
    let histogram = score_histogram(&results.scores(), results.threshold.unwrap_or(f64::NAN), &results.score_name());
    let [found, alarms] = results.verdicts();
    let caption = format!(
        "Image scores of good and anomalous test images. The dashed line is the image threshold {}: it finds {} defects and raises {} \
         false alarms.",
        test.image_rule(),
        found.value,
        alarms.value
    );
    Ok(Drawing::svg(Name::Scores, &title, caption, chart::standalone(&chart::titled(&title, &histogram))))
}

/// e.g. `image AUROC 0.96 ± 0.02`.
fn named(results: &Results<'_>, label: &str) -> String {
    let metric = results.metrics().into_iter().find(|metric| metric.label == label);
    format!("{label} {}", metric.map(|metric| metric.value).unwrap_or_default())
}

fn entry<'a>(name: &'a str, colour: &'static str, sample: Sample) -> Entry<'a> {
    Entry { name, colour, opacity: 1.0, sample }
}

const fn solid(colour: &'static str) -> Stroke {
    Stroke { colour, width: 2.2, opacity: 1.0, dashes: Dashes::None }
}

#[cfg(test)]
mod tests {
    use super::super::super::results::tests::report;
    use super::*;
    use crate::detect::metrics::{Score, area_under};
    use crate::run::EvaluationReport;
    use approx::assert_abs_diff_eq;

    fn example() -> EvaluationReport {
        let curves = Curves {
            image_roc: vec![(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)],
            pixel_roc: vec![(0.0, 0.0), (0.2, 0.9), (1.0, 1.0)],
            pro: vec![(0.0, 0.0), (0.1, 0.6), (0.5, 1.0), (1.0, 1.0)],
        };
        EvaluationReport { curves, ..report(&[("bend", 3.0), ("bend", 1.0), ("good", 2.0), ("good", 0.5)], &[("bend", 0.75)]) }
    }

    /// The points of the polyline in this colour, in units of the axes.
    fn points(svg: &str, colour: &str) -> Vec<(f64, f64)> {
        let end = svg.find(&format!("fill=\"none\" stroke=\"{colour}\"")).unwrap();
        let start = svg[..end].rfind("points=\"").unwrap() + 8;
        let pair = |pair: &str| {
            let (x, y) = pair.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            ((x - ACROSS.0) / (ACROSS.1 - ACROSS.0), (y - UP.0) / (UP.1 - UP.0))
        };
        svg[start..].split('"').next().unwrap().split(' ').map(pair).collect()
    }

    #[test]
    fn the_areas_under_the_drawn_curves_are_those_of_the_data() {
        let report = example();
        let results = Results::new(&report, Score::Max, Some(1.5));
        let svg = roc_chart("ROC", &results, &report.curves);
        assert_abs_diff_eq!(area_under(&points(&svg, BLUE), 1.0), 0.875, epsilon = 2e-3);
        assert_abs_diff_eq!(area_under(&points(&svg, ORANGE), 1.0), 0.85, epsilon = 2e-3);
        assert!(svg.contains("image AUROC 0.90") && svg.contains("pixel AUROC 0.950") && chart::has_only_numbers(&svg));
        let svg = pro_chart("PRO", &results, &report.curves);
        assert_abs_diff_eq!(area_under(&points(&svg, BLUE), FPR_LIMIT), (0.03 + 0.14) / 0.3, epsilon = 6e-3);
        assert!(svg.contains("limit 0.3") && svg.contains("AU-PRO 0.850") && svg.matches("<polygon").count() == 1);
    }

    #[test]
    fn the_ring_is_at_the_threshold() {
        let report = example();
        let at = |threshold| operating_point(&Results::new(&report, Score::Max, threshold));
        assert_eq!(at(Some(1.5)), Some((0.5, 0.5)));
        assert_eq!(at(Some(3.0)), Some((0.0, 0.0)));
        assert_eq!(at(None), None);
    }

    #[test]
    fn the_shaded_part_ends_at_the_limit() {
        let curve = [(0.0, 0.0), (0.2, 0.5), (0.4, 0.7), (1.0, 1.0)];
        let part = up_to(&curve, 0.3);
        assert_eq!(part[..2], curve[..2]);
        assert_abs_diff_eq!(part[2].1, 0.6, epsilon = 1e-12);
        assert_eq!(up_to(&curve, 1.0), curve);
    }
}
