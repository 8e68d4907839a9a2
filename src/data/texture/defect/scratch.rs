//! A scratch: a long thin arc, brighter or darker than the surface, interrupted where the tool lost contact.

use super::super::noise::{Noise, Point, lit, log_range, mix, smoothstep};
use super::super::scene::{Flaw, Sample};
use super::path::Path;
use crate::rng::Stream;

pub(super) struct Scratch {
    path: Path,
    contact: Noise,
    strength: f32,
    bright: f32,
}

impl Scratch {
    /// A scratch through `centre` on a picture whose shorter side is `side`.
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
        // One flank of the groove lies in shadow.
        let shadow = self.path.cover(p.plus(Point::new(-0.9, -0.9), 1.0)) * contact * self.strength * sample.solid;
        let floor = mix(lit(sample.colour, 0.35), [0.93, 0.92, 0.90], self.bright);
        let around = lit(sample.colour, 1.0 - 0.35 * shadow);
        Sample { colour: mix(around, floor, groove), ..sample }
    }
}
