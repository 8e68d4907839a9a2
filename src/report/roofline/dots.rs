//! Operations on the chart: a dot for what was executed, a ring for what the formula counts.

use super::words;
use crate::profile::{Phase, Row};
use crate::report::chart::COLOURS;
use crate::report::html::escape;

/// The order of the legend.
pub(super) const PHASES: [Phase; 5] =
    [Phase::Forward, Phase::InputGradient, Phase::WeightGradient, Phase::Optimiser, Phase::Data];

/// Radius of a ring in pixels.
pub(super) const RING: f64 = 2.5;

/// One operation.
pub(super) struct Dot<'a> {
    pub(super) row: &'a Row,
    pub(super) centre: (f64, f64),
    pub(super) radius: f64,
    /// The place of the FLOPs of the formula, where it counts clearly more than were executed.
    pub(super) ring: Option<(f64, f64)>,
}

impl<'a> Dot<'a> {
    fn is_twin(&self, other: &Self) -> bool {
        let (a, b) = (self.row, other.row);
        let apart = (self.centre.0 - other.centre.0).hypot(self.centre.1 - other.centre.1);
        (&a.op, a.phase) == (&b.op, b.phase) && apart < self.radius
    }

    pub(super) fn draw(&self, has_tooltip: bool) -> String {
        let (x, y) = self.centre;
        let tooltip = if has_tooltip { format!("<title>{}</title>", escape(&words::tooltip(self.row))) } else { String::new() };
        format!(
            r#"<circle class="dot" cx="{x:.1}" cy="{y:.1}" r="{:.1}" fill="{}" fill-opacity=".8">{tooltip}</circle>"#,
            self.radius,
            colour(self.row.phase),
        )
    }

    pub(super) fn draw_ring(&self) -> String {
        self.ring.map_or(String::new(), |ring| draw_ring(self.centre, ring, colour(self.row.phase)))
    }
}

/// A ring, and the line to it from a dot.
pub(super) fn draw_ring(dot: (f64, f64), ring: (f64, f64), colour: &str) -> String {
    let way = (ring.0 - dot.0, ring.1 - dot.1);
    let part = 1.0 - RING / way.0.hypot(way.1).max(RING);
    let end = (dot.0 + part * way.0, dot.1 + part * way.1);
    format!(
        r#"<g class="formula" stroke="{colour}" fill="none" stroke-opacity=".6"><line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke-opacity=".3"/><circle cx="{:.1}" cy="{:.1}" r="{RING}"/></g>"#,
        dot.0, dot.1, end.0, end.1, ring.0, ring.1
    )
}

/// Overlapping dots of the same operation and phase share the label of the first.
pub(super) fn grouped<'a>(dots: &'a [Dot<'a>]) -> Vec<(&'a Dot<'a>, Vec<&'a Row>)> {
    let mut groups: Vec<(&Dot<'_>, Vec<&Row>)> = Vec::new();
    for dot in dots {
        match groups.iter_mut().find(|(first, _)| first.is_twin(dot)) {
            Some((_, rows)) => rows.push(dot.row),
            None => groups.push((dot, vec![dot.row])),
        }
    }
    groups
}

pub(super) fn colour(phase: Phase) -> &'static str {
    PHASES.iter().position(|other| *other == phase).map_or(COLOURS[0], |at| COLOURS[at % COLOURS.len()])
}
