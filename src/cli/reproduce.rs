use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::data::{check_output_folder, is_same_folder, is_within, lock_folder};
use crate::detect::Detector;
use crate::disk::Outputs;
use crate::ops::Backend;
use crate::report::{reproduction, runs};
use crate::run::reproduction::{
    COSTS_FILE, Ended, Folders, Merge, PAGE_FILE, Plan, PlannedRun, Preview, REPORT_FILE, Report, Request, RunReport, Session,
    Shard, TABLES_FILE, Watcher, categories, result_files,
};
use crate::run::{EvaluationReport, LogEntry, MODEL_FILE, TestSet, parse_minutes};
use crate::{Error, Result};
use anyhow::bail;
use clap::builder::StringValueParser;
use indicatif::{HumanBytes, HumanDuration};

use super::device::{DeviceOption, on_device};
use super::lists::Trimmed;
use super::numbers::{OF_THINGS, whole};
use super::output::{INTERRUPTED, note, print, say, screen};
use super::page;
use super::reproduction_progress::ReproductionProgress;
use super::signals::{leave, on_interrupt};

/// Arguments of `reproduce`.
#[derive(clap::Args)]
#[command(
    after_help = "Trains, evaluates and validates every category with every seed, in DIR/CATEGORY/seed-S, and writes report.json, \
    tables.csv, costs.csv and index.html into DIR. A run that was cut short, by Ctrl-C or a kill at any moment, goes on when the same command \
    is given again; runs that are done are not repeated. With --shard, every process makes its part of the runs in a folder of its own; \
    --merge joins the folders to the report that one process would have written."
)]
pub struct Arguments {
    /// Folder of categories in the layout of MVTec AD
    #[arg(long, value_name = "ROOT", required_unless_present = "merge")]
    data: Option<PathBuf>,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Base config in place of that of the program; later files override earlier ones. The config of a category goes over it
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    /// Categories, separated by commas [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = Trimmed(StringValueParser::new()))]
    category: Vec<String>,
    /// Number of seeds, from 0
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = whole::<u64>(1..=1000))]
    seeds: u64,
    /// Optimiser steps of each run; overrides the config
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1..=OF_THINGS))]
    steps: Option<u64>,
    /// Make part I of N of the runs, I from 1 to N
    #[arg(long, value_name = "I/N", allow_hyphen_values = true)]
    shard: Option<Shard>,
    /// Choose the steps of each run so that all trainings together take this time. Not with --shard, because each shard would
    /// choose its own: add --dry-run to see the steps, and pass them to the shards as --steps
    #[arg(long, value_name = "MINUTES", value_parser = parse_minutes, allow_hyphen_values = true, conflicts_with_all = ["steps", "shard"])]
    budget: Option<Duration>,
    /// Print the plan and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Join the output folders of shards
    #[arg(
        long,
        value_name = "DIR",
        num_args = 1..,
        conflicts_with_all = ["data", "config", "category", "seeds", "steps", "shard", "budget", "dry_run", "device", "precision"]
    )]
    merge: Vec<PathBuf>,
    /// Replace files of a report in the output folder that `reproduce` did not write, or that were changed since
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// Makes all runs of the plan, or joins those of shards.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    check_output_folder(&arguments.out)?;
    if let Some(data) = arguments.data.as_ref().filter(|data| is_same_folder(data, &arguments.out)) {
        bail!("{} is the folder of the data; choose another --out, so that results do not mix with images", data.display());
    }
    let outputs = outputs(arguments)?;
    let Some(data) = &arguments.data else {
        let merge = Merge::new(&arguments.merge, &arguments.out)?;
        let _lock = lock_folder(&arguments.out)?;
        let (plan, runs) = merge.write(&arguments.out)?;
        let report = write_report(&outputs, &plan, runs)?;
        conclude(&arguments.out, &report)?;
        return Ok(ExitCode::SUCCESS);
    };
    let request = Request {
        data: data.clone(),
        configs: arguments.config.clone(),
        categories: arguments.category.clone(),
        seeds: arguments.seeds,
        steps: arguments.steps,
        shard: arguments.shard,
    };
    check_outside(&request.data, &arguments.out)?;
    on_device!(arguments.device.open()?, |backend| reproduce(arguments, &request, &backend, &outputs))
}

/// The files of the report, which replace only those of earlier reports.
fn outputs(arguments: &Arguments) -> Result<Outputs> {
    let outputs = Outputs::new(&arguments.out, "reproduce", arguments.overwrite)?;
    let files = [REPORT_FILE, TABLES_FILE, COSTS_FILE, PAGE_FILE].map(|name| arguments.out.join(name));
    files.iter().try_for_each(|path| outputs.check(path))?;
    Ok(outputs)
}

/// Checks that results do not mix with the images of a category.
fn check_outside(data: &Path, out: &Path) -> anyhow::Result<()> {
    let (names, _) = categories(data)?;
    for name in names {
        if is_within(out, &data.join(&name))? {
            bail!("{} is in the folder of the category {name}; choose another --out", out.display());
        }
    }
    Ok(())
}

fn reproduce(arguments: &Arguments, request: &Request, backend: &impl Backend, outputs: &Outputs) -> anyhow::Result<ExitCode> {
    let folders = Folders { data: request.data.clone(), out: arguments.out.clone() };
    let _lock = if arguments.dry_run { None } else { Some(lock_folder(&folders.out)?) };
    let signal = Signal::listen()?;
    let session = Session::open(backend, arguments.device.precision(), (request, arguments.budget), folders)?;
    print(runs::plan_table(&session.plan, &session.complete, screen()))?;
    describe(&session)?;
    if arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let progress = ReproductionProgress::new(session.todo.len(), session.plan.steps);
    let mut watch = Watch { progress, signal: &signal, session: &session, outputs, overwrite: arguments.overwrite };
    let ended = session.run(backend, &signal.stop, &mut watch);
    watch.progress.finish();
    let Ended::Through { results, failed } = ended? else {
        note(CONTINUES);
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let report = write_report(outputs, &session.plan, results)?;
    conclude(&arguments.out, &report)?;
    if !failed.is_empty() {
        let names: Vec<String> = failed.iter().map(|run| format!("{} seed {}", run.category, run.seed)).collect();
        bail!("{} of {} runs failed: {}", failed.len(), session.plan.own_runs().len(), names.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what the plan costs, and which folders are left out.
fn describe(session: &Session) -> anyhow::Result<()> {
    let (plan, todo, estimate, folders) = (&session.plan, &session.todo, &session.estimate, session.folders());
    let (_, mut others) = categories(&folders.data)?;
    let out = folders.out.canonicalize().ok();
    others.retain(|name| out.is_none() || folders.data.join(name).canonicalize().ok() != out);
    if !others.is_empty() {
        say(format_args!("left out, because they have no train/good: {}", others.join(", ")))?;
    }
    if let Some(shard) = plan.shard {
        say(format_args!("shard {shard}: {} of {} runs", plan.own_runs().len(), plan.runs.len()))?;
    }
    if let Some(minutes) = plan.budget_minutes {
        say(format_args!("{} steps for each run, chosen for {minutes} minutes of training in all", plan.steps))?;
    }
    let left = match (estimate.time_left(todo, plan.steps, folders)?, &estimate.step_times) {
        (Some(time), _) => {
            format!("about {} of training, estimated from a few timed steps; evaluation comes on top", HumanDuration(time))
        }
        (None, Err(reason)) => format!("of unknown time, because no run can be timed: {reason}"),
        (None, Ok(_)) => "of unknown time".to_owned(),
    };
    let preview = Preview::of(todo, folders);
    for fault in &preview.faults {
        note(format_args!("warning: a run will fail: {fault}"));
    }
    preview.skipped.iter().for_each(|sentence| note(format_args!("warning: {sentence}")));
    let peak = estimate.peak_bytes.map(|bytes| HumanBytes(round(bytes.saturating_add(preview.evaluation_bytes))));
    let memory = peak.map_or_else(|| "unknown".to_owned(), |bytes| format!("about {bytes}"));
    match todo.len() {
        0 => say("nothing left to train"),
        count => say(format_args!("{count} {} to go: {left}. Memory: {memory}", if count == 1 { "run" } else { "runs" })),
    }
}

/// Rounded up to three binary digits: an estimate is not better than that.
fn round(bytes: u64) -> u64 {
    let unit = 1 << bytes.max(1).ilog2().saturating_sub(2);
    bytes.div_ceil(unit).saturating_mul(unit)
}

/// Writes the files of the report, all together.
fn write_report(outputs: &Outputs, plan: &Plan, reports: Vec<RunReport>) -> Result<Report> {
    let (report, mut files) = result_files(outputs.folder(), plan, reports)?;
    files.push(reproduction::file(&report, outputs.folder())?);
    outputs.replace_together(&files, &[])?;
    Ok(report)
}

fn conclude(out: &Path, report: &Report) -> anyhow::Result<()> {
    print(runs::result_table(report, screen()))?;
    say(format_args!("wrote report.json, tables.csv, costs.csv and {}", out.join(PAGE_FILE).display()))
}

/// What is said of an interruption.
const CONTINUES: &str = "interrupted; the same command continues";

/// Ctrl-C: a training is stopped after its step, with a checkpoint; everything else can be ended at once.
struct Signal {
    stop: Arc<AtomicBool>,
    is_training: Arc<AtomicBool>,
    /// Whether a checkpoint holds all steps of the training.
    saved: Arc<Mutex<Arc<AtomicBool>>>,
}

impl Signal {
    fn listen() -> anyhow::Result<Self> {
        let own = Self { stop: Arc::default(), is_training: Arc::default(), saved: Arc::default() };
        let (stop, is_training, saved) = (Arc::clone(&own.stop), Arc::clone(&own.is_training), Arc::clone(&own.saved));
        on_interrupt(move || {
            stop.store(true, Ordering::SeqCst);
            // After `stop`, which the training looks at once more when it has set this.
            let is_saved = saved.lock().unwrap_or_else(PoisonError::into_inner).load(Ordering::SeqCst);
            if is_saved || !is_training.load(Ordering::Relaxed) {
                leave(CONTINUES, || ());
            }
        })?;
        Ok(own)
    }
}

/// Shows the progress, and draws the page of each run and that of all.
struct Watch<'a> {
    progress: ReproductionProgress,
    signal: &'a Signal,
    session: &'a Session,
    outputs: &'a Outputs,
    overwrite: bool,
}

impl<B: Backend> Watcher<B> for Watch<'_> {
    fn begins(&mut self, run: &PlannedRun) {
        // That of a training that has failed.
        self.signal.is_training.store(false, Ordering::Relaxed);
        self.progress.start(run);
    }

    fn trains(&mut self, saved: Arc<AtomicBool>) {
        *self.signal.saved.lock().unwrap_or_else(PoisonError::into_inner) = saved;
    }

    fn step(&mut self, entry: &LogEntry) {
        self.signal.is_training.store(true, Ordering::Relaxed);
        self.progress.step(entry);
    }

    fn trained(&mut self) {
        self.signal.is_training.store(false, Ordering::Relaxed);
        self.progress.trained();
    }

    fn evaluated(
        &mut self,
        detector: &Detector<B>,
        test_set: &TestSet,
        report: Option<&EvaluationReport>,
        folder: &Path,
    ) -> Result<()> {
        let category = &test_set.category;
        reproduction::gallery::record(detector, category, folder)?;
        let Some(report) = report else { return Ok(()) };
        let run = page::Run { loss: page::loss_curve(&folder.join(MODEL_FILE)), wall: None };
        let outputs = Outputs::new(folder, "reproduce", self.overwrite)?;
        outputs.replace_together(&page::files(folder, detector, (category, report), test_set.lacks(), &run)?, &[])
    }

    fn done(&mut self, report: &RunReport, results: Vec<RunReport>) -> Result<()> {
        self.progress.done(report);
        write_report(self.outputs, &self.session.plan, results).map(drop)
    }

    fn failed(&mut self, error: Error) {
        self.progress.failed(&error.into());
    }
}

#[cfg(test)]
mod tests {
    use super::round;

    #[test]
    fn estimates_have_three_binary_digits() {
        assert_eq!([0, 1, 7, 8, 9, 1000].map(round), [0, 1, 7, 8, 10, 1024]);
        assert_eq!(round(u64::MAX), u64::MAX);
    }
}
