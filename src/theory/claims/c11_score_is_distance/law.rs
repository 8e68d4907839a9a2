//! The torus with a very uneven density: exponential along the core circle, uniform around the tube.

use std::f64::consts::{PI, TAU};

use ndarray::{Array1, array};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::manifold::Torus;

/// R and r of the torus; the reach is r.
const MAJOR: f64 = 2.0;
const MINOR: f64 = 0.8;
/// The density decays like exp(-κ|φ|) along the core circle, φ in [-π, π]: by a factor of 500 to the far side.
pub(super) const FALL: f64 = 2.0;
/// Normal points with |φ| above this are called rare; they are less than 2 %.
pub(super) const RARE: f64 = 0.65 * PI;

/// Area of the torus.
pub(super) const AREA: f64 = TAU * TAU * MAJOR * MINOR;

/// A point of the torus by its angles, around the core circle (φ) and around the tube (ϑ).
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) along: f64,
    pub(super) around: f64,
}

impl Place {
    /// From the distribution of normal points, given that |φ| is at least `least`.
    pub(super) fn draw(stream: &mut Stream, least: f64) -> Self {
        // Inverts the distribution function of the exponential distribution truncated at π.
        let kept = 1.0 - (-FALL * (PI - least)).exp();
        let along = least - (1.0 - kept * stream.uniform_f64()).ln() / FALL;
        let along = if stream.below(2) == 0 { along } else { -along };
        Self { along, around: TAU * stream.uniform_f64() }
    }

    /// The point x + t ν at signed distance `t` from the torus.
    pub(super) fn at(&self, t: f64) -> Array1<f64> {
        let ((sin, cos), (turn_sin, turn_cos)) = (self.along.sin_cos(), self.around.sin_cos());
        let rho = MAJOR + (MINOR + t) * turn_cos;
        array![rho * cos, rho * sin, (MINOR + t) * turn_sin]
    }

    /// Density with respect to area.
    pub(super) fn density(&self) -> f64 {
        let along = 0.5 * FALL * (-FALL * self.along.abs()).exp() / (1.0 - (-FALL * PI).exp());
        along / (TAU * MINOR * (MAJOR + MINOR * self.around.cos()))
    }
}

/// The torus as a manifold.
///
/// # Errors
/// None, for these radii.
pub(super) fn torus() -> Result<Torus> {
    Torus::new(MAJOR, MINOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;
    use crate::theory::manifold::Manifold;

    #[test]
    fn points_have_the_stated_distance() {
        let (mut stream, torus) = (Stream::new(1, Purpose::Test, 11, 1), torus().unwrap());
        for _ in 0..100 {
            let place = Place::draw(&mut stream, 0.0);
            assert!(torus.contains(&place.at(0.0), 1e-12));
            assert!((torus.distance(&place.at(-0.3)).unwrap() - 0.3).abs() < 1e-12);
            assert!(Place::draw(&mut stream, RARE).along.abs() >= RARE);
        }
    }

    #[test]
    fn the_density_integrates_to_one_and_falls_as_drawn() {
        let cells = 400;
        let angle = |i: i32, whole: f64| whole * (f64::from(i) + 0.5) / f64::from(cells);
        let cell = |i: i32, j: i32| {
            let place = Place { along: angle(i, TAU) - PI, around: angle(j, TAU) };
            place.density() * MINOR * (MAJOR + MINOR * place.around.cos()) * (TAU / f64::from(cells)).powi(2)
        };
        let total: f64 = (0..cells).flat_map(|i| (0..cells).map(move |j| (i, j))).map(|(i, j)| cell(i, j)).sum();
        assert!((total - 1.0).abs() < 1e-3, "{total}");
        let mut stream = Stream::new(2, Purpose::Test, 11, 1);
        let rare = (0..20_000).filter(|_| Place::draw(&mut stream, 0.0).along.abs() >= 1.0).count();
        let expected = ((-FALL).exp() - (-FALL * PI).exp()) / (1.0 - (-FALL * PI).exp());
        assert!((rare as f64 / 20_000.0 - expected).abs() < 0.01, "{rare}");
    }
}
