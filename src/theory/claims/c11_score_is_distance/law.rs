//! The torus with a very uneven density: exponential along the core circle, uniform around the tube.

use std::f64::consts::{PI, TAU};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::manifold::Torus;

/// R and r of the torus; the reach is r.
const MAJOR: f64 = 2.0;
const MINOR: f64 = 0.8;
/// The density falls like exp(-κ|φ|) along the core circle, φ in [-π, π]: by 500 to its far side.
pub(super) const FALL: f64 = 2.0;
/// Normal points with |φ| above this are called rare: under 2 in 100.
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
    /// From the law of normal points with |φ| at least `least`.
    pub(super) fn draw(stream: &mut Stream, least: f64) -> Self {
        // Inverts the distribution function of the exponential law cut off at π.
        let kept = 1.0 - (-FALL * (PI - least)).exp();
        let along = least - (1.0 - kept * stream.uniform_f64()).ln() / FALL;
        let along = if stream.below(2) == 0 { along } else { -along };
        Self { along, around: TAU * stream.uniform_f64() }
    }

    /// The point at signed distance `t` from the torus, above it here: x + t ν.
    pub(super) fn at(&self, t: f64) -> Vec<f64> {
        let ((sin, cos), (turn_sin, turn_cos)) = (self.along.sin_cos(), self.around.sin_cos());
        let rho = MAJOR + (MINOR + t) * turn_cos;
        vec![rho * cos, rho * sin, (MINOR + t) * turn_sin]
    }

    /// Density with respect to area.
    pub(super) fn density(&self) -> f64 {
        let along = 0.5 * FALL * (-FALL * self.along.abs()).exp() / (1.0 - (-FALL * PI).exp());
        along / (TAU * MINOR * (MAJOR + MINOR * self.around.cos()))
    }
}

/// The manifold itself, with its projection.
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
    fn points_are_where_they_say_they_are() {
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
