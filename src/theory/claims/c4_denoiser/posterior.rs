use std::f64::consts::{PI, TAU};

use crate::theory::algebra::Matrix;

/// A law on a manifold as a quadrature rule: nodes and their weights, which add up to 1.
pub(super) struct Law {
    nodes: Vec<(Vec<f64>, f64)>,
}

/// Independent normal noise; the variances of the coordinates.
#[derive(Clone, Copy)]
pub(super) struct Noise<'a> {
    pub(super) variances: &'a [f64],
}

/// x given y = x + ε.
pub(super) struct Posterior {
    /// E[x|y].
    pub(super) mean: Vec<f64>,
    /// Cov[x|y].
    pub(super) covariance: Matrix,
    /// log p(y), but for the constant of the normal density.
    pub(super) log_density: f64,
}

impl Law {
    fn normalised(nodes: Vec<(Vec<f64>, f64)>) -> Self {
        let total: f64 = nodes.iter().map(|(_, weight)| weight).sum();
        Self { nodes: nodes.into_iter().map(|(node, weight)| (node, weight / total)).collect() }
    }

    /// Uniform on the circle with this radius: the trapezoid rule, which converges exponentially on a period.
    pub(super) fn circle(radius: f64, count: usize) -> Self {
        let node = |k: usize| {
            let angle = TAU * k as f64 / count as f64;
            (vec![radius * angle.cos(), radius * angle.sin()], 1.0)
        };
        Self::normalised((0..count).map(node).collect())
    }

    /// Uniform in arc length on the ellipse with semi-axes a and b.
    pub(super) fn ellipse(a: f64, b: f64, count: usize) -> Self {
        let node = |k: usize| {
            let (sine, cosine) = (TAU * k as f64 / count as f64).sin_cos();
            (vec![a * cosine, b * sine], (a * sine).hypot(b * cosine))
        };
        Self::normalised((0..count).map(node).collect())
    }

    /// Uniform on S² with this radius: Gauss in the height, which is uniform (Archimedes), trapezoids in the longitude.
    pub(super) fn sphere(radius: f64, count: usize) -> Self {
        let mut nodes = Vec::with_capacity(count * count);
        for (height, weight) in gauss_legendre(count) {
            let ring = (1.0 - height * height).sqrt();
            for k in 0..count {
                let angle = TAU * k as f64 / count as f64;
                nodes.push((vec![radius * ring * angle.cos(), radius * ring * angle.sin(), radius * height], weight));
            }
        }
        Self::normalised(nodes)
    }

    /// Uniform on S^{n-1} with this radius, seen from its first axis: the first coordinate, and the length of the others with a
    /// random sign. The angle to the axis has a density ∝ sin^{n-2}. The same Bayes' rule for a y on that axis, `[length, 0]`.
    pub(super) fn meridian(radius: f64, n: usize, count: usize) -> Self {
        let node = |(u, weight): (f64, f64)| {
            let (sine, cosine) = (0.5 * PI * (1.0 + u)).sin_cos();
            [1.0, -1.0].map(|sign| (vec![radius * cosine, sign * radius * sine], weight * sine.powi(n as i32 - 2)))
        };
        Self::normalised(gauss_legendre(count).into_iter().flat_map(node).collect())
    }

    /// The law of x given `y`, by Bayes' rule on the nodes.
    pub(super) fn given(&self, y: &[f64], noise: Noise<'_>) -> Posterior {
        let exponent = |x: &[f64]| -> f64 {
            x.iter().zip(y).zip(noise.variances).map(|((x, y), variance)| -0.5 * (x - y).powi(2) / variance).sum()
        };
        let exponents: Vec<f64> = self.nodes.iter().map(|(x, _)| exponent(x)).collect();
        let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut weighted: Vec<(&[f64], f64)> = Vec::with_capacity(self.nodes.len());
        for ((x, weight), exponent) in self.nodes.iter().zip(&exponents) {
            weighted.push((x, weight * (exponent - largest).exp()));
        }
        let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
        let expectation =
            |value: &dyn Fn(&[f64]) -> f64| -> f64 { weighted.iter().map(|(x, weight)| weight * value(x)).sum::<f64>() / total };
        let mean: Vec<f64> = (0..y.len()).map(|axis| expectation(&|x| x[axis])).collect();
        let entry = |i: usize, j: usize| expectation(&|x| (x[i] - mean[i]) * (x[j] - mean[j]));
        let covariance = Matrix::from_fn(y.len(), y.len(), entry);
        Posterior { mean, covariance, log_density: largest + total.ln() }
    }
}

/// Nodes and weights of the Gauss-Legendre rule on [-1, 1], the roots by Newton's method.
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
    fn gauss_is_exact_for_polynomials_of_twice_its_degree() {
        let rule = gauss_legendre(7);
        for power in 0..14 {
            let integral: f64 = rule.iter().map(|(x, weight)| weight * x.powi(power)).sum();
            let exact = if power % 2 == 0 { 2.0 / (f64::from(power) + 1.0) } else { 0.0 };
            assert!((integral - exact).abs() < 1e-14, "{power}: {integral}");
        }
    }

    #[test]
    fn uniform_laws_have_mean_zero_and_covariance_r_squared_over_n() {
        let far = [1e12; 3];
        for (law, n) in [(Law::circle(2.0, 50), 2), (Law::sphere(2.0, 20), 3)] {
            let prior = law.given(&vec![0.0; n], Noise { variances: &far[..n] });
            let expected = Matrix::identity(n).scaled(4.0 / n as f64);
            assert!(norm(&prior.mean) < 1e-10 && prior.covariance.minus(&expected).frobenius() < 1e-9);
            assert!(prior.log_density.abs() < 1e-9);
        }
        let prior = Law::meridian(2.0, 6, 40).given(&[0.0; 2], Noise { variances: &far[..2] });
        let [first, others] = [prior.covariance[(0, 0)], prior.covariance[(1, 1)]];
        assert!((first - 4.0 / 6.0).abs() < 1e-9 && (others - 20.0 / 6.0).abs() < 1e-9, "{first}, {others}");
    }

    #[test]
    fn an_ellipse_has_its_arc_length() {
        let law = Law::ellipse(3.0, 1.0, 400);
        let mean = |value: fn(&[f64]) -> f64| law.nodes.iter().map(|(x, weight)| weight * value(x)).sum::<f64>();
        // Against a fine polygon.
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
