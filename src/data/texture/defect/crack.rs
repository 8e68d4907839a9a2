//! A crack: a jagged dark line that branches and thins out.

use super::super::noise::{Point, lit, log_range};
use super::super::scene::{Flaw, Sample};
use super::path::Path;
use crate::rng::Stream;

pub(super) struct Crack {
    path: Path,
    depth: f32,
}

/// No more branches than this, however the dice fall.
const BRANCHES: usize = 7;

impl Crack {
    /// A crack that starts at `origin` on a picture whose shorter side is `side`.
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

/// A random walk that keeps its heading on the whole: its points, and the heading at each.
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
