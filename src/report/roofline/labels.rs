//! Labels of dots: each takes the best of some places around its dot, clear of everything placed before it.

use crate::report::html::escape;

/// Average width in pixels of a 12-pixel letter in a wide font.
pub(super) const LETTER: f64 = 7.0;
/// Height of a line of text in pixels.
pub(super) const SIZE: f64 = 12.0;
/// The number of directions that are tried.
const DIRECTIONS: u32 = 24;
/// Distances in pixels between a dot and its label that are tried.
const DISTANCES: [f64; 11] = [3.0, 10.0, 20.0, 32.0, 46.0, 62.0, 82.0, 106.0, 134.0, 166.0, 200.0];
/// From this distance on, a thin line joins a dot and its label.
const FAR: f64 = 8.0;
/// The cost of covering text, a dot or a roof, of crossing another line, and of each pixel of distance.
const COSTS: [f64; 5] = [1e4, 500.0, 250.0, 200.0, 1.0];

type Point = (f64, f64);
/// Centre and radius.
type Circle = (Point, f64);

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Box {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Box {
    pub(super) fn new(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self { left, top, right, bottom }
    }

    pub(super) fn holds(&self, other: &Self) -> bool {
        self.left <= other.left && other.right <= self.right && self.top <= other.top && other.bottom <= self.bottom
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// The point of the rectangle nearest to a given one.
    fn nearest(&self, (x, y): Point) -> Point {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }

    fn meets_circle(&self, centre: Point, radius: f64) -> bool {
        distance(self.nearest(centre), centre) < radius
    }

    /// Whether a line segment passes through.
    fn meets_line(&self, from: Point, to: Point) -> bool {
        let corners = [(self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom)];
        let sides = (0..4).any(|side| cross(from, to, corners[side], corners[(side + 1) % 4]));
        sides || self.nearest(from) == from
    }
}

fn distance(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// Whether the segments a–b and c–d cross.
fn cross(a: Point, b: Point, c: Point, d: Point) -> bool {
    let side = |p: Point, q: Point, r: Point| (q.0 - p.0) * (r.1 - p.1) - (q.1 - p.1) * (r.0 - p.0);
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

/// Everything that labels avoid.
pub(super) struct Obstacles {
    area: Box,
    words: Vec<Box>,
    dots: Vec<Circle>,
    lines: Vec<(Point, Point)>,
    leaders: Vec<(Point, Point)>,
}

impl Obstacles {
    /// An empty area, which labels must not leave.
    pub(super) fn new(area: Box) -> Self {
        Self { area, words: Vec::new(), dots: Vec::new(), lines: Vec::new(), leaders: Vec::new() }
    }

    pub(super) fn words(&mut self, place: Box) {
        self.words.push(place);
    }

    pub(super) fn dot(&mut self, centre: Point, radius: f64) {
        self.dots.push((centre, radius));
    }

    pub(super) fn line(&mut self, from: Point, to: Point) {
        self.lines.push((from, to));
    }

    /// How many dots and texts a place covers.
    pub(super) fn covered(&self, place: &Box) -> usize {
        let dots = self.dots.iter().filter(|(centre, radius)| place.meets_circle(*centre, *radius)).count();
        dots + self.words.iter().filter(|words| words.meets(place)).count()
    }

    /// The cost of a place for the label of a dot.
    fn cost(&self, place: &Box, centre: Point) -> f64 {
        let count = |number: usize, cost: f64| number as f64 * cost;
        let leader = (centre, place.nearest(centre));
        let crossed = |line: &&(Point, Point)| cross(leader.0, leader.1, line.0, line.1);
        let covered = self.words.iter().filter(|words| words.meets(place)).count()
            + self.words.iter().filter(|words| words.meets_line(leader.0, leader.1)).count()
            + usize::from(!self.area.holds(place));
        let dots = self.dots.iter().filter(|(centre, radius)| place.meets_circle(*centre, radius + 2.0)).count();
        let lines = self.lines.iter().filter(|(from, to)| place.meets_line(*from, *to)).count();
        let leaders = self.leaders.iter().filter(crossed).count()
            + self.leaders.iter().filter(|(from, to)| place.meets_line(*from, *to)).count();
        count(covered, COSTS[0])
            + count(dots, COSTS[1])
            + count(lines, COSTS[2])
            + count(leaders, COSTS[3])
            + COSTS[4] * distance(leader.0, leader.1)
    }
}

/// A label that has been placed.
pub(super) struct Label {
    name: String,
    place: Box,
    dot: Circle,
}

impl Label {
    /// Puts the label of a dot at the best place.
    pub(super) fn place(dot: Circle, name: String, obstacles: &mut Obstacles) -> Self {
        let (centre, radius) = dot;
        let width = LETTER * name.chars().count() as f64;
        let mut best = (f64::INFINITY, around(centre, 0.0, 0.0, width));
        for away in DISTANCES {
            for direction in 0..DIRECTIONS {
                let angle = std::f64::consts::TAU * f64::from(direction) / f64::from(DIRECTIONS);
                let place = around(centre, radius + away, angle, width);
                let cost = obstacles.cost(&place, centre);
                if cost < best.0 {
                    best = (cost, place);
                }
            }
        }
        let place = best.1;
        obstacles.words(place);
        let label = Self { name, place, dot };
        if let Some(line) = label.line() {
            obstacles.leaders.push(line);
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
        let Box { left, right, bottom, .. } = self.place;
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
fn around((x, y): Point, away: f64, angle: f64, width: f64) -> Box {
    let (across, down) = (angle.cos(), angle.sin());
    let (x, y) = (x + away * across, y + away * down);
    let (left, top) = (x - 0.5 * width * (1.0 - across), y - 0.5 * SIZE * (1.0 - down));
    Box::new(left, top, left + width, top + SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_meet_circles_and_lines() {
        let place = Box::new(10.0, 10.0, 30.0, 20.0);
        assert!(place.meets(&Box::new(29.0, 19.0, 40.0, 40.0)) && !place.meets(&Box::new(30.0, 10.0, 40.0, 20.0)));
        assert!(
            place.meets_circle((5.0, 15.0), 6.0)
                && !place.meets_circle((5.0, 15.0), 4.0)
                && place.meets_circle((20.0, 15.0), 0.1)
        );
        assert!(place.meets_line((0.0, 0.0), (40.0, 30.0)) && !place.meets_line((0.0, 30.0), (40.0, 30.0)));
        assert!(place.meets_line((12.0, 12.0), (15.0, 15.0)), "within");
        assert_eq!(around((0.0, 0.0), 5.0, 0.0, 20.0), Box::new(5.0, -6.0, 25.0, 6.0));
    }
}
