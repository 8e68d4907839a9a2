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
    pub(super) is_dashed: bool,
}

/// The SVG attributes of a line, beginning with a space.
pub(super) fn attributes(Stroke { colour, width, opacity, is_dashed }: Stroke) -> String {
    let dashes = if is_dashed { r#" stroke-dasharray="6 4.5""# } else { r#" stroke-linecap="round""# };
    format!(r#" stroke="{colour}" stroke-width="{width}" stroke-opacity="{opacity}" stroke-linejoin="round"{dashes}"#)
}

/// A dot around a pixel.
pub(super) fn dot((x, y): (f64, f64), colour: &str) -> String {
    format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#)
}

/// A ring around a pixel; a dot of another series at the same place is visible inside it.
pub(super) fn ring((x, y): (f64, f64), colour: &str) -> String {
    format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="5" fill="none" stroke="{colour}" stroke-width="2"/>"#)
}
