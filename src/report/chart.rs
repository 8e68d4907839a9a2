//! The frame that all charts share: an SVG of fixed size with a grid, tick labels and axis titles.
//!
//! Lines and letters are drawn in `currentColor`, so a chart inside a page follows its light or dark colours.

use super::axis::Axis;
use super::html::escape;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 546.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 250.0;

/// Pixels of the plotting area, left to right, for the horizontal axis.
pub(super) const ACROSS: (f64, f64) = (LEFT, RIGHT);
/// Pixels of the plotting area, bottom to top, for the vertical axis.
pub(super) const UP: (f64, f64) = (BOTTOM, TOP);

/// Blue and orange that differ in lightness too, and stand out on white and on black.
pub(super) const BLUE: &str = "#3f8fd2";
/// See [`BLUE`].
pub(super) const ORANGE: &str = "#e5762e";

/// A chart without its data.
pub(super) struct Frame<'a> {
    /// What the chart shows, for those who cannot see it.
    pub(super) description: &'a str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) x_title: &'a str,
    pub(super) y_title: &'a str,
}

impl Frame<'_> {
    /// The whole SVG: grid, `marks` (SVG elements) and axis titles.
    pub(super) fn draw(&self, marks: &str) -> String {
        let content = format!("{}{}{marks}{}", self.horizontal_lines(), self.tick_marks(), self.titles());
        svg(self.description, &content)
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
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{BOTTOM}" y2="{:.1}" stroke="currentColor" stroke-opacity=".6"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{label}</text>"#,
                BOTTOM + 5.0,
                BOTTOM + 19.0
            )
        };
        let base =
            format!(r#"<line x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}" stroke="currentColor" stroke-opacity=".6"/>"#);
        base + &self.x.ticks().into_iter().map(mark).collect::<String>()
    }

    fn titles(&self) -> String {
        format!(
            r#"<text x="{RIGHT}" y="{:.1}" text-anchor="end" font-weight="600">{}</text><text x="8" y="16" font-weight="600">{}</text>"#,
            HEIGHT - 8.0,
            escape(self.x_title),
            escape(self.y_title)
        )
    }
}

/// A chart that says only that there is nothing to draw.
pub(super) fn empty(description: &str, reason: &str) -> String {
    let (x, y) = (0.5 * WIDTH, 0.5 * HEIGHT);
    svg(description, &format!(r#"<text x="{x}" y="{y}" text-anchor="middle" opacity=".7">{}</text>"#, escape(reason)))
}

/// Coloured squares and what they stand for (name, colour, opacity), at the top right.
pub(super) fn legend(entries: &[(&str, &str, f64)]) -> String {
    let entry = |(name, colour, opacity): &(&str, &str, f64)| {
        format!(r#"<tspan fill="{colour}" fill-opacity="{opacity}">■</tspan> {}"#, escape(name))
    };
    let entries: Vec<String> = entries.iter().map(entry).collect();
    // No-break spaces: plain ones would run together.
    format!(r#"<text x="{RIGHT}" y="16" text-anchor="end">{}</text>"#, entries.join("\u{a0}\u{a0}\u{a0}\u{a0}"))
}

fn svg(description: &str, content: &str) -> String {
    let description = escape(description);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{description}" font-family="system-ui, sans-serif" font-size="12" fill="currentColor"><title>{description}</title>{content}</svg>"#
    )
}
