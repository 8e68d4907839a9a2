use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ndarray::Array3;

use super::budget::{steps_within, time_step};
use super::config::Config;
use super::early_warning::EarlyWarning;
use super::held_out::source_of_held_out;
use super::log::{Log, LogEntry, LogLine, ValidationEntry};
use super::memory::{check_step_memory, check_training_memory};
use super::own_files::{check_own_files, clear_the_way, write_config};
use super::resume::{Accepted, Found, History, Start, find};
use super::room::Room;
use super::saved_files::{Resumed, SavedFiles};
use super::training_images::{TrainingImages, load_training_set};
use super::validation::Validation;
use super::{CHECKPOINT_FILE, CONFIG_FILE, LOG_FILE};
use crate::data::{Dataset, FolderLock, Image, SkippedShare, TrainingSet, check_output_folder, has_lock_file, lock_folder};
use crate::detect::{Appearance, Calibration, Detector, Provenance, Settings, Thresholds};
use crate::error::{Error, Result};
use crate::model::WeightFile;
use crate::ops::Backend;
use crate::train::{Batches, Checkpoint, Step, Trainer};

/// How a training run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps done, weights written.
    Finished,
    /// Stopped on request; a checkpoint holds the steps done.
    Interrupted,
}

/// One training run: checked, loaded and alone in its folder, but nothing written yet.
pub struct TrainingJob {
    config: Config,
    set: Arc<TrainingSet>,
    held_out: Vec<Image>,
    /// Name of the category.
    category: String,
    /// The fingerprint of the training images.
    images: String,
    /// How many files could be used, and how many of all could not.
    used: usize,
    skipped: Option<SkippedShare>,
    validation: Option<Validation>,
    loading: Duration,
    out: PathBuf,
    start: Start,
    /// Steps done by the run that this one continues.
    steps_done: u64,
    /// Inputs, if a config and a log of somebody else may be replaced otherwise.
    overwrite: Option<Vec<PathBuf>>,
    /// Whether all steps are made, and a checkpoint holds them.
    saved: Arc<AtomicBool>,
    /// Held as long as the job lives.
    _lock: Option<FolderLock>,
}

/// What a run changes from step to step.
struct Run<B: Backend> {
    /// The config, for checkpoints.
    text: String,
    history: History,
    trainer: Trainer<B>,
    batches: Batches<B>,
    files: SavedFiles,
    room: Room,
}

impl TrainingJob {
    /// Loads the training images of a dataset, or of the category in a folder, and the textures, and locks `out`. Files that
    /// cannot be used are named in a warning and left out.
    ///
    /// # Errors
    /// No image that can be used; without `resume`, an `out` that already holds a run; with it, an `out` that holds none, or one
    /// with another config or other images; an `out` among the images; an `out` that another process writes into.
    pub fn prepare(config: Config, data: impl Into<Dataset>, out: &Path, resume: bool) -> Result<Self> {
        let start = if resume { Start::Resume(Accepted::default()) } else { Start::New };
        Self::prepare_with(config, data, out, start, || lock_folder(out))
    }

    /// The same with the lock of `out` from `lock`, for a program that has worked in the folder before. It is called before the
    /// images are loaded if that makes no new file, else last, so that a folder for a run that cannot begin is not made.
    ///
    /// # Errors
    /// As [`TrainingJob::prepare`], and those of `lock`.
    pub fn prepare_with(
        config: Config,
        data: impl Into<Dataset>,
        out: &Path,
        start: Start,
        lock: impl FnOnce() -> Result<FolderLock>,
    ) -> Result<Self> {
        config.validate()?;
        check_output_folder(out)?;
        let data: Dataset = data.into();
        data.check_outside(out)?;
        let (early, late) = if has_lock_file(out) { (Some(lock()?), None) } else { (None, Some(lock)) };
        let found = find(&config, out, start)?;
        let steps_done = found.as_ref().map_or(0, |found| found.checkpoint.step);
        let begun = Instant::now();
        // The images alone: on which device they are trained on is known later.
        check_training_memory(&config, &data.train_images()?.images, false)?;
        let loaded = load_training_set(&config, &data)?;
        loaded.warn(&data);
        let skipped = loaded.share();
        let TrainingImages { set, held_out, fingerprint: images, used, .. } = loaded;
        if let Some(found) = found.filter(|_| !start.accepts_changes()) {
            found.check_images((&images, skipped), out, start)?;
        }
        let validation = Validation::new(&config, &held_out)?;
        let lock = early.map_or_else(|| late.map(|lock| lock()).transpose(), |lock| Ok(Some(lock)))?;
        let (set, loading, out) = (Arc::new(set), begun.elapsed(), out.to_owned());
        let category = data.name();
        Ok(Self {
            config,
            set,
            held_out,
            category,
            images,
            used,
            skipped,
            validation,
            loading,
            out,
            start,
            steps_done,
            overwrite: None,
            saved: Arc::default(),
            _lock: lock,
        })
    }

    /// The same, which replaces a config and a log that no run wrote, but none of these inputs.
    #[must_use]
    pub fn overwriting(self, inputs: &[PathBuf]) -> Self {
        Self { overwrite: Some(inputs.to_vec()), ..self }
    }

    /// Time for decoding and resizing the images and making the textures, which is done once, on all threads.
    pub fn loading(&self) -> Duration {
        self.loading
    }

    /// Number of images to train on.
    pub fn training_images(&self) -> usize {
        self.set.images.len()
    }

    /// The images to train on, with their textures.
    pub fn set(&self) -> &TrainingSet {
        &self.set
    }

    /// Steps done by the run that this one continues.
    pub fn steps_done(&self) -> u64 {
        self.steps_done
    }

    /// The images held out of training, as prepared for it.
    pub fn held_out(&self) -> &[Image] {
        &self.held_out
    }

    /// How many files could be used. Those of copies that do not count are among them.
    pub fn used(&self) -> usize {
        self.used
    }

    /// How many files of the folder could not be used; none if all could.
    pub fn skipped(&self) -> Option<SkippedShare> {
        self.skipped
    }

    /// The settings of the run.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sets `train.steps` to the number of steps that take `budget` on this device, by a few timed steps, and returns it. For a
    /// run that has not begun.
    ///
    /// # Errors
    /// As those of the training; a budget for less than one step.
    pub fn fit_to_budget<B: Backend>(&mut self, backend: &B, budget: Duration) -> Result<u64> {
        let time = self.time_step(backend)?;
        self.config.train.steps = steps_within(budget, &[time])?;
        Ok(self.config.train.steps)
    }

    /// The time of one step on this device, by a few timed steps.
    ///
    /// # Errors
    /// As those of the training.
    pub fn time_step<B: Backend>(&self, backend: &B) -> Result<Duration> {
        time_step(backend, &self.config, &self.set).map_err(|error| self.suggest(error))
    }

    /// Trains; calls `report` after every step; writes config, log and checkpoints, and at the end the weights with their
    /// thresholds. What somebody has put in the places of these files meanwhile is kept under another name. Setting `stop` ends
    /// the run with a checkpoint after the current step. Early warnings go to the logger of the program.
    ///
    /// # Errors
    /// A loss that is not finite, a file that cannot be written; the last checkpoint stays.
    pub fn run<B: Backend>(&self, backend: &B, stop: &AtomicBool, mut report: impl FnMut(&LogEntry)) -> Result<Outcome> {
        self.run_with_lines(backend, stop, |line| match line {
            LogLine::Step(entry) => report(entry),
            LogLine::Warning(entry) => log::warn!("{}", entry.message),
            LogLine::Validation(_) => {}
        })
    }

    /// The same, but calls `report` with every line of the log, after it was written, so also with early warnings and
    /// validations.
    ///
    /// # Errors
    /// As [`TrainingJob::run`].
    pub fn run_with_lines<B: Backend>(&self, backend: &B, stop: &AtomicBool, report: impl FnMut(&LogLine)) -> Result<Outcome> {
        self.run_steps(backend, stop, report).map_err(|error| self.suggest(error))
    }

    fn run_steps<B: Backend>(&self, backend: &B, stop: &AtomicBool, mut report: impl FnMut(&LogLine)) -> Result<Outcome> {
        let mut run = self.begin(backend)?;
        let new = [CONFIG_FILE, LOG_FILE].map(|name| self.out.join(name)).into_iter();
        let mut new: Vec<PathBuf> = new.filter(|path| path.symlink_metadata().is_err()).collect();
        let own_config = write_config(&self.config, &self.out, self.start != Start::New)?;
        log::info!("{}: {} of {} steps done", self.config.architecture(), run.trainer.step(), self.config.train.steps);
        let mut early_warning = EarlyWarning::new(&self.config, &self.set.images)?;
        let mut log = Log::open_with(&self.log_path(), run.trainer.step(), |line| early_warning.earlier(&line))?;
        let tell = |line: LogLine| log.append(&line).map(|()| report(&line));
        let made = self.make_steps(&mut run, &mut early_warning, stop, tell);
        if run.trainer.step() > 0 {
            new.clear();
        }
        if self.settle(made, &new, || log.settle().and(own_config.settle()))? == Outcome::Interrupted {
            return Ok(Outcome::Interrupted);
        }
        // Before the last look at `stop`, so that a signal is either seen here or finds this set.
        self.saved.store(true, Ordering::SeqCst);
        if stop.load(Ordering::SeqCst) {
            return Ok(Outcome::Interrupted);
        }
        let Run { trainer, files, history, room, .. } = &mut run;
        room.used_by(|| files.finish(&self.weight_file(backend, trainer, history)?))?;
        Ok(Outcome::Finished)
    }

    /// Ends the steps with the last words about `files`. Those of `new` go if memory did not suffice: without a step they would look
    /// like a run that has begun.
    fn settle(&self, made: Result<Outcome>, new: &[PathBuf], files: impl FnOnce() -> Result<()>) -> Result<Outcome> {
        if made.is_err() && !self.out.exists() {
            let reason = "was removed or renamed while the run trained, which cannot write its files there any more";
            return Err(Error::file(&self.out, reason));
        }
        // After a failure, too: then the log says most.
        let settled = files();
        if let (Err(_), Err(error)) = (&made, &settled) {
            log::warn!("{error}");
        }
        if made.as_ref().is_err_and(Error::is_out_of_memory) {
            // What cannot be removed stays.
            new.iter().for_each(|path| drop(std::fs::remove_file(path)));
        }
        made.and_then(|outcome| settled.map(|()| outcome))
    }

    /// What the steps need, with the files of the run taken over.
    fn begin<B: Backend>(&self, backend: &B) -> Result<Run<B>> {
        check_step_memory(backend, &self.config)?;
        let text = self.config.to_toml()?;
        let (count, steps) = (self.config.train.batch, self.config.train.steps);
        // Not what `prepare` has found, because another process may have worked in the folder until it was locked.
        let found = find(&self.config, &self.out, self.start)?;
        let history = self.check(found.as_ref(), backend)?;
        let is_lengthened = found.as_ref().is_some_and(|found| found.config.train.steps < steps);
        // Before the network takes what there is.
        let room = Room::for_checkpoint(&self.config)?;
        let trainer = self.trainer(backend, found.as_ref().map(|found| &found.checkpoint))?;
        let batches = Batches::new(backend, Arc::clone(&self.set), count, steps)?;
        let files = self.clear_files(found, &history)?;
        let mut run = Run { text, history, trainer, batches, files, room };
        // Twice, so that the checkpoint before knows the new number of steps, too.
        for _ in 0..if is_lengthened { 2 } else { 0 } {
            self.save(&mut run)?;
        }
        Ok(run)
    }

    /// All steps that are left, or those until `stop`, up to a checkpoint.
    fn make_steps<B: Backend>(
        &self,
        run: &mut Run<B>,
        early_warning: &mut EarlyWarning,
        stop: &AtomicBool,
        mut tell: impl FnMut(LogLine) -> Result<()>,
    ) -> Result<Outcome> {
        while run.trainer.step() < self.config.train.steps {
            if stop.load(Ordering::Relaxed) {
                return self.save(run).map(|()| Outcome::Interrupted);
            }
            let entry = self.advance(&mut run.trainer, &mut run.batches)?;
            log::debug!("step {}: loss {}, learning rate {}", entry.step, entry.loss, entry.rate);
            tell(LogLine::Step(entry))?;
            early_warning.after(&entry, &run.trainer)?.into_iter().try_for_each(|entry| tell(LogLine::Warning(entry)))?;
            // Before the checkpoint: a run that is killed meanwhile repeats the step and with it the validation.
            if let Some(entry) = self.validate(&run.trainer)? {
                tell(LogLine::Validation(entry))?;
            }
            if entry.step % self.config.output.checkpoint_every == 0 || entry.step == self.config.train.steps {
                self.save(run)?;
            }
        }
        Ok(Outcome::Finished)
    }

    /// Writes a checkpoint of the last step.
    fn save<B: Backend>(&self, run: &mut Run<B>) -> Result<()> {
        let Run { text, history, trainer, files, room, .. } = run;
        room.used_by(|| files.save(&self.checkpoint(trainer, text, history)?))
    }

    /// The files to write, with nothing of the user in their places. To be called as late as possible: what stops the run before
    /// leaves these files.
    fn clear_files(&self, found: Option<Found>, history: &History) -> Result<SavedFiles> {
        let is_resumed = self.start != Start::New;
        match &self.overwrite {
            Some(inputs) => clear_the_way(&self.config, &self.out, is_resumed, inputs)?,
            None => check_own_files(&self.config, &self.out, is_resumed, None)?,
        }
        let resumed = found.map(|Found { config, checkpoint, .. }| Resumed {
            config: &self.config,
            output_then: config.output,
            images: [Some(self.images.clone()), checkpoint.images],
            had_other_images: !history.other_images.is_empty(),
            lengthened: &history.lengthened,
        });
        SavedFiles::new(&self.out, resumed.as_ref())
    }

    /// Whether all steps are made and a checkpoint holds them. What is left, the thresholds and the weight file, does not look at
    /// `stop` any more.
    pub fn saved(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.saved)
    }

    /// Checks that nothing has changed since the checkpoint that the run continues from, and returns how all its steps are made.
    fn check<B: Backend>(&self, found: Option<&Found>, backend: &B) -> Result<History> {
        let now = backend.arithmetic();
        let Some(found) = found else {
            return Ok(History { arithmetic: vec![now], lengthened: Vec::new(), other_images: Vec::new() });
        };
        found.check_images((&self.images, self.skipped), &self.out, self.start)?;
        found.check_arithmetic(&now, &self.out, self.start)?;
        found.settle(&self.out)?;
        let mut arithmetic = found.checkpoint.arithmetic.clone();
        // Of an earlier version it is not known, and what is added would be taken for the whole.
        if arithmetic.last().is_some_and(|last| *last != now) {
            arithmetic.push(now);
        }
        let other_images = found.other_images(&self.images);
        Ok(History { arithmetic, lengthened: found.lengthened(&self.config), other_images })
    }

    /// Adds to an out-of-memory error a setting that needs less memory, unless it is about a file, which no setting makes smaller.
    fn suggest(&self, error: Error) -> Error {
        if !error.is_out_of_memory() || matches!(error, Error::InFile { .. }) {
            return error;
        }
        let (size, width) = (self.config.data.size, self.config.model.width);
        let others = format!("a smaller data.size than {size} or model.width than {width}");
        error.within(match self.config.train.batch {
            1 => format!("a run with one image a step; try {others}"),
            batch => format!("a run with batches of {batch}; try train.batch = {}, or {others}", batch / 2),
        })
    }

    /// The checkpoint file, from which the run can be resumed.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.out.join(CHECKPOINT_FILE)
    }

    /// The log file.
    pub fn log_path(&self) -> PathBuf {
        self.out.join(LOG_FILE)
    }

    fn trainer<B: Backend>(&self, backend: &B, checkpoint: Option<&Checkpoint>) -> Result<Trainer<B>> {
        let recipe = self.config.recipe();
        match checkpoint {
            Some(checkpoint) => {
                let foreign = |error: Error| match error.is_out_of_memory() {
                    true => error,
                    false => error.in_file(self.checkpoint_path()),
                };
                Trainer::resume(backend, recipe, checkpoint).map_err(foreign)
            }
            None => Trainer::new(backend, recipe),
        }
    }

    /// One step and its line of the log.
    fn advance<B: Backend>(&self, trainer: &mut Trainer<B>, batches: &mut Batches<B>) -> Result<LogEntry> {
        let Step { loss, terms, computing, supply } = trainer.advance(batches)?;
        let (whole, milliseconds) = (computing + supply.waiting, |time: Duration| 1e3 * time.as_secs_f64());
        Ok(LogEntry {
            step: trainer.step(),
            loss,
            terms,
            rate: self.config.train.learning_rate_at(trainer.step()),
            images_per_second: self.config.train.batch as f64 / whole.as_secs_f64(),
            step_ms: milliseconds(whole),
            batch_ms: milliseconds(supply.making),
            wait_ms: milliseconds(supply.waiting),
        })
    }

    fn validate<B: Backend>(&self, trainer: &Trainer<B>) -> Result<Option<ValidationEntry>> {
        let Some(validation) = &self.validation else { return Ok(None) };
        let entry = validation.after(&self.config, trainer, &self.held_out)?;
        if let Some(ValidationEntry { step, validation: scores }) = &entry {
            let (image, pixel, residual) = (scores.image_auroc, scores.pixel_auroc, scores.normal_residual);
            log::info!("validation after step {step}: image AUROC {image}, pixel AUROC {pixel}, mean residual {residual}");
        }
        Ok(entry)
    }

    fn checkpoint<B: Backend>(&self, trainer: &Trainer<B>, config: &str, history: &History) -> Result<Checkpoint> {
        let mut checkpoint = trainer.checkpoint(config)?;
        checkpoint.images = Some(self.images.clone());
        checkpoint.skipped = self.skipped;
        checkpoint.arithmetic.clone_from(&history.arithmetic);
        checkpoint.lengthened.clone_from(&history.lengthened);
        checkpoint.other_images.clone_from(&history.other_images);
        Ok(checkpoint)
    }

    /// The images that set the thresholds.
    pub fn calibration(&self) -> Option<Calibration> {
        let source = source_of_held_out(&self.set, &self.held_out);
        let images = u32::try_from(self.held_out.len()).ok().and_then(NonZeroU32::new)?;
        Some(Calibration { images, source, other_tiles: false })
    }

    /// Whether image scores are relative to these images.
    pub fn has_relative_score(&self) -> bool {
        self.config.detection.relative_score
    }

    /// The quantile of their scores that sets the image threshold.
    pub fn image_quantile(&self) -> f64 {
        self.config.detection.image_quantile
    }

    /// The weights, with thresholds from held-out images.
    fn weight_file<B: Backend>(&self, backend: &B, trainer: &Trainer<B>, history: &History) -> Result<WeightFile> {
        let mut detector = self.config.detector(trainer, &self.held_out)?;
        if let Some(provenance) = &mut detector.settings_mut().provenance {
            if self.set.corruption.is_grey() {
                let decided = Config { corruption: self.set.corruption.clone(), ..self.config.clone() };
                provenance.corruption_options = decided.corruption_options()?;
            }
            provenance.category = Some(self.category.clone());
            provenance.images = Some(self.images.clone());
            provenance.skipped = self.skipped;
            provenance.computed_on = in_words(&history.arithmetic, " then ");
            provenance.lengthened = in_words(&history.changes(), " and ");
        }
        if let Some(thresholds) = &mut detector.settings_mut().thresholds {
            thresholds.calibration = self.calibration();
            let Thresholds { image, pixel, .. } = thresholds;
            log::info!("thresholds from {} held-out images: {image} for the image, {pixel} for a pixel", self.held_out.len());
        }
        detector.settings_mut().appearance = Appearance::of(self.set.images.iter().chain(&self.held_out));
        Ok(WeightFile {
            architecture: self.config.architecture(),
            values: trainer.weights().to_values(backend)?,
            metadata: [(Settings::KEY.to_owned(), detector.settings().to_json()?)].into(),
        })
    }
}

/// In words; None without any.
fn in_words(parts: &[impl ToString], between: &str) -> Option<String> {
    let words: Vec<String> = parts.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join(between))
}

impl Config {
    /// The detector of a trained model, with thresholds from held-out normal images.
    ///
    /// # Errors
    /// No held-out image, or one that is not `[height, width, 3]`; out of device memory.
    pub fn detector<B: Backend>(&self, trainer: &Trainer<B>, held_out: &[Array3<f32>]) -> Result<Detector<B>> {
        let provenance = Provenance {
            category: None,
            steps: trainer.step(),
            seed: self.seed,
            config_hash: self.hash()?,
            training: Some(self.summary()),
            loss_terms: self.objective.added_terms(),
            corruption_options: self.corruption_options()?,
            images: None,
            skipped: None,
            computed_on: None,
            lengthened: None,
        };
        let settings = Settings {
            preparation: self.preparation(),
            detection: self.detection.clone(),
            thresholds: None,
            expected: None,
            provenance: Some(provenance),
            appearance: None,
        };
        let backend = trainer.backend();
        let mut detector = Detector::new(backend, trainer.weights().duplicate(backend)?, settings);
        detector.calibrate(held_out).map(|()| detector)
    }
}
