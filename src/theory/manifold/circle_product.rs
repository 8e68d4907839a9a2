use std::f64::consts::TAU;

use ndarray::{Array1, Array2};

use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// A product of k circles about 0, of radius r_i in the plane of the coordinates (2i, 2i+1): dimension k in R^{2k}.
/// Two circles make a Clifford torus.
///
/// π acts on each plane separately, `r_i (y_2i, y_2i+1) / ‖(y_2i, y_2i+1)‖`. Where the component of y in a plane is 0, all points
/// of that circle are equally near and [`Manifold::project_point`] returns an error. The distance from D to these points is min
/// r_i, which is the reach. Samples are uniform.
#[derive(Clone, Debug)]
pub struct CircleProduct {
    radii: Array1<f64>,
}

impl CircleProduct {
    /// One circle for each radius.
    ///
    /// # Errors
    /// There is no radius; one is not a finite number above 0.
    pub fn new(radii: &[f64]) -> Result<Self> {
        if radii.is_empty() {
            return Err(Error::argument("product of circles: needs at least one radius, got none"));
        }
        for (index, &radius) in radii.iter().enumerate() {
            check::length(&format!("product of circles: radius {index}"), radius)?;
        }
        Ok(Self { radii: radii.iter().copied().collect() })
    }

    /// The unit vector (cos, sin) of each plane.
    fn directions(&self, y: &Array1<f64>) -> Result<Vec<[f64; 2]>> {
        check_vector(&self.name(), self.ambient(), y)?;
        let direction = |index: usize| {
            let (p, q) = (y[2 * index], y[2 * index + 1]);
            let length = p.hypot(q);
            if length > 0.0 {
                return Ok([p / length, q / length]);
            }
            Err(Error::argument(format!("{}: all points of circle {index} are equally near to its centre", self.name())))
        };
        (0..self.radii.len()).map(direction).collect()
    }

    /// The matrix 2k x k whose column i is `vector(direction i)` in plane i.
    fn columns(&self, x: &Array1<f64>, vector: impl Fn([f64; 2]) -> [f64; 2]) -> Result<Array2<f64>> {
        let directions = self.directions(x)?;
        let entry = |(row, column): (usize, usize)| if row / 2 == column { vector(directions[column])[row % 2] } else { 0.0 };
        Ok(Array2::from_shape_fn((self.ambient(), self.dimension()), entry))
    }

    fn point(&self, directions: impl IntoIterator<Item = [f64; 2]>) -> Array1<f64> {
        self.radii.iter().zip(directions).flat_map(|(radius, direction)| direction.map(|value| radius * value)).collect()
    }
}

impl Manifold for CircleProduct {
    fn name(&self) -> String {
        format!("product of circles of radii {:?} in R^{}", self.radii.to_vec(), self.ambient())
    }

    fn dimensions(&self) -> [usize; 2] {
        [self.radii.len(), 2 * self.radii.len()]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.point(self.directions(y)?))
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        self.columns(x, |[cos, sin]| [-sin, cos])
    }

    fn reach(&self) -> f64 {
        self.radii.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        self.point(std::iter::repeat_with(|| {
            let (sin, cos) = (TAU * stream.uniform_f64()).sin_cos();
            [cos, sin]
        }))
    }

    fn normal_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        self.columns(x, |direction| direction)
    }
}
