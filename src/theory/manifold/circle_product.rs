use std::f64::consts::TAU;

use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::Matrix;

/// A product of k circles about 0, of radius r_i in the plane of the coordinates (2i, 2i+1): dimension k in R^{2k}.
/// Two circles make a Clifford torus.
///
/// π acts on each plane alone, `r_i (y_2i, y_2i+1) / ‖(y_2i, y_2i+1)‖`. Where a plane's part of y is 0 every angle is nearest:
/// [`Manifold::project_point`] reports an error there. Those are the points without a unique nearest point, and the nearest of
/// them to D have distance min r_i, which is the reach. Points drawn are uniform.
#[derive(Clone, Debug)]
pub struct CircleProduct {
    radii: Vec<f64>,
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
        Ok(Self { radii: radii.to_vec() })
    }

    /// The unit vector (cos, sin) of each plane.
    fn directions(&self, y: &[f64]) -> Result<Vec<[f64; 2]>> {
        check_vector(&self.name(), self.ambient(), y)?;
        let direction = |(index, part): (usize, &[f64])| {
            let length = part[0].hypot(part[1]);
            if length > 0.0 {
                return Ok([part[0] / length, part[1] / length]);
            }
            Err(Error::argument(format!("{}: every point of circle {index} is nearest to its centre", self.name())))
        };
        y.chunks_exact(2).enumerate().map(direction).collect()
    }

    /// The matrix 2k x k whose column i is `vector(direction i)` in plane i.
    fn columns(&self, x: &[f64], vector: impl Fn([f64; 2]) -> [f64; 2]) -> Result<Matrix> {
        let directions = self.directions(x)?;
        let entry = |row: usize, column: usize| if row / 2 == column { vector(directions[column])[row % 2] } else { 0.0 };
        Ok(Matrix::from_fn(self.ambient(), self.radii.len(), entry))
    }

    fn point(&self, directions: impl IntoIterator<Item = [f64; 2]>) -> Vec<f64> {
        self.radii.iter().zip(directions).flat_map(|(radius, direction)| direction.map(|value| radius * value)).collect()
    }
}

impl Manifold for CircleProduct {
    fn name(&self) -> String {
        format!("product of circles of radii {:?} in R^{}", self.radii, self.ambient())
    }

    fn ambient(&self) -> usize {
        2 * self.radii.len()
    }

    fn dimension(&self) -> usize {
        self.radii.len()
    }

    fn project_point(&self, y: &[f64]) -> Result<Vec<f64>> {
        Ok(self.point(self.directions(y)?))
    }

    fn tangent_basis(&self, x: &[f64]) -> Result<Matrix> {
        self.columns(x, |[cos, sin]| [-sin, cos])
    }

    fn reach(&self) -> f64 {
        self.radii.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn sample(&self, stream: &mut Stream) -> Vec<f64> {
        self.point(std::iter::repeat_with(|| {
            let (sin, cos) = (TAU * stream.uniform_f64()).sin_cos();
            [cos, sin]
        }))
    }

    fn normal_basis(&self, x: &[f64]) -> Result<Matrix> {
        self.columns(x, |direction| direction)
    }
}
