use std::f64::consts::{PI, TAU};

use crate::theory::algebra::{Matrix, add_scaled, dot, sub};

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

    /// The first coordinate of a uniform point on S^{n-1} with this radius, of density ∝ sin^{n-2} in its angle: all that
    /// matters for a y on the first axis.
    pub(super) fn first_coordinate(radius: f64, n: usize, count: usize) -> Self {
        let node = |(u, weight): (f64, f64)| {
            let angle = 0.5 * PI * (1.0 + u);
            (vec![radius * angle.cos()], weight * angle.sin().powi(n as i32 - 2))
        };
        Self::normalised(gauss_legendre(count).into_iter().map(node).collect())
    }

    /// The law of x given `y`, by Bayes' rule on the nodes.
    pub(super) fn given(&self, y: &[f64], noise: Noise<'_>) -> Posterior {
        let exponent = |x: &[f64]| -> f64 {
            x.iter().zip(y).zip(noise.variances).map(|((x, y), variance)| -0.5 * (x - y).powi(2) / variance).sum()
        };
        let exponents: Vec<f64> = self.nodes.iter().map(|(x, _)| exponent(x)).collect();
        let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> =
            self.nodes.iter().zip(&exponents).map(|((_, weight), exponent)| weight * (exponent - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut mean = vec![0.0; y.len()];
        for ((x, _), weight) in self.nodes.iter().zip(&weights) {
            mean = add_scaled(&mean, weight / total, x);
        }
        let mut covariance = Matrix::zeros(y.len(), y.len());
        for ((x, _), weight) in self.nodes.iter().zip(&weights) {
            let offset = sub(x, &mean);
            for (row, left) in offset.iter().enumerate() {
                for (column, right) in offset.iter().enumerate() {
                    covariance[(row, column)] += weight / total * left * right;
                }
            }
        }
        Posterior { mean, covariance, log_density: largest + total.ln() }
    }

    /// The node with the least `Σ (x-y)²/variance`: nearest as the noise counts distance.
    pub(super) fn nearest_node(&self, y: &[f64], noise: Noise<'_>) -> Vec<f64> {
        let square = |x: &[f64]| -> f64 { x.iter().zip(y).zip(noise.variances).map(|((x, y), v)| (x - y).powi(2) / v).sum() };
        let nearest = self.nodes.iter().min_by(|(a, _), (b, _)| square(a).total_cmp(&square(b)));
        nearest.map_or(Vec::new(), |(x, _)| x.clone())
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
        for (law, n) in [(Law::circle(2.0, 50), 2), (Law::sphere(2.0, 20), 3), (Law::first_coordinate(2.0, 6, 40), 6)] {
            let axes = law.nodes[0].0.len();
            let far = vec![1e12; axes];
            let prior = law.given(&vec![0.0; axes], Noise { variances: &far });
            let expected = Matrix::identity(axes).scaled(4.0 / f64::from(n));
            assert!(dot(&prior.mean, &prior.mean) < 1e-20 && prior.covariance.minus(&expected).frobenius() < 1e-9);
            assert!(prior.log_density.abs() < 1e-9);
        }
    }
}
