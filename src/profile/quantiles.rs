use serde::{Deserialize, Serialize};

/// Distribution of repeated measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The smallest value.
    pub min: f64,
    /// The median.
    pub median: f64,
    /// The 99th percentile; with fewer than 100 values, the largest.
    pub p99: f64,
    /// Median absolute deviation from the median: the noise.
    pub deviation: f64,
}

impl Quantiles {
    /// Of these values; all 0 if there are none.
    pub fn of(values: &[f64]) -> Self {
        let sorted = sorted(values.to_vec());
        let Some((&min, middle)) = sorted.first().zip(median(&sorted)) else { return Self::default() };
        let last = (sorted.len() as f64 * 0.99).ceil() as usize;
        let distances = sorted.iter().map(|value| (value - middle).abs()).collect();
        let deviation = median(&self::sorted(distances)).unwrap_or_default();
        Self { min, median: middle, p99: sorted[last.clamp(1, sorted.len()) - 1], deviation }
    }

    /// In another unit.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let Self { min, median, p99, deviation } = *self;
        Self { min: factor * min, median: factor * median, p99: factor * p99, deviation: factor * deviation }
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> Option<f64> {
    let count = sorted.len();
    (count > 0).then(|| 0.5 * (sorted[(count - 1) / 2] + sorted[count / 2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_and_of_many() {
        assert_eq!(Quantiles::of(&[]), Quantiles::default());
        let few = Quantiles::of(&[3.0, 1.0, 2.0, 10.0]);
        assert_eq!((few.min, few.median, few.p99, few.deviation), (1.0, 2.5, 10.0, 1.0));
        let many: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let many = Quantiles::of(&many).scaled(0.5);
        assert_eq!((many.min, many.median, many.p99), (0.5, 50.25, 99.0));
    }
}
