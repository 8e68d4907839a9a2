//! Verdicts, statements and summaries.

use std::collections::HashMap;
use std::time::Duration;

use super::super::number::readable;
use super::super::wrap::{width, wrap};
use crate::theory::claim::Claim;
use crate::theory::record::{Record, Worst};
use crate::theory::runner::Finding;

/// Maximum line length of a statement; longer lines are hard to read.
const MAX_COLUMNS: usize = 100;
/// Maximum number of faults that a complaint lists.
const MAX_LISTED: usize = 3;

/// The outcome of a check or its control, and whether it is as required.
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

/// Whether the control is rejected.
pub(super) fn control_verdict(record: &Record) -> Verdict {
    let is_right = record.control_rejected;
    Verdict { is_right, word: if is_right { "rejected" } else { "PASSES (!)" } }
}

/// Predicted and measured value, tolerance and margin of a check.
pub(super) fn numbers(record: &Record) -> [String; 4] {
    [
        format!("{} {}", record.relation, readable(record.predicted, 4)),
        readable(record.measured, 4),
        readable(record.tolerance, 2),
        readable(record.margin, 3),
    ]
}

/// The detection limit of a check.
pub(super) fn notices(record: &Record) -> String {
    // The least size that is tried.
    if (1e-16..1.1e-15).contains(&record.detection_limit) { "< 10⁻¹⁵".into() } else { readable(record.detection_limit, 2) }
}

/// The same columns for its control, which only has a measured value and a margin.
pub(super) fn control_numbers(record: &Record) -> [String; 4] {
    let number = |value: Option<f64>, digits: usize| value.map_or(String::new(), |value| readable(value, digits));
    [String::new(), number(record.control_measured, 4), String::new(), number(record.control_margin, 3)]
}

/// A claim's title and statement as lines of at most `columns` characters, except for formulas. Ends with a line break.
pub fn statement(claim: &Claim, columns: usize) -> String {
    let columns = columns.clamp(40, MAX_COLUMNS) - 4;
    let lines = |paragraph: Paragraph| match paragraph {
        Paragraph::Prose(text) => wrap(&text, columns),
        Paragraph::Formulas(lines) => lines.iter().flat_map(|line| formula(line, columns - 2)).collect(),
    };
    let paragraphs = paragraphs(claim.statement).into_iter().map(lines);
    let indented = |lines: Vec<String>| lines.iter().map(|line| format!("    {line}\n")).collect::<String>();
    format!("{}  {}\n\n{}", claim.id, claim.title, paragraphs.map(indented).collect::<Vec<_>>().join("\n"))
}

/// A line of formulas, indented; one that is too long continues below, after the gaps between its formulas.
fn formula(line: &str, columns: usize) -> Vec<String> {
    if width(line) <= columns {
        return vec![format!("  {line}")];
    }
    line.split("   ").map(str::trim).filter(|part| !part.is_empty()).map(|part| format!("  {part}")).collect()
}

/// A part of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Paragraph {
    /// Text that may be wrapped.
    Prose(String),
    /// Lines of formulas.
    Formulas(Vec<String>),
}

/// The paragraphs of a statement: [`Claim::statement`] describes their form.
pub(super) fn paragraphs(statement: &str) -> Vec<Paragraph> {
    let parts = statement.trim().split("\n\n").map(|part| part.lines().collect::<Vec<_>>());
    let paragraph = |lines: Vec<&str>| match lines.as_slice() {
        ["```text", formulas @ .., "```"] => Paragraph::Formulas(formulas.iter().map(|line| (*line).to_owned()).collect()),
        _ => Paragraph::Prose(lines.join(" ")),
    };
    parts.map(paragraph).collect()
}

/// The number of claims that hold and of controls that are rejected. A claim holds if all its checks hold and all its controls
/// are rejected. Controls of one claim with the same name and value are one map of which several checks speak: they count once,
/// as rejected if every check rejects it. Those of checks that follow from others do not count.
pub(super) struct Tally {
    pub(super) claims: usize,
    pub(super) hold: usize,
    pub(super) controls: usize,
    pub(super) rejected: usize,
}

impl Tally {
    pub(super) fn of(findings: &[Finding], checks: &[Worst]) -> Self {
        let claims = distinct(findings);
        let mut controls: HashMap<_, bool> = HashMap::new();
        for Worst { record, .. } in checks.iter().filter(|check| check.record.control.is_some() && check.record.follows.is_none())
        {
            let key = (record.id, &record.control, record.control_measured.map(f64::to_bits));
            *controls.entry(key).or_insert(true) &= record.control_rejected;
        }
        Self {
            claims: claims.len(),
            hold: claims.iter().filter(|claim| holds(claim.id, findings)).count(),
            controls: controls.len(),
            rejected: controls.values().filter(|&&rejected| rejected).count(),
        }
    }
}

/// The claims of `findings`, each once.
pub(super) fn distinct(findings: &[Finding]) -> Vec<&'static Claim> {
    let is_first = |(at, finding): &(usize, &Finding)| findings[..*at].iter().all(|other| other.claim.id != finding.claim.id);
    findings.iter().enumerate().filter(is_first).map(|(_, finding)| finding.claim).collect()
}

/// Whether a claim holds with every seed.
pub(super) fn holds(id: &str, findings: &[Finding]) -> bool {
    findings.iter().filter(|finding| finding.claim.id == id).all(|finding| finding.evidence.holds())
}

/// The number of claims that hold and of controls that are rejected, and the running time.
pub fn summary(findings: &[Finding], checks: &[Worst], wall: Duration) -> String {
    let Tally { claims, hold, controls, rejected } = Tally::of(findings, checks);
    let empirical = checks.iter().filter(|check| check.record.empirical).count();
    let more = match empirical {
        0 => String::new(),
        _ => format!("; {empirical} of {} checks have empirical limits", checks.len()),
    };
    format!("{hold} of {claims} claims hold, {rejected} of {controls} controls rejected, {}{more}", seconds(wall))
}

/// e.g. `0.4 s`, `41 s`.
pub(super) fn seconds(wall: Duration) -> String {
    let seconds = wall.as_secs_f64();
    if seconds < 9.95 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// One sentence that lists what does not hold; None if and only if the evidence of every finding
/// [holds](crate::theory::claim::Evidence::holds).
pub fn complaint(findings: &[Finding], checks: &[Worst]) -> Option<String> {
    let mut faults: Vec<String> = checks.iter().flat_map(|check| faults(&check.record)).collect();
    for finding in findings {
        let checks = &finding.evidence.checks;
        let (id, seed) = (finding.claim.id, finding.seed);
        if checks.is_empty() {
            faults.push(format!("{id} checks nothing (seed {seed})"));
        } else if checks.iter().all(|check| check.control.is_none()) {
            faults.push(format!("{id} has no control (seed {seed})"));
        }
    }
    if faults.is_empty() {
        return None;
    }
    let others = faults.len().saturating_sub(MAX_LISTED);
    faults.truncate(MAX_LISTED);
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
    if record.passed && record.detection_limit.is_infinite() {
        faults.push(format!("{id} shows nothing: {quantity} passes with any ε of the fault `{}`", record.fault));
    }
    if let (Some(control), false) = (&record.control, record.control_rejected) {
        let value = readable(record.control_measured.unwrap_or(f64::NAN), 4);
        faults.push(format!("{id} shows nothing: the control `{control}` passes with {value} for {quantity}"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::claim::{Check, Evidence};
    use crate::theory::claims::ALL;
    use crate::theory::record::{records, worst_of_seeds};

    /// Complaint, summary and whether all evidence holds, for checks of the first claim with the seeds 0, 1, ….
    fn judged(seeds: &[Vec<Check>]) -> (Option<String>, String, bool) {
        let finding = |(seed, rows): (usize, &Vec<Check>)| Finding {
            claim: ALL[0],
            seed: seed as u64,
            evidence: Evidence { checks: rows.clone(), figures: vec![] },
            wall: Duration::ZERO,
        };
        let findings: Vec<Finding> = seeds.iter().enumerate().map(finding).collect();
        let checks = worst_of_seeds(&records(&findings));
        let holds = findings.iter().all(|finding| finding.evidence.holds());
        (complaint(&findings, &checks), summary(&findings, &checks, Duration::from_millis(1234)), holds)
    }

    fn check(measured: f64, control: Option<f64>) -> Check {
        let check = Check::at_most("error", 1.0, measured, 0.25, "why");
        control.map_or(check.clone(), |measured| check.control("oblique map", measured))
    }

    #[test]
    fn complaints_name_what_does_not_hold() {
        let id = ALL[0].id;
        for (seeds, expected) in [
            (vec![vec![check(1.0, Some(2.0)), check(1.2, None)]], None),
            (vec![vec![check(1.0, Some(2.0))]; 5], None),
            (
                vec![vec![check(1.0, Some(2.0))], vec![check(1.5, Some(2.0))]],
                Some("fails: error is 1.5 (predicted ≤ 1, tolerance 0.25, seed 1)"),
            ),
            (vec![vec![check(f64::NAN, Some(2.0))]], Some("fails: error is – (predicted ≤ 1, tolerance 0.25, seed 0)")),
            (vec![vec![check(1.0, Some(1.1))]], Some("shows nothing: the control `oblique map` passes with 1.1 for error")),
            (
                vec![vec![check(1.0, Some(f64::INFINITY))]],
                Some("shows nothing: the control `oblique map` passes with ∞ for error"),
            ),
            (vec![vec![check(1.0, None)]], Some("has no control (seed 0)")),
            (vec![vec![check(1.0, Some(2.0))], vec![]], Some("checks nothing (seed 1)")),
        ] {
            let (complaint, _, holds) = judged(&seeds);
            assert_eq!(complaint, expected.map(|words| format!("{id} {words}")));
            assert_eq!(holds, complaint.is_none());
        }
    }

    #[test]
    fn a_check_that_cannot_fail_is_no_evidence() {
        let blind = check(1.0, Some(2.0)).notices("nothing moves", |_| Ok(1.0)).unwrap();
        let (complaint, _, holds) = judged(&[vec![blind]]);
        let sentence = format!("{} shows nothing: error passes with any ε of the fault `nothing moves`", ALL[0].id);
        assert_eq!((complaint, holds), (Some(sentence), false));
    }

    #[test]
    fn further_faults_are_counted() {
        let rows = (0..6).map(|at| Check::equal(format!("q{at}"), 0.0, 1.0, 0.1, "").control("c", 0.0)).collect();
        let complaint = judged(&[rows]).0.unwrap();
        assert!(complaint.contains("q0") && complaint.contains("q1") && !complaint.contains("q2"));
        assert!(complaint.ends_with("; and 9 more"), "{complaint}");
    }

    #[test]
    fn the_summary_counts_claims_and_controls() {
        let good = judged(&[vec![check(1.0, Some(2.0)), check(1.0, None)], vec![check(1.0, Some(2.0)), check(1.0, None)]]);
        assert_eq!(good.1, "1 of 1 claims hold, 1 of 1 controls rejected, 1.2 s");
        let bad = judged(&[vec![check(1.0, Some(2.0)), check(1.0, Some(1.0))]]);
        assert_eq!(bad.1, "0 of 1 claims hold, 1 of 2 controls rejected, 1.2 s");
    }

    #[test]
    fn statements_are_indented_under_their_title() {
        for claim in ALL {
            let text = statement(claim, 80);
            assert!(text.starts_with(&format!("{}  {}\n\n    ", claim.id, claim.title)) && text.ends_with('\n'));
            let formulas = |line: &str| line.starts_with("      ");
            assert!(text.lines().all(|line| width(line) <= 80 || formulas(line)), "{text}");
            assert!(!text.contains("```") && text.lines().any(formulas) && text.contains("Control"), "{text}");
        }
    }
}
