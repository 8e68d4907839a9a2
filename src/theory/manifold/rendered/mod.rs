//! Pictures of one bright shape on a dark ground, by position.

mod minimum;
mod profile;
#[cfg(test)]
mod tests;

use std::f64::consts::FRAC_PI_4;
use std::sync::OnceLock;

pub use profile::Shape;

use super::gratings::check_picture;
use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, dot, orthonormal_basis, sub};
use minimum::{Objective, minimise};

/// Brightness of the ground; that of the shape is higher by `CONTRAST`.
const GROUND: f64 = 0.1;
const CONTRAST: f64 = 0.8;
/// Starts of Newton's method, the nearest of the pictures on the coarse grid.
const REFINED: usize = 6;
/// Newton's method must end with a gradient below this, relative to the picture's values.
const CONVERGED: f64 = 1e-9;
/// Points where the reach is estimated.
const REACH_POINTS: usize = 24;

/// The pictures of a [`Shape`] whose centre (and angle) is anywhere in a box that keeps it inside the H x W picture. A point
/// is the picture row by row, values in [0.1, 0.9].
///
/// D is the smooth image of a box, so it has a boundary. The nearest point is found numerically: pictures on a coarse grid of
/// parameters, then Newton's method from the nearest of them, to the last bits. Inside the box the residual is orthogonal to the
/// tangent space; a picture whose nearest point lies on the boundary (the shape pressed against the edge of its box) has a
/// residual that points outward there, and π is then not differentiable across the face. Of several equally near points, the
/// first of the grid's order is taken.
pub struct Rendered {
    extent: [usize; 2],
    shape: Shape,
    low: Vec<f64>,
    high: Vec<f64>,
    /// Parameters and pictures of the coarse grid.
    starts: Vec<(Vec<f64>, Vec<f64>)>,
    reach: OnceLock<f64>,
}

impl Rendered {
    /// Pictures of `shape` on `height` x `width` pixels.
    ///
    /// # Errors
    /// A length that is not above 0; a picture too small for the shape to move in, or so large beside it that the coarse grid of
    /// pictures would hold more than 2²⁶ values; more than 2²⁰ pixels.
    pub fn new(height: usize, width: usize, shape: Shape) -> Result<Self> {
        check_picture("rendered shapes", height, width)?;
        shape.validate()?;
        let margin = shape.margin();
        let last = [height, width].map(|side| side as f64 - 1.0 - margin);
        if last.iter().any(|last| *last <= margin) {
            let wants = format!("{shape:?} keeps {margin} pixels from the border");
            return Err(Error::argument(format!("rendered shapes: {wants}, there is no room for it in {height}x{width}")));
        }
        let d = shape.dimension();
        let mut own = Self {
            extent: [height, width],
            shape,
            low: vec![margin, margin, -FRAC_PI_4][..d].to_vec(),
            high: vec![last[0], last[1], FRAC_PI_4][..d].to_vec(),
            starts: vec![],
            reach: OnceLock::new(),
        };
        let starts: f64 = (0..d).map(|axis| own.cells(axis) + 1.0).product();
        check::size(&format!("the coarse grid of {shape:?} in {height}x{width}"), starts as usize, own.ambient())?;
        own.starts = own.grid().into_iter().map(|parameters| (parameters.clone(), own.point(&parameters))).collect();
        Ok(own)
    }

    /// A disk of radius 0.15 and softness 0.05 of the side.
    ///
    /// # Errors
    /// A side below 8.
    pub fn disk(side: usize) -> Result<Self> {
        let length = side.max(8) as f64;
        Self::new(side, side, Shape::Disk { radius: 0.15 * length, softness: 0.05 * length })
    }

    /// A bar of half-length 0.2, half-width 0.08 and softness 0.05 of the side.
    ///
    /// # Errors
    /// A side below 8.
    pub fn bar(side: usize) -> Result<Self> {
        let length = side.max(8) as f64;
        let shape = Shape::Bar { half_length: 0.2 * length, half_width: 0.08 * length, softness: 0.05 * length };
        Self::new(side, side, shape)
    }

    /// The picture with these parameters: row and column of the centre, and the angle of a bar; missing ones are those of the
    /// middle of their box.
    pub fn point(&self, parameters: &[f64]) -> Vec<f64> {
        let middle = self.low.iter().zip(&self.high).map(|(low, high)| 0.5 * (low + high));
        let filled: Vec<f64> = parameters.iter().copied().chain(middle.skip(parameters.len())).collect();
        self.pixels().map(|p| GROUND + CONTRAST * self.shape.at(p, &filled).0).collect()
    }

    /// The parameters of the picture nearest to `y`.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    pub fn parameters(&self, y: &[f64]) -> Result<Vec<f64>> {
        check_vector(&self.name(), self.ambient(), y)?;
        let objective = SquaredDistance { pictures: self, y };
        let mut order: Vec<(f64, usize)> = self.starts.iter().zip(0..).map(|((_, x), k)| (square(&sub(y, x)), k)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut best: Option<(f64, Vec<f64>, f64)> = None;
        for &(_, start) in order.iter().take(REFINED) {
            let (parameters, slope) = minimise(&objective, &self.starts[start].0, &self.low, &self.high);
            let value = objective.value(&parameters);
            if best.as_ref().is_none_or(|(least, ..)| value < *least) {
                best = Some((value, parameters, slope));
            }
        }
        match best {
            Some((_, parameters, slope)) if slope <= CONVERGED * (1.0 + square(y)) => Ok(parameters),
            _ => Err(Error::argument(format!("{}: Newton's method did not find the nearest picture", self.name()))),
        }
    }

    /// Whether parameters are inside the box, farther than `margin` (a part of it) from every face.
    pub fn is_inside(&self, parameters: &[f64], margin: f64) -> bool {
        parameters.iter().zip(&self.low).zip(&self.high).all(|((value, low), high)| {
            let room = margin * (high - low);
            *value > low + room && *value < high - room
        })
    }

    fn pixels(&self) -> impl Iterator<Item = [f64; 2]> {
        let [height, width] = self.extent;
        (0..height * width).map(move |index| [(index / width) as f64, (index % width) as f64])
    }

    /// The n x d matrix of derivatives by the parameters.
    fn derivatives(&self, parameters: &[f64]) -> Matrix {
        let rows: Vec<[f64; 3]> = self.pixels().map(|p| self.shape.at(p, parameters).1).collect();
        Matrix::from_fn(self.ambient(), self.dimension(), |row, column| CONTRAST * rows[row][column])
    }

    /// Cells of the coarse grid along one parameter.
    fn cells(&self, axis: usize) -> f64 {
        ((self.high[axis] - self.low[axis]) / self.shape.spacing()[axis]).ceil().max(1.0)
    }

    /// Parameters on a coarse grid over the box, faces included.
    fn grid(&self) -> Vec<Vec<f64>> {
        (0..self.dimension()).fold(vec![vec![]], |points, axis| {
            let (length, cells) = (self.high[axis] - self.low[axis], self.cells(axis));
            let values = (0..=cells as usize).map(|k| self.low[axis] + length * k as f64 / cells);
            let longer = |point: &Vec<f64>| {
                values.clone().map(|value| point.iter().copied().chain([value]).collect()).collect::<Vec<Vec<f64>>>()
            };
            points.iter().flat_map(longer).collect()
        })
    }

    /// The least of Federer's quotients from some points of the grid to all others and to close neighbours.
    fn least_quotient(&self) -> f64 {
        let every = self.starts.len().div_ceil(REACH_POINTS);
        let mut least = f64::INFINITY;
        for (parameters, x) in self.starts.iter().step_by(every) {
            let tangents = orthonormal_basis(&self.derivatives(parameters));
            let quotient = |z: &[f64]| {
                let way = sub(z, x);
                let along = tangents.apply_transposed(&way);
                let off = (square(&way) - square(&along)).max(0.0).sqrt();
                if off > 0.0 { square(&way) / (2.0 * off) } else { f64::INFINITY }
            };
            let far = self.starts.iter().map(|(_, z)| quotient(z)).fold(f64::INFINITY, f64::min);
            let near = self.neighbours(parameters).iter().map(|z| quotient(&self.point(z))).fold(f64::INFINITY, f64::min);
            least = least.min(far).min(near);
        }
        least
    }

    /// Parameters a twentieth of the grid's spacing away, along every axis and every diagonal.
    fn neighbours(&self, parameters: &[f64]) -> Vec<Vec<f64>> {
        let spacing = self.shape.spacing();
        (0..parameters.len()).fold(vec![vec![]], |points: Vec<Vec<f64>>, axis| {
            let moved = |point: &Vec<f64>| {
                [-0.05, 0.0, 0.05].map(|part| [point.as_slice(), &[parameters[axis] + part * spacing[axis]]].concat())
            };
            points.iter().flat_map(moved).collect()
        })
    }
}

impl Manifold for Rendered {
    fn name(&self) -> String {
        let [height, width] = self.extent;
        format!("{:?} on {height}x{width}", self.shape)
    }

    fn ambient(&self) -> usize {
        self.extent[0] * self.extent[1]
    }

    fn dimension(&self) -> usize {
        self.shape.dimension()
    }

    /// Of several equally near points, the first in the order of the grid. An error where Newton's method does not converge.
    fn project_point(&self, y: &[f64]) -> Result<Vec<f64>> {
        Ok(self.point(&self.parameters(y)?))
    }

    /// The span of the derivatives by the parameters, also on the boundary.
    fn tangent_basis(&self, x: &[f64]) -> Result<Matrix> {
        Ok(orthonormal_basis(&self.derivatives(&self.parameters(x)?)))
    }

    /// An estimate, not a proven bound: half of the least quotient `‖z - x‖² / (2 dist(z - x, T_x))` (Federer 1959, theorem
    /// 4.18, where the infimum over all pairs is the reach) found over pairs of pictures on the grid and close neighbours.
    fn reach(&self) -> f64 {
        *self.reach.get_or_init(|| 0.5 * self.least_quotient())
    }

    /// Parameters uniform in the box.
    fn sample(&self, stream: &mut Stream) -> Vec<f64> {
        let parameters: Vec<f64> =
            self.low.iter().zip(&self.high).map(|(low, high)| low + (high - low) * stream.uniform_f64()).collect();
        self.point(&parameters)
    }
}

/// `½‖y - x(parameters)‖²`.
struct SquaredDistance<'a> {
    pictures: &'a Rendered,
    y: &'a [f64],
}

impl Objective for SquaredDistance<'_> {
    fn value(&self, parameters: &[f64]) -> f64 {
        0.5 * square(&sub(self.y, &self.pictures.point(parameters)))
    }

    fn gradient(&self, parameters: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; parameters.len()];
        for (p, y) in self.pictures.pixels().zip(self.y) {
            let (value, derivatives) = self.pictures.shape.at(p, parameters);
            let residual = y - (GROUND + CONTRAST * value);
            for (sum, derivative) in sum.iter_mut().zip(derivatives) {
                *sum -= residual * CONTRAST * derivative;
            }
        }
        sum
    }
}

fn square(v: &[f64]) -> f64 {
    dot(v, v)
}
