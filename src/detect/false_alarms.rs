//! What is known in advance about the false alarms at a threshold, and what came out on a test set (Method §6).

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::evaluate::ImageResult;
use super::metrics::Score;
use super::order_statistic::{at_least_above, uniform_quantile};
use super::scores::ImageScores;
use super::settings::{Calibration, Settings, Source, rank};

/// Probability that an interval contains the rate, or more.
const CONFIDENCE: f64 = 0.95;

/// Probability of a number of false alarms below which it is remarked on.
const UNLIKELY: f64 = 0.01;

/// Distance from a whole number below which a rank is one: `0.07 · 100` is above 7 in floating point.
const ROUNDING: f64 = 1e-9;

/// The false-alarm rate of new normal images at a quantile of the scores of n held-out normal images, from n and the quantile
/// alone.
///
/// Over independent images from one distribution, whatever it is, the rate at the k-th largest score is Beta(k, n - k + 1)
/// distributed (if scores can be equal, it is at most that). A quantile between two scores lies between their rates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedRate {
    /// Bounds of the mean rate: `k/(n + 1)` of the held-out score above the threshold and of the one below. They are equal if the
    /// threshold is itself a held-out score.
    pub mean: [f64; 2],
    /// An interval that contains the rate with a probability of at least 95 %.
    pub interval: [f64; 2],
}

/// The places, counted from the largest, of the two of n scores beside a quantile: of the lower score, then of the upper. They
/// are equal if the quantile is a score.
fn places(images: NonZeroU32, quantile: f64) -> [u64; 2] {
    let place = rank(quantile, images.get() as usize);
    let nearest = place.round();
    let ranks = if (place - nearest).abs() < ROUNDING { [nearest; 2] } else { [place.floor(), place.ceil()] };
    // The scores in ascending order have the ranks 0 to n - 1, so the k-th largest has the rank n - k.
    ranks.map(|rank| u64::from(images.get()) - rank as u64)
}

impl ExpectedRate {
    /// The rate at the `quantile`, in [0, 1], of the scores of this number of images.
    pub fn new(images: NonZeroU32, quantile: f64) -> Self {
        let n = u64::from(images.get());
        let ([many, few], tail) = (places(images, quantile), 0.5 * (1.0 - CONFIDENCE));
        Self {
            mean: [few, many].map(|k| k as f64 / (n + 1) as f64),
            interval: [uniform_quantile(few, n, tail), uniform_quantile(many, n, 1.0 - tail)],
        }
    }
}

impl fmt::Display for ExpectedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high] = self.mean.map(percent);
        if low == high {
            write!(f, "{low}\u{a0}%")?
        } else {
            write!(f, "{low} to {high}\u{a0}%")?
        }
        write!(f, " ({})", interval(self.interval))
    }
}

/// A rate that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObservedRate {
    /// Number of images with the wrong verdict.
    pub count: u64,
    /// Number of images.
    pub of: u64,
    /// Their quotient.
    pub rate: f64,
    /// The 95 % interval of Clopper and Pearson (Biometrika 26:404, 1934).
    pub interval: [f64; 2],
}

impl ObservedRate {
    /// The rate of `count` among `of` images, `count` at most `of`; none without an image.
    pub fn new(count: u64, of: u64) -> Option<Self> {
        if of == 0 || count > of {
            return None;
        }
        let tail = 0.5 * (1.0 - CONFIDENCE);
        let low = if count == 0 { 0.0 } else { uniform_quantile(count, of, tail) };
        let high = if count == of { 1.0 } else { uniform_quantile(count + 1, of, 1.0 - tail) };
        Some(Self { count, of, rate: count as f64 / of as f64, interval: [low, high] })
    }
}

impl fmt::Display for ObservedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\u{a0}% ({})", percent(self.rate), interval(self.interval))
    }
}

/// The image threshold of a model: the false alarms to expect, and what came out on a test set. The field names are those in
/// files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdReport {
    /// An image is anomalous if its score exceeds this.
    pub value: f64,
    /// The quantile that set it.
    pub quantile: f64,
    /// The images that set it; `None` for weights of a version that did not record them.
    pub calibration: Option<Calibration>,
    /// The expected false-alarm rate; `None` if it is not known.
    pub expected_false_alarms: Option<ExpectedRate>,
    /// Whether the expected rate holds only approximately, because the image score is relative to the images that set the
    /// threshold.
    pub is_approximate: bool,
    /// False alarms among the good test images.
    pub false_alarms: Option<ObservedRate>,
    /// Upper bound of the probability of at least as many false alarms, if the good test images were like those that set the
    /// threshold; with a relative score approximately.
    pub false_alarm_probability: Option<f64>,
    /// Misses among the anomalous test images.
    pub misses: Option<ObservedRate>,
}

impl ThresholdReport {
    /// The report of a detector's image threshold; `None` for a detector without thresholds.
    pub fn new(settings: &Settings, images: &[ImageResult]) -> Option<Self> {
        let thresholds = settings.thresholds?;
        let quantile = settings.detection.image_quantile;
        let exceeds = |scores: &ImageScores, score: Score| scores.get(score) > thresholds.image;
        let count = |is_good: bool, is_wrong: bool| {
            let of = images.iter().filter(|image| image.is_good() == is_good);
            let wrong = of.clone().filter(|image| exceeds(&image.scores, settings.detection.score) == is_wrong);
            ObservedRate::new(wrong.count() as u64, of.count() as u64)
        };
        let calibration = thresholds.calibration;
        let is_approximate = settings.detection.relative_score;
        let false_alarms = count(true, true);
        let expected = calibration.and_then(|own| own.expected(quantile, is_approximate));
        let known = expected.and(calibration);
        Some(Self {
            value: thresholds.image,
            quantile,
            calibration,
            expected_false_alarms: expected,
            is_approximate,
            false_alarms,
            false_alarm_probability: known.zip(false_alarms).map(|(own, found)| own.probability(quantile, found)),
            misses: count(false, false),
        })
    }

    /// Sentences on the false alarms to expect, with a warning if they are not known, too few images set the threshold, or the
    /// good test images are not like those.
    pub fn sentences(&self) -> Vec<String> {
        let Some(own) = &self.calibration else {
            let unknown =
                "The weights do not record how many images set the threshold, so the rate of false alarms to expect is unknown.";
            return vec![unknown.into()];
        };
        let mut sentences = own.sentences(self.quantile, self.is_approximate);
        sentences.extend(self.surprise());
        sentences
    }

    /// A sentence if there are more false alarms than chance explains.
    pub fn surprise(&self) -> Option<String> {
        let (found, own) = (self.false_alarms?, self.calibration?);
        let probability = self.false_alarm_probability.filter(|probability| *probability < UNLIKELY)?;
        let or = if self.is_approximate {
            ", or the relative score, for which this holds only approximately, needs more images"
        } else {
            ""
        };
        Some(format!(
            "More false alarms than chance explains: if the good test images were like the {own}, at least {} among {} would have a probability \
             of at most {}\u{a0}%. They may be unlike those{or}. Calibrate on more good images like those to be judged (`evaluate --calibrate`).",
            found.count,
            found.of,
            percent(probability)
        ))
    }
}

impl Calibration {
    /// The expected false-alarm rate at a quantile of these images; `None` if the network was or may have been trained on them,
    /// they were divided in another way, or the score of a single image is relative to itself.
    pub fn expected(&self, quantile: f64, is_relative: bool) -> Option<ExpectedRate> {
        let is_trained_on = matches!(self.source, Source::Training | Source::TrainingFolder);
        let is_unknown = is_trained_on || self.other_tiles || (is_relative && self.images.get() == 1);
        (!is_unknown).then(|| ExpectedRate::new(self.images, quantile))
    }

    /// Upper bound of the probability of at least as many false alarms among new images of the same distribution, at a quantile
    /// of these.
    fn probability(&self, quantile: f64, found: ObservedRate) -> f64 {
        let [k, _] = places(self.images, quantile);
        at_least_above(found.count, found.of, k, u64::from(self.images.get()))
    }

    /// Sentences on the false alarms to expect at a quantile of these images, the last of them a warning if there are too few.
    /// The rate is approximate if the score is relative to these images.
    pub fn sentences(&self, quantile: f64, is_approximate: bool) -> Vec<String> {
        let Some(expected) = self.expected(quantile, is_approximate) else {
            let why = match self.source {
                Source::Training => "on which the network was trained",
                Source::TrainingFolder => "on which the network may have been trained",
                _ if self.other_tiles => "divided in another way",
                _ => "to which the score is relative",
            };
            return vec![format!("The thresholds come from {self}, {why}, so the rate of false alarms to expect is unknown.")];
        };
        let mut sentences = vec![format!("Expected false alarms: {expected}, from {self}.")];
        if is_approximate {
            sentences.push("This is approximate, because the score is relative to these images.".into());
        }
        let needed = (1.0 / (1.0 - quantile) - ROUNDING).ceil();
        // The largest score of all is wanted if the quantile is 1, and every number of images has one.
        if quantile < 1.0 && f64::from(self.images.get()) < needed {
            sentences.push(format!(
                "The {}\u{a0}% quantile needs at least {needed} images; with {self} it is close to the largest score.",
                percent(quantile)
            ));
        }
        sentences
    }
}

/// e.g. `95 %: 0.1 to 16 %`.
fn interval(bounds: [f64; 2]) -> String {
    let [low, high] = bounds.map(percent);
    format!("{}\u{a0}%: {low} to {high}\u{a0}%", percent(CONFIDENCE))
}

/// A rate in percent: one decimal below 10 and above 99, otherwise none; rates below 0.1 % get one significant digit.
fn percent(rate: f64) -> String {
    // Without the last digits, so that 97.5 is rounded as such.
    let value = (1e11 * rate).round() / 1e9;
    let decimals = match value {
        0.0 => 0,
        _ if value < 0.1 => (-value.log10().floor()) as usize,
        _ if !(10.0..=99.0).contains(&value) => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use approx::assert_relative_eq;

    fn expected(images: u32, quantile: f64) -> ExpectedRate {
        ExpectedRate::new(NonZeroU32::new(images).unwrap(), quantile)
    }

    #[test]
    fn at_a_score_the_rate_is_that_of_its_order_statistic() {
        // The largest of 19: mean 1/20, and 1 - (1 - p)^(1/19).
        let largest = expected(19, 1.0);
        assert_eq!(largest.mean, [0.05; 2]);
        assert_relative_eq!(largest.interval[0], 1.0 - 0.975_f64.powf(1.0 / 19.0), max_relative = 1e-9);
        assert_relative_eq!(largest.interval[1], 1.0 - 0.025_f64.powf(1.0 / 19.0), max_relative = 1e-9);
        assert_eq!(largest.to_string(), "5\u{a0}% (95\u{a0}%: 0.1 to 18\u{a0}%)");
        // The 0.9-quantile of 21 scores is the one with rank 18, the third largest.
        assert_eq!(expected(21, 0.9).mean, [3.0 / 22.0; 2]);
        // 0.07 · 100 is above 7 in floating point, and still the score with rank 7.
        assert_eq!(expected(101, 0.07).mean, [94.0 / 102.0; 2]);
        assert_eq!((expected(1, 0.0).mean, expected(1, 1.0).mean), ([0.5; 2], [0.5; 2]));
        assert_eq!(expected(4, 0.0).mean, [0.8; 2]);
    }

    #[test]
    fn between_two_scores_the_rate_is_between_theirs() {
        let between = expected(21, 0.99);
        assert_eq!(between.mean, [1.0 / 22.0, 2.0 / 22.0]);
        let (upper, lower) = (expected(21, 1.0), expected(21, 0.95));
        assert_eq!(between.interval, [upper.interval[0], lower.interval[1]]);
        assert_eq!(between.to_string(), "4.5 to 9.1\u{a0}% (95\u{a0}%: 0.1 to 24\u{a0}%)");
    }

    #[test]
    fn the_interval_contains_the_rate_as_often_as_it_says() {
        const RUNS: u32 = 4000;
        // Uniform scores u and cubes of them, whose false-alarm rates at a threshold t are 1 - t and 1 - ∛t.
        for (images, quantile) in [(21, 0.99), (21, 0.95), (40, 0.9), (3, 0.5)] {
            for power in [1, 3] {
                let rate = expected(images, quantile);
                let (mut inside, mut sum) = (0, 0.0);
                for run in 0..RUNS {
                    let mut stream = Stream::new(7, Purpose::Test, images, run);
                    let mut scores: Vec<f32> = (0..images).map(|_| stream.uniform().powi(power)).collect();
                    let threshold = super::super::settings::quantile(&mut scores, quantile).unwrap();
                    let alarms = 1.0 - threshold.powf(1.0 / f64::from(power));
                    inside += u32::from((rate.interval[0]..=rate.interval[1]).contains(&alarms));
                    sum += alarms;
                }
                let (share, mean) = (f64::from(inside) / f64::from(RUNS), sum / f64::from(RUNS));
                // Four standard errors: of a share near 0.95, and of a mean whose values have a deviation below 0.25.
                assert!(share > 0.95 - 4.0 * (0.95_f64 * 0.05 / f64::from(RUNS)).sqrt(), "{images} {quantile}: {share}");
                let slack = 4.0 * 0.25 / f64::from(RUNS).sqrt();
                assert!(mean > rate.mean[0] - slack && mean < rate.mean[1] + slack, "{images} {quantile}: {mean} {rate:?}");
                if rate.mean[0] == rate.mean[1] {
                    assert!(share < 0.965, "{images} {quantile}: an exact interval, {share}");
                }
            }
        }
    }

    #[test]
    fn counted_rates_have_the_interval_of_clopper_and_pearson() {
        // scipy.stats.binomtest(count, of).proportion_ci(0.95, "exact")
        for (count, of, low, high) in [
            (0, 20, 0.0, 0.168_433_470_983_085_48),
            (1, 20, 0.001_265_089_497_956_033_9, 0.248_732_762_772_027_8),
            (6, 63, 0.035_759_011_865_331_84, 0.195_856_020_557_081_07),
            (20, 20, 0.831_566_529_016_914_5, 1.0),
        ] {
            let rate = ObservedRate::new(count, of).unwrap();
            assert_relative_eq!(rate.interval[0], low, max_relative = 1e-9);
            assert_relative_eq!(rate.interval[1], high, max_relative = 1e-9);
        }
        assert_eq!(ObservedRate::new(1, 20).unwrap().to_string(), "5\u{a0}% (95\u{a0}%: 0.1 to 25\u{a0}%)");
        assert!(ObservedRate::new(0, 0).is_none() && ObservedRate::new(2, 1).is_none());
    }

    #[test]
    fn too_few_images_are_said_to_be_too_few() {
        let of = |images, source| Calibration { images: NonZeroU32::new(images).unwrap(), source, other_tiles: false };
        let words = |images, quantile| of(images, Source::HeldOut).sentences(quantile, false);
        let expected = "Expected false alarms: 4.5 to 9.1\u{a0}% (95\u{a0}%: 0.1 to 24\u{a0}%), from 21 held-out images.";
        let few = "The 99\u{a0}% quantile needs at least 100 images; with 21 held-out images it is close to the largest score.";
        assert_eq!(words(21, 0.99), [expected, few]);
        assert_eq!([99, 100].map(|images| words(images, 0.99).len()), [2, 1]);
        assert_eq!([9, 10].map(|images| words(images, 0.9).len()), [2, 1]);
        assert_eq!((words(1, 1.0).len(), words(1, 0.0).len()), (1, 1));
        assert!(of(100, Source::HeldOut).sentences(0.99, true)[1].starts_with("This is approximate"));
        let trained = of(3, Source::Training);
        assert!(trained.expected(0.99, false).is_none());
        let single = of(1, Source::HeldOut);
        assert!(single.expected(0.99, false).is_some() && single.expected(0.99, true).is_none());
        assert!(single.sentences(0.99, true)[0].starts_with("The thresholds come from 1 held-out image, to which the score"));
        let elsewhere = Calibration { other_tiles: true, ..of(100, Source::HeldOut) };
        let words = "The thresholds come from 100 held-out images, divided in another way, so the rate of false alarms to \
                     expect is unknown.";
        assert_eq!((elsewhere.sentences(0.99, false), elsewhere.expected(0.99, false)), (vec![words.to_owned()], None));
        assert!(trained.sentences(0.99, true)[0].starts_with("The thresholds come from 3 training images, on which"));
    }

    #[test]
    fn more_false_alarms_than_chance_explains_are_remarked_on() {
        let own = Calibration { images: NonZeroU32::new(21).unwrap(), source: Source::HeldOut, other_tiles: false };
        let report = |count| {
            let false_alarms = ObservedRate::new(count, 20);
            ThresholdReport {
                value: 1.0,
                quantile: 0.99,
                calibration: Some(own),
                expected_false_alarms: own.expected(0.99, true),
                is_approximate: true,
                false_alarms,
                false_alarm_probability: false_alarms.map(|found| own.probability(0.99, found)),
                misses: None,
            }
        };
        // Between the largest and the second largest of 21: the second largest bounds the probability. betabinom.sf(12, 20, 2,
        // 20).
        let many = report(13);
        assert_relative_eq!(many.false_alarm_probability.unwrap(), 4.729_491_422_017_506_6e-5, max_relative = 1e-9);
        let remark = many.sentences().pop().unwrap();
        let words = "like the 21 held-out images, at least 13 among 20 would have a probability of at most 0.005\u{a0}%.";
        assert!(remark.contains(words) && remark.contains("or the relative score"), "{remark}");
        let absolute = ThresholdReport { is_approximate: false, ..many }.surprise().unwrap();
        assert!(absolute.contains("They may be unlike those. Calibrate"), "{absolute}");
        assert_eq!(report(4).sentences(), own.sentences(0.99, true));
    }

    #[test]
    fn percentages_are_short() {
        let cases = [
            (0.0, "0"),
            (0.000_02, "0.002"),
            (0.974_999_999_999_9, "98"),
            (0.0012, "0.1"),
            (0.045, "4.5"),
            (0.05, "5"),
            (0.161, "16"),
        ];
        for (rate, text) in cases.into_iter().chain([(0.975, "98"), (0.999, "99.9"), (1.0, "100")]) {
            assert_eq!(percent(rate), text);
        }
    }
}
