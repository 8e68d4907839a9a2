//! The second moment of a corruption, as each row of a Jacobian sees it through the weights of the masked objective (Theorem A).

use ndarray::{Array2, Axis};

use crate::theory::resemblance::CorruptedSample;

/// `C_i = E[w_i eeᵀ]` over the corruptions of one point, e = x̂ - x.
pub(super) fn row_moment(samples: &[CorruptedSample], i: usize, lambda: f64) -> Array2<f64> {
    let n = samples.first().map_or(0, |sample| sample.target.len());
    let mut scaled = Array2::zeros((samples.len(), n));
    for (mut row, sample) in scaled.axis_iter_mut(Axis(0)).zip(samples) {
        row.assign(&((&sample.corrupted - &sample.target) * weight(sample, i, lambda).sqrt()));
    }
    scaled.t().dot(&scaled) / samples.len() as f64
}

/// w_i of the objective (Method §3): λ over the size of the region inside it, (1-λ) over the number of other pixels outside.
pub(super) fn weight(sample: &CorruptedSample, i: usize, lambda: f64) -> f64 {
    let inside = sample.region.iter().filter(|inside| **inside).count() as f64;
    let n = sample.region.len() as f64;
    if sample.region[i] { lambda / inside } else { (1.0 - lambda) / (n - inside).max(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_row_weighs_corruptions_as_the_objective_does() {
        let sample = |corrupted| CorruptedSample { target: array![0.0, 0.0, 1.0], corrupted, region: array![true, false, false] };
        let samples = [sample(array![2.0, 0.0, 1.0]), sample(array![-2.0, 0.0, 1.0])];
        let only_first = |value: f64| array![[value, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]];
        // Inside: λ/1; outside: (1-λ)/2.
        assert_eq!(row_moment(&samples, 0, 0.25), only_first(1.0));
        assert!((row_moment(&samples, 2, 0.25) - only_first(1.5)).iter().all(|off| off.abs() < 1e-15));
    }
}
