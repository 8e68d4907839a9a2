//! Defects made of thin curves: scratches and cracks.

use super::super::noise::{Noise, Point, lit, log_range, mix, smoothstep};
use super::super::scene::{Flaw, Sample};
use crate::rng::Stream;

/// A long thin arc, brighter or darker than the surface, interrupted where the tool lost contact.
pub(super) struct Scratch {
    path: Path,
    contact: Noise,
    strength: f32,
    bright: f32,
}

impl Scratch {
    /// A scratch through `centre` in an image whose shorter side is `side`.
    pub fn new(centre: Point, side: f32, stream: &mut Stream) -> Self {
        let half_length = 0.5 * side * log_range(stream, 0.2, 0.9);
        let direction = Point::any_direction(stream);
        let bow = half_length * stream.range(-0.3, 0.3);
        let points: Vec<Point> = (0..=24)
            .map(|k| {
                let t = k as f32 / 12.0 - 1.0;
                let sideways = Point::new(direction.x, -direction.y);
                centre.plus(direction, t * half_length).plus(sideways, bow * (1.0 - t * t))
            })
            .collect();
        let width = stream.range(0.9, 1.9);
        let mut path = Path::default();
        path.add(&points, |t| width * (1.0 - (2.0 * t - 1.0).powi(4)).max(0.15));
        Self { path, contact: Noise::new(stream), strength: stream.range(0.7, 1.0), bright: f32::from(stream.uniform() < 0.6) }
    }
}

impl Flaw for Scratch {
    fn painted(&self, p: Point, sample: Sample) -> Sample {
        let contact = 0.55 + 0.45 * smoothstep(-0.5, 0.1, self.contact.at(p.y * 0.12, p.x * 0.12));
        let groove = self.path.cover(p) * contact * self.strength * sample.solid;
        // One flank of the groove is in shadow.
        let shadow = self.path.cover(p.plus(Point::new(-0.9, -0.9), 1.0)) * contact * self.strength * sample.solid;
        let floor = mix(lit(sample.colour, 0.35), [0.93, 0.92, 0.90], self.bright);
        let around = lit(sample.colour, 1.0 - 0.35 * shadow);
        Sample { colour: mix(around, floor, groove), ..sample }
    }
}

/// A jagged dark line that branches and thins out.
pub(super) struct Crack {
    path: Path,
    depth: f32,
}

/// Maximum number of branches.
const BRANCHES: usize = 7;

impl Crack {
    /// A crack that starts at `origin` in an image whose shorter side is `side`.
    pub fn new(origin: Point, side: f32, stream: &mut Stream) -> Self {
        let mut path = Path::default();
        let length = side * log_range(stream, 0.2, 0.85);
        let mut open = vec![(origin, stream.range(0.0, std::f32::consts::TAU), length, stream.range(0.6, 1.2))];
        let mut grown = 0;
        while let Some((start, heading, length, half)) = open.pop() {
            let (points, turns) = walk(start, heading, length, stream);
            path.add(&points, |t| half * (1.0 - 0.75 * t));
            grown += 1;
            for (point, turn) in points.iter().zip(turns).skip(1) {
                if grown + open.len() < BRANCHES && stream.uniform() < 0.16 {
                    let sign = if stream.below(2) == 0 { -1.0 } else { 1.0 };
                    let off = turn + sign * stream.range(0.5, 1.1);
                    open.push((*point, off, length * stream.range(0.25, 0.5), half * 0.7));
                }
            }
        }
        Self { path, depth: stream.range(0.6, 0.9) }
    }
}

/// A random walk with a persistent heading: its points, and the heading at each point.
fn walk(start: Point, heading: f32, length: f32, stream: &mut Stream) -> (Vec<Point>, Vec<f32>) {
    let (mut points, mut headings, mut walked) = (vec![start], vec![heading], 0.0);
    let (mut at, mut drift) = (start, heading);
    while walked < length {
        let step = stream.range(2.0, 6.0);
        drift += stream.range(-0.18, 0.18);
        let now = drift + stream.range(-0.65, 0.65);
        at = at.plus(Point::new(0.0, 1.0).turned(now), step);
        points.push(at);
        headings.push(drift);
        walked += step;
    }
    (points, headings)
}

impl Flaw for Crack {
    fn painted(&self, p: Point, sample: Sample) -> Sample {
        let gap = self.path.cover(p) * sample.solid;
        // The far lip catches the light.
        let lip = self.path.cover(p.plus(Point::new(-0.9, -0.9), 1.0)) * sample.solid * (1.0 - gap);
        Sample { colour: lit(sample.colour, (1.0 - self.depth * gap) * (1.0 + 0.18 * lip)), ..sample }
    }
}

/// A straight segment of a curve, whose half width changes linearly.
struct Segment {
    from: Point,
    to: Point,
    half: [f32; 2],
}

/// Curves of varying width, in pixels.
#[derive(Default)]
struct Path {
    segments: Vec<Segment>,
}

impl Path {
    /// Adds the curve through `points`; `half(t)` is its half width at t in [0, 1] along it.
    fn add(&mut self, points: &[Point], half: impl Fn(f32) -> f32) {
        let last = points.len().saturating_sub(1).max(1) as f32;
        for (k, pair) in points.windows(2).enumerate() {
            let half = [half(k as f32 / last), half((k + 1) as f32 / last)];
            self.segments.push(Segment { from: pair[0], to: pair[1], half });
        }
    }

    /// How much of the surface around `p` the curves cover: 1 inside, 0 outside, smooth over half a pixel.
    fn cover(&self, p: Point) -> f32 {
        self.segments.iter().map(|segment| segment.cover(p)).fold(0.0, f32::max)
    }
}

impl Segment {
    fn cover(&self, p: Point) -> f32 {
        let along = self.to.minus(self.from);
        let from = p.minus(self.from);
        let t = (from.dot(along) / along.dot(along).max(1e-6)).clamp(0.0, 1.0);
        let half = self.half[0] + (self.half[1] - self.half[0]) * t;
        1.0 - smoothstep(half - 0.25, half + 0.25, from.plus(along, -t).length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cover_is_one_inside_and_zero_outside() {
        let mut path = Path::default();
        path.add(&[Point::new(0.0, 0.0), Point::new(0.0, 10.0), Point::new(10.0, 10.0)], |t| 1.0 + 2.0 * t);
        // The half width is 1 at the start, 1.5 five pixels on, 2.9 close to the end.
        let inside = [(0.7, 0.0), (1.2, 5.0), (9.0, 7.5)];
        let outside = [(1.4, 0.0), (0.0, -1.5), (1.8, 5.0), (9.0, 6.5)];
        assert!(inside.iter().all(|&(y, x)| path.cover(Point::new(y, x)) == 1.0));
        assert!(outside.iter().all(|&(y, x)| path.cover(Point::new(y, x)) == 0.0));
        assert_eq!(Path::default().cover(Point::new(0.0, 0.0)), 0.0);
    }
}
