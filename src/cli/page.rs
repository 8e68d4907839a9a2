use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use orthoscope::backend::Backend;
use orthoscope::data::{Category, Image, TestImage, write_atomically, write_png};
use orthoscope::detect::metrics::{Score, resize_bilinear};
use orthoscope::detect::{Detector, Thresholds, threshold_mask};
use orthoscope::report::colour::{heatmap, mask_picture};
use orthoscope::report::page::{Example, Metric, Page};
use orthoscope::report::picture::{FigureRow, figure};
use orthoscope::report::table::{Column, Table};
use orthoscope::run::{EvaluationReport, LOG_FILE, Log};
use orthoscope::{Error, Result};

use super::detect::heat_scale;

/// Examples on a page, and in the figure.
const EXAMPLES: usize = 16;
const FIGURE_ROWS: usize = 4;

/// What is known of the training run.
pub struct Run {
    /// (step, loss).
    pub loss: Vec<(u64, f64)>,
    /// From its start to the page, where the page is written right after it.
    pub wall: Option<Duration>,
}

/// The loss of the run that wrote `model`, from the log beside it; empty where there is none.
///
/// # Errors
/// The log cannot be read.
pub fn loss_curve(model: &Path) -> Result<Vec<(u64, f64)>> {
    let log = Log::read(&model.with_file_name(LOG_FILE))?;
    Ok(log.iter().map(|entry| (entry.step, entry.loss)).collect())
}

/// The metrics as a table for a terminal.
pub fn metrics_table(report: &EvaluationReport) -> String {
    let mut table = Table::new("", [Column::text("metric"), Column::number("value")]);
    for (label, value, _) in metric_rows(report) {
        table.row([label, value]);
    }
    for (kind, value) in &report.image_auroc_by_kind {
        table.row([format!("image AUROC, {kind}"), format!("{value:.4}")]);
    }
    table.render(super::output::screen())
}

/// Writes `index.html` and `figure.png`: examples with reconstruction, heatmap, mask and truth, metrics, scores.
///
/// # Errors
/// An example cannot be read, or a file not be written.
pub fn write(
    out: &Path,
    detector: &Detector<impl Backend>,
    category: &Category,
    report: &EvaluationReport,
    run: &Run,
) -> Result<()> {
    let (thresholds, rule) = thresholds(detector, report);
    let score = detector.settings().detection.score;
    let examples =
        chosen(category).into_iter().map(|test| example(detector, test, thresholds, score)).collect::<Result<Vec<_>>>()?;
    write_png(&out.join("figure.png"), &side_by_side(&examples)?)?;
    let metric =
        |(label, value, explanation): (String, String, &str)| Metric { label, value, explanation: explanation.to_owned() };
    let page = Page {
        title: category.name.clone(),
        subtitle: "what the projection onto normal images changes is what is anomalous".into(),
        metrics: metric_rows(report).into_iter().map(metric).collect(),
        protocol: report.protocol.clone(),
        facts: facts(detector, run),
        loss: run.loss.clone(),
        scores: report.images.iter().map(|image| (image.scores.get(score), image.kind != "good")).collect(),
        score_name: format!("{} of the heatmap", if score == Score::Sum { "sum" } else { "maximum" }),
        threshold: thresholds.image,
        threshold_rule: rule,
        heat_scale: Some(heat_scale(&orthoscope::data::Plane::new(1, 1, vec![0.0])?, Some(thresholds.pixel))),
        examples,
    };
    let html = page.render()?;
    write_atomically(&out.join("index.html"), |writer| std::io::Write::write_all(writer, html.as_bytes()))
}

/// The model's thresholds; for weights that have none the F1-optimal ones, marked as chosen on the test set.
fn thresholds(detector: &Detector<impl Backend>, report: &EvaluationReport) -> (Thresholds, String) {
    let settings = detector.settings();
    match settings.thresholds {
        Some(thresholds) => {
            let percent = 100.0 * settings.detection.image_quantile;
            (thresholds, format!("{percent} % quantile over held-out normal images"))
        }
        None => {
            let metrics = &report.metrics;
            let best = Thresholds { image: metrics.image_f1_threshold, pixel: metrics.pixel_f1_threshold };
            (best, "largest F1, chosen on the test set".into())
        }
    }
}

/// The first images of each kind in turn, defects before good ones: chosen by name, never by result.
fn chosen(category: &Category) -> Vec<&TestImage> {
    let mut kinds: BTreeMap<(bool, &str), Vec<&TestImage>> = BTreeMap::new();
    for test in &category.test {
        kinds.entry((test.is_good(), &test.defect)).or_default().push(test);
    }
    let rounds = kinds.values().map(Vec::len).max().unwrap_or(0);
    let turns = (0..rounds).flat_map(|round| kinds.values().filter_map(move |images| images.get(round).copied()));
    turns.take(EXAMPLES).collect()
}

fn example(detector: &Detector<impl Backend>, test: &TestImage, thresholds: Thresholds, which: Score) -> Result<Example> {
    let (image, truth) = test.read()?;
    let inspection = detector.inspect(&image).map_err(|error| Error::file(&test.path, error))?;
    let map = resize_bilinear(&inspection.heatmap, image.height, image.width)?;
    let score = inspection.scores.get(which);
    Ok(Example {
        name: test.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        kind: test.defect.clone(),
        score,
        anomalous_truth: !test.is_good(),
        anomalous_verdict: score > thresholds.image,
        reconstruction: orthoscope::data::resize(&inspection.reconstruction, image.height, image.width)?,
        heatmap: heatmap(&map, heat_scale(&map, Some(thresholds.pixel))),
        mask: mask_picture(&threshold_mask(&map, thresholds.pixel)),
        truth: mask_picture(&truth),
        input: image,
    })
}

fn side_by_side(examples: &[Example]) -> Result<Image> {
    let rows: Vec<FigureRow<'_>> = examples
        .iter()
        .take(FIGURE_ROWS)
        .map(|example| FigureRow {
            label: format!("{}, score {:.3}", example.kind.replace('_', " "), example.score),
            images: vec![&example.input, &example.reconstruction, &example.heatmap, &example.mask, &example.truth],
        })
        .collect();
    figure(&["input", "reconstruction", "heatmap", "mask", "truth"], &rows)
}

fn metric_rows(report: &EvaluationReport) -> Vec<(String, String, &'static str)> {
    let metrics = &report.metrics;
    [
        ("image AUROC", metrics.image_auroc, "probability that an anomalous image scores above a good one"),
        ("image AUROC (maximum)", metrics.image_auroc_max, "the same, image score = maximum of the heatmap"),
        ("image AUROC (sum)", metrics.image_auroc_sum, "the same, image score = sum of the heatmap"),
        ("pixel AUROC", metrics.pixel_auroc, "the same over all pixels of all test images"),
        ("AU-PRO", metrics.au_pro, "overlap with each defect region against false positives up to 0.3, every threshold"),
        ("AU-PRO-200", metrics.au_pro_200, "the common form with 200 linear thresholds, for comparison only"),
        ("image AP", metrics.image_ap, "average precision over images"),
        ("pixel AP", metrics.pixel_ap, "average precision over pixels"),
        ("image F1-max", metrics.image_f1_max, "largest F1 over thresholds, chosen on the test set"),
        ("pixel F1-max", metrics.pixel_f1_max, "largest F1 over thresholds, chosen on the test set"),
    ]
    .map(|(label, value, explanation)| (label.to_owned(), format!("{value:.4}"), explanation))
    .into()
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
