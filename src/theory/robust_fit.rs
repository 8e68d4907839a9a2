//! Points of an affine space that agree with y in most coordinates, by iteratively reweighted least squares (Theorem C of
//! `paper/theory.md`).

use ndarray::{Array1, Array2, Axis};

use super::algebra::{norm, solve};
use crate::error::{Error, Result};

/// Iterations for each ε of [`AffineSpace::least_absolute`], and in all for a fixed penalty.
const STEPS: [usize; 2] = [8, 4000];
/// Smallest ε of the sum of absolute values, relative to the largest entry of the data.
const LEAST_EPSILON: f64 = 1e-14;
/// An iteration that moves less than this, relative to the size of the data, is the last.
const SETTLED: f64 = 1e-15;

/// `{c + B a}` with orthonormal columns of B: the affine hull of a manifold, for example.
#[derive(Clone, Debug)]
pub struct AffineSpace {
    centre: Array1<f64>,
    basis: Array2<f64>,
}

/// A penalty of a residual r, by its weight `ρ'(r)/r` in the next step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Penalty {
    /// `(r² + ε²)^(q/2)`, 1 ≤ q ≤ 2: |r|^q, rounded at 0.
    Power {
        /// q.
        exponent: f64,
        /// ε, above 0.
        epsilon: f64,
    },
    /// Huber's: ½r² for |r| ≤ κ, linear beyond.
    Huber(f64),
}

impl Penalty {
    fn weight(self, r: f64) -> f64 {
        match self {
            Self::Power { exponent, epsilon } => r.hypot(epsilon).powf(exponent - 2.0),
            Self::Huber(kappa) => (kappa / r.abs()).min(1.0),
        }
    }
}

impl AffineSpace {
    /// The space through `centre` `[n]` along the columns of `basis` `[n, k]`, which must be orthonormal.
    ///
    /// # Errors
    /// Different n.
    pub fn new(centre: Array1<f64>, basis: Array2<f64>) -> Result<Self> {
        if basis.nrows() != centre.len() {
            let (n, rows) = (centre.len(), basis.nrows());
            return Err(Error::argument(format!("an affine space in R^{n} has directions of {n} values, got {rows}")));
        }
        Ok(Self { centre, basis })
    }

    /// The nearest point to y.
    pub fn project(&self, y: &Array1<f64>) -> Array1<f64> {
        &self.centre + self.basis.dot(&self.basis.t().dot(&(y - &self.centre)))
    }

    /// The point that minimises `Σ wᵢ (yᵢ - zᵢ)²`.
    ///
    /// # Errors
    /// The coordinates with a positive weight do not determine it.
    pub fn weighted(&self, y: &Array1<f64>, weights: &Array1<f64>) -> Result<Array1<f64>> {
        let scaled = &self.basis * &weights.view().insert_axis(Axis(1));
        let right = scaled.t().dot(&(y - &self.centre)).insert_axis(Axis(1));
        let a = solve(&self.basis.t().dot(&scaled), &right)?;
        Ok(&self.centre + self.basis.dot(&a.column(0)))
    }

    /// The point that minimises `Σ ρ(yᵢ - zᵢ)`.
    ///
    /// # Errors
    /// As [`AffineSpace::weighted`].
    pub fn fit(&self, y: &Array1<f64>, penalty: Penalty) -> Result<Array1<f64>> {
        self.iterate(y, self.project(y), penalty, STEPS[1])
    }

    /// The point that minimises `Σ |yᵢ - zᵢ|`: ε falls from the size of the data to 10⁻¹⁴ of it, with a few steps for each. Exact
    /// up to rounding where y agrees with a point of the space in most coordinates; otherwise it may stop short of the minimum.
    ///
    /// # Errors
    /// As [`AffineSpace::weighted`].
    pub fn least_absolute(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        let size = self.size(y);
        let (mut z, mut epsilon) = (self.project(y), size);
        while epsilon > LEAST_EPSILON * size {
            z = self.iterate(y, z, Penalty::Power { exponent: 1.0, epsilon }, STEPS[0])?;
            epsilon *= 0.3;
        }
        Ok(z)
    }

    fn iterate(&self, y: &Array1<f64>, start: Array1<f64>, penalty: Penalty, steps: usize) -> Result<Array1<f64>> {
        let mut z = start;
        for _ in 0..steps {
            let weights = (y - &z).mapv(|r| penalty.weight(r));
            // Weights of any common factor are as good; without it those of Huber's penalty and of tiny residuals would differ by
            // 10¹⁴.
            let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
            let next = self.weighted(y, &(weights / largest))?;
            let moved = norm(&(&next - &z));
            z = next;
            if moved <= SETTLED * norm(&z) {
                break;
            }
        }
        Ok(z)
    }

    /// The largest absolute deviation of y from the centre.
    fn size(&self, y: &Array1<f64>) -> f64 {
        (y - &self.centre).iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(value.abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use crate::theory::algebra::{gaussian_matrix, gaussian_vector, orthonormal_basis};

    fn space(stream: &mut Stream) -> AffineSpace {
        AffineSpace::new(gaussian_vector(stream, 30), orthonormal_basis(&gaussian_matrix(stream, 30, 3))).unwrap()
    }

    #[test]
    fn the_least_sum_of_absolute_values_ignores_a_few_wrong_coordinates() {
        let stream = &mut Stream::new(1, Purpose::Test, 14, 0);
        let space = space(stream);
        let x = space.project(&gaussian_vector(stream, 30));
        let mut y = x.clone();
        (0..6).for_each(|i| y[i] += 10.0 * stream.normal());
        assert!(norm(&(space.least_absolute(&y).unwrap() - &x)) < 1e-12);
        assert!(norm(&(space.project(&y) - &x)) > 0.1);
        let weights = Array1::from_shape_fn(30, |i| f64::from(u8::from(i >= 6)));
        assert!(norm(&(space.weighted(&y, &weights).unwrap() - &x)) < 1e-12);
        assert!(space.weighted(&y, &Array1::zeros(30)).is_err(), "nothing determines it");
        // Linear beyond κ, so its bias is bounded by κ.
        assert!(norm(&(space.fit(&y, Penalty::Huber(1e-3)).unwrap() - &x)) < 0.02);
    }

    #[test]
    fn a_power_of_2_is_least_squares_and_fits_are_stationary() {
        let stream = &mut Stream::new(2, Purpose::Test, 14, 0);
        let (space, y) = (space(stream), gaussian_vector(stream, 30));
        assert!(norm(&(space.fit(&y, Penalty::Power { exponent: 2.0, epsilon: 1e-12 }).unwrap() - space.project(&y))) < 1e-12);
        for (penalty, slope) in [
            (Penalty::Power { exponent: 1.5, epsilon: 1e-12 }, (|r: f64| r.abs().sqrt() * r.signum()) as fn(f64) -> f64),
            (Penalty::Power { exponent: 1.0, epsilon: 0.1 }, |r| r / r.hypot(0.1)),
            (Penalty::Huber(0.2), |r| r.clamp(-0.2, 0.2)),
        ] {
            let residual = &y - space.fit(&y, penalty).unwrap();
            let gradient = space.basis.t().dot(&residual.mapv(slope));
            assert!(norm(&gradient) < 1e-7, "{penalty:?}: {gradient}");
        }
    }
}
