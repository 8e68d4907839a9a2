use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use crate::data::{Category, check_output_folder, has_lock_file, lock_folder};
use crate::detect::{Detector, Resolution};
use crate::disk::{Outputs, Unfinished, bounded, files_below, make_folder, note_before_move};
use crate::ops::Backend;
use crate::run::{
    CHECKPOINT_FILE, CONFIG_FILE, Config, DEMO_FAMILY, LOG_FILE, METRICS_FILE, MODEL_FILE, MetricsFile, Outcome, PREVIOUS_FILE,
    Start, TrainingJob, check_demo_memory, check_evaluation_memory, check_own_files, demo_config, evaluate_detector,
    generate_demo_data, has_checkpoint,
};
use crate::train::Checkpoint;
use crate::{Error, Result};

use super::device::{DeviceOption, on_device};
use super::numbers::{OF_CONFIG, OF_THINGS, whole};
use super::output::{note, say, shell_word};
use super::signals::{leave, leave_on_interrupt, on_interrupt};
use super::{evaluate, page, train};

/// Arguments of `demo`.
#[derive(clap::Args)]
#[command(
    after_help = "Writes data/, model.safetensors, config.toml, log.jsonl, checkpoint.safetensors, checkpoint.previous.safetensors, \
    metrics.json, figure.png and index.html."
)]
pub struct Arguments {
    /// Output folder
    #[arg(long, value_name = "DIR", default_value = "orthoscope-demo")]
    out: PathBuf,
    /// Seed of data, weights, batches and corruption
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>(0..=OF_CONFIG))]
    seed: u64,
    /// Optimiser steps
    #[arg(long, default_value_t = demo_config(0).train.steps, value_parser = whole::<u64>(1..=OF_THINGS))]
    steps: u64,
    /// Replace an earlier demo in the output folder
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// The name in the record.
const COMMAND: &str = "demo";

/// The folder in which the category lies.
const DATA: &str = "data";

/// Generates a dataset, trains, evaluates and writes the result page.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    on_device!(arguments.device.open()?, |backend| demo(arguments, &backend))
}

fn demo(arguments: &Arguments, backend: &impl Backend) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let out = &arguments.out;
    let mut config = demo_config(arguments.seed);
    config.train.steps = arguments.steps;
    config.validate()?;
    check_demo_memory(&config, backend.spare_host_memory().is_some())?;
    [out.clone(), out.join(DATA)].iter().try_for_each(|folder| check_output_folder(folder))?;
    let outputs = Outputs::new(out, COMMAND, false)?;
    // Another process may train here.
    let early = has_lock_file(out).then(|| lock_folder(out)).transpose()?;
    check_free(&outputs, arguments)?;
    say_how_to_start_over(arguments)?;
    let lock = early.map_or_else(|| lock_folder(out), Ok)?;
    clear(&outputs)?;
    outputs.claim()?;
    note(format_args!("generating {DEMO_FAMILY} images"));
    let folder = generated(out, arguments.seed)?;
    let category = Category::open(&folder)?;
    check_evaluation_memory(&category, Resolution::Native, Some(&config.preparation()))?;
    let steps = config.train.steps;
    note(format_args!("training {} for {steps} steps", config.architecture()));
    let job = TrainingJob::prepare_with(config, &folder, out, Start::New, || Ok(lock))?;
    let line = format!("interrupted; {} continues the training", continuation(arguments));
    let outcome = train::run_job(backend, &job, line.clone(), None);
    // Also of a run that failed, so that the next demo may replace them.
    let adopted = outputs.adopt(RUN_FILES.map(|name| out.join(name)).iter().filter(|path| path.exists()));
    let outcome = outcome?;
    adopted?;
    // What follows has no checkpoint to save.
    leave_on_interrupt();
    if outcome == Outcome::Interrupted {
        note(line);
        return Ok(ExitCode::from(super::output::INTERRUPTED));
    }
    let detector = Detector::read(backend, &out.join(MODEL_FILE))?;
    let report = evaluate_detector(&detector, &category, Resolution::Native, || ())?;
    let run = page::Run { loss: page::loss_curve(&out.join(MODEL_FILE)), wall: Some(start.elapsed()) };
    let mut files = page::files(out, &detector, (&category, &report), Vec::new(), &run)?;
    files.push(report.file(out)?);
    outputs.replace_together(&files, &[])?;
    evaluate::print(&report, &evaluate::results(&detector, &report), false)?;
    say(format_args!("{:.0} s; open {}", start.elapsed().as_secs_f64(), out.join("index.html").display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the images, which are noted as those of a demo before they get their place.
fn generated(out: &Path, seed: u64) -> Result<PathBuf> {
    let failed = |error| Error::io(out, "no images can be made in it", error);
    let hidden = Unfinished::hidden(out).map_err(failed)?;
    let drafted = generate_demo_data(&hidden.path().join(DATA), seed)?;
    note_before_move(out, COMMAND, hidden.path(), &files_below(&drafted)?)?;
    make_folder(&out.join(DATA))?;
    let place = category_folder(out);
    hidden.release(&drafted, &place).map_err(failed).map(|()| place)
}

/// The command that continues the training.
fn continuation(arguments: &Arguments) -> String {
    let out = &arguments.out;
    let [config, data, out] = [&out.join(CONFIG_FILE), &category_folder(out), out].map(|path| shell_word(path));
    let device = arguments.device.words();
    format!("`orthoscope train --config {config} --data {data} --out {out} --resume{device}`")
}

/// Ends the demo in order at Ctrl-C before its training, with the command that makes it from its beginning.
fn say_how_to_start_over(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { out, seed, steps, device, .. } = arguments;
    let (out, device) = (shell_word(out), device.words());
    let line =
        format!("interrupted; `orthoscope demo --out {out} --seed {seed} --steps {steps} --overwrite{device}` starts over");
    on_interrupt(move || leave(&line, || ()))
}

/// What there is in a folder with files of a demo, and how to go on.
fn present_demo(arguments: &Arguments) -> String {
    let out = &arguments.out;
    let has = |name| out.join(name).exists();
    // It gets its name last.
    if has(METRICS_FILE) {
        return "already holds a demo; choose another folder with --out, or pass --overwrite to replace it".to_owned();
    }
    let way = if has(MODEL_FILE) {
        let [model, data, test] = [out.join(MODEL_FILE), category_folder(out), out.join("test")].map(|path| shell_word(&path));
        let device = arguments.device.words();
        format!("`orthoscope evaluate --model {model} --data {data} --out {test}{device}` evaluates its weights")
    } else if has_checkpoint(out) {
        format!("{} continues its training", continuation(arguments))
    } else {
        "nothing of it can be continued".to_owned()
    };
    format!("holds a demo that was not finished; {way}; choose another folder with --out, or pass --overwrite to start over")
}

/// The files of the training.
const RUN_FILES: [&str; 5] = [MODEL_FILE, CONFIG_FILE, LOG_FILE, CHECKPOINT_FILE, PREVIOUS_FILE];

/// The files of a demo.
fn files() -> impl Iterator<Item = &'static str> {
    RUN_FILES.into_iter().chain([METRICS_FILE]).chain(page::FILES)
}

/// The folder of the images.
fn category_folder(out: &Path) -> PathBuf {
    out.join(DATA).join(DEMO_FAMILY.name())
}

/// What is in the places of the files of a demo.
fn present(out: &Path) -> Result<Vec<PathBuf>> {
    let category = category_folder(out);
    let is_folder = category.is_dir() && !category.is_symlink();
    let images = if is_folder { files_below(&category)? } else { vec![category] };
    let all = files().map(|name| out.join(name)).chain(images);
    Ok(all.filter(|path| path.symlink_metadata().is_ok()).collect())
}

/// Checks that nothing is in the way, or, with `--overwrite`, only what a demo wrote.
fn check_free(outputs: &Outputs, arguments: &Arguments) -> Result<()> {
    let out = outputs.folder();
    let (present, unrecorded) = (present(out)?, cut_short(outputs)?);
    for path in &present {
        // A demo writes no links.
        let is_file = path.is_file() && !path.is_symlink();
        if !is_file || !(unrecorded.contains(path) || outputs.is_own(path)?) {
            let reason = "is not of a demo, or was changed since; move it away, or choose another folder with --out";
            return Err(Error::file(path, reason));
        }
    }
    if present.is_empty() || arguments.overwrite {
        return Ok(());
    }
    Err(Error::file(out, present_demo(arguments)))
}

/// The files of a demo's training that was killed before its weights: a config of a demo, to the byte, a log, and checkpoints with
/// that config. They are in no record yet.
fn cut_short(outputs: &Outputs) -> Result<Vec<PathBuf>> {
    let at = |name| outputs.folder().join(name);
    let path = at(CONFIG_FILE);
    if !outputs.is_claimed() || !path.is_file() || at(MODEL_FILE).exists() {
        return Ok(Vec::new());
    }
    let text = bounded::read_text(&path, bounded::CONFIG)?;
    let Ok(config) = Config::parse(&text) else { return Ok(Vec::new()) };
    let mut own = demo_config(config.seed);
    own.train.steps = config.train.steps;
    if own.to_toml()? != text {
        return Ok(Vec::new());
    }
    let log = check_own_files(&own, outputs.folder(), false, None).is_ok().then(|| at(LOG_FILE));
    let is_of_it = |path: &PathBuf| Checkpoint::read(path).is_ok_and(|found| found.config == text);
    let checkpoints = [CHECKPOINT_FILE, PREVIOUS_FILE].map(at).into_iter().filter(is_of_it);
    Ok(checkpoints.chain(log).chain([path]).collect())
}

/// Removes the files of an earlier demo, which [`check_free`] has looked at, and nothing else.
fn clear(outputs: &Outputs) -> Result<()> {
    let out = outputs.folder();
    let failed = |error| Error::io(out, "cannot be emptied", error);
    for path in files().map(|name| out.join(name)).filter(|path| path.exists()) {
        std::fs::remove_file(path).map_err(failed)?;
    }
    let category = category_folder(out);
    if category.exists() {
        std::fs::remove_dir_all(category).map_err(failed)?;
    }
    Ok(())
}
