//! From a surface to an image: viewpoint, defects, light and sensor noise.
//!
//! The surface is a function of the plane, sampled four times per pixel. A flaw displaces or repaints the surface before light
//! and sensor noise are applied. So an image with a flaw and the same image without it differ only in the flaw.

use super::noise::{Colour, Point, lit};
use crate::data::image::Image;
use crate::rng::{Purpose, Stream};

/// A sample of a surface at one point.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub colour: Colour,
    /// 1 on the material, 0 in holes, where nothing can be painted.
    pub solid: f32,
}

impl Sample {
    pub fn solid(colour: Colour) -> Self {
        Self { colour, solid: 1.0 }
    }
}

/// An unbounded surface with random variation.
pub(super) trait Material: Send + Sync {
    /// The surface at `p`, in pixels.
    fn sample(&self, p: Point) -> Sample;

    /// Gives the surface the family's own structural flaw near `p`, about `reach` pixels in extent.
    fn alter(&mut self, p: Point, reach: f32, stream: &mut Stream);
}

/// A flaw in image coordinates.
pub(super) trait Flaw {
    /// The point of the intact surface that is visible at `p`.
    fn moved(&self, p: Point) -> Point {
        p
    }

    /// The sample at `p` with the flaw applied.
    fn painted(&self, _p: Point, sample: Sample) -> Sample {
        sample
    }
}

/// No flaw in image coordinates.
pub(super) struct Intact;

impl Flaw for Intact {}

/// A photograph of a material: its position, the light and the sensor noise.
pub(super) struct Scene {
    pub height: usize,
    pub width: usize,
    material: Box<dyn Material>,
    angle: f32,
    shift: Point,
    tint: Colour,
    slope: Point,
    noise: f32,
    sensor: Stream,
}

/// Sample positions inside a pixel.
pub(super) const WITHIN: [Point; 4] =
    [Point { y: 0.25, x: 0.25 }, Point { y: 0.25, x: 0.75 }, Point { y: 0.75, x: 0.25 }, Point { y: 0.75, x: 0.75 }];

impl Scene {
    /// A random view of `material`, turned by up to `turn` radians.
    pub fn new(material: Box<dyn Material>, turn: f32, height: usize, width: usize, stream: &mut Stream) -> Self {
        let angle = stream.range(-turn, turn);
        let shift = Point::new(stream.range(0.0, 400.0), stream.range(0.0, 400.0));
        let gain = stream.range(0.94, 1.06);
        let tint = [0; 3].map(|_| gain * stream.range(0.985, 1.015));
        let slope = Point::any_direction(stream).times(stream.range(0.0, 0.12));
        let noise = stream.range(0.010, 0.018);
        // The sensor noise has its own stream, so it does not depend on how many numbers a flaw draws.
        let seed = (u64::from(stream.bits()) << 32) | u64::from(stream.bits());
        let sensor = Stream::new(seed, Purpose::Texture, 0, 0);
        Self { height, width, material, angle, shift, tint, slope, noise, sensor }
    }

    /// The surface point at image point `p`.
    fn on_surface(&self, p: Point) -> Point {
        let centre = Point::new(self.height as f32 / 2.0, self.width as f32 / 2.0);
        p.minus(centre).turned(self.angle).plus(self.shift, 1.0)
    }

    /// Gives the material its structural flaw near the image point `p`.
    pub fn alter(&mut self, p: Point, reach: f32, stream: &mut Stream) {
        let p = self.on_surface(p);
        self.material.alter(p, reach, stream);
    }

    /// The image with a flaw. Values are multiples of 1/255, so that a PNG file holds them exactly.
    pub fn render(&self, flaw: &dyn Flaw) -> Image {
        let mut sensor = self.sensor.clone();
        let mut image = Image::zeros((self.height, self.width, 3));
        for y in 0..self.height {
            for x in 0..self.width {
                let noise = self.noise * sensor.normal() as f32;
                let corner = Point::new(y as f32, x as f32);
                let colour = self.seen(corner, flaw);
                let light = self.light(corner);
                for c in 0..3 {
                    image[[y, x, c]] = quantised(colour[c] * light * self.tint[c] + noise);
                }
            }
        }
        image
    }

    fn seen(&self, corner: Point, flaw: &dyn Flaw) -> Colour {
        let mut sum = [0.0; 3];
        for place in WITHIN {
            let p = corner.plus(place, 1.0);
            let sample = flaw.painted(p, self.material.sample(self.on_surface(flaw.moved(p))));
            sum = [0, 1, 2].map(|c| sum[c] + sample.colour[c]);
        }
        lit(sum, 0.25)
    }

    /// Brightness of the light: a linear gradient, 1 in the middle.
    fn light(&self, p: Point) -> f32 {
        let relative = Point::new(2.0 * p.y / self.height as f32 - 1.0, 2.0 * p.x / self.width as f32 - 1.0);
        1.0 + self.slope.dot(relative)
    }
}

fn quantised(v: f32) -> f32 {
    f32::from(crate::data::file::to_byte(v)) / 255.0
}
