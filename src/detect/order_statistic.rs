//! The Beta distributions of order statistics, whose parameters are whole numbers.
//!
//! The k-th smallest of n independent values, uniform on [0, 1], is Beta(k, n - k + 1) distributed. It is at most x if and only
//! if at least k of the n values are, so its distribution function is a tail of the binomial distribution (Method §6).

use std::f64::consts::TAU;

/// From this number on, Stirling's series gives ln n! to 15 digits.
const STIRLING: f64 = 20.0;

/// Halvings of [0, 1] in the search for a quantile. Quantiles above 10⁻¹⁵ get all digits of an f64.
const HALVINGS: u32 = 104;

/// The p-quantile of the k-th smallest of n values that are uniform on [0, 1], 1 ≤ k ≤ n. At least 10 digits are right for
/// n up to 10⁵.
pub(super) fn uniform_quantile(k: u64, n: u64, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if at_least(k, n, middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Probability that at least `count` of m further values exceed the k-th largest of n, all of them independent and from one
/// continuous distribution, for 1 ≤ k ≤ n: `C(x + k - 1, x) C(n - k + m - x, m - x) / C(n + m, m)` summed over x from `count` to
/// m.
pub(super) fn at_least_above(count: u64, m: u64, k: u64, n: u64) -> f64 {
    let ways = |all: u64, some: u64| ln_factorial(all as f64) - ln_factorial(some as f64) - ln_factorial((all - some) as f64);
    let term = |x: u64| (ways(x + k - 1, x) + ways(n - k + m - x, m - x) - ways(n + m, m)).exp();
    (count..=m).map(term).sum::<f64>().min(1.0)
}

/// Probability that at least k of n independent events occur, each of probability x in (0, 1), for 1 ≤ k ≤ n. The smaller tail is
/// summed from its largest term on.
pub(super) fn at_least(k: u64, n: u64, x: f64) -> f64 {
    let odds = x / (1.0 - x);
    let (first, count) = (k as f64, n as f64);
    if first > count * x {
        let up = |i: f64| (count - i) / (i + 1.0) * odds;
        exactly(first, count, x) * sum_of_products((k..n).map(|i| up(i as f64)))
    } else {
        let down = |i: f64| i / (count - i + 1.0) / odds;
        1.0 - exactly(first - 1.0, count, x) * sum_of_products((1..k).rev().map(|i| down(i as f64)))
    }
}

/// Probability that exactly i of n independent events occur.
fn exactly(i: f64, n: f64, x: f64) -> f64 {
    let ways = ln_factorial(n) - ln_factorial(i) - ln_factorial(n - i);
    (ways + i * x.ln() + (n - i) * (-x).ln_1p()).exp()
}

/// 1 + a + ab + abc + ... of the falling factors a, b, c, ... up to the first product that changes nothing.
fn sum_of_products(factors: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut product) = (1.0, 1.0);
    for factor in factors {
        product *= factor;
        if product < f64::EPSILON * sum {
            break;
        }
        sum += product;
    }
    sum
}

/// ln n! of a whole number n.
fn ln_factorial(n: f64) -> f64 {
    if n < STIRLING {
        return (2..=n as u32).map(|i| f64::from(i).ln()).sum();
    }
    let correction = 1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * n * n)) / (n * n);
    (n + 0.5) * n.ln() - n + 0.5 * TAU.ln() + correction / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    /// (k, n, p, scipy.stats.beta.ppf(p, k, n - k + 1)), SciPy 1.17.1.
    const SCIPY: [(u64, u64, f64, f64); 22] = [
        (1, 21, 0.025, 0.0012048834483635127),
        (1, 21, 0.975, 0.16109761521907956),
        (2, 21, 0.025, 0.011749317884445803),
        (2, 21, 0.975, 0.23815990993682112),
        (1, 1, 0.025, 0.025),
        (1, 1, 0.975, 0.975),
        (3, 10, 0.025, 0.06673951117773447),
        (3, 10, 0.975, 0.5560954623076415),
        (5, 20, 0.025, 0.08657146910143461),
        (5, 20, 0.975, 0.4366140029966683),
        (20, 20, 0.025, 0.8315665290169146),
        (20, 20, 0.975, 0.9987349105020502),
        (30, 63, 0.025, 0.34877671126628973),
        (30, 63, 0.975, 0.590574472760441),
        (10, 1000, 0.025, 0.004805510691049308),
        (10, 1000, 0.975, 0.017015783069894586),
        (500, 1000, 0.025, 0.46854917297179194),
        (500, 1000, 0.975, 0.5304537166614578),
        (990, 1000, 0.025, 0.9816867569448875),
        (990, 1000, 0.975, 0.9944964058076864),
        (1000, 100000, 0.025, 0.009392556089098503),
        (1000, 100000, 0.975, 0.010625806643531743),
    ];

    /// (count, m, k, n, scipy.stats.betabinom.sf(count - 1, m, k, n - k + 1)), SciPy 1.17.1.
    const SCIPY_ABOVE: [(u64, u64, u64, u64, f64); 5] = [
        (13, 20, 2, 21, 4.7294914220175066e-05),
        (4, 20, 2, 21, 0.15645758328685155),
        (1, 20, 1, 21, 0.4878048780487806),
        (30, 191, 1, 76, 2.1206180896515825e-05),
        (60, 60, 16, 16, 0.21052631578947312),
    ];

    #[test]
    fn quantiles_equal_those_with_a_closed_form() {
        for p in [0.025_f64, 0.5, 0.975] {
            for n in [1, 2, 21, 1000, 1_000_000] {
                // The smallest: 1 - (1 - x)^n = p. The largest: x^n = p.
                let smallest = -((-p).ln_1p() / n as f64).exp_m1();
                assert_relative_eq!(uniform_quantile(1, n, p), smallest, max_relative = 1e-9);
                assert_relative_eq!(uniform_quantile(n, n, p), p.powf(1.0 / n as f64), max_relative = 1e-9);
            }
        }
        // Beta(a, a) is symmetric, and the median of Beta(2, 1) is the root of 1/2.
        assert_relative_eq!(uniform_quantile(8, 15, 0.5), 0.5, max_relative = 1e-12);
        assert_relative_eq!(uniform_quantile(2, 2, 0.5), 0.5_f64.sqrt(), max_relative = 1e-12);
    }

    #[test]
    fn quantiles_equal_those_of_scipy() {
        for (k, n, p, expected) in SCIPY {
            assert_relative_eq!(uniform_quantile(k, n, p), expected, max_relative = 1e-10);
        }
    }

    #[test]
    fn further_values_above_a_score() {
        // One new value is above the largest of n with probability 1/(n + 1); all of m are with n! m!/(n + m)!.
        assert_relative_eq!(at_least_above(1, 1, 1, 21), 1.0 / 22.0, max_relative = 1e-12);
        assert_relative_eq!(at_least_above(2, 2, 1, 3), 1.0 / 10.0, max_relative = 1e-12);
        for (count, m, k, n, expected) in SCIPY_ABOVE {
            assert_relative_eq!(at_least_above(count, m, k, n), expected, max_relative = 1e-9);
        }
        assert_relative_eq!(at_least_above(0, 191, 1, 76), 1.0, max_relative = 1e-9);
    }

    #[test]
    fn large_numbers_give_the_normal_limit() {
        // Mean k/(n + 1) and standard deviation √(k (n - k + 1)/((n + 1)² (n + 2))); 1.959964 of them to either side.
        let (k, n) = (40_000_000, 4_000_000_000);
        let (mean, deviation) = (0.01, (0.01_f64 * 0.99 / 4e9).sqrt());
        for (p, side) in [(0.025, -1.959_964), (0.975, 1.959_964)] {
            assert_relative_eq!(uniform_quantile(k, n, p), mean + side * deviation, max_relative = 1e-6);
        }
    }
}
