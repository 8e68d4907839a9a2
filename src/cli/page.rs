use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;
use crate::data::{Category, Plane, encode_png};
use crate::detect::{Cutoffs, Detector};
use crate::ops::Backend;
use crate::report::colour::Scale;
use crate::report::example::{Example, figure};
use crate::report::page::{Page, Section};
use crate::report::results::Results;
use crate::run::{LOG_FILE, Log, LogLine, TestReport};
use serde::Serialize;

/// Maximum numbers of mistakes and of other examples on a page.
const MAX_MISTAKES: usize = 10;
const MAX_OTHERS: usize = 8;

/// Facts about the training run.
pub struct Run {
    /// (step, loss).
    pub loss: Vec<(u64, f64)>,
    /// Time from the start of the training to the page; None if the page is not written right after the training.
    pub wall: Option<Duration>,
}

/// The loss of the run that wrote `model`, from the log in the same folder; empty if there is no log, and, with a warning, if it
/// cannot be read.
pub fn loss_curve(model: &Path) -> Vec<(u64, f64)> {
    let mut losses = Vec::new();
    let add = |line| {
        if let LogLine::Step(entry) = line {
            losses.push((entry.step, entry.loss))
        }
    };
    Log::each(&model.with_file_name(LOG_FILE), add).map(|()| losses).unwrap_or_else(|error| {
        log::warn!("{error}; the page has no curve of the loss");
        Vec::new()
    })
}

/// The files of a page.
pub const FILES: [&str; 2] = [PAGE, FIGURE];
const PAGE: &str = "index.html";
const FIGURE: &str = "figure.png";

/// Paths and contents of `figure.png` and `index.html`; none without thresholds. `gaps` says what the test set lacks.
///
/// # Errors
/// An example cannot be read.
pub fn files<M: Serialize>(
    out: &Path,
    detector: &Detector<impl Backend>,
    (category, report): (&Category, &TestReport<M>),
    gaps: Vec<String>,
    run: &Run,
) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut results = Results::new(report, detector.settings().detection.score, None);
    let cutoffs = detector.cutoffs().or(Cutoffs::best_on_test_set(&results.metrics));
    let (Some(image), Some(pixel)) = (cutoffs.image, cutoffs.pixel) else { return Ok(Vec::new()) };
    results.threshold = Some(image.value);
    let scale = Scale::for_heatmap(&Plane::zeros((1, 1)), Some(pixel.value));
    let has_masks = category.test.iter().any(|test| !test.masks.is_empty());
    let examined = |index: usize| -> Result<Example> {
        let test = &category.test[index];
        let (image, truth) = test.read(detector.settings().preparation.white_level)?;
        let found = detector.examine_with(&image, cutoffs).map_err(|error| error.in_file(&test.path))?;
        // A good image needs no mask, but without any, black pictures would only look like masks.
        let is_known = has_masks && (test.is_good() || !test.masks.is_empty());
        Example::new(test, &image, is_known.then_some(&truth), &found, scale)
    };
    let of_figure = results.of_figure().into_iter().map(examined).collect::<Result<Vec<_>>>()?;
    let figure = encode_png(&figure(&of_figure.iter().collect::<Vec<_>>(), scale, Some(pixel.value))?)?;
    let mistakes = results.mistakes();
    let others: Vec<usize> = results.by_name().into_iter().skip(1).filter(|index| !mistakes.contains(index)).collect();
    let page = Page {
        title: category.name.clone(),
        subtitle: "What the projection onto normal images changes is anomalous".into(),
        results,
        gaps,
        facts: facts(detector, run),
        loss: run.loss.clone(),
        threshold_rule: image.origin.to_string(),
        heat_scale: Some(scale),
        first: of_figure.into_iter().next(),
        sections: vec![
            Section {
                title: format!("Mistakes: {} of {} images", mistakes.len(), report.images.len()),
                text: order_of(mistakes.len()),
                examples: mistakes.into_iter().take(MAX_MISTAKES).map(examined).collect::<Result<_>>()?,
            },
            Section {
                title: "Other examples".into(),
                text: "The first images of each kind by name that are not among the mistakes.".into(),
                examples: others.into_iter().take(MAX_OTHERS).map(examined).collect::<Result<_>>()?,
            },
        ],
    };
    Ok(vec![(out.join(FIGURE), figure), (out.join(PAGE), page.render()?.into_bytes())])
}

/// How the mistakes are sorted, and how many of them are shown.
fn order_of(mistakes: usize) -> String {
    let order = "Missed anomalies first, then false alarms, the worst of each first";
    match mistakes {
        0 => "Every image is on the right side of the threshold.".into(),
        1..=MAX_MISTAKES => format!("{order}."),
        _ => format!("{order}. The first {MAX_MISTAKES} are shown."),
    }
}

fn facts(detector: &Detector<impl Backend>, run: &Run) -> Vec<(String, String)> {
    let settings = detector.settings();
    let mut facts = vec![("network".to_owned(), detector.parameters().architecture().to_string())];
    if let Some(provenance) = &settings.provenance {
        facts.push(("steps".into(), provenance.steps.to_string()));
        facts.push(("seed".into(), provenance.seed.to_string()));
        facts.push(("config".into(), provenance.config_hash.clone()));
    }
    let (k, n) = (settings.detection.window, settings.detection.repeats);
    facts.push(("heatmap".into(), format!("box average k = {k}, n = {n}")));
    if let Some(wall) = run.wall {
        facts.push(("wall time".into(), format!("{:.0} s", wall.as_secs_f64())));
    }
    facts
}
