use ndarray::{Array1, Array2, array};

use super::root::{accepted, angle};
use super::{Manifold, check, check_vector};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// A point nearer to the core circle than this fraction of the major radius is on it up to rounding.
const ON_CORE: f64 = 4.0 * f64::EPSILON;

/// The torus in R³ around the z axis: all points at distance r from the core circle of radius R in the plane z = 0, 0 < r < R.
/// Dimension 2.
///
/// In the half plane (ρ, z) of y, with ρ the distance from the axis, D is a circle of radius r about (R, 0), and π maps to the
/// nearest point of that circle. The nearest point is not unique on the axis (ρ = 0), at distance R-r from D, and on the core
/// circle (up to rounding), at distance r; [`Manifold::project_point`] returns an error there. So the reach is min(r, R-r).
/// Samples are uniform in area.
#[derive(Clone, Debug)]
pub struct Torus {
    major: f64,
    minor: f64,
}

/// The position of a point: the unit vector (cos, sin) of its half plane, and in it the unit vector (ρ, z) from the core circle.
struct Place {
    plane: [f64; 2],
    outward: [f64; 2],
}

impl Torus {
    /// R = `major` is the radius of the core circle, r = `minor` that of the tube.
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

    fn place(&self, y: &Array1<f64>) -> Result<Place> {
        check_vector(&self.name(), 3, y)?;
        let rho = y[0].hypot(y[1]);
        if rho == 0.0 {
            return Err(Error::argument(format!("{}: a point on its axis has no unique nearest point, got {y}", self.name())));
        }
        let (away, height) = (rho - self.major, y[2]);
        let distance = away.hypot(height);
        if distance <= ON_CORE * self.major {
            return Err(Error::argument(format!("{}: a point on its core circle has no unique nearest point", self.name())));
        }
        Ok(Place { plane: [y[0] / rho, y[1] / rho], outward: [away / distance, height / distance] })
    }

    fn point(&self, place: &Place) -> Array1<f64> {
        let ([cos, sin], [away, height]) = (place.plane, place.outward);
        let rho = self.major + self.minor * away;
        array![rho * cos, rho * sin, self.minor * height]
    }
}

impl Manifold for Torus {
    fn name(&self) -> String {
        format!("torus of radii {} and {} in R^3", self.major, self.minor)
    }

    fn dimensions(&self) -> [usize; 2] {
        [2, 3]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        Ok(self.point(&self.place(y)?))
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        let Place { plane: [cos, sin], outward: [away, height] } = self.place(x)?;
        Ok(array![[-sin, -height * cos], [cos, -height * sin], [0.0, away]])
    }

    fn reach(&self) -> f64 {
        self.minor.min(self.major - self.minor)
    }

    /// The area over an angle φ of the tube is proportional to R + r cos φ, so angles are accepted with a probability
    /// proportional to that.
    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        let (sin, cos) = angle(stream).sin_cos();
        let turn = accepted(stream, self.major + self.minor, angle, |turn| self.major + self.minor * turn.cos());
        self.point(&Place { plane: [cos, sin], outward: [turn.cos(), turn.sin()] })
    }

    fn normal_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        let Place { plane: [cos, sin], outward: [away, height] } = self.place(x)?;
        Ok(array![[away * cos], [away * sin], [height]])
    }
}
