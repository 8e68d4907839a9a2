//! Vectors are slices.

use crate::theory::statistics::larger;

/// `⟨a, b⟩`.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `‖a‖`, scaled so that neither large nor small values overflow; not a number if one of the values is not.
pub fn norm(a: &[f64]) -> f64 {
    let largest = a.iter().map(|value| value.abs()).fold(0.0, larger);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * a.iter().map(|value| (value / largest).powi(2)).sum::<f64>().sqrt()
}

/// `a - b`.
pub fn sub(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// `a + t b`.
pub fn add_scaled(a: &[f64], t: f64, b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + t * b).collect()
}

/// `a / ‖a‖`; None for the zero vector and for one that is not finite.
pub fn normalised(a: &[f64]) -> Option<Vec<f64>> {
    let length = norm(a);
    (length > 0.0 && length.is_finite()).then(|| a.iter().map(|value| value / length).collect())
}
