//! Thin curves: what scratches and cracks are made of.

use super::super::noise::{Point, smoothstep};

/// A piece of a curve, straight, its half width changing evenly from one end to the other.
struct Segment {
    from: Point,
    to: Point,
    half: [f32; 2],
}

/// Curves of varying width, in pixels.
#[derive(Default)]
pub(super) struct Path {
    segments: Vec<Segment>,
}

impl Path {
    /// Adds the curve through `points`; `half(t)` is its half width at t in [0, 1] along it.
    pub fn add(&mut self, points: &[Point], half: impl Fn(f32) -> f32) {
        let last = points.len().saturating_sub(1).max(1) as f32;
        for (k, pair) in points.windows(2).enumerate() {
            let half = [half(k as f32 / last), half((k + 1) as f32 / last)];
            self.segments.push(Segment { from: pair[0], to: pair[1], half });
        }
    }

    /// How much of the surface around `p` the curves cover: 1 inside, 0 outside, smooth over half a pixel.
    pub fn cover(&self, p: Point) -> f32 {
        self.segments.iter().map(|segment| segment.cover(p)).fold(0.0, f32::max)
    }
}

impl Segment {
    fn cover(&self, p: Point) -> f32 {
        let along = self.to.minus(self.from);
        let from = p.minus(self.from);
        let t = (from.dot(along) / along.dot(along).max(1e-6)).clamp(0.0, 1.0);
        let half = self.half[0] + (self.half[1] - self.half[0]) * t;
        1.0 - smoothstep(half - 0.25, half + 0.25, from.plus(along, -t).length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cover_is_one_inside_and_zero_outside() {
        let mut path = Path::default();
        path.add(&[Point::new(0.0, 0.0), Point::new(0.0, 10.0), Point::new(10.0, 10.0)], |t| 1.0 + 2.0 * t);
        // The half width is 1 at the start, 1.5 five pixels on, 2.9 close to the end.
        let inside = [(0.7, 0.0), (1.2, 5.0), (9.0, 7.5)];
        let outside = [(1.4, 0.0), (0.0, -1.5), (1.8, 5.0), (9.0, 6.5)];
        assert!(inside.iter().all(|&(y, x)| path.cover(Point::new(y, x)) == 1.0));
        assert!(outside.iter().all(|&(y, x)| path.cover(Point::new(y, x)) == 0.0));
        assert_eq!(Path::default().cover(Point::new(0.0, 0.0)), 0.0);
    }
}
