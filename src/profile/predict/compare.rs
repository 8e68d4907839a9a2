//! Two predictions of the same step, kernel by kernel.

use super::super::settings::differing;
use super::{Cost, Prediction, grouped};
use crate::error::{Error, Result};

/// One kernel, or the whole step, on both sides; None where one has no such kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictedChange {
    /// The kernel; None for the whole step.
    pub kernel: Option<String>,
    /// Both sides.
    pub sides: [Option<Cost>; 2],
}

impl PredictedChange {
    /// Milliseconds on both sides.
    pub fn ms(&self) -> [f64; 2] {
        self.sides.each_ref().map(|side| side.as_ref().map_or(0.0, |cost| cost.predicted_ms))
    }
}

/// The whole step, then the kernels, those first whose time changes most.
///
/// # Errors
/// The predictions are of different work; the sentence names the fields.
pub fn compare_predictions(a: &Prediction, b: &Prediction) -> Result<Vec<PredictedChange>> {
    // Architecture and precision may differ: they are what is compared.
    let different = differing(a.settings.work(), b.settings.work());
    if !different.is_empty() {
        return Err(Error::argument(format!("these cannot be compared: {}", different.join("; "))));
    }
    let sides = [a, b].map(|side| grouped(&side.rows, |row| row.kernel.clone()));
    let mut kernels: Vec<&String> = sides.iter().flatten().map(|(kernel, _)| kernel).collect();
    kernels.sort_unstable();
    kernels.dedup();
    let find = |side: &[(String, Cost)], name: &str| side.iter().find(|(kernel, _)| kernel == name).map(|(_, cost)| cost.clone());
    let change = |kernel: &String| PredictedChange {
        kernel: Some(kernel.clone()),
        sides: sides.each_ref().map(|side| find(side, kernel)),
    };
    let mut changes: Vec<PredictedChange> = kernels.into_iter().map(change).collect();
    let size = |change: &PredictedChange| (change.ms()[1] - change.ms()[0]).abs();
    changes.sort_by(|x, y| size(y).total_cmp(&size(x)));
    let whole = [a, b].map(|side| Some(Cost::sum(side.rows.iter().map(|row| &row.cost))));
    changes.insert(0, PredictedChange { kernel: None, sides: whole });
    Ok(changes)
}

/// What one side knows and the other does not, as a sentence: then their times differ for that reason, too.
pub fn unequal_knowledge(a: &Prediction, b: &Prediction) -> Option<String> {
    let knows = |side: &Prediction| {
        [
            ("compiled kernels", side.compiler.is_some()),
            ("a disassembler", side.disassembler.is_some()),
            ("counted accesses", side.rows.iter().any(|row| row.cost.counts.is_some())),
            ("measured peaks", side.calibration.is_some()),
        ]
    };
    let only =
        |(name, of_a): (&str, bool), of_b: bool| (of_a != of_b).then(|| format!("{} has {name}", if of_a { "A" } else { "B" }));
    let found: Vec<String> = knows(a).into_iter().zip(knows(b)).filter_map(|(own, (_, other))| only(own, other)).collect();
    (!found.is_empty()).then(|| format!("the predictions know different things: only {}", found.join(", only ")))
}
