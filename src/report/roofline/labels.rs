//! Labels of dots: each takes the best of some places around its dot, clear of everything placed before it.

use crate::report::html::escape;

/// Average width in pixels of a 12-pixel letter in a wide font.
pub(super) const LETTER: f64 = 7.0;
/// Height of a line of text in pixels.
const SIZE: f64 = 12.0;
/// The number of directions that are tried.
const DIRECTIONS: u32 = 24;
/// Distances in pixels between a dot and its label that are tried.
const DISTANCES: [f64; 11] = [3.0, 10.0, 20.0, 32.0, 46.0, 62.0, 82.0, 106.0, 134.0, 166.0, 200.0];
/// From this distance on, a thin line joins a dot and its label.
const FAR: f64 = 8.0;
/// Lines are avoided as a chain of squares with this half side in pixels.
const HALF: f64 = 4.0;
/// The cost of covering text or leaving the chart, a square of another label's line, a dot, a ring, and a square of a roof. A
/// pixel of distance costs 1.
const TEXT_COST: f64 = 1e4;
const LINE_COST: f64 = 2e3;
pub(super) const DOT_COST: f64 = 500.0;
pub(super) const RING_COST: f64 = 60.0;
pub(super) const ROOF_COST: f64 = 250.0;
/// What is covered by the line to a label costs this part of what is covered by the label.
const LINE_PART: f64 = 0.02;

type Point = (f64, f64);

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rectangle {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Rectangle {
    pub(super) fn new(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self { left, top, right, bottom }
    }

    pub(super) fn square((x, y): Point, half: f64) -> Self {
        Self::new(x - half, y - half, x + half, y + half)
    }

    pub(super) fn holds(&self, other: &Self) -> bool {
        self.left <= other.left && other.right <= self.right && self.top <= other.top && other.bottom <= self.bottom
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// The point of the rectangle nearest to a given one.
    fn nearest(&self, (x, y): Point) -> Point {
        // Not clamp, which panics if an end is no number.
        (x.max(self.left).min(self.right), y.max(self.top).min(self.bottom))
    }
}

fn distance(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// A line segment as squares that touch each other.
fn chain(from: Point, to: Point) -> impl Iterator<Item = Rectangle> {
    let count = (distance(from, to) / (2.0 * HALF)).ceil().max(1.0);
    (0..=count as u32).map(move |step| {
        let part = f64::from(step) / count;
        Rectangle::square((from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1)), HALF)
    })
}

/// Everything that labels avoid: places and what covering them costs.
pub(super) struct Obstacles {
    area: Rectangle,
    places: Vec<(Rectangle, f64)>,
}

impl Obstacles {
    /// An empty area, which labels must not leave.
    pub(super) fn new(area: Rectangle) -> Self {
        Self { area, places: Vec::new() }
    }

    pub(super) fn add(&mut self, place: Rectangle, cost: f64) {
        self.places.push((place, cost));
    }

    pub(super) fn add_line(&mut self, from: Point, to: Point, cost: f64) {
        self.places.extend(chain(from, to).map(|square| (square, cost)));
    }

    /// The cost of covering a place.
    fn cost(&self, place: &Rectangle) -> f64 {
        let covered: f64 = self.places.iter().filter(|(other, _)| other.meets(place)).map(|(_, cost)| cost).sum();
        covered + if self.area.holds(place) { 0.0 } else { TEXT_COST }
    }

    /// The cost of a place for the label of a dot.
    fn label_cost(&self, place: &Rectangle, centre: Point) -> f64 {
        let end = place.nearest(centre);
        let line: f64 = chain(centre, end).map(|square| self.cost(&square)).sum();
        self.cost(place) + LINE_PART * line + distance(centre, end)
    }
}

/// A label that has been placed.
pub(super) struct Label {
    name: String,
    place: Rectangle,
    /// Centre and radius.
    dot: (Point, f64),
}

impl Label {
    /// Puts the label of a dot at the best place.
    pub(super) fn place(dot: (Point, f64), name: String, obstacles: &mut Obstacles) -> Self {
        let (centre, radius) = dot;
        let width = LETTER * name.chars().count() as f64;
        let mut best = (f64::INFINITY, around(centre, 0.0, 0.0, width));
        for away in DISTANCES {
            for direction in 0..DIRECTIONS {
                let angle = std::f64::consts::TAU * f64::from(direction) / f64::from(DIRECTIONS);
                let place = around(centre, radius + away, angle, width);
                let cost = obstacles.label_cost(&place, centre);
                if cost < best.0 {
                    best = (cost, place);
                }
            }
        }
        let place = best.1;
        obstacles.add(place, TEXT_COST);
        let label = Self { name, place, dot };
        if let Some((from, to)) = label.line() {
            obstacles.add_line(from, to, LINE_COST);
        }
        label
    }

    /// The line from the centre of the dot, which others may cover, to a label that is far away.
    fn line(&self) -> Option<(Point, Point)> {
        let (centre, radius) = self.dot;
        let end = self.place.nearest(centre);
        let (length, way) = (distance(centre, end), (end.0 - centre.0, end.1 - centre.1));
        let edge = |part: f64| (centre.0 + part * way.0, centre.1 + part * way.1);
        (length > radius + FAR).then(|| (centre, edge(1.0 - 2.0 / length)))
    }

    pub(super) fn leader(&self) -> String {
        self.line().map_or(String::new(), |(from, to)| {
            format!(
                r#"<line class="leader" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="currentColor" stroke-opacity=".6"/><circle cx="{:.1}" cy="{:.1}" r="1.8"/>"#,
                from.0, from.1, to.0, to.1, from.0, from.1
            )
        })
    }

    /// Text is anchored at the side of its dot, because letters are usually narrower than assumed.
    pub(super) fn words(&self) -> String {
        let Rectangle { left, right, bottom, .. } = self.place;
        let (x, _) = self.dot.0;
        let (x, anchor) = if x <= left {
            (left, "start")
        } else if x >= right {
            (right, "end")
        } else {
            (0.5 * (left + right), "middle")
        };
        format!(r#"<text class="name" x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#, bottom - 2.5, escape(&self.name))
    }
}

/// The box of a line of text whose edge is `away` pixels from a point, in a direction.
fn around((x, y): Point, away: f64, angle: f64, width: f64) -> Rectangle {
    let (across, down) = (angle.cos(), angle.sin());
    let (x, y) = (x + away * across, y + away * down);
    let (left, top) = (x - 0.5 * width * (1.0 - across), y - 0.5 * SIZE * (1.0 - down));
    Rectangle::new(left, top, left + width, top + SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_meet_each_other_and_lines() {
        let place = Rectangle::new(10.0, 10.0, 30.0, 20.0);
        assert!(place.meets(&Rectangle::new(29.0, 19.0, 40.0, 40.0)) && !place.meets(&Rectangle::new(30.0, 10.0, 40.0, 20.0)));
        assert!(place.meets(&Rectangle::square((5.0, 15.0), 6.0)) && !place.meets(&Rectangle::square((5.0, 15.0), 4.0)));
        let is_crossed = |from: Point, to: Point| chain(from, to).any(|square| square.meets(&place));
        assert!(is_crossed((0.0, 0.0), (40.0, 30.0)) && !is_crossed((0.0, 30.0), (40.0, 30.0)));
        assert!(is_crossed((12.0, 12.0), (15.0, 15.0)) && is_crossed((20.0, 15.0), (20.0, 15.0)), "within");
        assert_eq!(around((0.0, 0.0), 5.0, 0.0, 20.0), Rectangle::new(5.0, -6.0, 25.0, 6.0));
    }

    #[test]
    fn a_place_costs_what_it_covers() {
        let mut obstacles = Obstacles::new(Rectangle::new(0.0, 0.0, 100.0, 100.0));
        let place = Rectangle::new(10.0, 10.0, 30.0, 20.0);
        assert_eq!(obstacles.cost(&place), 0.0);
        obstacles.add(Rectangle::square((20.0, 15.0), 2.0), DOT_COST);
        obstacles.add(Rectangle::square((50.0, 50.0), 2.0), DOT_COST);
        assert_eq!(obstacles.cost(&place), DOT_COST);
        assert_eq!(obstacles.cost(&Rectangle::new(-1.0, 10.0, 30.0, 20.0)), DOT_COST + TEXT_COST, "outside");
    }
}
