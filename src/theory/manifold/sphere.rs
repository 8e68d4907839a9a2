use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, add_scaled, complement, dot, normalised};

/// The sphere of radius R about 0 in Rⁿ, n ≥ 2, of dimension n-1; for n = 2 a circle.
///
/// `π(y) = R y / ‖y‖`. At the centre every point of D is nearest: [`Manifold::project_point`] reports an error there.
/// The reach is R, the distance of D from its centre, the only point without a unique nearest point.
/// Points drawn are uniform.
#[derive(Clone, Debug)]
pub struct Sphere {
    n: usize,
    radius: f64,
}

impl Sphere {
    /// In Rⁿ.
    ///
    /// # Errors
    /// n is below 2; the radius is not a finite number above 0.
    pub fn new(n: usize, radius: f64) -> Result<Self> {
        if n < 2 {
            return Err(Error::argument(format!("sphere: needs at least 2 dimensions, got {n}")));
        }
        Ok(Self { n, radius: check::length("sphere: the radius", radius)? })
    }

    /// In R².
    ///
    /// # Errors
    /// The radius is not a finite number above 0.
    pub fn circle(radius: f64) -> Result<Self> {
        Self::new(2, radius)
    }

    /// R.
    pub fn radius(&self) -> f64 {
        self.radius
    }

    /// `y / ‖y‖`.
    fn direction(&self, y: &[f64]) -> Result<Vec<f64>> {
        check_vector(&self.name(), self.n, y)?;
        normalised(y).ok_or_else(|| Error::argument(format!("{}: every point is nearest to the centre", self.name())))
    }
}

impl Manifold for Sphere {
    fn name(&self) -> String {
        let kind = if self.n == 2 { "circle" } else { "sphere" };
        format!("{kind} of radius {} in R^{}", self.radius, self.n)
    }

    fn ambient(&self) -> usize {
        self.n
    }

    fn dimension(&self) -> usize {
        self.n - 1
    }

    fn project_point(&self, y: &[f64]) -> Result<Vec<f64>> {
        Ok(self.direction(y)?.iter().map(|value| self.radius * value).collect())
    }

    fn tangent_basis(&self, x: &[f64]) -> Result<Matrix> {
        Ok(complement(&self.normal_basis(x)?))
    }

    fn reach(&self) -> f64 {
        self.radius
    }

    fn sample(&self, stream: &mut Stream) -> Vec<f64> {
        loop {
            let direction = stream.normals(self.n);
            if let Ok(point) = self.project_point(&direction) {
                return point;
            }
        }
    }

    /// Costs n, where the basis would cost n³.
    fn project_tangent(&self, x: &[f64], v: &[f64]) -> Result<Vec<f64>> {
        check_vector(&self.name(), self.n, v)?;
        let normal = self.direction(x)?;
        Ok(add_scaled(v, -dot(&normal, v), &normal))
    }

    fn normal_basis(&self, x: &[f64]) -> Result<Matrix> {
        Ok(Matrix::from_values(self.n, 1, self.direction(x)?))
    }
}
