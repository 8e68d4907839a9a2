//! The two drawings of a roofline, and text on them.

use crate::report::html::escape;
use crate::report::style::MARGIN;

/// Width of the file in pixels.
pub(super) const WIDTH: f64 = 960.0;

/// Where the parts of a drawing are, in pixels of which the letters have 12.
pub(super) struct Sheet {
    /// The class by which the style rules show it.
    pub(super) class: &'static str,
    /// Pixels of the file in one of the drawing.
    pub(super) scale: f64,
    /// Text goes up to here.
    pub(super) right: f64,
    /// The plotting area, left to right and bottom to top.
    pub(super) across: (f64, f64),
    pub(super) up: (f64, f64),
    /// The number of labelled operations.
    pub(super) named: usize,
    /// Radius of the largest dot.
    pub(super) largest: f64,
    pub(super) is_narrow: bool,
}

/// The names of the roofs are on the right of the plotting area.
pub(super) const WIDE: Sheet = Sheet {
    class: "wide",
    scale: 1.0,
    right: WIDTH - MARGIN,
    across: (64.0, 824.0),
    up: (596.0, 134.0),
    named: 14,
    largest: 13.0,
    is_narrow: false,
};

/// Half as wide with letters of the same size, so that they are legible on a phone. The roofs are in the legend.
pub(super) const NARROW: Sheet = Sheet {
    class: "narrow",
    scale: 2.0,
    right: 0.5 * WIDTH - MARGIN,
    across: (48.0, 472.0),
    up: (322.0, 142.0),
    named: 5,
    largest: 9.0,
    is_narrow: true,
};

/// A line of text at this place.
pub(super) fn text((x, y): (f64, f64), attributes: &str, words: &str) -> String {
    format!(r#"<text x="{x:.1}" y="{y:.1}" {attributes}>{}</text>"#, escape(words))
}
