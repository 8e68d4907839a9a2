//! A plank with its grain from left to right: growth rings cut lengthways, fibres and pores.

use super::noise::{Colour, Noise, Point, lit, mix, smoothstep};
use super::scene::{Material, Sample};
use crate::rng::Stream;

const EARLY: Colour = [0.82, 0.64, 0.43];
const LATE: Colour = [0.58, 0.37, 0.20];
const HEART: Colour = [0.30, 0.17, 0.09];

pub(super) struct Wood {
    ring: f32,
    rings: Noise,
    fibres: Noise,
    knot: Option<Knot>,
}

/// A knot, where a branch left the trunk. The grain flows around it.
struct Knot {
    centre: Point,
    radius: f32,
    slant: f32,
}

impl Knot {
    /// Distance from the centre in radii; the knot is an ellipse along the grain.
    fn distance(&self, p: Point) -> f32 {
        let d = p.minus(self.centre);
        Point::new(d.y + self.slant * d.x, d.x / 1.35).length() / self.radius
    }

    /// Height in the undisturbed grain for point `p`. Lines near the knot are displaced.
    fn displaced(&self, p: Point) -> f32 {
        let d = p.minus(self.centre);
        let spread = Point::new(d.y, d.x / 2.2).length() / (2.6 * self.radius);
        self.centre.y + d.y * (1.0 - (1.0 - spread * spread).max(0.0).powi(2))
    }
}

impl Wood {
    pub fn new(stream: &mut Stream) -> Self {
        Self { ring: 9.0 * stream.range(0.92, 1.08), rings: Noise::new(stream), fibres: Noise::new(stream), knot: None }
    }

    /// Within a ring, early wood changes gradually to late wood; the next ring starts abruptly.
    fn ring_colour(&self, y: f32, x: f32) -> Colour {
        let sway = 1.5 * self.rings.fractal(y * 0.012, x * 0.006, 2) + 0.18 * self.rings.at(y * 0.11, x * 0.03);
        let phase = y / self.ring + 2.2 * sway;
        let number = phase.floor();
        let within = phase - number;
        let late = smoothstep(0.25, 0.88, within) * (1.0 - smoothstep(0.90, 1.0, within));
        let strength = 0.55 + 0.25 * self.rings.of_cell(number as i32, 3);
        mix(EARLY, LATE, strength * late)
    }

    fn knot_colour(&self, knot: &Knot, p: Point, distance: f32) -> Colour {
        let uneven = distance + 0.07 * self.rings.fractal(p.y * 0.16, p.x * 0.12, 2);
        let rings = 0.5 + 0.5 * (uneven * knot.radius * 1.9).sin();
        mix(HEART, LATE, 0.25 + 0.5 * rings * uneven.min(1.0))
    }
}

impl Material for Wood {
    fn sample(&self, p: Point) -> Sample {
        let y = self.knot.as_ref().map_or(p.y, |knot| knot.displaced(p));
        let mut colour = self.ring_colour(y, p.x);
        if let Some(knot) = &self.knot {
            let distance = knot.distance(p);
            // A dark rim of bark surrounds the knot.
            colour = mix(colour, HEART, 0.75 * (1.0 - smoothstep(1.0, 1.30, distance)));
            colour = mix(self.knot_colour(knot, p, distance), colour, smoothstep(0.93, 1.05, distance));
        }
        let fibre = 0.05 * self.fibres.at(y * 1.15, p.x * 0.055) + 0.04 * self.fibres.at(y * 2.1 + 9.0, p.x * 0.11);
        let tone = 0.05 * self.rings.fractal(y * 0.02, p.x * 0.01, 3);
        let pore = smoothstep(0.55, 0.85, self.fibres.at(y * 0.95 + 40.0, p.x * 0.14 + 11.0));
        Sample::solid(lit(colour, (1.0 + fibre + tone) * (1.0 - 0.22 * pore)))
    }

    fn alter(&mut self, p: Point, reach: f32, stream: &mut Stream) {
        self.knot = Some(Knot { centre: p, radius: (0.5 * reach).clamp(3.0, 22.0), slant: stream.range(-0.25, 0.25) });
    }
}
