//! Verdicts and sentences.

use std::time::Duration;

use super::super::number::readable;
use super::super::wrap::wrap;
use crate::theory::claim::Claim;
use crate::theory::record::{Record, Worst};
use crate::theory::runner::Finding;

/// Characters of a line of a statement.
const STATEMENT: usize = 100;
/// Faults that a complaint names; of the others it says how many.
const NAMED: usize = 3;

/// Words for how a check or its control came out, and whether that is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) is_right: bool,
    word: &'static str,
}

impl Verdict {
    /// e.g. `✓ holds`.
    pub(super) fn words(self) -> String {
        format!("{} {}", if self.is_right { '✓' } else { '✗' }, self.word)
    }
}

/// Whether a check holds.
pub(super) fn verdict(record: &Record) -> Verdict {
    Verdict { is_right: record.passed, word: if record.passed { "holds" } else { "FAILS" } }
}

/// Whether its control is rejected.
pub(super) fn control_verdict(record: &Record) -> Verdict {
    let is_right = record.control_rejected;
    Verdict { is_right, word: if is_right { "rejected" } else { "PASSES (!)" } }
}

/// A claim's title and statement for the terminal. Ends with a line break.
pub fn statement(claim: &dyn Claim) -> String {
    let lines: Vec<String> = wrap(claim.statement(), STATEMENT - 4);
    let indented = |line: &String| if line.is_empty() { String::new() } else { format!("    {line}") };
    format!("{}  {}\n\n{}\n", claim.id(), claim.title(), lines.iter().map(indented).collect::<Vec<_>>().join("\n"))
}

/// e.g. `11 of 11 claims hold, 24 of 24 controls rejected, 41 s`. A claim holds when all its checks do and all its controls are
/// rejected.
pub fn summary(findings: &[Finding], checks: &[Worst], wall: Duration) -> String {
    let mut claims: Vec<(&str, bool)> = Vec::new();
    for finding in findings {
        let (id, holds) = (finding.claim.id(), finding.evidence.holds());
        match claims.iter_mut().find(|claim| claim.0 == id) {
            Some(claim) => claim.1 &= holds,
            None => claims.push((id, holds)),
        }
    }
    let hold = claims.iter().filter(|claim| claim.1).count();
    let controls = || checks.iter().filter(|check| check.record.control.is_some());
    let rejected = controls().filter(|check| check.record.control_rejected).count();
    let wall = seconds(wall);
    format!("{hold} of {} claims hold, {rejected} of {} controls rejected, {wall}", claims.len(), controls().count())
}

/// e.g. `0.4 s`, `41 s`.
pub(super) fn seconds(wall: Duration) -> String {
    let seconds = wall.as_secs_f64();
    if seconds < 9.95 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// One sentence on what does not hold; none exactly when the evidence of every finding [holds](crate::theory::claim::Evidence::holds).
pub fn complaint(findings: &[Finding], checks: &[Worst]) -> Option<String> {
    let mut faults: Vec<String> = checks.iter().flat_map(|check| faults(&check.record)).collect();
    for finding in findings {
        let rows = &finding.evidence.rows;
        let (id, seed) = (finding.claim.id(), finding.seed);
        if rows.is_empty() {
            faults.push(format!("{id} checks nothing (seed {seed})"));
        } else if rows.iter().all(|row| row.control.is_none()) {
            faults.push(format!("{id} has no control (seed {seed})"));
        }
    }
    if faults.is_empty() {
        return None;
    }
    let others = faults.len().saturating_sub(NAMED);
    faults.truncate(NAMED);
    let more = if others > 0 { format!("; and {others} more") } else { String::new() };
    Some(format!("{}{more}", faults.join("; ")))
}

fn faults(record: &Record) -> Vec<String> {
    let Record { id, quantity, relation, seed, .. } = record;
    let [measured, predicted, tolerance] = [record.measured, record.predicted, record.tolerance].map(|value| readable(value, 4));
    let mut faults = Vec::new();
    if !record.passed {
        let should = format!("predicted {relation} {predicted}, tolerance {tolerance}");
        faults.push(format!("{id} fails: {quantity} is {measured} ({should}, seed {seed})"));
    }
    if let (Some(control), false) = (&record.control, record.control_rejected) {
        let value = readable(record.control_measured.unwrap_or(f64::NAN), 4);
        faults.push(format!("{id} shows nothing: the control `{control}` passes with {value} for {quantity}"));
    }
    faults
}
