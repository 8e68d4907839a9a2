//! Findings as flat records: one for each check and seed for files, one for each check for tables.

use std::borrow::Cow;

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
    pub because: Cow<'static, str>,
    /// The map for which the check must fail; None if only other checks of the claim have one.
    pub control: Option<String>,
    /// The value measured on the control.
    pub control_measured: Option<f64>,
    /// Distance of the control from failing the check: negative, as it must be.
    pub control_margin: Option<f64>,
    /// Whether the control of this check fails; without one, whether the claim has controls and all of them fail (with this
    /// seed).
    pub control_rejected: bool,
    /// The fault whose least noticed size is the detection limit, with this size as ε.
    pub fault: String,
    /// The least ε at which the check fails. NaN or infinite, null in JSON, if it never does.
    pub detection_limit: f64,
    /// Why the check follows from others, if it does; then it tests the code and not the theory.
    pub follows: Option<Cow<'static, str>>,
    /// Whether the limit was set after a look at measurements, because no theorem gives it.
    pub empirical: bool,
    /// The seed.
    pub seed: u64,
}

impl Record {
    fn new(finding: &Finding, check: &Check) -> Self {
        let limit = check.detection_limit();
        Self {
            id: finding.claim.id,
            title: finding.claim.title,
            quantity: check.quantity.clone(),
            relation: check.relation,
            predicted: check.predicted,
            measured: check.measured,
            tolerance: check.tolerance,
            margin: check.margin(),
            passed: check.passed(),
            because: check.because.clone(),
            control: check.control.as_ref().map(|control| control.name.clone()),
            control_measured: check.control.as_ref().map(|control| control.measured),
            control_margin: check.control_margin(),
            control_rejected: check.control_rejected().unwrap_or_else(|| finding.evidence.controls_rejected()),
            fault: limit.fault,
            detection_limit: limit.size,
            follows: check.follows.clone(),
            empirical: check.is_empirical,
            seed: finding.seed,
        }
    }
}

/// All checks of all findings, in order. They depend only on claims and setting and contain no times.
pub fn records(findings: &[Finding]) -> Vec<Record> {
    findings.iter().flat_map(|finding| finding.evidence.checks.iter().map(|check| Record::new(finding, check))).collect()
}

/// One check over all seeds: the record with the smallest margin, `passed` and `control_rejected` for all seeds together, the
/// control that came closest to passing, and the largest detection limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// The record.
    pub record: Record,
    /// Number of seeds.
    pub seeds: usize,
}

/// Merges the seeds of each check, in the order in which checks first occur. Checks of one claim with the same name stay
/// separate: the first of one seed is merged with the first of the others.
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
        let blunter = if other.detection_limit.is_nan() || other.detection_limit > mine.detection_limit { other } else { mine };
        self.record = Record {
            passed: mine.passed && other.passed,
            control: nearer.control.clone(),
            control_measured: nearer.control_measured,
            control_margin: nearer.control_margin,
            control_rejected: mine.control_rejected && other.control_rejected,
            fault: blunter.fault.clone(),
            detection_limit: blunter.detection_limit,
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
