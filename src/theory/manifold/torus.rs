use std::f64::consts::TAU;

use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::Matrix;

/// A point nearer to the core circle than this part of the major radius is on it but for rounding.
const ON_CORE: f64 = 4.0 * f64::EPSILON;

/// The torus in R³ around the axis z: all points at distance r from the core circle of radius R in the plane z = 0, 0 < r < R;
/// dimension 2.
///
/// In the half plane (ρ, z) of y, with ρ the distance from the axis, D is a circle of radius r about (R, 0), and π goes to its
/// nearest point. Two sets have no unique nearest point, and [`Manifold::project_point`] reports an error on them: the
/// axis (ρ = 0), at distance R-r from D, and the core circle (up to rounding), at distance r. So the reach is min(r, R-r).
/// Points drawn are uniform in area.
#[derive(Clone, Debug)]
pub struct Torus {
    major: f64,
    minor: f64,
}

/// Where a point is: the unit vector (cos, sin) of its half plane, and that from the core circle to the point in it, (ρ, z).
struct Place {
    plane: [f64; 2],
    outward: [f64; 2],
}

impl Torus {
    /// With the radius R = `major` of the core circle and r = `minor` of the tube.
    ///
    /// # Errors
    /// A radius is not a finite number above 0; r is not below R.
    pub fn new(major: f64, minor: f64) -> Result<Self> {
        check::length("torus: the major radius", major)?;
        check::length("torus: the minor radius", minor)?;
        if minor >= major {
            return Err(Error::argument(format!("torus: the minor radius {minor} must be below the major radius {major}")));
        }
        Ok(Self { major, minor })
    }

    fn place(&self, y: &[f64]) -> Result<Place> {
        check_vector(&self.name(), 3, y)?;
        let rho = y[0].hypot(y[1]);
        if rho == 0.0 {
            return Err(Error::argument(format!("{}: a point on its axis has no unique nearest point, got {y:?}", self.name())));
        }
        let (away, height) = (rho - self.major, y[2]);
        let distance = away.hypot(height);
        if distance <= ON_CORE * self.major {
            return Err(Error::argument(format!("{}: a point on its core circle has no unique nearest point", self.name())));
        }
        Ok(Place { plane: [y[0] / rho, y[1] / rho], outward: [away / distance, height / distance] })
    }

    fn point(&self, place: &Place) -> Vec<f64> {
        let ([cos, sin], [away, height]) = (place.plane, place.outward);
        let rho = self.major + self.minor * away;
        vec![rho * cos, rho * sin, self.minor * height]
    }
}

impl Manifold for Torus {
    fn name(&self) -> String {
        format!("torus of radii {} and {} in R^3", self.major, self.minor)
    }

    fn ambient(&self) -> usize {
        3
    }

    fn dimension(&self) -> usize {
        2
    }

    fn project_point(&self, y: &[f64]) -> Result<Vec<f64>> {
        Ok(self.point(&self.place(y)?))
    }

    fn tangent_basis(&self, x: &[f64]) -> Result<Matrix> {
        let Place { plane: [cos, sin], outward: [away, height] } = self.place(x)?;
        Ok(Matrix::from_columns(3, &[vec![-sin, cos, 0.0], vec![-height * cos, -height * sin, away]]))
    }

    fn reach(&self) -> f64 {
        self.minor.min(self.major - self.minor)
    }

    /// The area over an angle φ of the tube is proportional to R + r cos φ: angles are drawn until one passes a coin of that
    /// weight.
    fn sample(&self, stream: &mut Stream) -> Vec<f64> {
        let mut circle = || (TAU * stream.uniform_f64()).sin_cos();
        let (sin, cos) = circle();
        let mut turn = circle();
        while (self.major + self.minor) * stream.uniform_f64() >= self.major + self.minor * turn.1 {
            turn = (TAU * stream.uniform_f64()).sin_cos();
        }
        self.point(&Place { plane: [cos, sin], outward: [turn.1, turn.0] })
    }

    fn normal_basis(&self, x: &[f64]) -> Result<Matrix> {
        let Place { plane: [cos, sin], outward: [away, height] } = self.place(x)?;
        Ok(Matrix::from_columns(3, &[vec![away * cos, away * sin, height]]))
    }
}
