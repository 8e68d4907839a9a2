//! A dried stain: colour multiplied into the surface, denser on one side and along its edge.

use super::super::noise::{Colour, Point, lerp, log_range, smoothstep};
use super::super::scene::{Flaw, Sample};
use super::blob::Blob;
use crate::rng::Stream;

/// What light remains of white: coffee, oil, rust, ink, wine.
const DYES: [Colour; 5] = [[0.55, 0.38, 0.22], [0.62, 0.58, 0.40], [0.68, 0.36, 0.20], [0.30, 0.34, 0.55], [0.55, 0.22, 0.28]];

pub(super) struct Stain {
    blob: Blob,
    dye: Colour,
    strength: f32,
    flow: Point,
}

impl Stain {
    /// A stain around `centre` on a picture whose shorter side is `side`.
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
