//! Every operation as a dot under the roofs of memory and arithmetic. The heaviest are named, and every dot tells its numbers to the mouse.

mod labels;
mod roofs;
mod words;

use super::axis::{Axis, ends};
use super::chart::{self, COLOURS, MARGIN};
use super::html::escape;
use super::legend::TEXT;
use super::number::readable;
use crate::profile::{Phase, Profile, Row};
use labels::{Box, Label, Obstacles};
use roofs::Roof;

const WIDTH: f64 = 960.0;
/// Pixels of the plotting area, left to right and bottom to top. The roofs are named beside it.
const ACROSS: (f64, f64) = (64.0, 824.0);
const UP: (f64, f64) = (566.0, 112.0);
/// Rows with a smaller part of the time, in percent, are not drawn: there are many, and they would stretch the axes.
const SMALL: f64 = 0.1;
/// So many of the heaviest operations are named.
const NAMED: usize = 14;
/// Pixels of the largest and of the smallest dot's radius.
const RADII: (f64, f64) = (13.0, 2.5);
/// Free space beyond dots and roofs, as a factor; above there must be room for names.
const SLACK: f64 = 1.6;
const HEADROOM: f64 = 2.4;
/// In the order of the legend.
const PHASES: [Phase; 5] = [Phase::Forward, Phase::InputGradient, Phase::WeightGradient, Phase::Optimiser, Phase::Data];

/// The roofline of a profile as an SVG file.
pub fn roofline(profile: &Profile) -> String {
    let (title, drawn) = (words::title(profile), drawn(profile));
    let Some(plot) = Plot::around(profile, &drawn) else {
        return chart::standalone(&chart::empty(&title, "no operation does arithmetic for long enough to be drawn"));
    };
    let mut obstacles = Obstacles::new(Box::new(ACROSS.0, UP.1, ACROSS.1, UP.0));
    let dots: Vec<Dot<'_>> = drawn.iter().map(|row| plot.dot(row)).collect();
    dots.iter().for_each(|dot| obstacles.dot(dot.centre, dot.radius));
    let roofs = roofs::draw(&plot, &mut obstacles);
    let named = grouped(&dots[..dots.len().min(NAMED)]);
    let labels: Vec<Label> =
        named.iter().filter_map(|dots| Some(Label::place(dots.first()?, words::name(dots), &mut obstacles))).collect();
    let leaders: String = labels.iter().map(Label::leader).collect();
    let names: String = labels.iter().map(Label::words).collect();
    let marks: String = dots.iter().map(Dot::draw).collect();
    let (notes, bottom) = foot(profile, &drawn);
    let content =
        [words::STYLE.to_owned(), plot.grid(), roofs, marks, leaders, names, head(profile, &title), plot.legend(&drawn), notes]
            .concat();
    chart::standalone(&chart::svg(&title, [WIDTH, 0.0, bottom], &content))
}

/// Dots of the same operation and phase that lie on each other have one name.
fn grouped<'a>(dots: &'a [Dot<'a>]) -> Vec<Vec<&'a Dot<'a>>> {
    let mut groups: Vec<Vec<&Dot<'_>>> = Vec::new();
    for dot in dots {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| first.is_twin(dot))) {
            Some(group) => group.push(dot),
            None => groups.push(vec![dot]),
        }
    }
    groups
}

/// What has a place in the chart and takes long enough, the heaviest first.
fn drawn(profile: &Profile) -> Vec<&Row> {
    let has_place = |row: &&Row| row.intensity.is_some_and(|intensity| intensity > 0.0) && row.gflop_per_second > 0.0;
    profile.rows.iter().filter(has_place).filter(|row| row.percent_of_time >= SMALL).collect()
}

fn head(profile: &Profile, title: &str) -> String {
    let line = |y: f64, style: &str, words: &str| format!(r#"<text x="{MARGIN}" y="{y}" {style}>{}</text>"#, escape(words));
    let x_title = format!(
        r#"<text x="{}" y="{}" text-anchor="end" font-weight="600">FLOP per byte, by formula</text>"#,
        ACROSS.1,
        UP.0 + 38.0
    );
    line(24.0, r#"font-size="17" font-weight="600""#, title)
        + &line(44.0, r#"opacity=".7""#, &words::subtitle(profile))
        + &line(UP.1 - 12.0, r#"font-weight="600""#, "GFLOP/s")
        + &x_title
}

/// What there is to say below the chart, and where the picture ends.
fn foot(profile: &Profile, drawn: &[&Row]) -> (String, f64) {
    let lines = words::notes(profile, drawn).into_iter().flat_map(|note| super::wrap::wrap(&note, 125));
    let (mut svg, mut baseline) = (String::new(), UP.0 + 62.0);
    for line in lines {
        svg.push_str(&format!(r#"<text x="{MARGIN}" y="{baseline}" opacity=".7">{}</text>"#, escape(&line)));
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
    roofs: Vec<Roof>,
    /// Pixels of a dot's radius for each root of a percent of the time.
    scale: f64,
}

impl Plot {
    /// Around the dots and the roofs over them; none without dots.
    fn around(profile: &Profile, drawn: &[&Row]) -> Option<Self> {
        let (left, right) = ends(drawn.iter().filter_map(|row| row.intensity))?;
        let (low, high) = ends(drawn.iter().map(|row| row.gflop_per_second))?;
        let flat = roofs::flat(&profile.peaks);
        let ridge = flat.iter().map(|roof| 1e9 * roof.rate / profile.peaks.copy).fold(right, f64::max);
        let x = (left / SLACK, ridge * SLACK);
        let top = flat.iter().map(|roof| roof.rate).fold(high, f64::max);
        let y = (low / SLACK, top * HEADROOM);
        let heaviest = drawn.iter().map(|row| row.percent_of_time).fold(SMALL, f64::max);
        Some(Self {
            x: Axis::log(x.0, x.1, ACROSS),
            y: Axis::log(y.0, y.1, UP),
            roofs: roofs::all(&profile.peaks, flat, x, y),
            scale: RADII.0 / heaviest.sqrt(),
        })
    }

    fn pixel(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.pixel(x), self.y.pixel(y))
    }

    fn dot<'a>(&self, row: &'a Row) -> Dot<'a> {
        let radius = (self.scale * row.percent_of_time.sqrt()).max(RADII.1);
        Dot { row, centre: self.pixel((row.intensity.unwrap_or_default(), row.gflop_per_second)), radius }
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

    /// The phases that are seen, and what an area means, in one line above the chart.
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
            [5.0, 2.0, 1.0, 0.5].into_iter().find(|percent| self.scale * f64::sqrt(*percent) <= RADII.0).unwrap_or(SMALL);
        let radius = self.scale * f64::sqrt(percent);
        let words = format!("{} % of the time, by area", readable(percent, 2));
        entry(radius, r#"fill="none" stroke="currentColor" stroke-opacity=".6""#.to_owned(), &words);
        svg
    }
}

/// One operation in its place.
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
