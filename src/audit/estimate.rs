use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::rng::{Purpose, Stream};

/// Number of bootstrap samples of an interval.
pub const RESAMPLES: u32 = 4000;

/// Quantile of the normal distribution at the upper end of a 95 % interval.
const Z: f64 = 1.959_964;

/// What the data say about a quantity. In JSON `{"value", "low", "high"}` with null for what is not known, and `why` if something
/// is not.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A value with a 95 % interval.
    Estimate {
        /// The value on all images.
        value: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Only a lower bound.
    AtLeast {
        /// The bound.
        low: f64,
        /// Why there is no more.
        why: String,
    },
    /// The data cannot tell, and why.
    Undetermined(String),
}

impl Finding {
    /// Undetermined for this reason.
    pub(super) fn undetermined(why: impl Into<String>) -> Self {
        Self::Undetermined(why.into())
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Estimate { value, .. } => Some(*value),
            Self::AtLeast { .. } | Self::Undetermined(_) => None,
        }
    }

    /// Why there is no value.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Estimate { .. } => None,
            Self::AtLeast { why, .. } | Self::Undetermined(why) => Some(why),
        }
    }

    /// An estimate as a lower bound only: the lower end of its interval.
    pub(super) fn at_least(self, why: impl Into<String>) -> Self {
        match self {
            Self::Estimate { low, .. } => Self::AtLeast { low, why: why.into() },
            other => other,
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let numbers = match self {
            Self::Estimate { value, low, high } => [Some(value), Some(low), Some(high)],
            Self::AtLeast { low, .. } => [None, Some(low), None],
            Self::Undetermined(_) => [None; 3],
        };
        let mut map = serializer.serialize_map(None)?;
        for (key, number) in ["value", "low", "high"].iter().zip(numbers) {
            map.serialize_entry(key, &number)?;
        }
        if let Some(why) = self.why() {
            map.serialize_entry("why", why)?;
        }
        map.end()
    }
}

/// A quotient of two sums over the images, or its square root. Each image adds a part to both sums and is resampled as a whole,
/// so what was measured several times on one image does not count as independent (cluster bootstrap).
#[derive(Clone, Debug, Default)]
pub(super) struct Quotient {
    /// For each image what it adds to the numerator and to the denominator.
    parts: Vec<[f64; 2]>,
    is_root: bool,
}

impl Quotient {
    /// The mean of one value per image.
    pub fn mean() -> Self {
        Self::default()
    }

    /// The square root of a quotient of sums of squares.
    pub fn root() -> Self {
        Self { parts: Vec::new(), is_root: true }
    }

    /// What one image adds.
    pub fn push(&mut self, numerator: f64, denominator: f64) {
        self.parts.push([numerator, denominator]);
    }

    /// The value with its interval: percentiles of [`RESAMPLES`] samples of the images with replacement, moved outwards as far as
    /// Student's distribution is wider than the normal one, because plain percentiles are too narrow for few images (Hesterberg
    /// 2015). Undetermined without images.
    pub fn finding(&self, seed: u64) -> Finding {
        let mut stream = Stream::new(seed, Purpose::Theory, u32::MAX, 0);
        let count = self.parts.len() as u32;
        let mut sampled: Vec<f64> =
            (0..RESAMPLES).map(|_| self.of((0..count).map(|_| self.parts[stream.below(count) as usize]))).collect();
        sampled.sort_by(f64::total_cmp);
        let tail = tail_share(self.parts.len());
        let end = |share: f64| sampled[(share * f64::from(RESAMPLES - 1)).round() as usize];
        let [low, high] = [tail, 1.0 - tail].map(end);
        let value = self.of(self.parts.iter().copied());
        match [value, low, high].iter().all(|number| number.is_finite()) {
            true => Finding::Estimate { value, low, high },
            false => Finding::undetermined("too few images contribute"),
        }
    }

    /// The value of each image alone.
    pub fn each(&self) -> Vec<f64> {
        self.parts.iter().map(|&part| self.of(std::iter::once(part))).collect()
    }

    fn of(&self, parts: impl Iterator<Item = [f64; 2]>) -> f64 {
        let [numerator, denominator] = parts.fold([0.0; 2], |sums, part| [sums[0] + part[0], sums[1] + part[1]]);
        let quotient = numerator / denominator;
        // An estimate of a square by probes can come out below 0.
        if self.is_root { if quotient < 0.0 { 0.0 } else { quotient.sqrt() } } else { quotient }
    }
}

/// Share of the samples beyond each end of an interval over `count` images: Φ(-√(n/(n-1)) t), t the quantile of Student's
/// distribution.
fn tail_share(count: usize) -> f64 {
    let n = count.max(2) as f64;
    normal_tail((n / (n - 1.0)).sqrt() * student(n - 1.0))
}

/// The 97.5 % quantile of Student's distribution, by the expansion of Fisher and Cornish; within 1 % from 4 degrees of freedom
/// on.
fn student(degrees: f64) -> f64 {
    let odd = |power: i32| Z.powi(power);
    Z + (odd(3) + Z) / (4.0 * degrees)
        + (5.0 * odd(5) + 16.0 * odd(3) + 3.0 * Z) / (96.0 * degrees.powi(2))
        + (3.0 * odd(7) + 19.0 * odd(5) + 17.0 * odd(3) - 15.0 * Z) / (384.0 * degrees.powi(3))
}

/// The probability that a normal variable exceeds `x` above 0 (Abramowitz, Stegun, 26.2.17); within 1e-7.
fn normal_tail(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x);
    let polynomial = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_53];
    let sum = polynomial.iter().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(quotient: Quotient, parts: &[[f64; 2]]) -> Finding {
        let mut quotient = quotient;
        parts.iter().for_each(|&[numerator, denominator]| quotient.push(numerator, denominator));
        quotient.finding(3)
    }

    #[test]
    fn equal_images_leave_no_uncertainty() {
        assert_eq!(of(Quotient::root(), &[[4.0, 1.0]; 8]), Finding::Estimate { value: 2.0, low: 2.0, high: 2.0 });
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (degrees, quantile) in [(4.0, 2.776), (9.0, 2.262), (19.0, 2.093), (99.0, 1.984)] {
            assert!((student(degrees) - quantile).abs() < 0.01, "{degrees}: {}", student(degrees));
        }
        for (x, tail) in [(1.0, 0.158_655), (1.959_964, 0.025), (3.0, 0.001_349_9)] {
            assert!((normal_tail(x) - tail).abs() < 1e-6, "{x}: {}", normal_tail(x));
        }
    }

    #[test]
    fn intervals_cover_the_mean_about_as_often_as_they_say() {
        let covered = |images: usize| {
            let covers = |trial: u32| {
                let mut stream = Stream::new(9, Purpose::Test, trial, images as u32);
                let mut quotient = Quotient::mean();
                stream.normals(images).into_iter().for_each(|value| quotient.push(value, 1.0));
                matches!(quotient.finding(u64::from(trial)), Finding::Estimate { low, high, .. } if low <= 0.0 && 0.0 <= high)
            };
            (0..400).filter(|&trial| covers(trial)).count()
        };
        // 380 expected, with a standard deviation of 4.4; plain percentiles of 5 images give about 336.
        for images in [5, 20] {
            let covered = covered(images);
            assert!((364..=396).contains(&covered), "{images} images: {covered} of 400");
        }
    }

    #[test]
    fn a_denominator_of_zero_is_undetermined() {
        assert!(matches!(of(Quotient::root(), &[[0.0, 0.0]; 5]), Finding::Undetermined(_)));
        assert!(matches!(of(Quotient::mean(), &[]), Finding::Undetermined(_)));
    }

    #[test]
    fn squares_that_come_out_negative_are_added_before_the_root() {
        let Finding::Estimate { value, .. } = of(Quotient::root(), &[[-1.0, 1.0], [3.0, 1.0]].repeat(4)) else { panic!() };
        assert_eq!(value, 1.0);
    }

    #[test]
    fn json_names_what_is_missing() {
        let json = |finding: Finding| serde_json::to_string(&finding).unwrap();
        let estimate = Finding::Estimate { value: 1.0, low: 0.5, high: 2.0 };
        assert_eq!(json(estimate.clone()), r#"{"value":1.0,"low":0.5,"high":2.0}"#);
        assert_eq!(json(estimate.at_least("few")), r#"{"value":null,"low":0.5,"high":null,"why":"few"}"#);
        assert_eq!(json(Finding::undetermined("few")), r#"{"value":null,"low":null,"high":null,"why":"few"}"#);
    }
}
