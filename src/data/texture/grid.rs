//! Perforated metal: a brushed sheet with rows of rounded square holes, so that bars remain between them.

use super::noise::{Colour, TO_LIGHT};
use super::noise::{Noise, Point, lerp, lit, mix, rounded_box, smoothstep};
use super::scene::{Material, Sample};
use crate::rng::Stream;

const METAL: Colour = [0.66, 0.67, 0.69];
const DEEP: Colour = [0.07, 0.07, 0.08];

pub(super) struct Grid {
    period: f32,
    half: f32,
    jitter: Noise,
    brush: Noise,
    broken: Option<Broken>,
}

/// Missing bars: a box around `centre` with half sides `half`.
struct Broken {
    centre: Point,
    half: Point,
}

impl Grid {
    pub fn new(stream: &mut Stream) -> Self {
        let period = 15.0 * stream.range(0.98, 1.02);
        let half = period * stream.range(0.325, 0.345);
        Self { period, half, jitter: Noise::new(stream), brush: Noise::new(stream), broken: None }
    }

    /// Signed distance to the nearest edge of a hole: negative inside holes.
    fn distance(&self, p: Point) -> f32 {
        let (row, column) = ((p.y / self.period).floor() as i32, (p.x / self.period).floor() as i32);
        let random = |k: i32| self.jitter.of_cell(3 * row + k, column);
        let centre =
            Point::new((row as f32 + 0.5) * self.period + 0.3 * random(0), (column as f32 + 0.5) * self.period + 0.3 * random(1));
        let half = self.half + 0.2 * random(2);
        let hole = rounded_box(p.minus(centre), Point::new(half, half), 0.3 * half);
        match &self.broken {
            Some(gap) => hole.min(rounded_box(p.minus(gap.centre), gap.half, 1.0) + 0.9 * self.jitter.at(p.y * 0.5, p.x * 0.5)),
            None => hole,
        }
    }

    /// The direction away from the nearest hole.
    fn outwards(&self, p: Point, here: f32) -> Point {
        const STEP: f32 = 0.2;
        let slope = Point::new(
            self.distance(p.plus(Point::new(STEP, 0.0), 1.0)) - here,
            self.distance(p.plus(Point::new(0.0, STEP), 1.0)) - here,
        );
        slope.times(1.0 / STEP)
    }
}

impl Material for Grid {
    fn sample(&self, p: Point) -> Sample {
        let d = self.distance(p);
        let facing = self.outwards(p, d).dot(TO_LIGHT);
        let brushed = 0.05 * self.brush.at(p.y * 1.3, p.x * 0.09) + 0.05 * self.brush.fractal(p.y * 0.05, p.x * 0.03, 3);
        // The punched edge is rounded: bright on the side of a hole that faces the light, dark on the other.
        let edge = (-d.max(0.0) / 1.1).exp();
        let sheet = lit(METAL, 1.0 + brushed - 0.42 * edge * facing - 0.10 * edge);
        // Inside, the wall of the sheet is lit where it faces the light.
        let wall = lit(METAL, 0.25 + 0.4 * facing.max(0.0));
        let inside = mix(DEEP, wall, smoothstep(-2.2, -0.2, d) * lerp(0.15, 0.9, facing.max(0.0)));
        let solid = smoothstep(-0.3, 0.3, d);
        Sample { colour: mix(inside, sheet, solid), solid }
    }

    fn alter(&mut self, p: Point, reach: f32, stream: &mut Stream) {
        let (row, column) = ((p.y / self.period).floor(), (p.x / self.period).floor());
        let bars = (reach / self.period).round().max(1.0);
        let width = self.half * stream.range(0.75, 1.0);
        let length = self.period * bars / 2.0;
        let (down, right, half) = match stream.below(2) {
            0 => (0.5, (bars + 1.0) / 2.0, Point::new(width, length)),
            _ => ((bars + 1.0) / 2.0, 0.5, Point::new(length, width)),
        };
        self.broken = Some(Broken { centre: Point::new((row + down) * self.period, (column + right) * self.period), half });
    }
}
