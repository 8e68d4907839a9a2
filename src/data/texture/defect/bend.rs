//! A bend: the surface is pushed aside, so that its threads or bars bow.

use super::super::noise::{Point, TO_LIGHT, lit, log_range};
use super::super::scene::{Flaw, Sample};
use crate::rng::Stream;

pub(super) struct Bend {
    centre: Point,
    radius: f32,
    push: Point,
}

impl Bend {
    /// A bend around `centre` on a picture whose shorter side is `side`.
    pub fn new(centre: Point, side: f32, stream: &mut Stream) -> Self {
        let radius = (side * log_range(stream, 0.12, 0.32)).max(9.0);
        // Below 0.65 radii the displacement stays one-to-one: nothing folds over.
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
        // What is pushed also rises a little, and its slope meets the light.
        let d = p.minus(self.centre);
        let slope = self.strength(p) * d.dot(TO_LIGHT) / self.radius;
        Sample { colour: lit(sample.colour, 1.0 + 0.6 * slope * sample.solid), ..sample }
    }
}
