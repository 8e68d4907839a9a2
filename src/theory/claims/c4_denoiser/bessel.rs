/// `I_{ν+1}(κ) / I_ν(κ)` for ν > -1 and κ ≥ 0, by the continued fraction `1/(2(ν+1)/κ + 1/(2(ν+2)/κ + …))`, evaluated
/// from the end (Abramowitz, Stegun, 9.6.26). All terms are positive, so nothing cancels or overflows.
pub(super) fn bessel_ratio(order: f64, kappa: f64) -> f64 {
    if kappa == 0.0 {
        return 0.0;
    }
    // The truncation error is the product of the squared ratios, about exp(-terms²/κ).
    let terms = 60 + (8.0 * kappa.sqrt()) as usize;
    (1..=terms).rev().fold(0.0, |ratio, term| 1.0 / (2.0 * (order + term as f64) / kappa + ratio))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Σ_k (κ²/4)^k / (k! (ν+1)…(ν+k))`, which is I_ν up to a factor.
    fn series(order: f64, kappa: f64) -> f64 {
        let (mut term, mut sum) = (1.0, 1.0);
        for k in 1..400 {
            term *= 0.25 * kappa * kappa / (f64::from(k) * (order + f64::from(k)));
            sum += term;
        }
        sum
    }

    #[test]
    fn the_ratio_agrees_with_the_power_series() {
        for order in [0.0, 0.5, 1.0, 2.0, 7.5] {
            for kappa in [1e-6, 0.1, 1.0, 5.0, 40.0, 120.0] {
                let expected = 0.5 * kappa / (order + 1.0) * series(order + 1.0, kappa) / series(order, kappa);
                let found = bessel_ratio(order, kappa);
                assert!((found - expected).abs() < 1e-13 * expected, "ν {order}, κ {kappa}: {found}, {expected}");
            }
        }
    }

    #[test]
    fn order_one_half_is_the_langevin_function_also_where_the_series_fails() {
        for kappa in [0.5_f64, 3.0, 90.0, 5e3, 1e6] {
            let langevin = 1.0 / kappa.tanh() - 1.0 / kappa;
            assert!((bessel_ratio(0.5, kappa) - langevin).abs() < 1e-13, "{kappa}");
        }
        assert_eq!(bessel_ratio(0.0, 0.0), 0.0);
    }
}
