//! Images of one bright shape on a dark background, parametrised by position.

mod minimum;
mod profile;

use std::f64::consts::FRAC_PI_4;
use std::sync::OnceLock;

use ndarray::{Array1, Array2};

pub use profile::Shape;

use super::gratings::check_image_size;
use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{orthonormal_basis, square_norm};
use minimum::{Objective, Region};

/// Brightness of the background; that of the shape is higher by `CONTRAST`.
const BACKGROUND: f64 = 0.1;
const CONTRAST: f64 = 0.8;
/// Newton's method starts from this many images of the coarse grid, the nearest ones.
const REFINED: usize = 6;
/// Newton's method must end with a gradient below this, relative to the values of the image.
const CONVERGED: f64 = 1e-9;
/// Number of points where the reach is estimated.
const REACH_POINTS: usize = 24;

/// The H x W images of a [`Shape`] whose centre (and angle) is anywhere in a box that keeps it inside the image. A point is the
/// image, row by row, with values in [0.1, 0.9].
///
/// D is a smooth map of a box, so it has a boundary. The nearest point is found numerically: images on a coarse grid of
/// parameters, then Newton's method from the nearest of them, until rounding stops it. If the nearest point lies inside the box,
/// the residual is orthogonal to the tangent space. If it lies on the boundary (the shape touches the edge of its box), the
/// residual points outward and π is not differentiable across the face. Of several equally near points the first in grid order is
/// taken.
pub struct Rendered {
    size: [usize; 2],
    shape: Shape,
    /// Allowed parameters.
    region: Region,
    /// Parameters and images of the coarse grid.
    starts: Vec<(Array1<f64>, Array1<f64>)>,
    reach: OnceLock<f64>,
}

impl Rendered {
    /// Images of `shape` on `height` x `width` pixels.
    ///
    /// # Errors
    /// A length that is not above 0; an image in which the shape cannot move, or so large compared with the shape that the coarse
    /// grid would hold more than 2²⁶ values; more than 2²⁰ pixels.
    pub fn new(height: usize, width: usize, shape: Shape) -> Result<Self> {
        check_image_size("rendered shapes", height, width)?;
        shape.validate()?;
        let margin = shape.margin();
        let last = [height, width].map(|side| side as f64 - 1.0 - margin);
        if last.iter().any(|last| *last <= margin) {
            let wants = format!("{shape:?} keeps {margin} pixels from the border");
            return Err(Error::argument(format!("rendered shapes: {wants}, there is no room for it in {height}x{width}")));
        }
        let d = shape.dimension();
        let mut own = Self {
            size: [height, width],
            shape,
            region: Region {
                low: [margin, margin, -FRAC_PI_4].into_iter().take(d).collect(),
                high: [last[0], last[1], FRAC_PI_4].into_iter().take(d).collect(),
            },
            starts: vec![],
            reach: OnceLock::new(),
        };
        let starts: f64 = (0..d).map(|axis| own.cells(axis) + 1.0).product();
        check::size(&format!("the coarse grid of {shape:?} in {height}x{width}"), starts as usize, own.ambient())?;
        own.starts = own.grid().into_iter().map(|parameters| (parameters.clone(), own.point(&parameters))).collect();
        Ok(own)
    }

    /// A disk with radius 0.15 and softness 0.05 times the side.
    ///
    /// # Errors
    /// A side below 8.
    pub fn disk(side: usize) -> Result<Self> {
        let length = side.max(8) as f64;
        Self::new(side, side, Shape::Disk { radius: 0.15 * length, softness: 0.05 * length })
    }

    /// A bar with half-length 0.2, half-width 0.08 and softness 0.05 times the side.
    ///
    /// # Errors
    /// A side below 8.
    pub fn bar(side: usize) -> Result<Self> {
        let length = side.max(8) as f64;
        let shape = Shape::Bar { half_length: 0.2 * length, half_width: 0.08 * length, softness: 0.05 * length };
        Self::new(side, side, shape)
    }

    /// The image with these parameters: row and column of the centre, and the angle of a bar. Missing parameters are in the
    /// middle of their range.
    pub fn point(&self, parameters: &Array1<f64>) -> Array1<f64> {
        let middle = 0.5 * (&self.region.low + &self.region.high);
        let filled: Array1<f64> = parameters.iter().chain(middle.iter().skip(parameters.len())).copied().collect();
        self.pixels().map(|p| BACKGROUND + CONTRAST * self.shape.at(p, &filled).0).collect()
    }

    /// The parameters of the image nearest to `y`.
    ///
    /// # Errors
    /// As [`Manifold::project_point`].
    pub fn parameters(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        check_vector(&self.name(), self.ambient(), y)?;
        let objective = SquaredDistance { manifold: self, y };
        let mut order: Vec<(f64, usize)> = self.starts.iter().zip(0..).map(|((_, x), k)| (square_norm(&(y - x)), k)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut best: Option<(f64, Array1<f64>, f64)> = None;
        for &(_, start) in order.iter().take(REFINED) {
            let (parameters, slope) = self.region.minimise(&objective, &self.starts[start].0)?;
            let value = objective.value(&parameters);
            if best.as_ref().is_none_or(|(least, ..)| value < *least) {
                best = Some((value, parameters, slope));
            }
        }
        match best {
            Some((_, parameters, slope)) if slope <= CONVERGED * (1.0 + square_norm(y)) => Ok(parameters),
            _ => Err(Error::argument(format!("{}: Newton's method did not find the nearest image", self.name()))),
        }
    }

    /// Whether parameters are inside their box and farther from every face than the fraction `margin` of its length.
    pub fn is_inside(&self, parameters: &Array1<f64>, margin: f64) -> bool {
        parameters.iter().zip(&self.region.low).zip(&self.region.high).all(|((value, low), high)| {
            let room = margin * (high - low);
            *value > low + room && *value < high - room
        })
    }

    fn pixels(&self) -> impl Iterator<Item = [f64; 2]> {
        let [height, width] = self.size;
        (0..height * width).map(move |index| [(index / width) as f64, (index % width) as f64])
    }

    /// The n x d matrix of derivatives with respect to the parameters.
    fn derivatives(&self, parameters: &Array1<f64>) -> Array2<f64> {
        let rows: Vec<[f64; 3]> = self.pixels().map(|p| self.shape.at(p, parameters).1).collect();
        Array2::from_shape_fn((self.ambient(), self.dimension()), |(row, column)| CONTRAST * rows[row][column])
    }

    /// Number of cells of the coarse grid along one parameter.
    fn cells(&self, axis: usize) -> f64 {
        (self.region.lengths()[axis] / self.shape.spacing()[axis]).ceil().max(1.0)
    }

    /// Parameters on a coarse grid over the box, faces included.
    fn grid(&self) -> Vec<Array1<f64>> {
        product((0..self.dimension()).map(|axis| {
            let (low, length, cells) = (self.region.low[axis], self.region.lengths()[axis], self.cells(axis));
            (0..=cells as usize).map(|k| low + length * k as f64 / cells).collect()
        }))
    }

    /// The smallest of Federer's quotients from some points of the grid to all others and to close neighbours.
    fn least_quotient(&self) -> f64 {
        let every = self.starts.len().div_ceil(REACH_POINTS);
        let mut least = f64::INFINITY;
        for (parameters, x) in self.starts.iter().step_by(every) {
            let tangents = orthonormal_basis(&self.derivatives(parameters));
            let quotient = |z: &Array1<f64>| {
                let way = z - x;
                let along = tangents.t().dot(&way);
                let off = (square_norm(&way) - square_norm(&along)).max(0.0).sqrt();
                if off > 0.0 { square_norm(&way) / (2.0 * off) } else { f64::INFINITY }
            };
            let far = self.starts.iter().map(|(_, z)| quotient(z)).fold(f64::INFINITY, f64::min);
            let near = self.neighbours(parameters).iter().map(|z| quotient(&self.point(z))).fold(f64::INFINITY, f64::min);
            least = least.min(far).min(near);
        }
        least
    }

    /// Parameters a twentieth of the grid's spacing away, along every axis and every diagonal.
    fn neighbours(&self, parameters: &Array1<f64>) -> Vec<Array1<f64>> {
        let axes = parameters.iter().zip(self.shape.spacing());
        product(axes.map(|(value, spacing)| [-0.05, 0.0, 0.05].map(|part| value + part * spacing).to_vec()))
    }
}

impl Manifold for Rendered {
    fn name(&self) -> String {
        let [height, width] = self.size;
        format!("{:?} on {height}x{width}", self.shape)
    }

    fn dimensions(&self) -> [usize; 2] {
        [self.shape.dimension(), self.size[0] * self.size[1]]
    }

    /// Of several equally near points, the first in grid order. An error where Newton's method does not converge.
    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.point(&self.parameters(y)?))
    }

    /// The span of the derivatives with respect to the parameters, also on the boundary.
    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        Ok(orthonormal_basis(&self.derivatives(&self.parameters(x)?)))
    }

    /// An estimate, not a proven bound: half of the smallest quotient `‖z - x‖² / (2 dist(z - x, T_x))` over pairs of images on
    /// the grid and close neighbours. (The infimum over all pairs is the reach, Federer 1959, theorem 4.18.)
    fn reach(&self) -> f64 {
        *self.reach.get_or_init(|| 0.5 * self.least_quotient())
    }

    /// Parameters uniform in the box.
    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        let Region { low, high } = &self.region;
        let parameters: Array1<f64> = low.iter().zip(high).map(|(low, high)| low + (high - low) * stream.uniform_f64()).collect();
        self.point(&parameters)
    }
}

/// `½‖y - x(parameters)‖²`.
struct SquaredDistance<'a> {
    manifold: &'a Rendered,
    y: &'a Array1<f64>,
}

impl Objective for SquaredDistance<'_> {
    fn value(&self, parameters: &Array1<f64>) -> f64 {
        0.5 * square_norm(&(self.y - self.manifold.point(parameters)))
    }

    fn gradient(&self, parameters: &Array1<f64>) -> Array1<f64> {
        let mut sum = Array1::zeros(parameters.len());
        for (p, y) in self.manifold.pixels().zip(self.y) {
            let (value, derivatives) = self.manifold.shape.at(p, parameters);
            let residual = y - (BACKGROUND + CONTRAST * value);
            for (sum, derivative) in sum.iter_mut().zip(derivatives) {
                *sum -= residual * CONTRAST * derivative;
            }
        }
        sum
    }
}

/// All points with one of the given values along each axis, the last axis varying fastest.
fn product(axes: impl Iterator<Item = Vec<f64>>) -> Vec<Array1<f64>> {
    let longer = |points: Vec<Vec<f64>>, values: Vec<f64>| {
        let extended = |point: &Vec<f64>| values.iter().map(|value| [point.as_slice(), &[*value]].concat()).collect::<Vec<_>>();
        points.iter().flat_map(extended).collect()
    };
    axes.fold(vec![vec![]], longer).into_iter().map(Array1::from).collect()
}
