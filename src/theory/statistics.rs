//! Slopes, ranks and what follows from them.

use super::algebra::{dot, norm};
use crate::error::{Error, Result};

/// Mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Median (mean of the middle two); NaN of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count => 0.5 * (sorted[(count - 1) / 2] + sorted[count / 2]),
    }
}

/// The larger of two; what is not a number stays, so that a check on the largest of many cannot lose it.
pub fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The smaller of two; what is not a number stays.
pub fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b { a } else { b }
}

/// Slope of the least-squares line through the logarithms: b where y ∝ x^b.
///
/// # Errors
/// Fewer than two points, one that is not above 0, or all at one x.
pub fn log_log_slope(points: &[(f64, f64)]) -> Result<f64> {
    if let Some((x, y)) = points.iter().find(|(x, y)| !(*x > 0.0 && *y > 0.0 && x.is_finite() && y.is_finite())) {
        return Err(Error::argument(format!("a slope in log-log needs values above 0, got ({x}, {y})")));
    }
    let centred = |pick: fn(&(f64, f64)) -> f64| {
        let logs: Vec<f64> = points.iter().map(|point| pick(point).ln()).collect();
        let mean = mean(&logs);
        logs.into_iter().map(|log| log - mean).collect::<Vec<_>>()
    };
    let (x, y) = (centred(|point| point.0), centred(|point| point.1));
    let spread = dot(&x, &x);
    if spread == 0.0 {
        return Err(Error::argument(format!("a slope needs two different abscissae, got {} points", points.len())));
    }
    Ok(dot(&x, &y) / spread)
}

/// Ranks from 1; equal values share the mean of theirs.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let ties = order[first..].iter().take_while(|&&index| values[index] == values[order[first]]).count().max(1);
        for &index in &order[first..first + ties] {
            ranks[index] = first as f64 + 0.5 * (ties as f64 + 1.0);
        }
        first += ties;
    }
    ranks
}

/// Spearman's rank correlation of two samples of the same length.
///
/// # Errors
/// Different lengths, fewer than two values, one that is not a number, or a sample of equal values.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> Result<f64> {
    if a.len() != b.len() {
        return Err(Error::argument(format!("rank correlation: {} values beside {}", a.len(), b.len())));
    }
    if a.iter().chain(b).any(|value| value.is_nan()) {
        return Err(Error::argument("rank correlation: a value is not a number"));
    }
    let centred = |values: &[f64]| {
        let ranks = ranks(values);
        let mean = mean(&ranks);
        ranks.into_iter().map(|rank| rank - mean).collect::<Vec<_>>()
    };
    let (a, b) = (centred(a), centred(b));
    let scale = norm(&a) * norm(&b);
    if scale == 0.0 {
        return Err(Error::argument("rank correlation: a sample without two different values"));
    }
    Ok(dot(&a, &b) / scale)
}

/// Probability that an anomalous score exceeds a normal one, ties counting half (Mann and Whitney).
///
/// # Errors
/// A class without a score; a score that is not a number.
pub fn auroc(normal: &[f64], anomalous: &[f64]) -> Result<f64> {
    if normal.is_empty() || anomalous.is_empty() {
        let (n, a) = (normal.len(), anomalous.len());
        return Err(Error::metric("AUROC", format!("needs both classes, got {n} normal and {a} anomalous scores")));
    }
    if normal.iter().chain(anomalous).any(|score| score.is_nan()) {
        return Err(Error::metric("AUROC", "a score is not a number"));
    }
    let all: Vec<f64> = anomalous.iter().chain(normal).copied().collect();
    let sum: f64 = ranks(&all)[..anomalous.len()].iter().sum();
    let (a, n) = (anomalous.len() as f64, normal.len() as f64);
    Ok((sum - 0.5 * a * (a + 1.0)) / (a * n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_has_its_exponent() {
        let points: Vec<(f64, f64)> = [0.1, 0.3, 2.0, 7.0].iter().map(|&x: &f64| (x, 3.0 * x.powf(-1.5))).collect();
        assert!((log_log_slope(&points).unwrap() + 1.5).abs() < 1e-12);
        assert!(log_log_slope(&[(1.0, 1.0)]).is_err() && log_log_slope(&[(1.0, 0.0), (2.0, 1.0)]).is_err());
    }

    #[test]
    fn what_is_not_a_number_stays() {
        for (a, b) in [(f64::NAN, 1.0), (1.0, f64::NAN)] {
            assert!(larger(a, b).is_nan() && smaller(a, b).is_nan());
        }
        assert_eq!([larger(1.0, 2.0), larger(2.0, 1.0), smaller(1.0, 2.0), smaller(2.0, 1.0)], [2.0, 2.0, 1.0, 1.0]);
    }

    #[test]
    fn ties_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 0.0]), [3.5, 2.0, 3.5, 1.0]);
        assert_eq!(auroc(&[0.0, 1.0], &[1.0, 2.0]).unwrap(), 0.875);
        assert!((rank_correlation(&[1.0, 2.0, 9.0], &[-1.0, -5.0, -7.0]).unwrap() + 1.0).abs() < 1e-15);
        assert!(auroc(&[], &[1.0]).is_err() && rank_correlation(&[1.0, 1.0], &[1.0, 2.0]).is_err());
        assert!(auroc(&[0.0], &[f64::NAN]).is_err() && rank_correlation(&[1.0, f64::NAN], &[1.0, 2.0]).is_err());
        assert_eq!([median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0])], [2.0, 2.5]);
    }
}
