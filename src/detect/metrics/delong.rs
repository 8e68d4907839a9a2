//! Intervals of image AUROCs and of their differences on the same images, without an assumption about the distribution of the
//! scores (DeLong, DeLong and Clarke-Pearson, Biometrics 44:837, 1988).

use crate::error::{Error, Result};

/// 97.5 % quantile of the standard normal distribution.
const QUANTILE: f64 = 1.959_963_984_540_054;

/// An AUROC with what each image contributes to it.
#[derive(Clone, Debug)]
pub struct PlacedAuroc {
    value: f64,
    /// For each anomalous image the share of normal images with a lower score; ties count half.
    anomalous: Vec<f64>,
    /// For each normal image the share of anomalous images with a higher score; ties count half.
    normal: Vec<f64>,
}

impl PlacedAuroc {
    /// From the scores of images and whether they are anomalous.
    ///
    /// # Errors
    /// Numbers of scores and labels that differ, a score that is NaN, no anomalous or no normal image.
    pub fn new(scores: &[f64], is_anomalous: &[bool]) -> Result<Self> {
        if scores.len() != is_anomalous.len() || scores.iter().any(|score| score.is_nan()) {
            return Err(Error::argument("an AUROC needs one label for each score, and no NaN"));
        }
        let of = |wanted: bool| {
            let mut own: Vec<f64> =
                scores.iter().zip(is_anomalous).filter(|(_, label)| **label == wanted).map(|(score, _)| *score).collect();
            own.sort_unstable_by(f64::total_cmp);
            own
        };
        let (anomalous, normal) = (of(true), of(false));
        if anomalous.is_empty() || normal.is_empty() {
            return Err(Error::argument("an AUROC needs an anomalous and a normal image"));
        }
        let shares = |wanted: bool, others: &[f64], share: fn(&[f64], f64) -> f64| {
            let own = scores.iter().zip(is_anomalous).filter(move |(_, label)| **label == wanted);
            own.map(|(score, _)| share(others, *score)).collect::<Vec<_>>()
        };
        let own = Self {
            value: 0.0,
            anomalous: shares(true, &normal, share_below),
            normal: shares(false, &anomalous, |others, score| 1.0 - share_below(others, score)),
        };
        Ok(Self { value: mean(&own.anomalous), ..own })
    }

    /// The AUROC.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Its 95 % interval within [0, 1]; None if the images separate perfectly, or if one kind has a single image.
    pub fn interval(&self) -> Option<[f64; 2]> {
        let [low, high] = around(self.value, self.covariance(self)?)?;
        Some([low.max(0.0), high.min(1.0)])
    }

    /// How much higher it is than that of another detector on the same images in the same order, and the 95 % interval; None if
    /// the images differ in number, or if nothing varies.
    pub fn difference(&self, other: &Self) -> Option<(f64, [f64; 2])> {
        let variance = self.covariance(self)? + other.covariance(other)? - 2.0 * self.covariance(other)?;
        let difference = self.value - other.value;
        Some((difference, around(difference, variance)?))
    }

    fn covariance(&self, other: &Self) -> Option<f64> {
        let part = |own: &[f64], other: &[f64]| {
            let count = own.len();
            if count != other.len() || count < 2 {
                return None;
            }
            let (own_mean, other_mean) = (mean(own), mean(other));
            let sum: f64 = own.iter().zip(other).map(|(a, b)| (a - own_mean) * (b - other_mean)).sum();
            Some(sum / (count - 1) as f64 / count as f64)
        };
        Some(part(&self.anomalous, &other.anomalous)? + part(&self.normal, &other.normal)?)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The share of ascending values below a score; ties count half.
fn share_below(ascending: &[f64], score: f64) -> f64 {
    let below = ascending.partition_point(|value| *value < score);
    let not_above = ascending.partition_point(|value| *value <= score);
    0.5 * (below + not_above) as f64 / ascending.len() as f64
}

fn around(value: f64, variance: f64) -> Option<[f64; 2]> {
    let reach = QUANTILE * variance.max(0.0).sqrt();
    (reach > 0.0).then_some([value - reach, value + reach])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// The definition: over all pairs, and the sample variances of their sums.
    fn by_pairs(scores: &[f64], labels: &[bool]) -> (f64, f64) {
        let of = |wanted: bool| scores.iter().zip(labels).filter(move |(_, label)| **label == wanted).map(|(score, _)| *score);
        let pair = |high: f64, low: f64| {
            if high > low {
                1.0
            } else if high < low {
                0.0
            } else {
                0.5
            }
        };
        let (m, n) = (of(true).count() as f64, of(false).count() as f64);
        let value = of(true).map(|a| of(false).map(|b| pair(a, b)).sum::<f64>()).sum::<f64>() / m / n;
        let square = |x: f64| x * x;
        let of_anomalous: f64 = of(true).map(|a| square(of(false).map(|b| pair(a, b)).sum::<f64>() / n - value)).sum();
        let of_normal: f64 = of(false).map(|b| square(of(true).map(|a| pair(a, b)).sum::<f64>() / m - value)).sum();
        (value, of_anomalous / (m - 1.0) / m + of_normal / (n - 1.0) / n)
    }

    #[test]
    fn value_and_variance_are_those_of_the_definition() {
        let scores = [0.3, 0.5, 0.5, 0.9, 0.1, 0.5, 0.7, 0.2];
        let labels = [false, true, false, true, false, true, false, true];
        let own = PlacedAuroc::new(&scores, &labels).unwrap();
        let (value, variance) = by_pairs(&scores, &labels);
        assert!((own.value() - value).abs() < 1e-15 && (own.covariance(&own).unwrap() - variance).abs() < 1e-15);
        let [low, high] = own.interval().unwrap();
        assert!(low >= 0.0 && high <= 1.0 && low < value && value < high);
        let (difference, [below, above]) = own.difference(&PlacedAuroc::new(&[0.0; 8], &labels).unwrap()).unwrap();
        // A detector without any information varies not at all.
        assert!((difference - (value - 0.5)).abs() < 1e-15 && ((above - below) / 2.0 - QUANTILE * variance.sqrt()).abs() < 1e-15);
        assert!(own.difference(&own).is_none(), "nothing varies between equal detectors");
    }

    #[test]
    fn what_has_no_interval_has_none() {
        let perfect = PlacedAuroc::new(&[0.0, 0.1, 0.8, 0.9], &[false, false, true, true]).unwrap();
        assert_eq!((perfect.value(), perfect.interval()), (1.0, None));
        let single = PlacedAuroc::new(&[0.0, 0.9, 0.8], &[false, false, true]).unwrap();
        assert_eq!((single.value(), single.interval()), (0.5, None));
        for (scores, labels) in
            [(&[1.0][..], &[true, false][..]), (&[f64::NAN, 1.0], &[true, false]), (&[1.0, 2.0], &[true, true])]
        {
            assert!(PlacedAuroc::new(scores, labels).is_err());
        }
    }

    /// Two detectors see the same signal with noise of their own; the true AUROC of each is known.
    #[test]
    fn the_intervals_hold_what_they_say() {
        let (mut held, mut held_of_difference, trials) = (0, 0, 400);
        for trial in 0..trials {
            let mut stream = Stream::new(7, Purpose::Weights, 0, trial);
            let mut normal = || stream.normal();
            let labels: Vec<bool> = (0..80).map(|image| image % 2 == 0).collect();
            let (mut one, mut two) = (Vec::new(), Vec::new());
            for &label in &labels {
                let shared = normal() + if label { 1.0 } else { 0.0 };
                one.push(shared + normal());
                two.push(shared + normal());
            }
            let [one, two] = [one, two].map(|scores| PlacedAuroc::new(&scores, &labels).unwrap());
            // Φ(1 / 2): the difference of two sums of two normal values has the variance 4.
            let [low, high] = one.interval().unwrap();
            held += u32::from((low..=high).contains(&0.691_462_461_274_013_1));
            let (_, [low, high]) = one.difference(&two).unwrap();
            held_of_difference += u32::from((low..=high).contains(&0.0));
        }
        // 95 % of 400 with three standard deviations.
        for count in [held, held_of_difference] {
            assert!((366..=394).contains(&count), "{held} and {held_of_difference} of {trials}");
        }
    }
}
