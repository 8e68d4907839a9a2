//! Claims and their parts. A claim measures a quantity that the theory predicts, on its subject and on a control that must fail
//! the same check.

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bits;
use super::detection_limit::DetectionLimit;
use super::figure::Figure;
use super::kept::Kept;
use crate::backend::Cpu;
use crate::backend::cpu::Isa;
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

/// Everything that a measurement may depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    seed: u64,
    effort: Effort,
    isa: Isa,
    /// Where parts of the measurement are kept.
    kept: Option<Kept>,
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
        Ok(Self { seed, effort, isa: Cpu::new().isa(), kept: None })
    }

    /// The same setting with the instruction set of `cpu`.
    #[must_use]
    pub fn on(self, cpu: &Cpu) -> Self {
        Self { isa: cpu.isa(), ..self }
    }

    /// The CPU that networks are trained on.
    ///
    /// # Errors
    /// None: a setting is only made for instructions that the machine has.
    pub fn cpu(&self) -> Result<Cpu> {
        Cpu::with_isa(self.isa)
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
        Self { seed, ..self.clone() }
    }

    /// The same setting, with parts of the measurement kept there.
    pub(super) fn kept_in(&self, kept: Option<Kept>) -> Self {
        Self { kept, ..self.clone() }
    }

    /// A part of the measurement that takes long: what an interrupted run has made of it, or what `make` returns. The name has
    /// letters, digits, `_` and `-`. The same program with the same seed must make the same part again. Numbers that may be NaN
    /// or infinite do not survive JSON: keep their bits.
    ///
    /// # Errors
    /// Those of `make`; the part cannot be written.
    pub fn part<T: Serialize + DeserializeOwned>(&self, name: &str, make: impl FnOnce() -> Result<T>) -> Result<T> {
        match &self.kept {
            Some(kept) => kept.or_make(name, make),
            None => make(),
        }
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
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// e.g. `C7`.
    pub id: &'static str,
    /// A short title, e.g. `Conservation`.
    pub title: &'static str,
    /// The statement in full sentences, the control last, shown by `verify --describe`. Empty lines separate paragraphs; formulas
    /// are in a block between the lines "```text" and "```".
    pub statement: &'static str,
    /// Approximate seconds that one seed takes on one core, in the quick and the full form. Expensive claims start first, so that
    /// no core is idle at the end.
    pub seconds: [f64; 2],
    /// Measures everything, including the controls. It returns an error if the measurement is impossible; a check that fails is
    /// not an error.
    pub measure: fn(&Setting) -> Result<Evidence>,
    seeds: [u64; 2],
}

impl Claim {
    /// A claim of one and ten seconds, measured with one seed in the quick form and five in the full form.
    pub const fn new(
        id: &'static str,
        title: &'static str,
        statement: &'static str,
        measure: fn(&Setting) -> Result<Evidence>,
    ) -> Self {
        Self { id, title, statement, seconds: [1.0, 10.0], measure, seeds: [1, 5] }
    }

    /// The claim with these [`seconds`](Self::seconds).
    #[must_use]
    pub const fn seconds(self, seconds: [f64; 2]) -> Self {
        Self { seconds, ..self }
    }

    /// The seconds of one seed.
    pub fn cost(&self, effort: Effort) -> f64 {
        let [quick, full] = self.seconds;
        if effort == Effort::Quick { quick } else { full }
    }

    /// The claim with these numbers of seeds in the quick and the full form. The quantities must have the same names for every
    /// seed.
    #[must_use]
    pub const fn seeds(self, seeds: [u64; 2]) -> Self {
        Self { seeds, ..self }
    }

    /// Number of seeds.
    pub fn repeats(&self, effort: Effort) -> u64 {
        let [quick, full] = self.seeds;
        if effort == Effort::Quick { quick } else { full }
    }
}

/// The findings of a claim.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The checks: at least one, and at least one of them with a control.
    pub checks: Vec<Check>,
    /// Charts and images for a paper.
    pub figures: Vec<Figure>,
}

impl Evidence {
    /// Whether all checks hold and can fail, and all controls are rejected. False if there is no check or no control.
    pub fn holds(&self) -> bool {
        let is_sound = |check: &Check| check.passed() && check.can_fail();
        !self.checks.is_empty() && self.checks.iter().all(is_sound) && self.controls_rejected()
    }

    /// Whether there is at least one control and all controls are rejected.
    pub fn controls_rejected(&self) -> bool {
        let mut verdicts = self.checks.iter().filter_map(Check::control_rejected).peekable();
        verdicts.peek().is_some() && verdicts.all(|rejected| rejected)
    }
}

/// How the measured and the predicted value must relate; `equal`, `at_most` or `at_least` in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// One check: a quantity, its predicted value and its measured value. Serialised, its numbers are their bits, see
/// [`journal`](super::journal); [`Record`](super::record::Record) is the form for files that others read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What is measured, with the subject, e.g. `slope of ‖E[x|y] - π(y)‖ in σ, circle`.
    pub quantity: String,
    /// How measured and predicted must relate.
    pub relation: Relation,
    /// The value that the theory predicts.
    #[serde(with = "bits")]
    pub predicted: f64,
    /// The measured value.
    #[serde(with = "bits")]
    pub measured: f64,
    /// Allowed deviation, not negative.
    #[serde(with = "bits")]
    pub tolerance: f64,
    /// Reason for the tolerance.
    pub because: Cow<'static, str>,
    /// A map for which the same check must fail, if there is one.
    pub control: Option<Control>,
    /// The least fault that the check notices, if one was injected.
    pub limit: Option<DetectionLimit>,
    /// Why the check holds whenever others do, if so: an identity or an equivalent form, which tests the code and not the theory.
    pub follows: Option<Cow<'static, str>>,
    /// Whether predicted value or tolerance were set after a look at measurements, because no theorem gives them.
    pub is_empirical: bool,
}

/// A map for which a check must fail, and the value measured on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// e.g. `oblique projector`.
    pub name: String,
    /// The same quantity, measured on it.
    #[serde(with = "bits")]
    pub measured: f64,
}

impl Check {
    /// A check that `measured` equals `predicted` up to `tolerance`.
    pub fn equal(
        quantity: impl Into<String>,
        predicted: f64,
        measured: f64,
        tolerance: f64,
        because: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (quantity, because) = (quantity.into(), because.into());
        Self {
            quantity,
            relation: Relation::Equal,
            predicted,
            measured,
            tolerance,
            because,
            control: None,
            limit: None,
            follows: None,
            is_empirical: false,
        }
    }

    /// A check that `measured` is at most `predicted`, up to `tolerance`.
    pub fn at_most(
        quantity: impl Into<String>,
        predicted: f64,
        measured: f64,
        tolerance: f64,
        because: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { relation: Relation::AtMost, ..Self::equal(quantity, predicted, measured, tolerance, because) }
    }

    /// A check that `measured` is at least `predicted`, up to `tolerance`.
    pub fn at_least(
        quantity: impl Into<String>,
        predicted: f64,
        measured: f64,
        tolerance: f64,
        because: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { relation: Relation::AtLeast, ..Self::equal(quantity, predicted, measured, tolerance, because) }
    }

    /// Marks a check that follows from others, for this reason. Summaries do not count its control.
    #[must_use]
    pub fn follows(self, from: &'static str) -> Self {
        Self { follows: Some(from.into()), ..self }
    }

    /// Marks a check whose limit is not that of a theorem but was set after a look at measurements.
    #[must_use]
    pub fn empirical(self) -> Self {
        Self { is_empirical: true, ..self }
    }

    /// Adds a control: the same check must reject `measured`, the value found for `name`.
    #[must_use]
    pub fn control(self, name: impl Into<String>, measured: f64) -> Self {
        Self { control: Some(Control { name: name.into(), measured }), ..self }
    }

    /// Finds the detection limit: the least fault at which the check fails. `fault` says what is wrong, with its size as ε, and
    /// `measured` is the quantity with a fault of that size (up to 1).
    ///
    /// # Errors
    /// Those of `measured` with a tiny fault; where a larger one leaves nothing to measure, it is noticed.
    pub fn notices(self, fault: impl Into<String>, measured: impl FnMut(f64) -> Result<f64>) -> Result<Self> {
        let limit = DetectionLimit::find(&self, fault.into(), measured)?;
        Ok(Self { limit: Some(limit), ..self })
    }

    /// Adds a control, and finds how much of it in the subject the check notices: `measured` is the quantity of the subject with
    /// a share of the control in it, from 0 to 1, the control alone; where only numbers are at hand, the quantity with a share of
    /// its value for the control.
    ///
    /// # Errors
    /// Those of `measured`.
    pub fn against(self, control: impl Into<String>, mut measured: impl FnMut(f64) -> Result<f64>) -> Result<Self> {
        let (control, alone) = (control.into(), measured(1.0)?);
        let fault = format!("the share ε of the control in the subject: {control}");
        self.control(control, alone).notices(fault, measured)
    }

    /// The least fault that the check notices. Where none was injected, it is a change of the measured value.
    pub fn detection_limit(&self) -> DetectionLimit {
        self.limit
            .clone()
            .unwrap_or_else(|| DetectionLimit { fault: "the measured value is off by ε".into(), size: self.margin().max(0.0) })
    }

    /// Whether some fault makes the check fail.
    pub fn can_fail(&self) -> bool {
        self.limit.as_ref().is_none_or(|limit| limit.size.is_finite())
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
