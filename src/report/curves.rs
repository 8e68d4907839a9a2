//! A chart of the theory as SVG.

use super::axis::{Axis, ends, is_drawable};
use super::chart::{self, ACROSS, COLOURS, Frame, UP};
use super::legend::{Entry, Sample};
use super::marks::{band, bar, line, thinned};
use super::style::{Dashes, Stroke, Symbol};
use crate::theory::figure::{AxisSpec, Chart, Mark, Series};

/// A line through at most this many points has its symbol on each of them, another one on about eight.
const FEW: usize = 24;
const SYMBOLS: usize = 8;
/// Free space between the data and each end of an axis, relative to their extent.
const SLACK: f64 = 0.04;
/// Smaller values count as 0 on a logarithmic axis.
const SMALLEST: f64 = 1e-100;

/// The chart as an SVG element; `description` is for readers who cannot see it. Values that are not finite, and on a logarithmic
/// axis values not above 0, are left out and counted, and a line is interrupted there. Long series are thinned but keep their
/// peaks.
pub fn curves(description: &str, chart: &Chart) -> String {
    let Some(frame) = frame(description, chart) else {
        return chart::empty(description, "there is nothing to draw");
    };
    let styled = styled(&chart.series);
    // Predictions are drawn over measurements, points over lines.
    let layers = [Mark::Line, Mark::Dashed, Mark::Dots];
    let ordered = layers.iter().flat_map(|mark| styled.iter().filter(move |(series, _)| series.mark == *mark));
    let marks: String = ordered.map(|(series, entry)| draw(&frame, chart, series, entry)).collect();
    let entries: Vec<Entry<'_>> = styled.iter().map(|(_, entry)| *entry).collect();
    let left_out = chart.series.iter().flat_map(|series| &series.points).filter(|point| !shows(chart, point)).count();
    let why = if chart.x.is_log || chart.y.is_log { "not finite or not above 0" } else { "not finite" };
    frame.draw(&marks, &entries, left_out, why)
}

/// [`curves`] as a file of its own, with a title.
pub fn curves_file(title: &str, chart: &Chart) -> String {
    chart::standalone(&chart::titled(title, &curves(title, chart)))
}

/// Every series with its entry in the legend, which has its colour and its style. No two series of a chart look the same: there
/// are six symbols, and three kinds of dashes.
fn styled(series: &[Series]) -> Vec<(&Series, Entry<'_>)> {
    let before = |at: usize, mark: Mark| series[..at].iter().filter(|other| other.mark == mark).count();
    // A dot is small, so it is left for the second series: it is then seen within the ring of the first.
    let symbol = |at: usize| Symbol::number(at - before(at, Mark::Dashed));
    let is_alone = series.iter().filter(|other| other.mark != Mark::Dashed).count() == 1;
    let sample = |at: usize, mark: Mark| match mark {
        Mark::Dashed => Sample::Line(Dashes::number(before(at, mark)), None),
        Mark::Line if is_alone => Sample::Line(Dashes::None, None),
        Mark::Dots if is_alone => Sample::Points(Symbol::Dot),
        Mark::Line => Sample::Line(Dashes::None, Some(symbol(at))),
        Mark::Dots => Sample::Points(symbol(at)),
    };
    let colours = COLOURS.iter().copied().cycle();
    let each = series.iter().zip(colours).enumerate();
    each.map(|(at, (series, colour))| {
        (series, Entry { name: &series.name, colour, opacity: 1.0, sample: sample(at, series.mark) })
    })
    .collect()
}

fn shows(chart: &Chart, (x, y): &(f64, f64)) -> bool {
    let fits = |axis: &AxisSpec, value: f64| is_drawable(value) && (value >= SMALLEST || !axis.is_log);
    fits(&chart.x, *x) && fits(&chart.y, *y)
}

/// The axes around all points and ranges that can be drawn; None if there are none.
fn frame<'a>(description: &'a str, chart: &'a Chart) -> Option<Frame<'a>> {
    let points = || chart.series.iter().flat_map(|series| &series.points).filter(|point| shows(chart, point));
    let of_ranges = chart.series.iter().flat_map(|series| ranges(chart, series)).flat_map(|(_, (low, high))| [low, high]);
    Some(Frame {
        description,
        x: axis(&chart.x, ends(points().map(|point| point.0))?, ACROSS).named(&chart.x.names),
        y: axis(&chart.y, ends(points().map(|point| point.1).chain(of_ranges))?, UP),
        x_title: &chart.x.title,
        y_title: &chart.y.title,
    })
}

/// Slightly longer than the data on both sides, but not beyond 0.
fn axis(spec: &AxisSpec, (low, high): (f64, f64), pixels: (f64, f64)) -> Axis {
    if spec.is_log {
        let factor = (high / low).powf(SLACK);
        return Axis::log(low / factor, high * factor, pixels);
    }
    let slack = SLACK * (high - low);
    let low = if low >= 0.0 { (low - slack).max(0.0) } else { low - slack };
    let high = if high <= 0.0 { (high + slack).min(0.0) } else { high + slack };
    Axis::linear(low, high, pixels)
}

/// The series without the points that cannot be drawn, interrupted there.
fn draw(frame: &Frame<'_>, chart: &Chart, series: &Series, &Entry { colour, sample, .. }: &Entry<'_>) -> String {
    let (dashes, symbol) = match sample {
        Sample::Points(symbol) => (Dashes::None, symbol),
        Sample::Line(dashes, symbol) => (dashes, symbol.unwrap_or(Symbol::Dot)),
        Sample::Area => (Dashes::None, Symbol::Dot),
    };
    let runs = series.points.split(|point| !shows(chart, point)).filter(|run| !run.is_empty());
    let spots = |points: &[(f64, f64)], every: usize| -> String {
        points.iter().skip(every / 2).step_by(every).map(|&point| symbol.draw(frame.place(point), colour)).collect()
    };
    let run = |points: &[(f64, f64)]| {
        let points = thinned(points);
        if series.mark == Mark::Dots || points.len() == 1 {
            return spots(&points, 1);
        }
        let line = line(frame, &points, Stroke { colour, width: 2.2, opacity: 1.0, dashes });
        let every = if points.len() > FEW { points.len().div_ceil(SYMBOLS) } else { 1 };
        if series.mark == Mark::Dashed { line } else { line + &spots(&points, every) }
    };
    spread(frame, chart, series, colour) + &runs.map(run).collect::<String>()
}

/// The spread of a series at each of its points, as far as it can be drawn.
fn ranges(chart: &Chart, series: &Series) -> Vec<(f64, (f64, f64))> {
    let shown = |&(x, (low, high)): &(f64, (f64, f64))| shows(chart, &(x, low)) && shows(chart, &(x, high));
    series.points.iter().zip(&series.spread).map(|(point, range)| (point.0, *range)).filter(shown).collect()
}

/// The spread of a series, behind its points: a band for lines, bars for dots.
fn spread(frame: &Frame<'_>, chart: &Chart, series: &Series, colour: &str) -> String {
    let ranges = ranges(chart, series);
    match series.mark {
        _ if ranges.is_empty() => String::new(),
        Mark::Dots => ranges.iter().map(|&(x, range)| bar(frame, x, range, colour)).collect(),
        Mark::Line | Mark::Dashed => band(frame, &ranges, colour),
    }
}

#[cfg(test)]
mod tests {
    use super::chart::has_only_numbers;
    use super::*;

    fn chart(is_log: bool, series: Vec<Series>) -> Chart {
        let axis = |title: &str| if is_log { AxisSpec::log(title) } else { AxisSpec::linear(title) };
        Chart { x: axis("σ"), y: axis("<error>"), series }
    }

    #[test]
    fn empty_and_tiny_charts_can_be_drawn() {
        for series in
            [vec![], vec![Series::line("a", vec![])], vec![Series::dots("a", vec![(f64::NAN, 1.0), (1.0, f64::INFINITY)])]]
        {
            assert!(curves("d", &chart(false, series)).contains("nothing to draw"));
        }
        for is_log in [false, true] {
            let one = curves("d", &chart(is_log, vec![Series::dashed("a", vec![(2.0, 3.0)])]));
            assert!(has_only_numbers(&one) && one.matches("<circle").count() == 1);
            let flat = curves("d", &chart(is_log, vec![Series::line("a", vec![(1e-99, 3.0), (1e99, 3.0)])]));
            assert!(has_only_numbers(&flat) && flat.matches("<polyline").count() == 1);
        }
    }

    #[test]
    fn the_axis_holds_every_range() {
        let series = Series { spread: vec![(0.5, 9.0), (1.0, 1.0)], ..Series::dots("a", vec![(1.0, 1.0), (2.0, 2.0)]) };
        let chart = chart(false, vec![series]);
        let frame = frame("d", &chart).unwrap();
        let height = |value: f64| frame.place((1.0, value)).1;
        assert!(height(9.0) < height(8.5) && height(0.6) < height(0.5), "neither end is cut off");
    }

    #[test]
    fn a_line_breaks_where_a_value_is_missing() {
        let points = vec![(1.0, 1.0), (2.0, 2.0), (3.0, -1.0), (4.0, f64::NAN), (5.0, 2.0), (6.0, 1.0), (7.0, 0.0), (8.0, 1.0)];
        let svg = curves("d", &chart(true, vec![Series::dashed("a", points)]));
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (2, 1));
        assert!(svg.contains("3 not drawn: not finite or not above 0") && has_only_numbers(&svg));
    }

    #[test]
    fn series_differ_without_colours() {
        let points = vec![(1.0, 1.0), (2.0, 2.0)];
        let marks = [Mark::Line, Mark::Dots, Mark::Dashed, Mark::Line, Mark::Dots, Mark::Dashed, Mark::Dots];
        let series: Vec<Series> = marks.iter().map(|&mark| Series { mark, ..Series::line("a", points.clone()) }).collect();
        let samples: Vec<Sample> = styled(&series).iter().map(|(_, entry)| entry.sample).collect();
        assert!((0..samples.len()).all(|at| samples[..at].iter().all(|other| *other != samples[at])), "{samples:?}");
        let symbols: Vec<Symbol> = (0..6).map(Symbol::number).collect();
        let drawn: std::collections::HashSet<String> = symbols.iter().map(|symbol| symbol.draw((9.0, 9.0), "black")).collect();
        assert_eq!(drawn.len(), 6);
    }

    #[test]
    fn every_series_has_its_colour_and_its_name() {
        let names = ["one", "two", "three", "four & more", "five", "six"];
        let marks = [Mark::Line, Mark::Dashed, Mark::Dots, Mark::Line, Mark::Dashed, Mark::Dots];
        let series = |(at, name): (usize, &&str)| Series {
            name: (*name).into(),
            points: vec![(1.0, 1.0 + at as f64), (2.0, 2.0)],
            spread: vec![],
            mark: marks[at],
        };
        let svg = curves("d", &chart(false, names.iter().enumerate().map(series).collect()));
        assert!(COLOURS.iter().all(|colour| svg.matches(&format!("\"{colour}\"")).count() >= 2));
        assert!(svg.contains("four &amp; more") && svg.contains("&lt;error&gt;") && !svg.contains("<error>"));
    }

    #[test]
    fn long_series_are_thinned_and_keep_their_peaks() {
        let mut points: Vec<(f64, f64)> = (0..50_000).map(|index| (f64::from(index), 1.0)).collect();
        points[33_333].1 = 9.0;
        let svg = curves("d", &chart(false, vec![Series::dots("a", points)]));
        assert!(svg.len() < 80_000 && svg.contains("r=\"3\""));
        let heights: Vec<f64> = svg.split("cy=\"").skip(1).map(|tail| tail.split('"').next().unwrap().parse().unwrap()).collect();
        assert!(heights.iter().any(|&height| height < 60.0));
    }

    #[test]
    fn spread_is_a_band_around_lines_and_a_bar_at_dots() {
        let points = vec![(1.0, 1.0), (2.0, 2.0)];
        let spread = vec![(0.5, 1.5), (1.5, 2.5)];
        let series = [Series::line("a", points.clone()), Series::dots("b", points)]
            .map(|series| Series { spread: spread.clone(), ..series });
        let svg = curves("d", &chart(false, series.into()));
        assert_eq!((svg.matches("<polygon").count(), svg.matches("stroke-width=\"1.5\"").count()), (1, 2));
    }

    #[test]
    fn categories_have_their_names() {
        let x = AxisSpec::categories("manifold", vec!["circle".into(), "torus".into()]);
        let chart = Chart { x, y: AxisSpec::linear("error"), series: vec![Series::dots("a", vec![(1.0, 2.0), (2.0, 1.0)])] };
        let svg = curves("d", &chart);
        assert!(svg.contains(">circle</text>") && svg.contains(">torus</text>") && svg.contains("rotate(-40"));
    }

    #[test]
    fn a_file_of_its_own_has_a_title_and_a_background() {
        let file = curves_file("d", &chart(false, vec![]));
        assert!(file.contains("font-weight=\"700\">d</text>") && file.matches("</svg>").count() == 2);
        assert!(file.starts_with("<svg xmlns") && file.contains("><style>svg{background:#fff") && file.ends_with("</svg>\n"));
    }
}
