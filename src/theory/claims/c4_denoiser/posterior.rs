use crate::theory::algebra::projector;
use std::f64::consts::{PI, TAU};

use ndarray::{Array1, Array2, Axis, array};

/// A probability distribution on a manifold as a quadrature rule: nodes and weights that sum to 1.
pub(super) struct Distribution {
    nodes: Vec<(Array1<f64>, f64)>,
}

/// Independent Gaussian noise with these variances of the coordinates.
#[derive(Clone, Copy)]
pub(super) struct Noise<'a> {
    pub(super) variances: &'a [f64],
}

/// The distribution of x given y = x + ε.
pub(super) struct Posterior {
    /// E[x|y].
    pub(super) mean: Array1<f64>,
    /// Cov[x|y].
    pub(super) covariance: Array2<f64>,
    /// log p(y), up to the constant of the Gaussian density.
    pub(super) log_density: f64,
}

impl Distribution {
    fn normalised(nodes: Vec<(Array1<f64>, f64)>) -> Self {
        let total: f64 = nodes.iter().map(|(_, weight)| weight).sum();
        Self { nodes: nodes.into_iter().map(|(node, weight)| (node, weight / total)).collect() }
    }

    /// Uniform on the circle with this radius: the trapezoidal rule, which converges exponentially for periodic functions.
    pub(super) fn circle(radius: f64, count: usize) -> Self {
        let node = |k: usize| {
            let angle = TAU * k as f64 / count as f64;
            (array![radius * angle.cos(), radius * angle.sin()], 1.0)
        };
        Self::normalised((0..count).map(node).collect())
    }

    /// Uniform in arc length on the ellipse with semi-axes a and b.
    pub(super) fn ellipse(a: f64, b: f64, count: usize) -> Self {
        let node = |k: usize| {
            let (sine, cosine) = (TAU * k as f64 / count as f64).sin_cos();
            (array![a * cosine, b * sine], (a * sine).hypot(b * cosine))
        };
        Self::normalised((0..count).map(node).collect())
    }

    /// Uniform on S² with this radius: Gauss-Legendre in the height, which is uniform (Archimedes), trapezoidal in the longitude.
    pub(super) fn sphere(radius: f64, count: usize) -> Self {
        let mut nodes = Vec::with_capacity(count * count);
        for (height, weight) in gauss_legendre(count) {
            let ring = (1.0 - height * height).sqrt();
            for k in 0..count {
                let angle = TAU * k as f64 / count as f64;
                nodes.push((array![radius * ring * angle.cos(), radius * ring * angle.sin(), radius * height], weight));
            }
        }
        Self::normalised(nodes)
    }

    /// Uniform on Sⁿ⁻¹ with this radius, reduced to the first coordinate and the length of the others with a random sign. The
    /// angle to the first axis has a density ∝ sinⁿ⁻². Bayes' rule is unchanged for a y on that axis, `[length, 0]`.
    pub(super) fn meridian(radius: f64, n: usize, count: usize) -> Self {
        let node = |(u, weight): (f64, f64)| {
            let (sine, cosine) = (0.5 * PI * (1.0 + u)).sin_cos();
            [1.0, -1.0].map(|sign| (array![radius * cosine, sign * radius * sine], weight * sine.powi(n as i32 - 2)))
        };
        Self::normalised(gauss_legendre(count).into_iter().flat_map(node).collect())
    }

    /// The distribution of x given `y`, by Bayes' rule on the nodes.
    pub(super) fn given(&self, y: &Array1<f64>, noise: Noise<'_>) -> Posterior {
        let exponent = |x: &Array1<f64>| -> f64 {
            x.iter().zip(y).zip(noise.variances).map(|((x, y), variance)| -0.5 * (x - y).powi(2) / variance).sum()
        };
        let exponents: Vec<f64> = self.nodes.iter().map(|(x, _)| exponent(x)).collect();
        let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = self.nodes.iter().zip(&exponents).map(|((_, weight), exponent)| weight * (exponent - largest).exp());
        let weights: Vec<f64> = weights.collect();
        let total: f64 = weights.iter().sum();
        let weighted = || self.nodes.iter().zip(&weights).map(|((x, _), weight)| (x, weight / total));
        let mean = weighted().fold(Array1::zeros(y.len()), |sum: Array1<f64>, (x, weight)| sum + weight * x);
        let covariance = weighted().fold(Array2::zeros((y.len(), y.len())), |sum: Array2<f64>, (x, weight)| {
            sum + weight * projector(&(x - &mean).insert_axis(Axis(1)))
        });
        Posterior { mean, covariance, log_density: largest + total.ln() }
    }
}

/// Nodes and weights of the Gauss-Legendre rule on [-1, 1]; Newton's method finds the nodes.
fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let n = count as f64;
    let node = |k: usize| {
        let mut x = (PI * (k as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..20 {
            let (mut before, mut value) = (1.0, x);
            for degree in 2..=count {
                let degree = degree as f64;
                (before, value) = (value, ((2.0 * degree - 1.0) * x * value - (degree - 1.0) * before) / degree);
            }
            slope = n * (x * value - before) / (x * x - 1.0);
            x -= value / slope;
        }
        (x, 2.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..count).map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::algebra::norm;

    #[test]
    fn gauss_legendre_is_exact_for_polynomials_of_twice_its_degree() {
        let rule = gauss_legendre(7);
        for power in 0..14 {
            let integral: f64 = rule.iter().map(|(x, weight)| weight * x.powi(power)).sum();
            let exact = if power % 2 == 0 { 2.0 / (f64::from(power) + 1.0) } else { 0.0 };
            assert!((integral - exact).abs() < 1e-14, "{power}: {integral}");
        }
    }

    #[test]
    fn uniform_distributions_have_mean_zero_and_covariance_r_squared_over_n() {
        let far = [1e12; 3];
        for (distribution, n) in [(Distribution::circle(2.0, 50), 2), (Distribution::sphere(2.0, 20), 3)] {
            let prior = distribution.given(&Array1::zeros(n), Noise { variances: &far[..n] });
            let expected = 4.0 / n as f64 * Array2::<f64>::eye(n);
            assert!(norm(&prior.mean) < 1e-10 && norm(&(&prior.covariance - &expected)) < 1e-9);
            assert!(prior.log_density.abs() < 1e-9);
        }
        let prior = Distribution::meridian(2.0, 6, 40).given(&Array1::zeros(2), Noise { variances: &far[..2] });
        let [first, others] = [prior.covariance[[0, 0]], prior.covariance[[1, 1]]];
        assert!((first - 4.0 / 6.0).abs() < 1e-9 && (others - 20.0 / 6.0).abs() < 1e-9, "{first}, {others}");
    }

    #[test]
    fn the_ellipse_is_uniform_in_arc_length() {
        let distribution = Distribution::ellipse(3.0, 1.0, 400);
        let mean = |value: fn(&Array1<f64>) -> f64| distribution.nodes.iter().map(|(x, weight)| weight * value(x)).sum::<f64>();
        // Compare with a fine polygon.
        let point = |k: usize| (3.0 * (TAU * k as f64 / 1e5).cos(), (TAU * k as f64 / 1e5).sin());
        let (mut length, mut moment) = (0.0, 0.0);
        for k in 0..100_000 {
            let ((x, y), (next_x, next_y)) = (point(k), point(k + 1));
            let side = (next_x - x).hypot(next_y - y);
            length += side;
            moment += side * (0.5 * (x + next_x)).powi(2);
        }
        assert!((mean(|x| x[0] * x[0]) - moment / length).abs() < 1e-6 && mean(|x| x[0]).abs() < 1e-12);
    }
}
