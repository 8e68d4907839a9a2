//! A hole or a chip: the surface is gone, its ragged rim lit on the side that faces the light.

use super::super::noise::{Noise, Point, TO_LIGHT, lit, log_range, mix, smoothstep};
use super::super::scene::{Flaw, Sample};
use super::blob::Blob;
use crate::rng::Stream;

pub(super) struct Hole {
    blob: Blob,
    ground: Noise,
    dark: f32,
    rim: f32,
}

impl Hole {
    /// A hole around `centre` on a picture whose shorter side is `side`.
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
        // The wall away from the light is lit, the one towards it shades the ground.
        let wall = smoothstep(1.0 - 1.4 * self.rim, 1.0, d) * facing.max(0.0);
        let inside = mix(lit([1.0, 0.95, 0.88], self.dark * rough), lit(sample.colour, 0.85), 0.6 * wall);
        let lip = 1.0 + 0.22 * facing.max(0.0) - 0.20 * (-facing).max(0.0);
        let outside = mix(lit(sample.colour, lip), sample.colour, smoothstep(1.0, 1.0 + 1.5 * self.rim, d));
        Sample { colour: mix(inside, outside, smoothstep(1.0 - 0.25 * self.rim, 1.0 + 0.25 * self.rim, d)), ..sample }
    }
}
