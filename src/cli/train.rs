use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::data::lock_folder;
use crate::disk::{bounded, refused_link};
use crate::ops::Backend;
use crate::report::training::{Status, is_training_page};
use crate::{Error, Result};

use crate::run::{
    Accepted, CONFIG_FILE, Config, Log, MODEL_FILE, Outcome, Start, TrainingJob, check_own_files, check_training_memory,
    config_for_training, free_memory, parse_minutes, settings_of_checkpoint, steps_now,
};
use anyhow::anyhow;

use super::device::{DeviceOption, on_device};
use super::dry_run;
use super::images::TrainingFolder;
use super::numbers::{OF_CONFIG, OF_THINGS, whole};
use super::output::{note, say, sentence};
use super::progress::TrainingProgress;
use super::signals::{leave, on_interrupt};
use super::watch::{PAGE_FILE, Watch};

/// Arguments of `train`.
#[derive(clap::Args)]
#[command(after_help = "Writes model.safetensors, config.toml, log.jsonl and checkpoint.safetensors into the output folder, \
    with --watch also training.html. \
    Ctrl-C saves a checkpoint and exits with 130; --resume continues to the same weights, bit for bit. A hang-up under nohup is ignored. \
    The checkpoint before the last one is kept in checkpoint.previous.safetensors and used if the last one is damaged.")]
pub struct Arguments {
    /// Config file; later ones override earlier ones [default: with --resume that of the run, else the settings that `orthoscope
    /// doctor --config` prints]
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    #[command(flatten)]
    images: TrainingFolder,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder of replacement textures; overrides the config
    #[arg(long, value_name = "DIR")]
    textures: Option<PathBuf>,
    /// Optimiser steps; overrides the config. With --resume and more steps than the run had, lengthens it: the learning rate then
    /// follows the schedule of all N steps from there on
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1..=OF_THINGS))]
    steps: Option<u64>,
    /// Choose the steps so that the training takes this time on this machine, by timing a few steps; a resumed run keeps its
    /// steps
    #[arg(long, value_name = "MINUTES", value_parser = parse_minutes, allow_hyphen_values = true, conflicts_with = "steps")]
    budget: Option<Duration>,
    /// Seed; overrides the config
    #[arg(long, value_parser = whole::<u64>(0..=OF_CONFIG))]
    seed: Option<u64>,
    /// Steps between validations on held-out images with drawn defects, which go into the log; overrides the config
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0..=OF_CONFIG))]
    validate_every: Option<u64>,
    /// Write a page with learning curves, training.html, into the output folder; it reloads itself while the training goes on. A
    /// page that is there is kept up to date without this
    #[arg(long)]
    watch: bool,
    /// Continue the run in the output folder
    #[arg(long)]
    resume: bool,
    /// With --resume: go on although training images or the precision have changed, with a warning. The weights are then not
    /// those of an uninterrupted run
    #[arg(long, requires = "resume")]
    accept_changes: bool,
    /// Replace files in the output folder that no run wrote: a config.toml, a log.jsonl, with --watch a training.html; a config.toml
    /// with the settings of this run, or from --config, always stays
    #[arg(long)]
    overwrite: bool,
    /// Train nothing: say images, network, device, memory and time, and draw the first batch as first_batch.png into the output
    /// folder
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// The config files: those that are given, or with `--resume` that of the run.
fn layers(arguments: &Arguments) -> Vec<PathBuf> {
    let own = arguments.out.join(CONFIG_FILE);
    match arguments.resume && arguments.config.is_empty() && own.is_file() {
        true => vec![own],
        false => arguments.config.clone(),
    }
}

/// The settings of the run in the output folder, from its config, or from its checkpoint if that is missing. `what` of them is
/// used.
fn of_run(out: &Path, what: &str) -> Result<Config> {
    let own = out.join(CONFIG_FILE);
    if own.exists() {
        return Config::read(&own);
    }
    // That there is no checkpoint is said when it is continued from.
    let Some(config) = settings_of_checkpoint(out)? else { return Ok(Config::default()) };
    log::warn!("{}: is missing; what the checkpoint says is used for {what}", own.display());
    Ok(config)
}

/// The settings of the run, from these files and the options.
fn settings(arguments: &Arguments, layers: &[PathBuf]) -> Result<Config> {
    let mut config = match layers {
        [] if arguments.resume => of_run(&arguments.out, "all settings")?,
        layers => config_for_training(layers, arguments.textures.as_deref())?,
    };
    config.data.textures = arguments.textures.clone().or(config.data.textures);
    config.train.steps = arguments.steps.unwrap_or(config.train.steps);
    config.seed = arguments.seed.unwrap_or(config.seed);
    config.output.validate_every = arguments.validate_every.unwrap_or(config.output.validate_every);
    if arguments.budget.is_some() && arguments.resume && !arguments.config.is_empty() {
        config.train.steps = of_run(&arguments.out, "train.steps")?.train.steps;
    }
    if arguments.resume && arguments.steps.is_none() && (arguments.budget.is_some() || arguments.config.is_empty()) {
        config.train.steps = steps_now(&arguments.out, config.train.steps);
    }
    Ok(config)
}

/// Trains.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let inputs = layers(arguments);
    let config = settings(arguments, &inputs)?;
    let overwrite = arguments.overwrite.then_some(&inputs[..]);
    let check = |config: &Config| check_own_files(config, &arguments.out, arguments.resume, overwrite);
    check_before(&config, arguments.budget.filter(|_| !arguments.resume), check)?;
    // A page of an earlier process would otherwise go on showing what was then.
    let has_page = has_page(arguments)?;
    let preview = arguments.dry_run.then(|| dry_run::outputs(&arguments.out, arguments.overwrite)).transpose()?;
    let device = arguments.device.open()?;
    check_training_memory(&config, &arguments.images.dataset().train_images()?.images, device.is_cpu())?;
    // Before the images are loaded, which are a part of what is needed.
    let free = free_memory();
    on_device!(device, |backend| {
        let job = prepared(arguments, config, overwrite, &backend)?;
        check(job.config())?;
        match preview {
            Some(outputs) => dry_run::show(&backend, &job, &outputs, free),
            None => train(arguments, &job, &backend, arguments.watch || has_page),
        }
    })
}

/// Checks before the images are loaded that files of this run may be written. With a budget its steps are known only after that.
fn check_before(config: &Config, budget: Option<Duration>, check: impl Fn(&Config) -> Result<()>) -> anyhow::Result<()> {
    check(config)?;
    if budget.is_some() {
        // No config that can be read has 0.
        let mut other = config.clone();
        other.train.steps = 0;
        check(&other).map_err(|error| anyhow!("{error} (--budget chooses train.steps)"))?;
    }
    Ok(())
}

/// The run with its images, alone in its folder, and with the steps that a budget allows.
fn prepared(
    arguments: &Arguments,
    config: Config,
    overwrite: Option<&[PathBuf]>,
    backend: &impl Backend,
) -> anyhow::Result<TrainingJob> {
    let start = match arguments.resume {
        false => Start::New,
        true => Start::Resume(Accepted { changes: arguments.accept_changes, steps: arguments.steps.is_some() }),
    };
    let data = arguments.images.dataset();
    let mut job = TrainingJob::prepare_with(config, data, &arguments.out, start, || lock_folder(&arguments.out))?;
    if let Some(inputs) = overwrite {
        job = job.overwriting(inputs);
    }
    if let Some(budget) = arguments.budget.filter(|_| !arguments.resume) {
        let steps = job.fit_to_budget(backend, budget)?;
        note(format_args!("train.steps = {steps} for {} minutes of training", budget.as_secs_f64() / 60.0));
    }
    Ok(job)
}

/// Trains to the end, or until Ctrl-C, and says which.
fn train(arguments: &Arguments, job: &TrainingJob, backend: &impl Backend, has_page: bool) -> anyhow::Result<ExitCode> {
    let watch = || Watch::new(job.config(), &arguments.images.dataset(), &arguments.out, backend.description());
    let watch = has_page.then(watch).transpose()?;
    let line = format!("interrupted; {} holds the steps done, --resume continues", job.checkpoint_path().display());
    let model = arguments.out.join(MODEL_FILE);
    let (done, was_finished) = (job.steps_done(), model.exists());
    match run_job(backend, job, line.clone(), watch)? {
        Outcome::Finished => {
            say(format_args!("wrote {}", model.display()))?;
            if was_finished && done >= job.config().train.steps {
                note(format_args!("the run was finished at step {done} before; --resume --steps N with a larger N lengthens it"));
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted => {
            note(line);
            Ok(ExitCode::from(super::output::INTERRUPTED))
        }
    }
}

/// Whether the output folder has the page of a training.
///
/// # Errors
/// A page is wanted, and a file of somebody else is in its place.
fn has_page(arguments: &Arguments) -> Result<bool> {
    let path = arguments.out.join(PAGE_FILE);
    let is_own = path.is_file() && bounded::read(&path, bounded::TEXT).is_ok_and(|bytes| is_training_page(&bytes));
    let is_foreign = arguments.watch && path.exists() && !is_own;
    match is_foreign && !arguments.overwrite {
        _ if is_foreign && path.is_symlink() => Err(refused_link(&path)),
        true => Err(Error::file(path, "is no page of a training; choose another --out, or pass --overwrite to replace it")),
        false => Ok(is_own),
    }
}

/// Runs a job with progress on standard error, and on a page if wanted. Ctrl-C stops it after the current step; after the last
/// one it ends the process at once, with the line of an interruption.
pub fn run_job(backend: &impl Backend, job: &TrainingJob, line: String, mut watch: Option<Watch>) -> anyhow::Result<Outcome> {
    let stop = Arc::new(AtomicBool::new(false));
    let (flag, saved) = (Arc::clone(&stop), job.saved());
    on_interrupt(move || {
        flag.store(true, Ordering::SeqCst);
        if saved.load(Ordering::SeqCst) {
            leave(&line, || ());
        }
    })?;
    let mut progress = TrainingProgress::new(job.config().train.steps);
    let outcome = job.run_with_lines(backend, &stop, |line| {
        progress.line(line);
        watch.iter_mut().for_each(|watch| watch.line(line));
    });
    progress.finish();
    let outcome = outcome.map_err(|error| explain(error, job));
    let status = match &outcome {
        Ok(Outcome::Finished) => Status::Finished,
        Ok(Outcome::Interrupted) => Status::Interrupted,
        Err(error) => Status::Failed(sentence(error)),
    };
    watch.iter_mut().for_each(|watch| watch.end(&status));
    let outcome = outcome?;
    progress.report_supply(job.loading());
    // Once more, because it may have scrolled away.
    let warnings = Log::last_warnings(&job.log_path()).unwrap_or_default();
    warnings.iter().for_each(|entry| note(format_args!("warned: {}", entry.message)));
    if let (Outcome::Finished, Some(calibration)) = (outcome, job.calibration()) {
        calibration.sentences(job.image_quantile(), job.has_relative_score()).iter().for_each(note);
    }
    Ok(outcome)
}

/// Adds to the error of a non-finite loss what may help, and which file has the last good state.
fn explain(error: Error, job: &TrainingJob) -> anyhow::Error {
    if !matches!(error, Error::NonFinite { .. }) {
        return error.into();
    }
    let checkpoint = job.checkpoint_path();
    let kept = if checkpoint.exists() { format!("; {} holds the last good state", checkpoint.display()) } else { String::new() };
    anyhow!("{error}: training stopped, a lower train.learning_rate may help{kept}")
}
