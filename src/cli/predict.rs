//! `profile --predict`: predictions made, read, shown and compared.

use std::path::{Path, PathBuf};

use crate::Error;
use crate::backend::cuda::Mode;
use crate::backend::cuda::compiler::Arch;
use crate::profile::Settings;
use crate::profile::predict::{Calibration, Prediction, compare_predictions, predict_step, unequal_knowledge};
use crate::report::prediction::{By, comparison, kernels, sentences, table};
use anyhow::bail;

use super::output::{print, say_lines, screen};

/// Predicts a step, with the measured peaks in a file if there is one.
pub fn predict(settings: &Settings, arch: &'static Arch, mode: Mode, peaks: Option<&Path>) -> anyhow::Result<Prediction> {
    let (calibration, notes) = peaks.map(Calibration::read).transpose()?.unzip();
    notes.into_iter().flatten().for_each(|note| log::warn!("{note}"));
    let prediction = predict_step(settings, arch, mode, calibration);
    // The sentence says what does not fit, and the file which peaks are meant.
    prediction.map_err(|error| match (error, peaks) {
        (Error::Argument(reason), Some(path)) => Error::file(path, reason).into(),
        (error, _) => error.into(),
    })
}

/// Prints the tables and sentences.
pub fn show(prediction: &Prediction, by: By, rows: usize) -> anyhow::Result<()> {
    print(table(prediction, by, rows, screen()))?;
    if by == By::Kernel && !prediction.kernels.is_empty() {
        print(format_args!("\n{}", kernels(prediction, rows, screen())))?;
    }
    say_lines(format_args!("\n{}", sentences(prediction, screen()).join("\n")))
}

/// The predictions of both sides of a comparison; None if both are measurements.
pub fn both(a: &[PathBuf], b: &[PathBuf]) -> anyhow::Result<Option<[Prediction; 2]>> {
    let of = |paths: &[PathBuf]| paths.iter().map(|path| Prediction::read(path)).collect::<crate::Result<Vec<_>>>();
    let (a_found, b_found) = (of(a)?, of(b)?);
    let is_prediction = |side: &[Option<Prediction>]| side.iter().any(Option::is_some);
    match (is_prediction(&a_found), is_prediction(&b_found)) {
        (false, false) => return Ok(None),
        (true, true) => {}
        (is_first, _) => {
            let (predicted, measured) = if is_first { (a, b) } else { (b, a) };
            let name = |side: &[PathBuf]| side.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(",");
            bail!("{} is predicted and {} measured: these cannot be compared", name(predicted), name(measured));
        }
    }
    let one = |side: Vec<Option<Prediction>>| match <[_; 1]>::try_from(side) {
        Ok([Some(prediction)]) => Ok(prediction),
        _ => bail!("a side of a comparison has one prediction: a second would be no other measurement"),
    };
    Ok(Some([one(a_found)?, one(b_found)?]))
}

/// Prints the comparison.
pub fn compare([a, b]: &[Prediction; 2], rows: usize) -> anyhow::Result<()> {
    let changes = compare_predictions(a, b)?;
    if let Some(doubt) = unequal_knowledge(a, b) {
        log::warn!("{doubt}");
    }
    print(comparison([a, b], &changes, rows, screen()))
}
