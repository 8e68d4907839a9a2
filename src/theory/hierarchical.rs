//! Ratios of errors over several trainings that share their test pictures: intervals by a bootstrap of both, and Holm's
//! correction for several hypotheses.

use std::f64::consts::FRAC_PI_2;

use ndarray::{Array2, Axis};

use super::statistics::mean;
use crate::error::{Error, Result};
use crate::rng::Stream;

/// Intervals of Simpson's rule for the tail of Student's distribution.
const INTERVALS: usize = 4000;

/// Samples with replacement of the trainings and of the test pictures, by how often each occurs. Every training is measured on
/// the same pictures, so both are resampled independently and a sample has all pairs (Owen 2007, "The pigeonhole bootstrap").
pub struct Resampling {
    /// `[resamples, trainings]`.
    trainings: Array2<f64>,
    /// `[resamples, pictures]`.
    pictures: Array2<f64>,
}

impl Resampling {
    /// This number of samples of `[trainings, pictures]`.
    pub fn new(stream: &mut Stream, resamples: usize, [trainings, pictures]: [usize; 2]) -> Self {
        let mut counts = |size: usize| {
            let mut counts = Array2::zeros((resamples, size));
            for mut row in counts.rows_mut() {
                (0..size).for_each(|_| row[stream.below(size as u32) as usize] += 1.0);
            }
            counts
        };
        Self { trainings: counts(trainings), pictures: counts(pictures) }
    }

    /// The sum over all pairs in each sample.
    fn sums(&self, values: &Array2<f64>) -> Vec<f64> {
        (self.pictures.dot(&values.t()) * &self.trainings).sum_axis(Axis(1)).to_vec()
    }
}

/// The ratio of two root mean squares over trainings and pictures.
#[derive(Clone, Debug)]
pub struct RootRatio {
    /// Squares `[trainings, pictures]`.
    above: Array2<f64>,
    below: Array2<f64>,
}

impl RootRatio {
    /// Of the squares `above` and `below`, both `[trainings, pictures]`.
    ///
    /// # Errors
    /// Different shapes; fewer than two values; a value that is negative or not finite; nothing to divide by.
    pub fn new(above: Array2<f64>, below: Array2<f64>) -> Result<Self> {
        if above.dim() != below.dim() {
            return Err(Error::shape("ratio", format!("{:?} and {:?} differ", above.dim(), below.dim())));
        }
        if let Some(value) = above.iter().chain(&below).find(|value| !(value.is_finite() && **value >= 0.0)) {
            return Err(Error::argument(format!("a ratio of root mean squares needs squares, got {value}")));
        }
        if below.len() < 2 {
            return Err(Error::argument("a ratio of root mean squares with an interval needs at least two values"));
        }
        if below.sum() <= 0.0 {
            return Err(Error::argument("a ratio of root mean squares whose denominator is 0"));
        }
        Ok(Self { above, below })
    }

    /// `[trainings, pictures]`.
    pub fn size(&self) -> [usize; 2] {
        [self.above.nrows(), self.above.ncols()]
    }

    /// The ratio.
    pub fn value(&self) -> f64 {
        (self.above.sum() / self.below.sum()).sqrt()
    }

    /// The ratio with its uncertainty. The logarithm is taken as normal with its standard deviation over the samples. With S
    /// trainings that is too small by at most √(S/(S-1)), the factor for the part that comes from the trainings, which is used
    /// for all of it; and it is as uncertain as S-1 degrees of freedom make it. Both are conservative where pictures contribute.
    pub fn estimate(&self, resampling: &Resampling) -> Estimate {
        let [above, below] = [&self.above, &self.below].map(|squares| resampling.sums(squares));
        let logarithms: Vec<f64> = above.iter().zip(&below).map(|(a, b)| 0.5 * (a / b).ln()).collect();
        let centre = mean(&logarithms);
        let spread = mean(&logarithms.iter().map(|value| (value - centre).powi(2)).collect::<Vec<_>>()).sqrt();
        let (trainings, pictures) = self.above.dim();
        // With one training nothing is known about the spread over trainings.
        let count = if trainings > 1 { trainings } else { pictures } as f64;
        Estimate { value: self.value(), deviation: spread * (count / (count - 1.0)).sqrt(), freedom: count - 1.0 }
    }
}

/// A ratio, the standard deviation of its logarithm, and the degrees of freedom of that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The ratio.
    pub value: f64,
    deviation: f64,
    freedom: f64,
}

impl Estimate {
    /// The end of a one-sided interval, which is below the true ratio with probability `tail`.
    pub fn upper(&self, tail: f64) -> f64 {
        self.value * (self.deviation * student_quantile(tail, self.freedom)).exp()
    }

    /// The end of a one-sided interval, which is above the true ratio with probability `tail`.
    pub fn lower(&self, tail: f64) -> f64 {
        self.value * (-self.deviation * student_quantile(tail, self.freedom)).exp()
    }

    /// The probability of a ratio as small as this or smaller if it were `limit`.
    pub fn probability_at(&self, limit: f64) -> f64 {
        student_tail((limit / self.value).ln() / self.deviation, self.freedom)
    }

    /// The probability of a ratio as large as this or larger if it were `limit`.
    pub fn probability_from(&self, limit: f64) -> f64 {
        student_tail((self.value / limit).ln() / self.deviation, self.freedom)
    }
}

/// The level at which each of several hypotheses is tested so that all of them together are wrongly confirmed with probability
/// `level` at most (Holm 1979): `level / m` for the smallest p, then `level / (m-1)`, until the first that is not confirmed; all
/// after it are tested at its level.
pub fn holm(probabilities: &[f64], level: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let mut levels = vec![0.0; probabilities.len()];
    let mut failed = None;
    for (place, &index) in order.iter().enumerate() {
        let own = failed.unwrap_or(level / (order.len() - place) as f64);
        if probabilities[index] > own {
            failed = Some(own);
        }
        levels[index] = own;
    }
    levels
}

/// The probability that Student's t exceeds `t`: with t = √ν tan θ the density is proportional to cos^(ν-1) θ.
fn student_tail(t: f64, freedom: f64) -> f64 {
    let area = |from: f64| {
        let step = (FRAC_PI_2 - from) / INTERVALS as f64;
        let density = |k: usize| (from + step * k as f64).cos().max(0.0).powf(freedom - 1.0);
        let weight = |k: usize| if k == 0 || k == INTERVALS { 1.0 } else { 2.0 + 2.0 * (k % 2) as f64 };
        step / 3.0 * (0..=INTERVALS).map(|k| weight(k) * density(k)).sum::<f64>()
    };
    let tail = 0.5 * area((t.abs() / freedom.sqrt()).atan()) / area(0.0);
    if t < 0.0 { 1.0 - tail } else { tail }
}

/// The t that is exceeded with probability `tail`, below ½.
fn student_quantile(tail: f64, freedom: f64) -> f64 {
    let [mut low, mut high] = [0.0, 1.0];
    while student_tail(high, freedom) > tail && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        match student_tail(middle, freedom) > tail {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;
    use crate::rng::Purpose;

    #[test]
    fn students_distribution_is_that_of_the_tables() {
        for (t, freedom, tail) in
            [(2.132, 4.0, 0.05), (4.604, 4.0, 0.005), (12.706, 1.0, 0.025), (1.645, 1e4, 0.05), (0.0, 7.0, 0.5)]
        {
            assert!((student_tail(t, freedom) - tail).abs() < 1e-4, "{t} {freedom}");
            assert!((student_tail(-t, freedom) + tail - 1.0).abs() < 1e-4);
        }
        assert!((student_quantile(0.05, 4.0) - 2.1318).abs() < 1e-3);
        assert!((student_quantile(0.001, 4.0) - 7.1732).abs() < 1e-3);
    }

    #[test]
    fn holm_tests_in_order_and_stops() {
        let levels = holm(&[0.03, 0.001, 0.9, 0.02], 0.06);
        assert_eq!(levels, [0.03, 0.015, 0.06, 0.02]);
        // 0.02 is not below 0.05 / 3: all after it are tested at that level.
        let levels = holm(&[0.03, 0.001, 0.9, 0.02], 0.05);
        assert_eq!(levels, [0.05 / 3.0, 0.05 / 4.0, 0.05 / 3.0, 0.05 / 3.0]);
        assert!(holm(&[], 0.05).is_empty());
    }

    /// 400 experiments with a known ratio: normal errors with a random factor for each of five trainings and each of 40 pictures.
    #[test]
    fn intervals_cover_the_truth() {
        let [trainings, pictures] = [5, 40];
        let mut stream = Stream::new(5, Purpose::Test, 90, 0);
        let resampling = Resampling::new(&mut stream, 200, [trainings, pictures]);
        let truth: f64 = 0.5;
        let experiment = |stream: &mut Stream| {
            let of_picture: Vec<f64> = (0..pictures).map(|_| (0.6 * stream.normal()).exp()).collect();
            let of_training: Vec<f64> = (0..trainings).map(|_| (0.3 * stream.normal()).exp()).collect();
            // E exp(0.3 ξ) = exp(0.045).
            let above = Array2::from_shape_fn((trainings, pictures), |(s, p)| {
                truth.powi(2) / 0.045_f64.exp() * of_training[s] * of_picture[p] * (0.3 * stream.normal() - 0.045).exp()
            });
            let below = Array2::from_shape_fn((trainings, pictures), |(_, p)| of_picture[p]);
            RootRatio::new(above, below).unwrap()
        };
        let experiments: Vec<RootRatio> = (0..400).map(|_| experiment(&mut stream)).collect();
        let judge = |ratio: &RootRatio| {
            let estimate = ratio.estimate(&resampling);
            assert!(estimate.lower(0.05) < estimate.value && estimate.value < estimate.upper(0.05));
            assert!((estimate.probability_at(estimate.upper(0.05)) - 0.05).abs() < 1e-6);
            assert!((estimate.probability_from(estimate.lower(0.05)) - 0.05).abs() < 1e-6);
            usize::from(estimate.lower(0.05) > truth) + usize::from(estimate.upper(0.05) < truth)
        };
        let outside: usize = experiments.par_iter().map(judge).sum();
        // 10 % are to be outside; binomial with standard deviation 6, and the coverage of five trainings is not exact.
        assert!((15..=65).contains(&outside), "{outside} of 400");
    }

    #[test]
    fn ratios_that_mean_nothing_are_refused() {
        let ones = Array2::ones((2, 3));
        assert!(RootRatio::new(Array2::ones((1, 1)), Array2::ones((1, 1))).is_err());
        assert!((RootRatio::new(4.0 * &ones, ones.clone()).unwrap().value() - 2.0).abs() < 1e-15);
        for (above, below) in
            [(ones.clone(), Array2::ones((3, 2))), (ones.clone(), Array2::zeros((2, 3))), (-&ones, ones.clone())]
        {
            assert!(RootRatio::new(above, below).is_err());
        }
    }
}
