//! Claims and their parts. A claim measures a quantity that the theory predicts, on its subject and on a control that must fail the
//! same check.

use std::fmt;

use serde::Serialize;

use super::figure::Figure;
use crate::backend::Cpu;
use crate::backend::cpu::Path;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// Largest seed: the largest integer that every JSON reader represents exactly.
pub const MAX_SEED: u64 = (1 << 53) - 1;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// All claims in at most a minute on two cores.
    Quick,
    /// More seeds, larger n, tighter tolerances.
    Full,
}

/// All that a measurement may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    seed: u64,
    effort: Effort,
    path: Path,
}

impl Setting {
    /// A setting with the widest instruction set of this machine.
    ///
    /// # Errors
    /// A seed above [`MAX_SEED`].
    pub fn new(seed: u64, effort: Effort) -> Result<Self> {
        if seed > MAX_SEED {
            return Err(Error::argument(format!("the seed must be 0 to {MAX_SEED}, got {seed}")));
        }
        Ok(Self { seed, effort, path: Cpu::new().path() })
    }

    /// The same setting with the instruction set of `cpu`.
    #[must_use]
    pub fn on(self, cpu: &Cpu) -> Self {
        Self { path: cpu.path(), ..self }
    }

    /// The CPU that networks are trained on.
    ///
    /// # Errors
    /// None: a setting is only made for instructions that the machine has.
    pub fn cpu(&self) -> Result<Cpu> {
        Cpu::with_path(self.path)
    }

    /// The seed, also used for the initial weights of networks.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The effort.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// The same effort with another seed, which must be at most [`MAX_SEED`].
    pub(super) fn with_seed(&self, seed: u64) -> Self {
        Self { seed, ..*self }
    }

    /// `quick` or `full`, depending on the effort.
    pub fn pick<T>(&self, quick: T, full: T) -> T {
        match self.effort {
            Effort::Quick => quick,
            Effort::Full => full,
        }
    }

    /// A stream of random numbers, determined by seed, claim number and index.
    pub fn stream(&self, claim: u32, index: u32) -> Stream {
        Stream::new(self.seed, Purpose::Theory, claim, index)
    }
}

/// A statement of the theory that a program can test and refute.
pub trait Claim: Send + Sync {
    /// e.g. `C7`.
    fn id(&self) -> &'static str;

    /// A short title, e.g. `Conservation`.
    fn title(&self) -> &'static str;

    /// The statement in full sentences, the control last, shown by `verify --describe`. Empty lines separate paragraphs; formulas stand
    /// in a block between the lines "```text" and "```".
    fn statement(&self) -> &'static str;

    /// Number of seeds. The quantities must have the same names for every seed.
    fn seeds(&self, effort: Effort) -> u64 {
        match effort {
            Effort::Quick => 1,
            Effort::Full => 5,
        }
    }

    /// Approximate running time in arbitrary units. Expensive claims start first, so that no core is idle at the end.
    fn cost(&self) -> u32 {
        1
    }

    /// Measures everything, including the controls.
    ///
    /// # Errors
    /// The measurement could not be made. A check that fails is not an error.
    fn measure(&self, setting: &Setting) -> Result<Evidence>;
}

/// The findings of a claim.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The checks: at least one, and at least one of them with a control.
    pub checks: Vec<Check>,
    /// Charts and images for a paper.
    pub figures: Vec<Figure>,
}

impl Evidence {
    /// Whether all checks hold and all controls are rejected. False if there is no check or no control.
    pub fn holds(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(Check::passed) && self.controls_rejected()
    }

    /// Whether there is at least one control and all controls are rejected.
    pub fn controls_rejected(&self) -> bool {
        let mut verdicts = self.checks.iter().filter_map(Check::control_rejected).peekable();
        verdicts.peek().is_some() && verdicts.all(|rejected| rejected)
    }
}

/// How the measured and the predicted value must relate; `equal`, `at_most` or `at_least` in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// `|measured - predicted| <= tolerance`.
    Equal,
    /// `measured <= predicted + tolerance`.
    AtMost,
    /// `measured >= predicted - tolerance`.
    AtLeast,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::AtMost => "≤",
            Self::AtLeast => "≥",
        })
    }
}

/// One check: a quantity, its predicted value and its measured value.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What is measured, with the subject, e.g. `slope of ‖E[x|y] - π(y)‖ in σ, circle`.
    pub quantity: String,
    /// How measured and predicted must relate.
    pub relation: Relation,
    /// The value that the theory predicts.
    pub predicted: f64,
    /// The measured value.
    pub measured: f64,
    /// Allowed deviation, not negative.
    pub tolerance: f64,
    /// Reason for the tolerance.
    pub because: &'static str,
    /// A map for which the same check must fail, if there is one.
    pub control: Option<Control>,
}

/// A map for which a check must fail, and the value measured on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// e.g. `oblique projector`.
    pub name: String,
    /// The same quantity, measured on it.
    pub measured: f64,
}

impl Check {
    /// A check that `measured` equals `predicted` up to `tolerance`.
    pub fn equal(quantity: impl Into<String>, predicted: f64, measured: f64, tolerance: f64, because: &'static str) -> Self {
        Self { quantity: quantity.into(), relation: Relation::Equal, predicted, measured, tolerance, because, control: None }
    }

    /// A check that `measured` is at most `predicted`, up to `tolerance`.
    pub fn at_most(quantity: impl Into<String>, predicted: f64, measured: f64, tolerance: f64, because: &'static str) -> Self {
        Self { relation: Relation::AtMost, ..Self::equal(quantity, predicted, measured, tolerance, because) }
    }

    /// A check that `measured` is at least `predicted`, up to `tolerance`.
    pub fn at_least(quantity: impl Into<String>, predicted: f64, measured: f64, tolerance: f64, because: &'static str) -> Self {
        Self { relation: Relation::AtLeast, ..Self::equal(quantity, predicted, measured, tolerance, because) }
    }

    /// Adds a control: the same check must reject `measured`, the value found for `name`.
    #[must_use]
    pub fn control(self, name: impl Into<String>, measured: f64) -> Self {
        Self { control: Some(Control { name: name.into(), measured }), ..self }
    }

    /// Distance of the measured value from failing; negative if it fails.
    pub fn margin(&self) -> f64 {
        self.margin_of(self.measured)
    }

    /// Whether the check holds. Values that are not finite fail, e.g. the maximum of no values, -∞.
    pub fn passed(&self) -> bool {
        self.measured.is_finite() && self.margin() >= 0.0
    }

    /// Distance of the control from failing the check: negative, as it must be. None without a control.
    pub fn control_margin(&self) -> Option<f64> {
        self.control.as_ref().map(|control| self.margin_of(control.measured))
    }

    /// Whether the control fails the check, as it must; None without a control. A control that is not finite is not rejected.
    pub fn control_rejected(&self) -> Option<bool> {
        self.control.as_ref().map(|control| control.measured.is_finite() && self.margin_of(control.measured) < 0.0)
    }

    fn margin_of(&self, measured: f64) -> f64 {
        match self.relation {
            Relation::Equal => self.tolerance - (measured - self.predicted).abs(),
            Relation::AtMost => self.tolerance - (measured - self.predicted),
            Relation::AtLeast => self.tolerance - (self.predicted - measured),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_positive_inside_and_negative_outside() {
        let equal = Check::equal("q", 2.0, 2.25, 0.5, "").control("other", 3.0);
        assert!((equal.margin() - 0.25).abs() < 1e-15 && equal.passed() && equal.control_rejected() == Some(true));
        assert!(!Check::at_most("q", 1.0, 1.2, 0.1, "").passed() && Check::at_most("q", 1.0, -9.0, 0.0, "").passed());
        assert!(!Check::at_least("q", 1.0, 0.8, 0.1, "").passed() && Check::at_least("q", 1.0, 9.0, 0.0, "").passed());
    }

    #[test]
    fn values_that_are_not_finite_neither_pass_nor_count_as_controls() {
        let check = Check::equal("q", 0.0, f64::NAN, 1.0, "").control("other", f64::NAN);
        assert!(!check.passed() && check.control_rejected() == Some(false));
        assert!(!Check::at_least("q", 0.0, f64::INFINITY, 1.0, "").passed(), "the minimum of no values");
        assert!(!Check::at_most("q", 0.0, f64::NEG_INFINITY, 1.0, "").passed(), "the maximum of no values");
        assert_eq!(Check::equal("q", 0.0, 0.0, 1.0, "").control("other", f64::INFINITY).control_rejected(), Some(false));
    }

    #[test]
    fn evidence_needs_a_check_and_a_rejected_control() {
        let check = |control: Option<f64>| {
            let check = Check::equal("q", 0.0, 0.0, 1.0, "");
            control.map_or(check.clone(), |measured| check.control("other", measured))
        };
        let evidence = |checks: Vec<Check>| Evidence { checks, figures: vec![] };
        assert!(!Evidence::default().holds());
        assert!(!evidence(vec![check(None)]).holds(), "no control");
        assert!(evidence(vec![check(None), check(Some(2.0))]).holds());
        assert!(!evidence(vec![check(Some(2.0)), check(Some(0.5))]).holds(), "a control passed");
    }

    #[test]
    fn seeds_out_of_range_are_refused() {
        let error = Setting::new(1 << 53, Effort::Quick).unwrap_err().to_string();
        assert!(error.contains("9007199254740992") && Setting::new(MAX_SEED, Effort::Full).is_ok());
    }
}
