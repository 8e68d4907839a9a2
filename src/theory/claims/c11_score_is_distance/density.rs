//! Scores from the density of a sample: distance to the k-th nearest neighbour, and a Gaussian mixture fitted by expectation
//! maximisation (Dempster, Laird, Rubin 1977). Higher is more anomalous.

use std::f64::consts::TAU;

use crate::rng::Stream;
use crate::theory::algebra::{Matrix, SymmetricEigen, dot, norm, sub, symmetric_eigen};

/// Least variance of a component along any direction, so that none collapses onto a point.
const LEAST_VARIANCE: f64 = 1e-4;

/// Distance from `y` to the `k`-th nearest of `points`, k from 1; infinite if there are fewer.
pub(super) fn neighbour_distance(points: &[Vec<f64>], k: usize, y: &[f64]) -> f64 {
    let mut distances: Vec<f64> = points.iter().map(|point| norm(&sub(point, y))).collect();
    if k == 0 || k > distances.len() {
        return f64::INFINITY;
    }
    *distances.select_nth_unstable_by(k - 1, f64::total_cmp).1
}

/// One Gaussian with its share.
#[derive(Clone, Debug)]
struct Component {
    weight: f64,
    mean: Vec<f64>,
    covariance: SymmetricEigen,
}

impl Component {
    /// From responsibilities, one a point.
    fn weighted(points: &[Vec<f64>], shares: &[f64]) -> Self {
        let n = points[0].len();
        let total: f64 = shares.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let average = |value: &dyn Fn(&[f64]) -> f64| {
            points.iter().zip(shares).map(|(point, share)| share * value(point)).sum::<f64>() / total
        };
        let mean: Vec<f64> = (0..n).map(|i| average(&|point| point[i])).collect();
        let moment = |i: usize, j: usize| average(&|point| (point[i] - mean[i]) * (point[j] - mean[j]));
        let mut covariance = symmetric_eigen(&Matrix::from_fn(n, n, moment));
        covariance.values.iter_mut().for_each(|value| *value = value.max(LEAST_VARIANCE));
        Self { weight: total / points.len() as f64, mean, covariance }
    }

    /// `ln(weight · density)` at `y`.
    fn log_density(&self, y: &[f64]) -> f64 {
        let along = self.covariance.vectors.apply_transposed(&sub(y, &self.mean));
        let terms = along.iter().zip(&self.covariance.values).map(|(u, variance)| u * u / variance + (TAU * variance).ln());
        self.weight.ln() - 0.5 * terms.sum::<f64>()
    }
}

/// A mixture of Gaussians with full covariances.
#[derive(Clone, Debug)]
pub(super) struct Mixture {
    components: Vec<Component>,
}

impl Mixture {
    /// Fits `count` components to `points` (at least one) by `steps` of expectation maximisation, from means at random points.
    pub(super) fn fit(points: &[Vec<f64>], count: usize, steps: usize, stream: &mut Stream) -> Self {
        let whole = Component::weighted(points, &vec![1.0; points.len()]);
        let start = |_| Component {
            weight: 1.0 / count as f64,
            mean: points[stream.below(points.len() as u32) as usize].clone(),
            covariance: whole.covariance.clone(),
        };
        let mut mixture = Self { components: (0..count).map(start).collect() };
        for _ in 0..steps {
            mixture.improve(points);
        }
        mixture
    }

    fn improve(&mut self, points: &[Vec<f64>]) {
        let responsibilities: Vec<Vec<f64>> = points.iter().map(|point| self.responsibilities(point)).collect();
        let share = |k: usize| responsibilities.iter().map(|of_point| of_point[k]).collect::<Vec<_>>();
        self.components = (0..self.components.len()).map(|k| Component::weighted(points, &share(k))).collect();
    }

    /// Probability of each component given `y`.
    fn responsibilities(&self, y: &[f64]) -> Vec<f64> {
        let logs: Vec<f64> = self.components.iter().map(|component| component.log_density(y)).collect();
        let total = log_sum(&logs);
        logs.iter().map(|log| (log - total).exp()).collect()
    }

    /// Logarithm of the density at `y`.
    pub(super) fn log_density(&self, y: &[f64]) -> f64 {
        log_sum(&self.components.iter().map(|component| component.log_density(y)).collect::<Vec<_>>())
    }
}

/// `ln Σ exp`, without overflow.
fn log_sum(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let ones = vec![1.0; logs.len()];
    most + dot(&ones, &logs.iter().map(|log| (log - most).exp()).collect::<Vec<_>>()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    /// A quarter of the points about (-3, 0), the rest about (3, 1), with standard deviations (0.5, 0.25).
    fn two_clusters(stream: &mut Stream) -> Vec<Vec<f64>> {
        let point = |i: usize| {
            let centre = if i.is_multiple_of(4) { [-3.0, 0.0] } else { [3.0, 1.0] };
            vec![centre[0] + 0.5 * stream.normal(), centre[1] + 0.25 * stream.normal()]
        };
        (0..800).map(point).collect()
    }

    #[test]
    fn the_neighbours_on_a_line_are_counted() {
        let points: Vec<Vec<f64>> = (0..5).map(|i| vec![f64::from(i), 0.0]).collect();
        assert_eq!([1, 2, 5].map(|k| neighbour_distance(&points, k, &[0.25, 0.0])), [0.25, 0.75, 3.75]);
        assert!(neighbour_distance(&points, 6, &[0.0, 0.0]).is_infinite());
    }

    #[test]
    fn each_step_of_the_fit_raises_the_likelihood() {
        let mut stream = Stream::new(1, Purpose::Test, 11, 0);
        let points = two_clusters(&mut stream);
        let likelihood = |mixture: &Mixture| points.iter().map(|point| mixture.log_density(point)).sum::<f64>();
        let mut mixture = Mixture::fit(&points, 3, 0, &mut stream);
        for _ in 0..20 {
            let before = likelihood(&mixture);
            mixture.improve(&points);
            assert!(likelihood(&mixture) >= before - 1e-9 * before.abs());
        }
    }

    #[test]
    fn a_mixture_of_two_is_recovered() {
        let mut stream = Stream::new(2, Purpose::Test, 11, 0);
        let points = two_clusters(&mut stream);
        let mut components = Mixture::fit(&points, 2, 60, &mut stream).components;
        components.sort_by(|a, b| a.mean[0].total_cmp(&b.mean[0]));
        for (component, (weight, mean)) in components.iter().zip([(0.25, [-3.0, 0.0]), (0.75, [3.0, 1.0])]) {
            assert!((component.weight - weight).abs() < 1e-6, "{component:?}");
            assert!(norm(&sub(&component.mean, &mean)) < 0.1, "{component:?}");
            let deviations = component.covariance.values.iter().map(|value| value.sqrt()).collect::<Vec<_>>();
            assert!(norm(&sub(&deviations, &[0.5, 0.25])) < 0.1, "{component:?}");
        }
        // At the mean the density of the greater one is 0.75 / (2π · 0.5 · 0.25).
        let density = Mixture { components }.log_density(&[3.0, 1.0]);
        assert!((density - (0.75 / (TAU * 0.125)).ln()).abs() < 0.2, "{density}");
    }
}
