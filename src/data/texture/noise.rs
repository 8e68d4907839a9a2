//! Smooth random functions of the plane, and arithmetic shared by all materials.

use crate::rng::Stream;

/// Red, green, blue in [0, 1].
pub(super) type Colour = [f32; 3];

/// A point in pixels: `y` down, `x` to the right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub y: f32,
    pub x: f32,
}

impl Point {
    pub fn new(y: f32, x: f32) -> Self {
        Self { y, x }
    }

    pub fn plus(self, other: Self, k: f32) -> Self {
        Self { y: self.y + k * other.y, x: self.x + k * other.x }
    }

    pub fn minus(self, other: Self) -> Self {
        self.plus(other, -1.0)
    }

    pub fn times(self, k: f32) -> Self {
        Self { y: k * self.y, x: k * self.x }
    }

    pub fn dot(self, other: Self) -> f32 {
        self.y * other.y + self.x * other.x
    }

    pub fn length(self) -> f32 {
        self.y.hypot(self.x)
    }

    /// Turned by `angle` radians about the origin.
    pub fn turned(self, angle: f32) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self { y: cos * self.y + sin * self.x, x: cos * self.x - sin * self.y }
    }

    /// Length 1 in a uniformly random direction.
    pub fn any_direction(stream: &mut Stream) -> Self {
        Self::new(0.0, 1.0).turned(stream.range(0.0, std::f32::consts::TAU))
    }
}

/// Direction of the light in every scene: above and left.
pub(super) const TO_LIGHT: Point = Point { y: -0.707, x: -0.707 };

const CELLS: usize = 64;

/// Random values in [-1, 1] on an integer lattice that repeats after 64 cells.
pub(super) struct Noise {
    values: Vec<f32>,
}

impl Noise {
    pub fn new(stream: &mut Stream) -> Self {
        Self { values: (0..CELLS * CELLS).map(|_| stream.range(-1.0, 1.0)).collect() }
    }

    /// The lattice value: a random number for the thread, tile or stone (`row`, `column`).
    pub fn of_cell(&self, row: i32, column: i32) -> f32 {
        let wrap = |i: i32| i.rem_euclid(CELLS as i32) as usize;
        self.values[wrap(row) * CELLS + wrap(column)]
    }

    /// Smooth interpolation of the lattice, within [-1, 1].
    pub fn at(&self, y: f32, x: f32) -> f32 {
        let (row, column) = (y.floor(), x.floor());
        let (v, u) = (ease(y - row), ease(x - column));
        let (j, i) = (row as i32, column as i32);
        let top = lerp(self.of_cell(j, i), self.of_cell(j, i + 1), u);
        let bottom = lerp(self.of_cell(j + 1, i), self.of_cell(j + 1, i + 1), u);
        lerp(top, bottom, v)
    }

    /// `octaves` layers, each twice as fine and half as strong, within [-1, 1].
    pub fn fractal(&self, y: f32, x: f32, octaves: u32) -> f32 {
        let (mut sum, mut total, mut strength, mut scale) = (0.0, 0.0, 1.0, 1.0);
        for octave in 0..octaves {
            // Layers are shifted so that their lattice lines do not coincide.
            let shift = 17.3 * octave as f32;
            sum += strength * self.at(y * scale + shift, x * scale + shift);
            total += strength;
            strength *= 0.5;
            scale *= 2.0;
        }
        sum / total
    }
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// Linear interpolation from `a` at t = 0 to `b` at t = 1.
pub(super) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(super) fn smoothstep(low: f32, high: f32, v: f32) -> f32 {
    ease(((v - low) / (high - low)).clamp(0.0, 1.0))
}

/// Linear interpolation from colour `a` at t = 0 to `b` at t = 1.
pub(super) fn mix(a: Colour, b: Colour, t: f32) -> Colour {
    [0, 1, 2].map(|c| lerp(a[c], b[c], t))
}

/// The colour, `k` times as bright.
pub(super) fn lit(colour: Colour, k: f32) -> Colour {
    colour.map(|v| v * k)
}

/// A log-uniform random number between `low` and `high`.
pub(super) fn log_range(stream: &mut Stream, low: f32, high: f32) -> f32 {
    low * (high / low).powf(stream.uniform())
}

/// Signed distance to a box with half sides `half` and corners of radius `radius`, centred at 0: negative inside.
pub(super) fn rounded_box(p: Point, half: Point, radius: f32) -> f32 {
    let (y, x) = (p.y.abs() - half.y + radius, p.x.abs() - half.x + radius);
    y.max(0.0).hypot(x.max(0.0)) + y.max(x).min(0.0) - radius
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    #[test]
    fn noise_equals_its_lattice_values_and_stays_in_range() {
        let noise = Noise::new(&mut Stream::new(1, Purpose::Test, 0, 0));
        for k in -70..70 {
            assert_eq!(noise.at(k as f32, 3.0), noise.of_cell(k, 3));
            let (y, x) = (k as f32 * 0.37, k as f32 * -1.91);
            assert!(noise.fractal(y, x, 4).abs() <= 1.0);
            assert!((noise.at(y, x) - noise.at(y + 1e-3, x)).abs() < 5e-3);
        }
    }

    #[test]
    fn box_distances_match_known_values() {
        let half = Point::new(2.0, 3.0);
        for (y, x, distance) in [(0.0, 0.0, -2.0), (2.0, 0.0, 0.0), (0.0, 5.0, 2.0), (5.0, 7.0, 5.0)] {
            assert_eq!(rounded_box(Point::new(y, x), half, 0.0), distance);
        }
        // A corner of radius 1 is sqrt(2) - 1 further inside.
        assert!((rounded_box(half, half, 1.0) - (2_f32.sqrt() - 1.0)).abs() < 1e-6);
    }
}
