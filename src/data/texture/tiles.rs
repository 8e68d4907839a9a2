//! Glazed wall tiles in mortar, laid by hand: each has its own tone and is slightly rotated.

use super::noise::{Colour, Noise, Point, TO_LIGHT, lit, mix, rounded_box, smoothstep};
use super::scene::{Material, Sample};
use crate::rng::Stream;

const GLAZE: Colour = [0.70, 0.40, 0.28];
const MORTAR: Colour = [0.72, 0.69, 0.64];
const BED: Colour = [0.46, 0.44, 0.41];

pub(super) struct Tiles {
    period: f32,
    lay: Noise,
    glaze: Noise,
    missing: Vec<(i32, i32)>,
}

impl Tiles {
    pub fn new(stream: &mut Stream) -> Self {
        Self { period: 25.0 * stream.range(0.98, 1.02), lay: Noise::new(stream), glaze: Noise::new(stream), missing: Vec::new() }
    }

    fn cell(&self, p: Point) -> (i32, i32) {
        ((p.y / self.period).floor() as i32, (p.x / self.period).floor() as i32)
    }

    /// The point in the coordinates of the tile: relative to its centre and rotated with it.
    fn on_tile(&self, p: Point, (row, column): (i32, i32)) -> Point {
        let random = |k: i32| self.lay.of_cell(4 * row + k, column);
        let centre = Point::new(
            (row as f32 + 0.5) * self.period + 0.45 * random(0),
            (column as f32 + 0.5) * self.period + 0.45 * random(1),
        );
        p.minus(centre).turned(0.018 * random(2))
    }

    fn glazed(&self, p: Point, q: Point, d: f32, cell: (i32, i32)) -> Colour {
        let tone = 0.08 * self.lay.of_cell(4 * cell.0 + 3, cell.1);
        let mottle = 0.10 * self.glaze.fractal(p.y * 0.11, p.x * 0.11, 4);
        let speck = smoothstep(0.62, 0.85, self.glaze.at(p.y * 0.55 + 20.0, p.x * 0.55));
        // The edge of the glaze is rounded and shines towards the light; the face is slightly domed.
        let steep = smoothstep(-2.6, -0.2, d);
        let normal = if q.y.abs() > q.x.abs() { Point::new(q.y.signum(), 0.0) } else { Point::new(0.0, q.x.signum()) };
        let shine = 0.34 * steep * normal.dot(TO_LIGHT) + 0.10 * q.dot(TO_LIGHT) / self.period;
        lit(GLAZE, (1.0 + tone + mottle + shine) * (1.0 - 0.25 * speck))
    }

    fn mortar(&self, p: Point, d: f32) -> Colour {
        let rough = 0.16 * self.glaze.fractal(p.y * 0.45, p.x * 0.45, 3);
        // Mortar is deeper than the tiles and is darker next to them.
        lit(MORTAR, (1.0 + rough) * (0.72 + 0.28 * smoothstep(0.0, 1.4, d)))
    }

    /// The surface behind a missing tile: mortar combed with a notched trowel, in the shadow of the neighbouring tiles.
    fn bed(&self, q: Point, d: f32) -> Colour {
        let comb = 0.16 * (1.35 * (q.y + 0.35 * q.x + 1.4 * self.glaze.at(q.y * 0.12, q.x * 0.12))).sin();
        let rough = 0.20 * self.glaze.fractal(q.y * 0.35 + 30.0, q.x * 0.35, 3);
        let shadow = 1.0 - 0.45 * smoothstep(0.30, 0.50, q.dot(TO_LIGHT) / self.period) * smoothstep(-4.0, 0.0, d);
        lit(BED, (1.0 + comb + rough) * shadow)
    }
}

impl Material for Tiles {
    fn sample(&self, p: Point) -> Sample {
        let cell = self.cell(p);
        let q = self.on_tile(p, cell);
        let half = 0.5 * self.period - 1.35;
        let d = rounded_box(q, Point::new(half, half), 2.2);
        let face = if self.missing.contains(&cell) { self.bed(q, d) } else { self.glazed(p, q, d, cell) };
        Sample::solid(mix(face, self.mortar(p, d), smoothstep(-0.35, 0.35, d)))
    }

    fn alter(&mut self, p: Point, reach: f32, stream: &mut Stream) {
        let (row, column) = self.cell(p);
        let next = if stream.below(2) == 0 { (row + 1, column) } else { (row, column + 1) };
        self.missing = vec![(row, column)];
        self.missing.extend((reach > 0.9 * self.period).then_some(next));
    }
}
