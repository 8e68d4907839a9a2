//! What was found, as flat rows: one for each check and seed for files, one for each check for people.

use serde::Serialize;

use super::claim::{Relation, Row};
use super::runner::Finding;

/// One check with one seed. The names of the fields are the keys of `claims.json` and the columns of `claims.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// The claim, e.g. `C7`.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What is measured.
    pub quantity: String,
    /// How measured and predicted must relate.
    pub relation: Relation,
    /// What the theory says.
    pub predicted: f64,
    /// What was found.
    pub measured: f64,
    /// How far off it may be.
    pub tolerance: f64,
    /// How far the measured value is from failing; negative where it fails.
    pub margin: f64,
    /// Whether the check holds.
    pub passed: bool,
    /// Why this tolerance.
    pub because: &'static str,
    /// The map for which the check must fail; none where the claim's other checks have one.
    pub control: Option<String>,
    /// What the check saw there.
    pub control_measured: Option<f64>,
    /// How far the control is from failing: negative, as it must be.
    pub control_margin: Option<f64>,
    /// Whether the row's own control fails; without one, whether the claim has controls and all of them fail (with this seed).
    pub control_rejected: bool,
    /// The seed.
    pub seed: u64,
}

impl Record {
    fn new(finding: &Finding, row: &Row) -> Self {
        Self {
            id: finding.claim.id(),
            title: finding.claim.title(),
            quantity: row.quantity.clone(),
            relation: row.relation,
            predicted: row.predicted,
            measured: row.measured,
            tolerance: row.tolerance,
            margin: row.margin(),
            passed: row.passed(),
            because: row.because,
            control: row.control.as_ref().map(|control| control.name.clone()),
            control_measured: row.control.as_ref().map(|control| control.measured),
            control_margin: row.control_margin(),
            control_rejected: row.control_rejected().unwrap_or_else(|| finding.evidence.controls_rejected()),
            seed: finding.seed,
        }
    }
}

/// All checks of all findings, in their order. They depend on claims and setting alone: no times are in them.
pub fn records(findings: &[Finding]) -> Vec<Record> {
    findings.iter().flat_map(|finding| finding.evidence.rows.iter().map(|row| Record::new(finding, row))).collect()
}

/// One check over all seeds: the record with the smallest margin, `passed` and `control_rejected` for all of them, and the
/// control that came nearest to passing.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// The record.
    pub record: Record,
    /// Over how many seeds.
    pub seeds: usize,
}

/// Merges the seeds of each check, in the order in which checks first occur. Checks of one claim that bear the same name stay
/// apart: the first of one seed belongs to the first of the others.
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

/// Larger for a smaller margin; what is not a number is worst.
fn badness(record: &Record) -> f64 {
    if record.margin.is_nan() { f64::INFINITY } else { -record.margin }
}

/// Larger where the control is nearer to passing; one that is not finite proves nothing, so it is nearest.
fn threat(record: &Record) -> f64 {
    record.control_margin.map_or(f64::NEG_INFINITY, |margin| if margin.is_finite() { margin } else { f64::INFINITY })
}

#[cfg(test)]
mod tests {
    use super::super::claim::Evidence;
    use super::super::claims::ALL;
    use super::*;

    /// What `rows` would be for each of the seeds 0, 1, …, all of the first claim.
    fn findings(rows: impl IntoIterator<Item = Vec<Row>>) -> Vec<Finding> {
        let finding = |(seed, rows): (usize, Vec<Row>)| Finding {
            claim: ALL[0],
            seed: seed as u64,
            evidence: Evidence { rows, figures: vec![] },
            wall: std::time::Duration::ZERO,
        };
        rows.into_iter().enumerate().map(finding).collect()
    }

    fn row(name: &str, measured: f64) -> Row {
        Row::equal(name, 1.0, measured, 0.5, "why")
    }

    #[test]
    fn a_row_without_control_inherits_the_verdict_of_its_claim() {
        let verdicts =
            |rows: Vec<Row>| -> Vec<bool> { records(&findings([rows])).iter().map(|record| record.control_rejected).collect() };
        assert_eq!(verdicts(vec![row("a", 1.0), row("b", 1.0).control("c", 9.0)]), [true, true]);
        assert_eq!(verdicts(vec![row("a", 1.0), row("b", 1.0).control("c", 1.2)]), [false, false]);
        assert_eq!(verdicts(vec![row("a", 1.0).control("c", 9.0), row("b", 1.0).control("c", f64::NAN)]), [true, false]);
        assert_eq!(verdicts(vec![row("a", 1.0)]), [false], "no control at all");
    }

    #[test]
    fn what_is_not_finite_is_valid_json() {
        let found = records(&findings([vec![row("a", f64::NAN).control("c", f64::INFINITY)]]));
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
        let seeds = [1.1, 1.4, 0.9].map(|a| vec![row("a", a).control("c", 2.0 + a), row("b", 1.0)]);
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
        let worst = worst_of_seeds(&records(&findings([1.0, f64::NAN, 1.6].map(|a| vec![row("a", a).control("c", 9.0)]))));
        assert!(!worst[0].record.passed && worst[0].record.measured.is_nan());
        let worst = worst_of_seeds(&records(&findings([9.0, f64::NAN, 8.0].map(|c| vec![row("a", 1.0).control("c", c)]))));
        assert!(!worst[0].record.control_rejected && worst[0].record.control_measured.is_some_and(f64::is_nan));
    }

    #[test]
    fn checks_of_one_name_stay_apart() {
        let seeds = [0, 1].map(|_| vec![row("a", 1.0).control("c", 9.0), row("a", 1.1)]);
        let worst = worst_of_seeds(&records(&findings(seeds)));
        assert_eq!(worst.iter().map(|worst| (worst.record.measured, worst.seeds)).collect::<Vec<_>>(), [(1.0, 2), (1.1, 2)]);
    }
}
