//! Scores from the density of a sample: distance to the k-th nearest neighbour, and a Gaussian mixture fitted by expectation
//! maximisation (Dempster, Laird, Rubin 1977). Higher is more anomalous.

use std::f64::consts::TAU;

use ndarray::{Array1, Array2, Axis};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{SymmetricEigen, from_columns, symmetric_eigen};

/// Minimum variance of a component in any direction, so that none collapses to a point.
const MIN_VARIANCE: f64 = 1e-4;

/// Distance from `y` to the `k`-th nearest of `points`, k from 1; infinite if there are fewer.
pub(super) fn neighbour_distance(points: &[Array1<f64>], k: usize, y: &Array1<f64>) -> f64 {
    let square = |point: &Array1<f64>| point.iter().zip(y).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let mut squares: Vec<f64> = points.iter().map(square).collect();
    if k == 0 || k > squares.len() {
        return f64::INFINITY;
    }
    squares.select_nth_unstable_by(k - 1, f64::total_cmp).1.sqrt()
}

/// One Gaussian with its weight.
#[derive(Clone, Debug)]
struct Component {
    weight: f64,
    mean: Array1<f64>,
    covariance: SymmetricEigen,
}

impl Component {
    /// From the responsibilities of the points.
    fn weighted(points: &Array2<f64>, shares: &Array1<f64>) -> Result<Self> {
        let total = shares.sum().max(f64::MIN_POSITIVE);
        let mean = points.t().dot(shares) / total;
        let centred = points - &mean;
        let weighted = &centred * &shares.view().insert_axis(Axis(1));
        let mut covariance = symmetric_eigen(&(centred.t().dot(&weighted) / total))?;
        covariance.values.mapv_inplace(|value| value.max(MIN_VARIANCE));
        Ok(Self { weight: total / points.nrows() as f64, mean, covariance })
    }

    /// `ln(weight · density)` at `y`.
    fn log_density(&self, y: &Array1<f64>) -> f64 {
        let SymmetricEigen { values, vectors } = &self.covariance;
        let along = vectors.t().dot(&(y - &self.mean));
        self.weight.ln() - 0.5 * (along.powi(2) / values + (TAU * values).ln()).sum()
    }
}

/// A mixture of Gaussians with full covariances.
#[derive(Clone, Debug)]
pub(super) struct Mixture {
    components: Vec<Component>,
}

impl Mixture {
    /// Fits `count` components to `points`, at least one, by `steps` steps of expectation maximisation. The initial means are
    /// random points.
    pub(super) fn fit(points: &[Array1<f64>], count: usize, steps: usize, stream: &mut Stream) -> Result<Self> {
        let rows = from_columns(points[0].len(), points).reversed_axes();
        let whole = Component::weighted(&rows, &Array1::ones(points.len()))?;
        let start = |_| Component {
            weight: 1.0 / count as f64,
            mean: points[stream.below(points.len() as u32) as usize].clone(),
            covariance: whole.covariance.clone(),
        };
        let mut mixture = Self { components: (0..count).map(start).collect() };
        for _ in 0..steps {
            mixture.improve(&rows)?;
        }
        Ok(mixture)
    }

    /// One step of expectation maximisation.
    fn improve(&mut self, points: &Array2<f64>) -> Result<()> {
        let shares: Vec<Array1<f64>> = points.rows().into_iter().map(|point| self.responsibilities(&point.to_owned())).collect();
        let shares = from_columns(self.components.len(), &shares);
        self.components =
            shares.rows().into_iter().map(|share| Component::weighted(points, &share.to_owned())).collect::<Result<_>>()?;
        Ok(())
    }

    /// Probability of each component given `y`.
    fn responsibilities(&self, y: &Array1<f64>) -> Array1<f64> {
        let logs: Array1<f64> = self.components.iter().map(|component| component.log_density(y)).collect();
        (&logs - log_sum(&logs)).exp()
    }

    /// Logarithm of the density at `y`.
    pub(super) fn log_density(&self, y: &Array1<f64>) -> f64 {
        log_sum(&self.components.iter().map(|component| component.log_density(y)).collect())
    }
}

/// `ln Σ exp`, without overflow.
fn log_sum(logs: &Array1<f64>) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + (logs - largest).exp().sum().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;
    use crate::theory::algebra::norm;
    use ndarray::array;

    /// A quarter of the points about (-3, 0), the rest about (3, 1), with standard deviations (0.5, 0.25).
    fn two_clusters(stream: &mut Stream) -> Vec<Array1<f64>> {
        let point = |i: usize| {
            let centre = if i.is_multiple_of(4) { [-3.0, 0.0] } else { [3.0, 1.0] };
            array![centre[0] + 0.5 * stream.normal(), centre[1] + 0.25 * stream.normal()]
        };
        (0..800).map(point).collect()
    }

    #[test]
    fn the_neighbours_on_a_line_are_counted() {
        let points: Vec<Array1<f64>> = (0..5).map(|i| array![f64::from(i), 0.0]).collect();
        assert_eq!([1, 2, 5].map(|k| neighbour_distance(&points, k, &array![0.25, 0.0])), [0.25, 0.75, 3.75]);
        assert!(neighbour_distance(&points, 6, &array![0.0, 0.0]).is_infinite());
    }

    #[test]
    fn each_step_of_the_fit_raises_the_likelihood() {
        let mut stream = Stream::new(1, Purpose::Test, 11, 0);
        let points = two_clusters(&mut stream);
        let likelihood = |mixture: &Mixture| points.iter().map(|point| mixture.log_density(point)).sum::<f64>();
        let mut mixture = Mixture::fit(&points, 3, 0, &mut stream).unwrap();
        let rows = from_columns(2, &points).reversed_axes();
        for _ in 0..20 {
            let before = likelihood(&mixture);
            mixture.improve(&rows).unwrap();
            assert!(likelihood(&mixture) >= before - 1e-9 * before.abs());
        }
    }

    #[test]
    fn a_mixture_of_two_is_recovered() {
        let mut stream = Stream::new(2, Purpose::Test, 11, 0);
        let points = two_clusters(&mut stream);
        let mut components = Mixture::fit(&points, 2, 60, &mut stream).unwrap().components;
        components.sort_by(|a, b| a.mean[0].total_cmp(&b.mean[0]));
        for (component, (weight, mean)) in components.iter().zip([(0.25, array![-3.0, 0.0]), (0.75, array![3.0, 1.0])]) {
            assert!((component.weight - weight).abs() < 1e-6, "{component:?}");
            assert!(norm(&(&component.mean - &mean)) < 0.1, "{component:?}");
            assert!(norm(&(component.covariance.values.sqrt() - array![0.5, 0.25])) < 0.1, "{component:?}");
        }
        // At the mean, the density of the larger component is 0.75 / (2π · 0.5 · 0.25).
        let density = Mixture { components }.log_density(&array![3.0, 1.0]);
        assert!((density - (0.75 / (TAU * 0.125)).ln()).abs() < 0.2, "{density}");
    }
}
