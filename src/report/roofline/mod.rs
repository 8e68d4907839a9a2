//! Roofline: every operation as a dot below the peaks of memory and arithmetic. The heaviest are labelled, and every dot has a
//! tooltip.
//!
//! A dot is at the FLOPs that were executed. Where the formula counts more, a line leads to a ring at those: both have the same
//! bytes and the same time, so the line is parallel to the roof of memory.
//!
//! The file has two drawings of the same operations, one for wide pictures and one for phones; style rules show the one that
//! fits.

mod dots;
mod labels;
mod legend;
mod plot;
mod roofs;
mod sheet;
mod words;

use super::chart;
use super::style::{MARGIN, TEXT};
use super::wrap::wrap;
use crate::profile::{Profile, Row};
use dots::Dot;
use labels::{DOT_COST, Label, Obstacles, RING_COST, Rectangle};
use plot::Plot;
use sheet::{NARROW, Sheet, WIDE, WIDTH, text};
use words::MIN_PERCENT;

/// The roofline of a profile as an SVG file.
pub fn roofline(profile: &Profile) -> String {
    let (title, drawn) = (words::title(profile), drawn(profile));
    let [wide, narrow] = [WIDE, NARROW].map(|sheet| draw(&sheet, profile, &drawn, &title));
    let Some((wide, narrow)) = wide.zip(narrow) else {
        return chart::standalone(&chart::empty(&title, "no operation computes for long enough to be drawn"));
    };
    let (notes, bottom) = foot(profile, &drawn);
    let height = bottom.max(NARROW.scale * (NARROW.up.0 + 46.0));
    let group =
        |sheet: Sheet, content: String| format!(r#"<g class="{}" transform="scale({})">{content}</g>"#, sheet.class, sheet.scale);
    let content = [words::STYLE.to_owned(), group(WIDE, wide + &notes), group(NARROW, narrow)].concat();
    chart::standalone(&chart::svg(&title, [WIDTH, 0.0, height], &content))
}

/// Chart, titles and legend; None without dots.
fn draw(sheet: &Sheet, profile: &Profile, drawn: &[&Row], title: &str) -> Option<String> {
    let plot = Plot::around(profile, drawn, sheet)?;
    let mut obstacles = Obstacles::new(Rectangle::new(sheet.across.0, sheet.up.1, sheet.across.1, sheet.up.0));
    let dots: Vec<Dot<'_>> = drawn.iter().map(|row| plot.dot(row)).collect();
    for dot in &dots {
        obstacles.add(Rectangle::square(dot.centre, dot.radius), DOT_COST);
        dot.ring.iter().for_each(|ring| obstacles.add(Rectangle::square(*ring, dots::RING), RING_COST));
    }
    let roofs = roofs::draw(&profile.peaks, &plot, &mut obstacles);
    let named = dots::grouped(&dots[..dots.len().min(sheet.named)]).into_iter();
    let label = |(dot, rows): (&Dot<'_>, Vec<&Row>)| Label::place((dot.centre, dot.radius), words::name(&rows), &mut obstacles);
    let labels: Vec<Label> = named.map(label).collect();
    let rings: String = dots.iter().map(Dot::draw_ring).collect();
    let marks: String = dots.iter().map(|dot| dot.draw(!sheet.is_narrow)).collect();
    let leaders: String = labels.iter().map(Label::leader).collect();
    let names: String = labels.iter().map(Label::words).collect();
    Some([plot.grid(), roofs, rings, marks, leaders, names, head(sheet, profile, title, &plot, &dots)].concat())
}

/// Titles and legend.
fn head(sheet: &Sheet, profile: &Profile, title: &str, plot: &Plot<'_>, dots: &[Dot<'_>]) -> String {
    let (lines, size, first) = if sheet.is_narrow { (wrap(title, 50), 15, 18.0) } else { (vec![title.to_owned()], 17, 24.0) };
    let attributes = format!(r#"font-size="{size}" font-weight="600""#);
    let (mut svg, mut baseline) = (String::new(), first);
    for words in &lines {
        svg += &text((MARGIN, baseline), &attributes, words);
        baseline += 20.0;
    }
    if !sheet.is_narrow {
        svg += &text((MARGIN, baseline), r#"opacity=".7""#, &words::subtitle(profile));
        baseline += 26.0;
    }
    svg + &legend::draw(sheet, &profile.peaks, plot, dots, baseline)
        + &text((MARGIN, sheet.up.1 - 12.0), r#"font-weight="600""#, words::y_title(profile))
        + &text((sheet.across.1, sheet.up.0 + 38.0), r#"text-anchor="end" font-weight="600""#, words::x_title(profile))
}

/// The rows that can be drawn and take long enough, the heaviest first.
fn drawn(profile: &Profile) -> Vec<&Row> {
    let has_place = |row: &&Row| row.measure.executed_intensity().is_some_and(|x| x > 0.0) && row.measure.rates.executed() > 0.0;
    profile.rows.iter().filter(has_place).filter(|row| row.measure.percent_of_time >= MIN_PERCENT).collect()
}

/// The notes below the wide drawing, and the height of the picture.
fn foot(profile: &Profile, drawn: &[&Row]) -> (String, f64) {
    let lines = words::notes(profile, drawn).into_iter().flat_map(|note| wrap(&note, 125));
    let (mut svg, mut baseline) = (String::new(), WIDE.up.0 + 62.0);
    for line in lines {
        svg += &text((MARGIN, baseline), r#"opacity=".7""#, &line);
        baseline += TEXT;
    }
    (svg, baseline - TEXT + 12.0)
}

#[cfg(test)]
mod tests;
