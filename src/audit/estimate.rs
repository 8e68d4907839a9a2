use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::rng::{Purpose, Stream};

/// Number of bootstrap samples of an interval.
pub const RESAMPLES: u32 = 1000;

/// Ends of a 95 % interval, as shares of the bootstrap samples.
const ENDS: [f64; 2] = [0.025, 0.975];

/// What the data say about a quantity. As JSON `{"value", "low", "high"}`; undetermined, all three are null and `why` says why.
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
            Self::Undetermined(_) => None,
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let (numbers, why) = match self {
            Self::Estimate { value, low, high } => ([Some(value), Some(low), Some(high)], None),
            Self::Undetermined(why) => ([None; 3], Some(why)),
        };
        let mut map = serializer.serialize_map(Some(3 + usize::from(why.is_some())))?;
        for (key, number) in ["value", "low", "high"].iter().zip(numbers) {
            map.serialize_entry(key, &number)?;
        }
        if let Some(why) = why {
            map.serialize_entry("why", why)?;
        }
        map.end()
    }
}

/// A quotient of two sums over the images, or its square root. Each image contributes a part to both sums and is resampled as a whole, so
/// what was measured several times on one image does not count as independent (cluster bootstrap).
#[derive(Clone, Debug, Default)]
pub(super) struct Quotient {
    /// For each image what it adds above and below.
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

    /// What one image contributes.
    pub fn push(&mut self, above: f64, below: f64) {
        self.parts.push([above, below]);
    }

    /// The value with its interval, by [`RESAMPLES`] samples of the images with replacement (percentiles). Undetermined without images or if
    /// the lower sum can be 0.
    pub fn finding(&self, seed: u64) -> Finding {
        let mut stream = Stream::new(seed, Purpose::Theory, u32::MAX, 0);
        let count = self.parts.len() as u32;
        let mut sampled: Vec<f64> =
            (0..RESAMPLES).map(|_| self.of((0..count).map(|_| self.parts[stream.below(count) as usize]))).collect();
        sampled.sort_by(f64::total_cmp);
        let end = |share: f64| sampled[(share * f64::from(RESAMPLES - 1)).round() as usize];
        let [low, high] = ENDS.map(end);
        let value = self.of(self.parts.iter().copied());
        match [value, low, high].iter().all(|number| number.is_finite()) {
            true => Finding::Estimate { value, low, high },
            false => Finding::undetermined("no image contributes"),
        }
    }

    /// The value of each image alone.
    pub fn each(&self) -> Vec<f64> {
        self.parts.iter().map(|&part| self.of(std::iter::once(part))).collect()
    }

    fn of(&self, parts: impl Iterator<Item = [f64; 2]>) -> f64 {
        let [above, below] = parts.fold([0.0; 2], |[above, below], part| [above + part[0], below + part[1]]);
        if self.is_root { (above / below).sqrt() } else { above / below }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(quotient: Quotient, parts: &[[f64; 2]]) -> Finding {
        let mut quotient = quotient;
        parts.iter().for_each(|&[above, below]| quotient.push(above, below));
        quotient.finding(3)
    }

    #[test]
    fn equal_images_leave_no_uncertainty_and_unequal_ones_do() {
        assert_eq!(of(Quotient::root(), &[[4.0, 1.0]; 8]), Finding::Estimate { value: 2.0, low: 2.0, high: 2.0 });
        let Finding::Estimate { value, low, high } = of(Quotient::mean(), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|v| [v, 1.0]))
        else {
            panic!("determined");
        };
        // The standard error of the mean of 1 to 6, by the bootstrap, is √(35/12 / 6) = 0.70.
        assert_eq!(value, 3.5);
        assert!((low - (3.5 - 1.96 * 0.697)).abs() < 0.25 && (high - (3.5 + 1.96 * 0.697)).abs() < 0.25, "{low} {high}");
    }

    #[test]
    fn intervals_cover_the_mean_about_as_often_as_they_say() {
        let covers = |trial: u32| {
            let mut stream = Stream::new(9, Purpose::Test, trial, 0);
            let mut quotient = Quotient::mean();
            stream.normals(30).into_iter().for_each(|value| quotient.push(value, 1.0));
            matches!(quotient.finding(u64::from(trial)), Finding::Estimate { low, high, .. } if low <= 0.0 && 0.0 <= high)
        };
        let covered = (0..200).filter(|&trial| covers(trial)).count();
        assert!((180..=199).contains(&covered), "{covered} of 200");
    }

    #[test]
    fn nothing_below_is_undetermined() {
        assert!(matches!(of(Quotient::root(), &[[0.0, 0.0]; 5]), Finding::Undetermined(_)));
        assert!(matches!(of(Quotient::mean(), &[]), Finding::Undetermined(_)));
    }

    #[test]
    fn json_names_what_is_missing() {
        let json = |finding: Finding| serde_json::to_string(&finding).unwrap();
        assert_eq!(json(Finding::Estimate { value: 1.0, low: 0.5, high: 2.0 }), r#"{"value":1.0,"low":0.5,"high":2.0}"#);
        assert_eq!(json(Finding::undetermined("few")), r#"{"value":null,"low":null,"high":null,"why":"few"}"#);
    }
}
