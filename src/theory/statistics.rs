//! Means, slopes, ranks and what follows from them.

use ndarray::Array1;

use crate::error::{Error, Result};
use crate::theory::algebra::{norm, square_norm};

/// Mean; 0 of no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Root of the mean square; 0 of no values.
pub fn root_mean_square(values: impl IntoIterator<Item = f64>) -> f64 {
    mean(&values.into_iter().map(|value| value * value).collect::<Vec<_>>()).sqrt()
}

/// Median (mean of the middle two); NaN of no values.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count => 0.5 * (sorted[(count - 1) / 2] + sorted[count / 2]),
    }
}

/// The larger of two values; NaN if one is NaN, so that a check on the largest of many values cannot lose it.
pub fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The smaller of two values; NaN if one is NaN.
pub fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b { a } else { b }
}

/// `values` less their mean.
fn centred(values: impl IntoIterator<Item = f64>) -> Array1<f64> {
    let values: Vec<f64> = values.into_iter().collect();
    let mean = mean(&values);
    Array1::from(values) - mean
}

/// Slope of the least-squares line through the logarithms: b if y ∝ x^b.
///
/// # Errors
/// Fewer than two points, a coordinate that is not above 0, or all points at one x.
pub fn log_log_slope(points: &[(f64, f64)]) -> Result<f64> {
    if let Some((x, y)) = points.iter().find(|(x, y)| !(*x > 0.0 && *y > 0.0 && x.is_finite() && y.is_finite())) {
        return Err(Error::argument(format!("a log-log slope needs values above 0, got ({x}, {y})")));
    }
    let x = centred(points.iter().map(|point| point.0.ln()));
    let y = centred(points.iter().map(|point| point.1.ln()));
    let spread = square_norm(&x);
    if spread == 0.0 {
        return Err(Error::argument(format!("a slope needs two different x values, got {} points", points.len())));
    }
    Ok(x.dot(&y) / spread)
}

/// Ranks from 1; equal values share the mean of their ranks.
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
/// Different lengths, fewer than two values, a NaN, or a sample of equal values.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> Result<f64> {
    if a.len() != b.len() {
        return Err(Error::argument(format!("rank correlation: the samples have {} and {} values", a.len(), b.len())));
    }
    if a.iter().chain(b).any(|value| value.is_nan()) {
        return Err(Error::argument("rank correlation: a value is not a number"));
    }
    let (a, b) = (centred(ranks(a)), centred(ranks(b)));
    let scale = norm(&a) * norm(&b);
    if scale == 0.0 {
        return Err(Error::argument("rank correlation: a sample without two different values"));
    }
    Ok(a.dot(&b) / scale)
}

/// Probability that an anomalous score exceeds a normal one, ties counting one half (Mann and Whitney).
///
/// # Errors
/// A class without scores; a score that is NaN.
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
