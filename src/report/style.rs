//! Measures, strokes and dots that charts, legends and marks share.

/// Text goes from here to [`RIGHT`], in pixels.
pub(super) const MARGIN: f64 = 8.0;
pub(super) const RIGHT: f64 = 546.0;
/// Baseline of the first line above the plotting area.
pub(super) const HEAD: f64 = 16.0;
/// Pixels from one line of text to the next.
pub(super) const TEXT: f64 = 16.0;

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub(super) colour: &'static str,
    pub(super) width: f64,
    pub(super) opacity: f64,
    pub(super) dashes: Dashes,
}

/// The dashes of a line. Several dashed lines of one chart have different ones, so that they differ in print too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dashes {
    None,
    Even,
    Dotted,
    DashDot,
}

impl Dashes {
    /// For the dashed lines of a chart, in their order.
    pub(super) fn number(index: usize) -> Self {
        [Self::Even, Self::Dotted, Self::DashDot][index % 3]
    }
}

/// The SVG attributes of a line, beginning with a space.
pub(super) fn attributes(Stroke { colour, width, opacity, dashes }: Stroke) -> String {
    let dashes = match dashes {
        Dashes::None => r#" stroke-linecap="round""#,
        Dashes::Even => r#" stroke-dasharray="6 4.5""#,
        Dashes::Dotted => r#" stroke-dasharray="2 3.5""#,
        Dashes::DashDot => r#" stroke-dasharray="9 3.5 2 3.5""#,
    };
    format!(r#" stroke="{colour}" stroke-width="{width}" stroke-opacity="{opacity}" stroke-linejoin="round"{dashes}"#)
}

/// What marks a point. Every series of a chart has its own, so that they differ without colours too. Open ones leave what
/// coincides with them visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Ring,
    Dot,
    Square,
    Triangle,
    Diamond,
    Cross,
}

impl Symbol {
    const ALL: [Self; 6] = [Self::Ring, Self::Dot, Self::Square, Self::Triangle, Self::Diamond, Self::Cross];

    /// For the series of a chart, in their order.
    pub(super) fn number(index: usize) -> Self {
        Self::ALL[index % Self::ALL.len()]
    }

    /// Around a pixel.
    pub(super) fn draw(self, (x, y): (f64, f64), colour: &str) -> String {
        let open = format!(r#"fill="none" stroke="{colour}" stroke-width="2""#);
        match self {
            Self::Ring => ring((x, y), colour),
            Self::Dot => dot((x, y), colour),
            Self::Square => format!(r#"<rect x="{:.1}" y="{:.1}" width="8" height="8" {open}/>"#, x - 4.0, y - 4.0),
            Self::Triangle => format!(r#"<path d="M{x:.1} {:.1}l4.5 8h-9z" fill="{colour}"/>"#, y - 5.0),
            Self::Diamond => format!(r#"<path d="M{x:.1} {:.1}l5 5.5l-5 5.5l-5 -5.5z" {open}/>"#, y - 5.5),
            Self::Cross => format!(r#"<path d="M{:.1} {:.1}l8 8m0 -8l-8 8" {open}/>"#, x - 4.0, y - 4.0),
        }
    }
}

/// A dot around a pixel.
fn dot((x, y): (f64, f64), colour: &str) -> String {
    format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#)
}

/// A ring around a pixel; a dot of another series at the same place is visible inside it.
fn ring((x, y): (f64, f64), colour: &str) -> String {
    format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="5" fill="none" stroke="{colour}" stroke-width="2"/>"#)
}
