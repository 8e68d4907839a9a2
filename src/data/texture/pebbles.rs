//! Pebbles pressed into dark sand: the cells of a jittered Voronoi diagram, each a rounded stone of its own colour.

use super::noise::{Colour, Noise, Point, TO_LIGHT, lit, mix, smoothstep};
use super::scene::{Material, Sample};
use crate::rng::Stream;

const STONES: [Colour; 5] = [[0.66, 0.63, 0.58], [0.50, 0.48, 0.46], [0.74, 0.68, 0.57], [0.57, 0.47, 0.38], [0.43, 0.44, 0.47]];
const SAND: Colour = [0.24, 0.21, 0.18];

pub(super) struct Pebbles {
    size: f32,
    places: Noise,
    grain: Noise,
    missing: Option<Missing>,
}

/// Missing stones: all whose centre is within `reach` of `centre`, in cells.
struct Missing {
    centre: Point,
    reach: f32,
}

/// The stone nearest to a point.
struct Nearest {
    cell: (i32, i32),
    centre: Point,
    /// From the stone's centre to the point, in cells.
    offset: Point,
    /// Distance to the border with the next stone, in cells.
    border: f32,
}

impl Pebbles {
    pub fn new(stream: &mut Stream) -> Self {
        Self { size: 15.0 * stream.range(0.97, 1.03), places: Noise::new(stream), grain: Noise::new(stream), missing: None }
    }

    /// `p` in cells.
    fn nearest(&self, p: Point) -> Nearest {
        let (row, column) = (p.y.floor() as i32, p.x.floor() as i32);
        let mut best = Nearest { cell: (row, column), centre: p, offset: p, border: f32::MAX };
        let (mut first, mut second) = (f32::MAX, f32::MAX);
        for cell in (-2..=2).flat_map(|j| (-2..=2).map(move |i| (row + j, column + i))) {
            let jitter = |k: i32| 0.5 + 0.36 * self.places.of_cell(2 * cell.0 + k, cell.1);
            let centre = Point::new(cell.0 as f32 + jitter(0), cell.1 as f32 + jitter(1));
            let offset = p.minus(centre);
            let distance = offset.length();
            if distance < first {
                (first, second) = (distance, first);
                best = Nearest { cell, centre, offset, border: 0.0 };
            } else if distance < second {
                second = distance;
            }
        }
        best.border = 0.5 * (second - first);
        best
    }

    fn stone(&self, p: Point, near: &Nearest) -> Colour {
        let pick = |k: i32| 0.5 + 0.5 * self.grain.of_cell(near.cell.0 + 32 * k, near.cell.1);
        let kind = STONES[((pick(0) * STONES.len() as f32) as usize).min(STONES.len() - 1)];
        let mottle = 0.12 * self.grain.fractal(p.y * 0.20, p.x * 0.20, 4);
        let vein = 0.10 * smoothstep(0.86, 1.0, 1.0 - self.grain.at(p.y * 0.08 + 7.0 * pick(1), p.x * 0.08).abs());
        // Shading of a dome: the slope grows towards the rim.
        let rim = 1.0 - smoothstep(0.0, 0.34, near.border);
        let dome = (0.25 + 0.45 * rim) * near.offset.dot(TO_LIGHT) - 0.20 * rim * rim;
        lit(kind, 1.0 + 0.10 * (pick(1) - 0.5) + mottle + vein + dome)
    }
}

impl Material for Pebbles {
    fn sample(&self, p: Point) -> Sample {
        let wobble = Point::new(self.grain.at(p.y * 0.13, p.x * 0.13), self.grain.at(p.y * 0.13 + 30.0, p.x * 0.13));
        let near = self.nearest(p.plus(wobble, 0.9).times(1.0 / self.size));
        let sand = lit(SAND, 1.0 + 0.55 * self.grain.fractal(p.y * 0.5, p.x * 0.5, 2));
        if self.missing.as_ref().is_some_and(|gap| near.centre.minus(gap.centre).length() <= gap.reach) {
            let shadow = 1.0 - 0.5 * smoothstep(0.05, 0.45, near.offset.dot(TO_LIGHT));
            return Sample::solid(lit(sand, shadow));
        }
        Sample::solid(mix(sand, self.stone(p, &near), smoothstep(0.045, 0.085, near.border)))
    }

    fn alter(&mut self, p: Point, reach: f32, _stream: &mut Stream) {
        let centre = self.nearest(p.times(1.0 / self.size)).centre;
        self.missing = Some(Missing { centre, reach: (0.6 * reach / self.size).min(1.4) });
    }
}
