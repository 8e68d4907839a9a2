use serde::{Deserialize, Serialize};

/// Images or pixels by truth and verdict, at one threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Anomalous, and called anomalous.
    pub true_positives: u64,
    /// Normal, but called anomalous: false alarms.
    pub false_positives: u64,
    /// Anomalous, but not called so: misses.
    pub false_negatives: u64,
    /// Normal, and not called anomalous.
    pub true_negatives: u64,
}

impl Confusion {
    /// Counts samples, each as (anomalous in truth, called anomalous).
    pub fn of(samples: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut counts = Self::default();
        for (truth, verdict) in samples {
            *match (truth, verdict) {
                (true, true) => &mut counts.true_positives,
                (false, true) => &mut counts.false_positives,
                (true, false) => &mut counts.false_negatives,
                (false, false) => &mut counts.true_negatives,
            } += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_counted_by_truth_and_verdict() {
        let samples = [[(true, true); 4].as_slice(), &[(false, true); 3], &[(true, false); 2], &[(false, false); 1]].concat();
        let expected = Confusion { true_positives: 4, false_positives: 3, false_negatives: 2, true_negatives: 1 };
        assert_eq!(Confusion::of(samples), expected);
    }
}
