//! Roofline: every operation as a dot below the peaks of memory and arithmetic. The heaviest are labelled, and every dot has a tooltip.

mod labels;
mod roofs;
mod words;

use super::axis::{Axis, ends};
use super::chart::{self, COLOURS};
use super::html::escape;
use super::number::readable;
use super::style::{MARGIN, TEXT};
use crate::profile::{Phase, Profile, Row};
use labels::{Box, DOT_COST, Label, Obstacles};
use words::MIN_PERCENT;

const WIDTH: f64 = 960.0;
/// Plotting area in pixels, left to right and bottom to top. The roofs are labelled on its right.
const ACROSS: (f64, f64) = (64.0, 824.0);
const UP: (f64, f64) = (566.0, 112.0);
/// The number of labelled operations.
const NAMED: usize = 14;
/// Radius of the largest and of the smallest dot in pixels.
const RADII: (f64, f64) = (13.0, 2.5);
/// Free space beyond dots and roofs as a factor; the upper one leaves room for labels.
const SLACK: f64 = 1.6;
const HEADROOM: f64 = 2.4;
/// The order of the legend.
const PHASES: [Phase; 5] = [Phase::Forward, Phase::InputGradient, Phase::WeightGradient, Phase::Optimiser, Phase::Data];

/// The roofline of a profile as an SVG file.
pub fn roofline(profile: &Profile) -> String {
    let (title, drawn) = (words::title(profile), drawn(profile));
    let Some(plot) = Plot::around(profile, &drawn) else {
        return chart::standalone(&chart::empty(&title, "no operation computes for long enough to be drawn"));
    };
    let mut obstacles = Obstacles::new(Box::new(ACROSS.0, UP.1, ACROSS.1, UP.0));
    let dots: Vec<Dot<'_>> = drawn.iter().map(|row| plot.dot(row)).collect();
    dots.iter().for_each(|dot| obstacles.add(Box::square(dot.centre, dot.radius), DOT_COST));
    let roofs = roofs::draw(&profile.peaks, &plot, &mut obstacles);
    let named = grouped(&dots[..dots.len().min(NAMED)]).into_iter();
    let label = |(dot, rows): (&Dot<'_>, Vec<&Row>)| Label::place((dot.centre, dot.radius), words::name(&rows), &mut obstacles);
    let labels: Vec<Label> = named.map(label).collect();
    let leaders: String = labels.iter().map(Label::leader).collect();
    let names: String = labels.iter().map(Label::words).collect();
    let marks: String = dots.iter().map(Dot::draw).collect();
    let (notes, bottom) = foot(profile, &drawn);
    let content =
        [words::STYLE.to_owned(), plot.grid(), roofs, marks, leaders, names, head(profile, &title), plot.legend(&drawn), notes]
            .concat();
    chart::standalone(&chart::svg(&title, [WIDTH, 0.0, bottom], &content))
}

/// Overlapping dots of the same operation and phase share the label of the first.
fn grouped<'a>(dots: &'a [Dot<'a>]) -> Vec<(&'a Dot<'a>, Vec<&'a Row>)> {
    let mut groups: Vec<(&Dot<'_>, Vec<&Row>)> = Vec::new();
    for dot in dots {
        match groups.iter_mut().find(|(first, _)| first.is_twin(dot)) {
            Some((_, rows)) => rows.push(dot.row),
            None => groups.push((dot, vec![dot.row])),
        }
    }
    groups
}

/// The rows that can be drawn and take long enough, the heaviest first.
fn drawn(profile: &Profile) -> Vec<&Row> {
    let has_place = |row: &&Row| row.measure.executed_intensity().is_some_and(|x| x > 0.0) && row.measure.rates.executed() > 0.0;
    profile.rows.iter().filter(has_place).filter(|row| row.measure.percent_of_time >= MIN_PERCENT).collect()
}

fn text((x, y): (f64, f64), attributes: &str, words: &str) -> String {
    format!(r#"<text x="{x:.1}" y="{y:.1}" {attributes}>{}</text>"#, escape(words))
}

fn head(profile: &Profile, title: &str) -> String {
    text((MARGIN, 24.0), r#"font-size="17" font-weight="600""#, title)
        + &text((MARGIN, 44.0), r#"opacity=".7""#, &words::subtitle(profile))
        + &text((MARGIN, UP.1 - 12.0), r#"font-weight="600""#, words::y_title(profile))
        + &text((ACROSS.1, UP.0 + 38.0), r#"text-anchor="end" font-weight="600""#, words::x_title(profile))
}

/// The notes below the chart, and the height of the picture.
fn foot(profile: &Profile, drawn: &[&Row]) -> (String, f64) {
    let lines = words::notes(profile, drawn).into_iter().flat_map(|note| super::wrap::wrap(&note, 125));
    let (mut svg, mut baseline) = (String::new(), UP.0 + 62.0);
    for line in lines {
        svg += &text((MARGIN, baseline), r#"opacity=".7""#, &line);
        baseline += TEXT;
    }
    (svg, baseline - TEXT + 12.0)
}

fn colour(phase: Phase) -> &'static str {
    PHASES.iter().position(|other| *other == phase).map_or(COLOURS[0], |at| COLOURS[at % COLOURS.len()])
}

/// Axes and roofs.
struct Plot {
    x: Axis,
    y: Axis,
    /// What the axes span, left to right and bottom to top.
    ends: [(f64, f64); 2],
    /// Radius of a dot in pixels per square root of a percent of the time.
    scale: f64,
}

impl Plot {
    /// Axes that include all dots and roofs; None without dots.
    fn around(profile: &Profile, drawn: &[&Row]) -> Option<Self> {
        let (left, right) = ends(drawn.iter().filter_map(|row| row.measure.executed_intensity()))?;
        let (low, high) = ends(drawn.iter().map(|row| row.measure.rates.executed()))?;
        let roof = roofs::flat(&profile.peaks).into_iter().map(|(_, rate)| rate).fold(0.0, f64::max);
        let x = (left / SLACK, f64::max(right, 1e9 * roof / profile.peaks.copy) * SLACK);
        let y = (low / SLACK, f64::max(high, roof) * HEADROOM);
        let heaviest = drawn.iter().map(|row| row.measure.percent_of_time).fold(MIN_PERCENT, f64::max);
        let (x_axis, y_axis) = (Axis::log(x.0, x.1, ACROSS), Axis::log(y.0, y.1, UP));
        Some(Self { x: x_axis, y: y_axis, ends: [x, y], scale: RADII.0 / heaviest.sqrt() })
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.pixel(x), self.y.pixel(y))
    }

    fn dot<'a>(&self, row: &'a Row) -> Dot<'a> {
        let measure = &row.measure;
        let radius = (self.scale * measure.percent_of_time.sqrt()).max(RADII.1);
        let centre = self.pixel((measure.executed_intensity().unwrap_or_default(), measure.rates.executed()));
        Dot { row, centre, radius }
    }

    fn grid(&self) -> String {
        let ((left, right), (bottom, top)) = (ACROSS, UP);
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

    /// The phases of the chart and the meaning of the area, in one line above it.
    fn legend(&self, drawn: &[&Row]) -> String {
        let (mut svg, mut x) = (String::new(), MARGIN);
        let mut entry = |radius: f64, paint: String, words: &str| {
            let (middle, after) = (x + radius, x + 2.0 * radius + 6.0);
            svg.push_str(&format!(
                r#"<circle cx="{middle:.1}" cy="66" r="{radius:.1}" {paint}/><text x="{after:.1}" y="70">{words}</text>"#
            ));
            x = after + labels::LETTER * words.chars().count() as f64 + 24.0;
        };
        for phase in PHASES.into_iter().filter(|phase| drawn.iter().any(|row| row.phase == *phase)) {
            entry(5.0, format!(r#"fill="{}""#, colour(phase)), phase.words());
        }
        let percent =
            [5.0, 2.0, 1.0, 0.5].into_iter().find(|percent| self.scale * f64::sqrt(*percent) <= RADII.0).unwrap_or(MIN_PERCENT);
        let radius = self.scale * f64::sqrt(percent);
        let words = format!("{} % of the time, by area", readable(percent, 2));
        entry(radius, r#"fill="none" stroke="currentColor" stroke-opacity=".6""#.to_owned(), &words);
        svg
    }
}

/// One operation on the chart.
struct Dot<'a> {
    row: &'a Row,
    centre: (f64, f64),
    radius: f64,
}

impl Dot<'_> {
    fn is_twin(&self, other: &Self) -> bool {
        let (a, b) = (self.row, other.row);
        let apart = (self.centre.0 - other.centre.0).hypot(self.centre.1 - other.centre.1);
        (&a.op, a.phase) == (&b.op, b.phase) && apart < self.radius
    }

    fn draw(&self) -> String {
        let (x, y) = self.centre;
        format!(
            r#"<circle class="dot" cx="{x:.1}" cy="{y:.1}" r="{:.1}" fill="{}" fill-opacity=".8"><title>{}</title></circle>"#,
            self.radius,
            colour(self.row.phase),
            escape(&words::tooltip(self.row))
        )
    }
}

#[cfg(test)]
mod tests;
