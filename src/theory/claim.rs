//! What a claim is made of. A claim measures something that the theory predicts, on its subject and on a control that must
//! fail the same check.

use std::fmt;

use serde::Serialize;

use super::figure::Figure;
use crate::backend::Cpu;
use crate::backend::cpu::Path;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// Largest seed: every JSON reader keeps it exactly.
pub const LARGEST_SEED: u64 = (1 << 53) - 1;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// All claims in at most a minute on two cores.
    Quick,
    /// More seeds, larger n, tighter tolerances.
    Full,
}

/// What a measurement may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    seed: u64,
    effort: Effort,
    path: Path,
}

impl Setting {
    /// A setting for `seed`, with the widest instructions of this machine.
    ///
    /// # Errors
    /// A seed above [`LARGEST_SEED`].
    pub fn new(seed: u64, effort: Effort) -> Result<Self> {
        if seed > LARGEST_SEED {
            return Err(Error::argument(format!("the seed must be 0 to {LARGEST_SEED}, got {seed}")));
        }
        Ok(Self { seed, effort, path: Cpu::new().path() })
    }

    /// The same with the instructions of `cpu`.
    #[must_use]
    pub fn on(self, cpu: &Cpu) -> Self {
        Self { path: cpu.path(), ..self }
    }

    /// The CPU that networks are trained on.
    ///
    /// # Errors
    /// Never: both ways to make a setting know that the machine has the instructions.
    pub fn cpu(&self) -> Result<Cpu> {
        Cpu::with_path(self.path)
    }

    /// The seed, also for the initial weights of networks.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The effort.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// The same effort with another seed, which must be at most [`LARGEST_SEED`].
    pub(super) fn with_seed(&self, seed: u64) -> Self {
        Self { seed, ..*self }
    }

    /// `quick` or `full`, as the effort is.
    pub fn pick<T>(&self, quick: T, full: T) -> T {
        match self.effort {
            Effort::Quick => quick,
            Effort::Full => full,
        }
    }

    /// Random numbers: the same for the same seed, claim number and index.
    pub fn stream(&self, claim: u32, index: u32) -> Stream {
        Stream::new(self.seed, Purpose::Theory, claim, index)
    }
}

/// A statement of the theory that a program can find wrong.
pub trait Claim: Send + Sync {
    /// e.g. `C7`.
    fn id(&self) -> &'static str;

    /// A few words, e.g. `Conservation`.
    fn title(&self) -> &'static str;

    /// The statement in full sentences, the control last; shown by `verify --describe`.
    fn statement(&self) -> &'static str;

    /// With how many seeds it is measured. Quantities must bear the same names for every seed.
    fn seeds(&self, effort: Effort) -> u64 {
        match effort {
            Effort::Quick => 1,
            Effort::Full => 5,
        }
    }

    /// About how long it takes, in any unit that all claims share: the dearest begin first, so that no core waits at the end.
    fn cost(&self) -> u32 {
        1
    }

    /// Measures everything, the controls included.
    ///
    /// # Errors
    /// The measurement could not be made; a check that fails is no error.
    fn measure(&self, setting: &Setting) -> Result<Evidence>;
}

/// What a claim found.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The checks; at least one, and at least one of them with a control.
    pub rows: Vec<Row>,
    /// What a paper would show.
    pub figures: Vec<Figure>,
}

impl Evidence {
    /// Whether all checks hold and all controls are rejected. False without a row and without a control: nothing was shown.
    pub fn holds(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(Row::passed) && self.controls_rejected()
    }

    /// Whether there is a control and every one was rejected.
    pub fn controls_rejected(&self) -> bool {
        let mut verdicts = self.rows.iter().filter_map(Row::control_rejected).peekable();
        verdicts.peek().is_some() && verdicts.all(|rejected| rejected)
    }
}

/// How a measured value relates to the predicted one; `equal`, `at_most` or `at_least` in files.
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

/// One check: a quantity, what the theory predicts for it, what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What is measured, with the subject, e.g. `slope of ‖E[x|y] - π(y)‖ in σ, circle`.
    pub quantity: String,
    /// How measured and predicted relate.
    pub relation: Relation,
    /// What the theory says.
    pub predicted: f64,
    /// What was found.
    pub measured: f64,
    /// How far off it may be, not negative.
    pub tolerance: f64,
    /// Why this tolerance.
    pub because: &'static str,
    /// A map for which the same check must fail.
    pub control: Option<Control>,
}

/// A map for which a check must fail, and the value the check saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// e.g. `oblique projector`.
    pub name: String,
    /// The same quantity, measured on it.
    pub measured: f64,
}

impl Row {
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

    /// The same check must reject `measured`, found on `name`.
    #[must_use]
    pub fn control(self, name: impl Into<String>, measured: f64) -> Self {
        Self { control: Some(Control { name: name.into(), measured }), ..self }
    }

    /// How far the measured value is from failing; negative where it fails.
    pub fn margin(&self) -> f64 {
        self.margin_of(self.measured)
    }

    /// Whether the check holds. A value that is not finite never does: the largest of nothing is -∞.
    pub fn passed(&self) -> bool {
        self.measured.is_finite() && self.margin() >= 0.0
    }

    /// How far the control is from failing: negative, as it must be. None without a control.
    pub fn control_margin(&self) -> Option<f64> {
        self.control.as_ref().map(|control| self.margin_of(control.measured))
    }

    /// Whether the control fails, as it must; None without a control. A control that is not finite proves nothing.
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
        let equal = Row::equal("q", 2.0, 2.25, 0.5, "").control("other", 3.0);
        assert!((equal.margin() - 0.25).abs() < 1e-15 && equal.passed() && equal.control_rejected() == Some(true));
        assert!(!Row::at_most("q", 1.0, 1.2, 0.1, "").passed() && Row::at_most("q", 1.0, -9.0, 0.0, "").passed());
        assert!(!Row::at_least("q", 1.0, 0.8, 0.1, "").passed() && Row::at_least("q", 1.0, 9.0, 0.0, "").passed());
    }

    #[test]
    fn what_is_not_a_number_neither_passes_nor_is_a_control() {
        let row = Row::equal("q", 0.0, f64::NAN, 1.0, "").control("other", f64::NAN);
        assert!(!row.passed() && row.control_rejected() == Some(false));
        assert!(!Row::at_least("q", 0.0, f64::INFINITY, 1.0, "").passed(), "the least of nothing");
        assert!(!Row::at_most("q", 0.0, f64::NEG_INFINITY, 1.0, "").passed(), "the largest of nothing");
        assert_eq!(Row::equal("q", 0.0, 0.0, 1.0, "").control("other", f64::INFINITY).control_rejected(), Some(false));
    }

    #[test]
    fn evidence_needs_a_check_and_a_rejected_control() {
        let row = |control: Option<f64>| {
            let row = Row::equal("q", 0.0, 0.0, 1.0, "");
            control.map_or(row.clone(), |measured| row.control("other", measured))
        };
        let evidence = |rows: Vec<Row>| Evidence { rows, figures: vec![] };
        assert!(!Evidence::default().holds());
        assert!(!evidence(vec![row(None)]).holds(), "no control");
        assert!(evidence(vec![row(None), row(Some(2.0))]).holds());
        assert!(!evidence(vec![row(Some(2.0)), row(Some(0.5))]).holds(), "a control passed");
    }

    #[test]
    fn seeds_out_of_range_are_named() {
        let error = Setting::new(1 << 53, Effort::Quick).unwrap_err().to_string();
        assert!(error.contains("9007199254740992") && Setting::new(LARGEST_SEED, Effort::Full).is_ok());
    }
}
