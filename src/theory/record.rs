//! Findings as flat records: one for each check and seed for files, one for each check for tables.

use serde::Serialize;

use super::claim::{Check, Relation};
use super::runner::Finding;

/// One check with one seed. The field names are the keys of `claims.json` and the columns of `claims.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// The claim, e.g. `C7`.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// The measured quantity.
    pub quantity: String,
    /// How measured and predicted must relate.
    pub relation: Relation,
    /// The value that the theory predicts.
    pub predicted: f64,
    /// The measured value.
    pub measured: f64,
    /// Allowed deviation.
    pub tolerance: f64,
    /// Distance of the measured value from failing; negative if it fails.
    pub margin: f64,
    /// Whether the check holds.
    pub passed: bool,
    /// Reason for the tolerance.
    pub because: &'static str,
    /// The map for which the check must fail; None if only other checks of the claim have one.
    pub control: Option<String>,
    /// The value measured on the control.
    pub control_measured: Option<f64>,
    /// Distance of the control from failing the check: negative, as it must be.
    pub control_margin: Option<f64>,
    /// Whether the control of this check fails; without one, whether the claim has controls and all of them fail (with this seed).
    pub control_rejected: bool,
    /// The seed.
    pub seed: u64,
}

impl Record {
    fn new(finding: &Finding, check: &Check) -> Self {
        Self {
            id: finding.claim.id(),
            title: finding.claim.title(),
            quantity: check.quantity.clone(),
            relation: check.relation,
            predicted: check.predicted,
            measured: check.measured,
            tolerance: check.tolerance,
            margin: check.margin(),
            passed: check.passed(),
            because: check.because,
            control: check.control.as_ref().map(|control| control.name.clone()),
            control_measured: check.control.as_ref().map(|control| control.measured),
            control_margin: check.control_margin(),
            control_rejected: check.control_rejected().unwrap_or_else(|| finding.evidence.controls_rejected()),
            seed: finding.seed,
        }
    }
}

/// All checks of all findings, in order. They depend only on claims and setting and contain no times.
pub fn records(findings: &[Finding]) -> Vec<Record> {
    findings.iter().flat_map(|finding| finding.evidence.checks.iter().map(|check| Record::new(finding, check))).collect()
}

/// One check over all seeds: the record with the smallest margin, `passed` and `control_rejected` for all seeds together, and the
/// control that came closest to passing.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// The record.
    pub record: Record,
    /// Number of seeds.
    pub seeds: usize,
}

/// Merges the seeds of each check, in the order in which checks first occur. Checks of one claim with the same name stay separate: the
/// first of one seed is merged with the first of the others.
pub fn worst_of_seeds(records: &[Record]) -> Vec<Worst> {
    let mut merged: Vec<(usize, Worst)> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let names = |other: &Record| (other.id, &other.quantity) == (record.id, &record.quantity);
        let occurrence = records[..index].iter().filter(|other| names(other) && other.seed == record.seed).count();
        match merged.iter_mut().find(|(number, worst)| *number == occurrence && names(&worst.record)) {
            Some((_, worst)) => worst.add(record),
            None => merged.push((occurrence, Worst { record: record.clone(), seeds: 1 })),
        }
    }
    merged.into_iter().map(|(_, worst)| worst).collect()
}

impl Worst {
    fn add(&mut self, other: &Record) {
        let mine = &self.record;
        let worse = if badness(other) > badness(mine) { other } else { mine };
        let nearer = if threat(other) > threat(mine) { other } else { mine };
        self.record = Record {
            passed: mine.passed && other.passed,
            control: nearer.control.clone(),
            control_measured: nearer.control_measured,
            control_margin: nearer.control_margin,
            control_rejected: mine.control_rejected && other.control_rejected,
            ..worse.clone()
        };
        self.seeds += 1;
    }
}

/// Larger for a smaller margin; NaN is worst.
fn badness(record: &Record) -> f64 {
    if record.margin.is_nan() { f64::INFINITY } else { -record.margin }
}

/// Larger if the control is closer to passing; a control that is not finite counts as closest.
fn threat(record: &Record) -> f64 {
    record.control_margin.map_or(f64::NEG_INFINITY, |margin| if margin.is_finite() { margin } else { f64::INFINITY })
}

#[cfg(test)]
mod tests {
    use super::super::claim::Evidence;
    use super::super::claims::ALL;
    use super::*;

    /// Findings of the first claim with the seeds 0, 1, ….
    fn findings(seeds: impl IntoIterator<Item = Vec<Check>>) -> Vec<Finding> {
        let finding = |(seed, checks): (usize, Vec<Check>)| Finding {
            claim: ALL[0],
            seed: seed as u64,
            evidence: Evidence { checks, figures: vec![] },
            wall: std::time::Duration::ZERO,
        };
        seeds.into_iter().enumerate().map(finding).collect()
    }

    fn check(name: &str, measured: f64) -> Check {
        Check::equal(name, 1.0, measured, 0.5, "why")
    }

    #[test]
    fn a_check_without_control_inherits_the_verdict_of_its_claim() {
        let verdicts = |checks: Vec<Check>| -> Vec<bool> {
            records(&findings([checks])).iter().map(|record| record.control_rejected).collect()
        };
        assert_eq!(verdicts(vec![check("a", 1.0), check("b", 1.0).control("c", 9.0)]), [true, true]);
        assert_eq!(verdicts(vec![check("a", 1.0), check("b", 1.0).control("c", 1.2)]), [false, false]);
        assert_eq!(verdicts(vec![check("a", 1.0).control("c", 9.0), check("b", 1.0).control("c", f64::NAN)]), [true, false]);
        assert_eq!(verdicts(vec![check("a", 1.0)]), [false], "no control at all");
    }

    #[test]
    fn values_that_are_not_finite_are_valid_json() {
        let found = records(&findings([vec![check("a", f64::NAN).control("c", f64::INFINITY)]]));
        let text = serde_json::to_string(&found).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let object = json[0].as_object().unwrap();
        let keys = "id title quantity relation predicted measured tolerance margin passed because control control_measured \
                    control_margin control_rejected seed";
        assert_eq!(object.keys().map(String::as_str).collect::<Vec<_>>(), keys.split_whitespace().collect::<Vec<_>>());
        assert_eq!((&object["measured"], &object["margin"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        assert_eq!((&object["passed"], &object["control_rejected"]), (&false.into(), &false.into()));
        assert_eq!((&object["relation"], &object["predicted"]), (&"equal".into(), &1.0.into()));
    }

    #[test]
    fn seeds_are_merged_to_the_worst_of_each_check() {
        let seeds = [1.1, 1.4, 0.9].map(|a| vec![check("a", a).control("c", 2.0 + a), check("b", 1.0)]);
        let worst = worst_of_seeds(&records(&findings(seeds)));
        assert_eq!(
            worst.iter().map(|worst| (worst.record.quantity.as_str(), worst.seeds)).collect::<Vec<_>>(),
            [("a", 3), ("b", 3)]
        );
        let a = &worst[0].record;
        assert_eq!((a.measured, a.control_measured, a.seed), (1.4, Some(2.9), 1));
        assert!(a.passed && a.control_rejected);
    }

    #[test]
    fn one_bad_seed_is_enough() {
        let worst = worst_of_seeds(&records(&findings([1.0, f64::NAN, 1.6].map(|a| vec![check("a", a).control("c", 9.0)]))));
        assert!(!worst[0].record.passed && worst[0].record.measured.is_nan());
        let worst = worst_of_seeds(&records(&findings([9.0, f64::NAN, 8.0].map(|c| vec![check("a", 1.0).control("c", c)]))));
        assert!(!worst[0].record.control_rejected && worst[0].record.control_measured.is_some_and(f64::is_nan));
    }

    #[test]
    fn checks_with_the_same_name_stay_separate() {
        let seeds = [0, 1].map(|_| vec![check("a", 1.0).control("c", 9.0), check("a", 1.1)]);
        let worst = worst_of_seeds(&records(&findings(seeds)));
        assert_eq!(worst.iter().map(|worst| (worst.record.measured, worst.seeds)).collect::<Vec<_>>(), [(1.0, 2), (1.1, 2)]);
    }
}
