use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, anyhow};
use orthoscope::Error;
use orthoscope::ops::Backend;
use orthoscope::run::{Config, MODEL_FILE, Outcome, TrainingJob};

use super::device::{DeviceOption, on_device};
use super::output::{note, say};
use super::progress::TrainingProgress;

/// Arguments of `train`.
#[derive(clap::Args)]
#[command(after_help = "Writes model.safetensors, config.toml, log.jsonl and checkpoint.safetensors into the output folder. \
    Ctrl-C saves a checkpoint and exits with 130; --resume continues to the same weights, bit for bit.")]
pub struct Arguments {
    /// Config file; later ones override earlier ones [default: the settings that `orthoscope doctor --config` prints]
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    /// Category folder with train/good/
    #[arg(long, value_name = "ROOT/CATEGORY")]
    data: PathBuf,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder of replacement textures; overrides the config
    #[arg(long, value_name = "DIR")]
    textures: Option<PathBuf>,
    /// Optimiser steps; overrides the config
    #[arg(long)]
    steps: Option<u64>,
    /// Seed; overrides the config
    #[arg(long)]
    seed: Option<u64>,
    /// Continue the run in the output folder
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// Trains.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut config = Config::read_layers(&arguments.config, arguments.textures.as_deref())?;
    config.train.steps = arguments.steps.unwrap_or(config.train.steps);
    config.seed = arguments.seed.unwrap_or(config.seed);
    let steps = config.train.steps;
    let device = arguments.device.open()?;
    let job = TrainingJob::prepare(config, &arguments.data, &arguments.out, arguments.resume)?;
    match on_device!(device, |backend| run_job(&backend, &job, steps))? {
        Outcome::Finished => {
            say(format_args!("wrote {}", arguments.out.join(MODEL_FILE).display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted => {
            say(format_args!("interrupted; {} holds the steps done, --resume continues", job.checkpoint_path().display()))?;
            Ok(ExitCode::from(super::output::INTERRUPTED))
        }
    }
}

/// Runs a job with progress on standard error; Ctrl-C stops it after the current step.
pub fn run_job(backend: &impl Backend, job: &TrainingJob, steps: u64) -> anyhow::Result<Outcome> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("cannot listen for Ctrl-C")?;
    let mut progress = TrainingProgress::new(steps);
    let outcome = job.run(backend, &stop, |entry| progress.step(entry));
    progress.finish();
    let outcome = outcome.map_err(|error| explain(error, job))?;
    progress.report_supply(job.loading());
    if let (Outcome::Finished, Some(calibration)) = (outcome, job.calibration()) {
        calibration.sentences(job.image_quantile()).iter().for_each(note);
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
