//! The frame of all charts: an SVG with a grid, tick labels, axis titles and a legend outside the plotting area.
//!
//! Lines and text are drawn in `currentColor`, so a chart in a page follows its light or dark colours.

use super::axis::Axis;
use super::html::escape;
use super::legend::{Entry, Legend, text_lines};
use super::maths;
use super::style::{HEAD, MARGIN, RIGHT, TEXT};

pub(super) const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 250.0;

/// Pixels of the plotting area, left to right, for the horizontal axis.
pub(super) const ACROSS: (f64, f64) = (LEFT, RIGHT);
/// Pixels of the plotting area, bottom to top, for the vertical axis.
pub(super) const UP: (f64, f64) = (BOTTOM, TOP);

/// Baseline of the title of the horizontal axis.
const FOOT: f64 = 287.0;

/// Blue, orange, green, violet, gold and crimson, clear on white and on black. Some are equally light, so series also differ by
/// symbols and dashes.
pub(super) const COLOURS: [&str; 6] = ["#3f8fd2", "#e5762e", "#2a7b57", "#a94df0", "#b09f2a", "#8c1f3f"];
/// Replacements for the two darkest of [`COLOURS`] on a dark background, by index.
const BRIGHTENED: [(usize, &str); 2] = [(2, "#56c596"), (5, "#f7aec0")];
pub(super) const BLUE: &str = COLOURS[0];
pub(super) const ORANGE: &str = COLOURS[1];

/// A chart without its data.
pub(super) struct Frame<'a> {
    /// Description for readers who cannot see the chart.
    pub(super) description: &'a str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) x_title: &'a str,
    pub(super) y_title: &'a str,
}

impl Frame<'_> {
    /// The pixel of a point.
    pub(super) fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x.pixel(x), self.y.pixel(y))
    }

    /// The whole SVG: grid, `marks` (SVG elements), axis titles, legend `entries`, and how many values are `left_out` and `why`.
    /// The legend is next to the title of the vertical axis if there is room, otherwise below the chart.
    pub(super) fn draw(&self, marks: &str, entries: &[Entry<'_>], left_out: usize, why: &str) -> String {
        let (y_title, x_title) = (text_lines(self.y_title), text_lines(self.x_title));
        let top = -TEXT * (y_title.len() - 1) as f64;
        let mut words = self.titles(&y_title, &x_title);
        let mut baseline = FOOT + 4.0 + self.x.label_height() + TEXT * x_title.len() as f64;
        let room = if y_title.len() == 1 { Legend::next_to(entries, &y_title[0]) } else { None };
        let legend = room.unwrap_or_else(|| Legend::from(entries, baseline + 4.0));
        words.push_str(&legend.svg);
        baseline = baseline.max(legend.next_baseline);
        if left_out > 0 {
            words.push_str(&format!(
                r#"<text x="{MARGIN}" y="{baseline:.1}" opacity=".7">{left_out} not drawn: {}</text>"#,
                escape(why)
            ));
            baseline += TEXT;
        }
        let height = baseline - TEXT + 8.0 - top;
        svg(self.description, [WIDTH, top, height], &format!("{}{}{marks}{words}", self.horizontal_lines(), self.tick_marks()))
    }

    fn horizontal_lines(&self) -> String {
        let line = |(y, label): (f64, String)| {
            format!(
                r#"<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1}" y2="{y:.1}" stroke="currentColor" stroke-opacity=".14"/><text x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
                LEFT - 8.0,
                y + 4.0
            )
        };
        self.y.ticks().into_iter().map(line).collect()
    }

    fn tick_marks(&self) -> String {
        let mark = |(x, label): (f64, String)| {
            format!(
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{BOTTOM}" y2="{:.1}" stroke="currentColor" stroke-opacity=".6"/>{}"#,
                BOTTOM + 5.0,
                self.tick_label(x, &label)
            )
        };
        let base =
            format!(r#"<line x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}" stroke="currentColor" stroke-opacity=".6"/>"#);
        base + &self.x.ticks().into_iter().map(mark).collect::<String>()
    }

    /// The label under a tick: centred, or slanted where the axis has names.
    fn tick_label(&self, x: f64, label: &str) -> String {
        let y = BOTTOM + 19.0;
        match self.x.label_height() > 0.0 {
            false => format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle">{label}</text>"#),
            true => {
                let (x, y) = (x + 5.0, y - 3.0);
                format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="end" transform="rotate(-40 {x:.1} {y:.1})">{label}</text>"#)
            }
        }
    }

    /// The axis titles. Further lines of the vertical axis's title go above the first, those of the horizontal axis's below it.
    fn titles(&self, y_title: &[String], x_title: &[String]) -> String {
        let line = |x: f64, y: f64, anchor: &str, words: &String| {
            format!(r#"<text x="{x}" y="{y:.1}" text-anchor="{anchor}" font-weight="600">{}</text>"#, maths::svg(words))
        };
        let up = y_title.iter().rev().enumerate().map(|(row, words)| line(MARGIN, HEAD - TEXT * row as f64, "start", words));
        let down = x_title
            .iter()
            .enumerate()
            .map(|(row, words)| line(0.5 * (LEFT + RIGHT), FOOT + self.x.label_height() + TEXT * row as f64, "middle", words));
        up.chain(down).collect()
    }
}

/// A chart that only states why there is nothing to draw.
pub(super) fn empty(description: &str, reason: &str) -> String {
    let (x, y) = (0.5 * WIDTH, 0.5 * HEIGHT);
    let words = format!(r#"<text x="{x}" y="{y}" text-anchor="middle" opacity=".7">{}</text>"#, escape(reason));
    svg(description, [WIDTH, 0.0, HEIGHT], &words)
}

/// `chart` as a file of its own, with a background in light and dark mode.
pub(super) fn standalone(chart: &str) -> String {
    let style = "<style>svg{background:#fff;color:#1c1f26}@media(prefers-color-scheme:dark){svg{background:#14161a;color:#e9eaed}}</style>";
    match chart.split_once('>') {
        Some((head, tail)) => format!("{head}>{style}{tail}\n"),
        None => chart.to_owned(),
    }
}

/// An SVG with `title` above `chart`, itself an SVG of this module.
pub(super) fn titled(title: &str, chart: &str) -> String {
    let lines = text_lines(title);
    let line = |(row, words): (usize, &String)| {
        let y = 22.0 + 18.0 * row as f64;
        format!(r#"<text x="{MARGIN}" y="{y}" font-size="14" font-weight="700">{}</text>"#, maths::svg(words))
    };
    let heading: String = lines.iter().enumerate().map(line).collect();
    let head = 14.0 + 18.0 * lines.len() as f64;
    let height = head + height(chart);
    let inner = chart.replacen("<svg ", &format!(r#"<svg y="{head}" width="{WIDTH}" height="{:.1}" "#, height - head), 1);
    svg(title, [WIDTH, 0.0, height], &format!("{heading}{inner}"))
}

/// The height of an SVG of this module, read from its view box.
fn height(chart: &str) -> f64 {
    let view_box = chart.split_once("viewBox=\"").and_then(|(_, tail)| tail.split('"').next());
    view_box.and_then(|numbers| numbers.split(' ').nth(3)?.parse().ok()).unwrap_or(HEIGHT)
}

/// Rules for dark mode.
fn dark_style() -> String {
    let rule = |&(place, bright): &(usize, &str)| {
        let colour = COLOURS[place];
        format!("svg [stroke='{colour}']{{stroke:{bright}}}svg [fill='{colour}']{{fill:{bright}}}")
    };
    format!("<style>@media(prefers-color-scheme:dark){{{}}}</style>", BRIGHTENED.iter().map(rule).collect::<String>())
}

/// An SVG of this width and height, whose upper edge is at `top`.
pub(super) fn svg(description: &str, [width, top, height]: [f64; 3], content: &str) -> String {
    let description = escape(description);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {top} {width} {height}" role="img" aria-label="{description}" font-family="system-ui, sans-serif" font-size="12" fill="currentColor"><title>{description}</title>{}{content}</svg>"#,
        dark_style()
    )
}

/// Whether an SVG contains no number that is not finite.
#[cfg(test)]
pub(super) fn has_only_numbers(svg: &str) -> bool {
    !["NaN", "inf", "–", "∞"].iter().any(|bad| svg.contains(bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2) of `#rrggbb`.
    fn luminance(colour: &str) -> f64 {
        let linear = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(1) + 0.7152 * linear(3) + 0.0722 * linear(5)
    }

    #[test]
    fn colours_differ_in_lightness_and_stand_out_on_white_and_on_black() {
        let mut dark = COLOURS;
        BRIGHTENED.iter().for_each(|&(place, bright)| dark[place] = bright);
        for (colours, paper, least) in [(COLOURS, "#ffffff", 2.5), (dark, "#1c1f25", 3.7)] {
            let mut lightness = colours.map(|colour| 116.0 * luminance(colour).cbrt() - 16.0);
            lightness.sort_by(f64::total_cmp);
            assert!(lightness.windows(2).all(|pair| pair[1] - pair[0] > 3.5), "{lightness:?}");
            for colour in colours {
                let (a, b) = (luminance(colour) + 0.05, luminance(paper) + 0.05);
                assert!((a / b).max(b / a) > least, "{colour} on {paper}: {}", (a / b).max(b / a));
            }
        }
    }
}
