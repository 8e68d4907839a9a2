use ndarray::{Array1, Array2, Axis};

use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{complement, gaussian_vector, normalised};

/// The sphere of radius R about 0 in Rⁿ, n ≥ 2, of dimension n-1; for n = 2 a circle.
///
/// `π(y) = R y / ‖y‖`. The centre is the only point without a unique nearest point, so [`Manifold::project_point`] returns an
/// error there and the reach is R. Samples are uniform.
#[derive(Clone, Debug)]
pub struct Sphere {
    n: usize,
    radius: f64,
}

impl Sphere {
    /// The sphere of this radius in Rⁿ.
    ///
    /// # Errors
    /// n is below 2; the radius is not a finite number above 0.
    pub fn new(n: usize, radius: f64) -> Result<Self> {
        if n < 2 {
            return Err(Error::argument(format!("sphere: needs at least 2 dimensions, got {n}")));
        }
        Ok(Self { n, radius: check::length("sphere: the radius", radius)? })
    }

    /// The circle of this radius in R².
    ///
    /// # Errors
    /// The radius is not a finite number above 0.
    pub fn circle(radius: f64) -> Result<Self> {
        Self::new(2, radius)
    }

    /// `y / ‖y‖`.
    fn direction(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        check_vector(&self.name(), self.n, y)?;
        normalised(y).ok_or_else(|| Error::argument(format!("{}: all points are equally near to the centre", self.name())))
    }
}

impl Manifold for Sphere {
    fn name(&self) -> String {
        let kind = if self.n == 2 { "circle" } else { "sphere" };
        format!("{kind} of radius {} in R^{}", self.radius, self.n)
    }

    fn dimensions(&self) -> [usize; 2] {
        [self.n - 1, self.n]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.radius * self.direction(y)?)
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        Ok(complement(&self.normal_basis(x)?))
    }

    fn reach(&self) -> f64 {
        self.radius
    }

    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        loop {
            if let Ok(point) = self.project_point(&gaussian_vector(stream, self.n)) {
                return point;
            }
        }
    }

    /// O(n); by the basis it would be O(n³).
    fn project_tangent(&self, x: &Array1<f64>, v: &Array1<f64>) -> Result<Array1<f64>> {
        check_vector(&self.name(), self.n, v)?;
        let normal = self.direction(x)?;
        Ok(v - normal.dot(v) * &normal)
    }

    fn normal_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        Ok(self.direction(x)?.insert_axis(Axis(1)))
    }
}
