//! `train --dry-run`: what a training would be, without training.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ndarray::Axis;

use crate::Result;
use crate::data::encode_png;
use crate::disk::Outputs;
use crate::ops::Backend;
use crate::report::preview::preview;
use crate::report::wrap::wrap;
use crate::run::{TrainingJob, memory_words, training_memory};

use super::output::{say, screen};

/// The picture of the first batch.
const PICTURE: &str = "first_batch.png";
/// Most samples of the batch that are drawn.
const MAX_SAMPLES: usize = 8;
/// Width of the column of names.
const INDENT: usize = 14;

/// The output folder, before anything is loaded.
///
/// # Errors
/// Another picture is in the way.
pub fn outputs(out: &Path, overwrite: bool) -> Result<Outputs> {
    let outputs = Outputs::new(out, "train", overwrite)?;
    outputs.check(&out.join(PICTURE)).map(|()| outputs)
}

/// Prints what the training would be, and draws the first batch that it would see. `free` is the memory that was free before the
/// images were loaded, in bytes, where the system tells it.
///
/// # Errors
/// As those of a step of the training; the picture cannot be written.
pub fn show(backend: &impl Backend, job: &TrainingJob, outputs: &Outputs, free: Option<u64>) -> anyhow::Result<ExitCode> {
    let picture = outputs.folder().join(PICTURE);
    let config = job.config();
    let is_weighted = config.corruption.region_weight.slope > 0.0;
    let first = job.steps_done();
    let drawn = preview(job.set(), is_weighted, first, config.train.batch.min(MAX_SAMPLES))?;
    outputs.write(&picture, &encode_png(&drawn)?)?;
    let lines = [
        ("images", images(job)),
        ("network", format!("{}, {} weights", config.architecture(), weights(job)?)),
        ("config", format!("{}; hash {}", config.summary(), config.hash()?)),
        ("device", backend.description()),
        ("memory", memory(job, backend.name() == "cpu", free)?),
        ("time", time(job.time_step(backend)?, first, config.train.steps)),
        ("first batch", format!("{}: image, corrupted, mask, change", picture.display())),
    ];
    for (name, text) in lines {
        for (at, line) in wrap(&text, screen().columns - INDENT).iter().enumerate() {
            say(format_args!("{:<INDENT$}{line}", if at == 0 { name } else { "" }))?;
        }
    }
    say("nothing was trained")?;
    Ok(ExitCode::SUCCESS)
}

fn images(job: &TrainingJob) -> String {
    let held_out = job.calibration().map_or_else(|| "none".to_owned(), |own| own.to_string());
    format!("{} to train on; thresholds from {held_out}", job.training_images())
}

fn weights(job: &TrainingJob) -> Result<usize> {
    let network = job.config().architecture();
    Ok(network.plan(network.smallest_input()?)?.parameter_count())
}

/// What is needed is a lower bound.
fn memory(job: &TrainingJob, is_on_cpu: bool, free: Option<u64>) -> Result<String> {
    let images = job.set().images.iter().chain(job.held_out());
    let sizes: Vec<[u32; 2]> = images.map(|image| [image.len_of(Axis(0)) as u32, image.len_of(Axis(1)) as u32]).collect();
    let needed = training_memory(job.config(), &sizes, is_on_cpu)?;
    let free = match free {
        Some(free) => format!("{} were free before the images were loaded", memory_words(free)),
        None => "the system does not tell what is free".to_owned(),
    };
    let place = if is_on_cpu { "at least" } else { "for the images at least" };
    Ok(format!("{place} {}; {free}", memory_words(needed)))
}

fn time(step: Duration, first: u64, steps: u64) -> String {
    let left = steps.saturating_sub(first);
    let seconds = step.as_secs_f64() * left as f64;
    let whole = match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} minutes", seconds / 60.0),
        _ => format!("{:.1} hours", seconds / 3600.0),
    };
    let done = if first > 0 { format!(" after the {first} done") } else { String::new() };
    format!("{left} steps{done} of {:.3} s, by a few timed ones: about {whole}", step.as_secs_f64())
}
