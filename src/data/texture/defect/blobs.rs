//! Defects with a round outline: stains, holes and bends.

use super::super::noise::{Colour, Noise, Point, TO_LIGHT, lerp, lit, log_range, mix, smoothstep};
use super::super::scene::{Flaw, Sample};
use crate::rng::Stream;

/// Colours that white takes under each liquid: coffee, oil, rust, ink, wine.
const DYES: [Colour; 5] = [[0.55, 0.38, 0.22], [0.62, 0.58, 0.40], [0.68, 0.36, 0.20], [0.30, 0.34, 0.55], [0.55, 0.22, 0.28]];

/// A dried stain: colour multiplied into the surface, denser on one side and along its edge.
pub(super) struct Stain {
    blob: Blob,
    dye: Colour,
    strength: f32,
    flow: Point,
}

impl Stain {
    /// A stain around `centre` in an image whose shorter side is `side`.
    pub fn new(centre: Point, side: f32, stream: &mut Stream) -> Self {
        let radius = side * log_range(stream, 0.05, 0.2);
        let dye = DYES[stream.below(DYES.len() as u32) as usize];
        let flow = Point::any_direction(stream);
        Self { blob: Blob::new(centre, radius, 0.45, stream), dye, strength: stream.range(0.65, 1.1), flow }
    }
}

impl Flaw for Stain {
    fn painted(&self, p: Point, sample: Sample) -> Sample {
        let d = self.blob.distance(p);
        if d > 1.1 {
            return sample;
        }
        let ring = (-((d - 0.9) / 0.10).powi(2)).exp();
        let gradient = 0.25 * self.blob.offset(p).dot(self.flow);
        let density = (0.50 + gradient + 0.40 * ring).clamp(0.1, 1.0) * (1.0 - smoothstep(0.90, 1.06, d));
        let amount = density * self.strength * sample.solid;
        Sample { colour: [0, 1, 2].map(|c| sample.colour[c] * lerp(1.0, self.dye[c], amount)), ..sample }
    }
}

/// A hole or a chip: the surface is missing, and the ragged rim is lit on the side that faces the light.
pub(super) struct Hole {
    blob: Blob,
    ground: Noise,
    dark: f32,
    rim: f32,
}

impl Hole {
    /// A hole around `centre` in an image whose shorter side is `side`.
    pub fn new(centre: Point, side: f32, stream: &mut Stream) -> Self {
        let radius = (side * log_range(stream, 0.02, 0.09)).max(2.0);
        let blob = Blob::new(centre, radius, 0.55, stream);
        Self { blob, ground: Noise::new(stream), dark: stream.range(0.06, 0.16), rim: 1.6 / radius }
    }
}

impl Flaw for Hole {
    fn painted(&self, p: Point, sample: Sample) -> Sample {
        let d = self.blob.distance(p);
        if d > 1.0 + 1.5 * self.rim {
            return sample;
        }
        let offset = self.blob.offset(p);
        let facing = -offset.dot(TO_LIGHT) / offset.length().max(0.2);
        let rough = 1.0 + 0.5 * self.ground.fractal(p.y * 0.4, p.x * 0.4, 3);
        // The wall on the far side from the light is lit; the near wall casts a shadow on the ground.
        let wall = smoothstep(1.0 - 1.4 * self.rim, 1.0, d) * facing.max(0.0);
        let inside = mix(lit([1.0, 0.95, 0.88], self.dark * rough), lit(sample.colour, 0.85), 0.6 * wall);
        let lip = 1.0 + 0.22 * facing.max(0.0) - 0.20 * (-facing).max(0.0);
        let outside = mix(lit(sample.colour, lip), sample.colour, smoothstep(1.0, 1.0 + 1.5 * self.rim, d));
        Sample { colour: mix(inside, outside, smoothstep(1.0 - 0.25 * self.rim, 1.0 + 0.25 * self.rim, d)), ..sample }
    }
}

/// The surface is displaced, so that its threads or bars bend.
pub(super) struct Bend {
    centre: Point,
    radius: f32,
    push: Point,
}

impl Bend {
    /// A bend around `centre` in an image whose shorter side is `side`.
    pub fn new(centre: Point, side: f32, stream: &mut Stream) -> Self {
        let radius = (side * log_range(stream, 0.12, 0.32)).max(9.0);
        // Below 0.65 radii the displacement is one-to-one, so the surface does not fold.
        let push = Point::any_direction(stream).times(radius * stream.range(0.22, 0.42));
        Self { centre, radius, push }
    }

    /// 1 at the centre, 0 beyond the radius, smooth between.
    fn strength(&self, p: Point) -> f32 {
        let d = p.minus(self.centre).length() / self.radius;
        (1.0 - d * d).max(0.0).powi(2)
    }
}

impl Flaw for Bend {
    fn moved(&self, p: Point) -> Point {
        p.plus(self.push, -self.strength(p))
    }

    fn painted(&self, p: Point, sample: Sample) -> Sample {
        // The displaced surface also rises a little, and its slope is shaded accordingly.
        let d = p.minus(self.centre);
        let slope = self.strength(p) * d.dot(TO_LIGHT) / self.radius;
        Sample { colour: lit(sample.colour, 1.0 + 0.6 * slope * sample.solid), ..sample }
    }
}

/// A disk, stretched in one direction, with an uneven edge.
struct Blob {
    centre: Point,
    axis: Point,
    stretch: f32,
    radius: f32,
    edge: Noise,
    uneven: f32,
}

impl Blob {
    /// A blob of about `radius` pixels, its edge displaced by up to `uneven` radii.
    fn new(centre: Point, radius: f32, uneven: f32, stream: &mut Stream) -> Self {
        let (axis, stretch) = (Point::any_direction(stream), stream.range(1.0, 1.5));
        Self { centre, axis, stretch, radius, edge: Noise::new(stream), uneven }
    }

    /// From the centre to `p`, in radii.
    fn offset(&self, p: Point) -> Point {
        p.minus(self.centre).times(1.0 / self.radius)
    }

    /// 0 at the centre, 1 on the edge.
    fn distance(&self, p: Point) -> f32 {
        let d = self.offset(p);
        let along = d.dot(self.axis);
        let round = (d.dot(d) - along * along + (along / self.stretch).powi(2)).max(0.0).sqrt();
        round + self.uneven * self.edge.fractal(1.3 * d.y, 1.3 * d.x, 4)
    }
}
