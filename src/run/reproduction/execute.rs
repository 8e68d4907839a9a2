//! One run of a plan: training, evaluation, validation. It can be killed at any moment and begun again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::cost::Meter;
use super::json::{read_json, write_json};
use super::notes;
use super::plan::{Plan, PlannedRun, name};
use super::report::{RunReport, Validation, Verdicts, run_folder};
use crate::data::{Category, Defect, Image, make_folder};
use crate::detect::{Detector, Resolution};
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::run::{
    CONFIG_FILE, Config, EvaluationReport, ImageCounts, LOG_FILE, Log, LogEntry, METRICS_FILE, MODEL_FILE, Measured, MetricsFile,
    Outcome, PartialReport, TestSet, TrainingJob, ValidationReport, check_evaluation_memory, evaluate_test_set, has_checkpoint,
    validate_detector,
};

/// File name of the results of a run, written last.
pub const RUN_FILE: &str = "run.json";

/// Folder of the validation set and its `metrics.json`.
pub const VALIDATION_FOLDER: &str = "validation";

/// Receives the progress of a run, and adds pictures to its folder.
pub trait Watcher<B: Backend> {
    /// A run begins.
    fn begins(&mut self, run: &PlannedRun);

    /// A training begins. `saved` tells when all of its steps are in a checkpoint; it does not look at the signal to stop after
    /// that.
    fn trains(&mut self, saved: Arc<AtomicBool>);

    /// A step of the training is done. Until the first one, and after the last one, a run may be killed without loss.
    fn step(&mut self, entry: &LogEntry);

    /// The training is done.
    fn trained(&mut self);

    /// The test set is evaluated, and nothing of it written yet. `report` is missing where the test set does not define all
    /// metrics.
    ///
    /// # Errors
    /// A file cannot be written.
    fn evaluated(
        &mut self,
        detector: &Detector<B>,
        test_set: &TestSet,
        report: Option<&EvaluationReport>,
        folder: &Path,
    ) -> Result<()>;

    /// A run is done. `results` are those of all runs of this process that are done.
    ///
    /// # Errors
    /// A file cannot be written.
    fn done(&mut self, report: &RunReport, results: Vec<RunReport>) -> Result<()>;

    /// A run has failed.
    fn failed(&mut self, error: Error);
}

/// Where images are read and results written.
#[derive(Clone, Debug)]
pub struct Folders {
    /// Folder of categories.
    pub data: PathBuf,
    /// Folder of the report.
    pub out: PathBuf,
}

impl Folders {
    fn of(&self, run: &PlannedRun) -> PathBuf {
        run_folder(&self.out, &run.category, run.seed)
    }
}

/// The result of a run that is done; none if it is not. A run is done if its `run.json` and, if it has a test set, its
/// `metrics.json` are complete.
///
/// # Errors
/// The run is of another config, with the keys that differ.
pub fn finished(plan: &Plan, run: &PlannedRun, out: &Path) -> Result<Option<RunReport>> {
    let folder = run_folder(out, &run.category, run.seed);
    check_config(&folder, &plan.config(run)?)?;
    let Ok(report) = read_json::<RunReport>(&folder.join(RUN_FILE)) else { return Ok(None) };
    let is_complete = report.verdicts.is_none() || read_json::<serde_json::Value>(&folder.join(METRICS_FILE)).is_ok();
    Ok(is_complete.then_some(report))
}

/// Checks that a folder has no run, or one of this config.
fn check_config(folder: &Path, config: &Config) -> Result<()> {
    let path = folder.join(CONFIG_FILE);
    if !path.exists() {
        return Ok(());
    }
    let differences = Config::read(&path)?.differences(config, ["there", "now"])?;
    match differences.is_empty() {
        true => Ok(()),
        false => Err(Error::file(folder, format!("holds a run with another config: {}", differences.join("; ")))),
    }
}

/// Makes one run, from where an earlier process left it. `None` if `stop` was set while it trained; a checkpoint then holds the
/// steps done.
///
/// # Errors
/// Missing or unreadable images; a loss that is not finite; a file that cannot be written; another config in the folder.
pub fn execute<B: Backend>(
    backend: &B,
    plan: &Plan,
    run: &PlannedRun,
    folders: &Folders,
    stop: &AtomicBool,
    watcher: &mut impl Watcher<B>,
) -> Result<Option<RunReport>> {
    if let Some(report) = finished(plan, run, &folders.out)? {
        return Ok(Some(report));
    }
    let folder = folders.of(run);
    make_folder(&folder)?;
    let mut meter = Meter::start(&folder)?;
    let (config, data) = (plan.config(run)?, folders.data.join(&run.category));
    // Before the training, because a fault of the test set would end the run after it.
    let listed = Category::open_incomplete(&data)?;
    check_evaluation_memory(&listed, Resolution::Native, Some(&config.preparation()))?;
    let test_set = TestSet::read(listed)?;
    let job = TrainingJob::prepare(config.clone(), &data, &folder, has_checkpoint(&folder))?;
    if !folder.join(MODEL_FILE).exists() && !trained(backend, &job, stop, watcher, &mut meter)? {
        return Ok(None);
    }
    watcher.trained();
    let report =
        results(backend, plan, run, &test_set, &folder, (&config, &job), watcher).map_err(|error| error.within(name(run)))?;
    meter.write()?;
    write_json(&folder.join(RUN_FILE), &report)?;
    Ok(Some(report))
}

/// Trains to the end; false if it was stopped.
fn trained<B: Backend>(
    backend: &B,
    job: &TrainingJob,
    stop: &AtomicBool,
    watcher: &mut impl Watcher<B>,
    meter: &mut Meter,
) -> Result<bool> {
    let mut failed = None;
    watcher.trains(job.saved());
    let outcome = job.run(backend, stop, |entry| {
        watcher.step(entry);
        failed = meter.tick().err().or(failed.take());
    })?;
    meter.write()?;
    match failed {
        Some(error) => Err(error),
        None => Ok(outcome == Outcome::Finished),
    }
}

/// Evaluates and validates a trained run.
fn results<B: Backend>(
    backend: &B,
    plan: &Plan,
    run: &PlannedRun,
    test_set: &TestSet,
    folder: &Path,
    (config, job): (&Config, &TrainingJob),
    watcher: &mut impl Watcher<B>,
) -> Result<RunReport> {
    let detector = Detector::read(backend, &folder.join(MODEL_FILE))?;
    let thresholds = detector.settings().thresholds.ok_or_else(|| Error::file(folder.join(MODEL_FILE), "has no thresholds"))?;
    let (train, held_out) = (job.training_images(), job.held_out().len());
    let (category, skipped) = (&test_set.category, job.skipped());
    let skipped_train = skipped.map_or(0, |share| share.skipped);
    let images = ImageCounts { train, held_out, skipped_train, ..test_set.counts };
    let mut notes = notes::of_training(&Log::last_warnings(&folder.join(LOG_FILE)).unwrap_or_default());
    notes.extend(test_set.lacks());
    notes.extend(skipped.map(|share| format!("training set: {share}")));
    notes.extend(test_set.skipped().map(|sentence| format!("test set: {sentence}")));
    notes.extend(notes::of_held_out(&images, job.used(), detector.settings()));
    let validation = validate(&detector, job.held_out(), &category.name, folder, &mut notes)?;
    let tested = test(&detector, test_set, folder, watcher)?;
    notes.extend(tested.as_ref().and_then(|own| own.image_threshold.as_ref()?.surprise()));
    Ok(RunReport {
        category: run.category.clone(),
        seed: run.seed,
        config_hash: config.hash()?,
        own_config: plan.has_own_config(&run.category),
        steps: config.train.steps,
        batch: config.train.batch as u64,
        images,
        thresholds,
        verdicts: tested.as_ref().and_then(|own| own.image_threshold.as_ref()).map(Verdicts::of),
        image_threshold: tested.as_ref().and_then(|own| own.image_threshold.clone()),
        validation,
        notes,
        protocol: tested.as_ref().map(|own| own.protocol.clone()).unwrap_or_default(),
        image_auroc_by_kind: tested.as_ref().map(|own| own.image_auroc_by_kind.clone()).unwrap_or_default(),
        metrics: tested.map(|own| own.metrics).unwrap_or_default(),
    })
}

/// Scores the test set and writes `metrics.json`; `None` without test images.
fn test<B: Backend>(
    detector: &Detector<B>,
    test_set: &TestSet,
    folder: &Path,
    watcher: &mut impl Watcher<B>,
) -> Result<Option<PartialReport>> {
    if test_set.category.test.is_empty() {
        return Ok(None);
    }
    match evaluate_test_set(detector, test_set, Resolution::Native, |_, _, _| Ok(()))? {
        Measured::Complete(report) => {
            watcher.evaluated(detector, test_set, Some(&report), folder)?;
            report.write(folder)?;
            Ok(Some(PartialReport::from(report)))
        }
        Measured::Partial(report) => {
            watcher.evaluated(detector, test_set, None, folder)?;
            report.write(folder)?;
            Ok(Some(report))
        }
    }
}

/// Scores held-out images and copies of them with drawn defects. `None`, with a note, if no defect can be seen on them.
fn validate<B: Backend>(
    detector: &Detector<B>,
    held_out: &[Image],
    name: &str,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<Option<Validation>> {
    let own = folder.join(VALIDATION_FOLDER);
    if own.exists() {
        // Left by a process that was killed; what is there may be incomplete.
        std::fs::remove_dir_all(&own).map_err(|error| Error::io(&own, "cannot be emptied", error))?;
    }
    let ValidationReport { report, defects } = match validate_detector(detector, held_out, name, &own) {
        Ok(own) => own,
        Err(Error::Argument(reason)) => {
            notes.push(format!("no validation: {reason}"));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let wanted = held_out.len() * Defect::ON_PHOTOGRAPHS.len();
    if defects < wanted {
        notes.push(format!("{} of {wanted} drawn defects cannot be seen and are not in the validation set", wanted - defects));
    }
    let PartialReport { metrics, image_auroc_by_kind, .. } = PartialReport::from(report);
    Ok(Some(Validation { metrics, image_auroc_by_kind }))
}
