//! Irregular round outlines: what stains and holes are made of.

use super::super::noise::{Noise, Point};
use crate::rng::Stream;

/// A disk, stretched in one direction, with an uneven edge.
pub(super) struct Blob {
    centre: Point,
    axis: Point,
    stretch: f32,
    radius: f32,
    edge: Noise,
    uneven: f32,
}

impl Blob {
    /// A blob of about `radius` pixels, its edge displaced by up to `uneven` radii.
    pub fn new(centre: Point, radius: f32, uneven: f32, stream: &mut Stream) -> Self {
        let (axis, stretch) = (Point::any_direction(stream), stream.range(1.0, 1.5));
        Self { centre, axis, stretch, radius, edge: Noise::new(stream), uneven }
    }

    /// From the centre to `p`, in radii.
    pub fn offset(&self, p: Point) -> Point {
        p.minus(self.centre).times(1.0 / self.radius)
    }

    /// 0 at the centre, 1 on the edge.
    pub fn distance(&self, p: Point) -> f32 {
        let d = self.offset(p);
        let along = d.dot(self.axis);
        let round = (d.dot(d) - along * along + (along / self.stretch).powi(2)).max(0.0).sqrt();
        round + self.uneven * self.edge.fractal(1.3 * d.y, 1.3 * d.x, 4)
    }
}
