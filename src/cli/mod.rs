//! The program: one file per subcommand, which parses arguments, calls the library and prints the result.
//!
//! Exit codes: 0 done, also if the reader of standard output has gone; 1 an error (one sentence on standard error), 2 wrong
//! usage, 130 interrupted (`train`, `demo` and `reproduce` save a checkpoint; no command leaves an unfinished file).

mod audit;
mod compare;
mod data;
mod demo;
mod detect;
mod device;
mod doctor;
mod dry_run;
mod evaluate;
mod evidence;
mod figures;
mod images;
mod kernels;
mod lists;
mod maps;
mod metrics;
mod model;
mod numbers;
mod output;
mod page;
mod predict;
mod profile;
mod progress;
mod reproduce;
mod reproduction_progress;
mod signals;
mod tiles;
mod train;
mod validate;
mod verify;
mod watch;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::data::{check_output_folder, make_folder, write_atomically};
use crate::error::system_words;
use crate::spare::share_limited_memory;
use crate::theory::claim::Claim;
use anyhow::{anyhow, bail};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Most threads that may be asked for.
const MAX_THREADS: u64 = 1024;

/// Columns of help texts.
const WIDTH: usize = 80;

/// Heading of the options that every subcommand takes.
const GLOBAL: &str = "Global options";

/// Visual anomaly detection: an autoencoder trained on corrupted images learns to project onto the manifold of normal images, so
/// what it changes is anomalous.
#[derive(Parser)]
#[command(name = "orthoscope", version, max_term_width = WIDTH, arg_required_else_help = true)]
struct Arguments {
    /// Number of threads [default: all cores]; results do not depend on it
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "T", value_parser = numbers::whole::<u16>(1..=MAX_THREADS))]
    threads: Option<u16>,
    /// Verbose logging (-vv for debug); RUST_LOG overrides it
    #[arg(short, long, global = true, help_heading = GLOBAL, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train on generated textures and find defect types not seen in training; takes about a minute
    Demo(demo::Arguments),
    /// Train on the normal images of a category or of any folder
    Train(train::Arguments),
    /// Evaluate a trained model on the test set of a category or on any folders
    Evaluate(evaluate::Arguments),
    /// Evaluate a trained model on held-out normal images with drawn defects, to choose between variants without the test set
    Validate(validate::Arguments),
    /// Draw the figures of the paper from a trained model
    Figures(figures::Arguments),
    /// Train and evaluate all categories of a dataset and write one report; on several machines with --shard and --merge
    Reproduce(reproduce::Arguments),
    /// Set runs side by side: what differs in their configs, results with intervals, curves
    Compare(compare::Arguments),
    /// Find anomalies in images
    Detect(detect::Arguments),
    /// Evaluate anomaly maps made by another program
    Metrics(metrics::Arguments),
    /// Generate datasets and preview corrupted training images
    #[command(subcommand)]
    Data(data::Command),
    /// Create, run and summarise networks
    #[command(subcommand)]
    Model(model::Command),
    /// Test the claims of the theory, each with a control that must fail
    Verify(verify::Arguments),
    /// Measure how close a model, or any program that maps images to images, is to an orthogonal projection
    Audit(audit::Arguments),
    /// Profile each operation against the machine's measured peak
    Profile(profile::Arguments),
    /// Compile the CUDA kernels and list their resources; needs no GPU
    Kernels(kernels::Arguments),
    /// Show the devices and libraries found on this machine
    Doctor(doctor::Arguments),
    /// Write the manual pages, one per command
    Man {
        /// Output folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Runs the command line and returns its exit code. `verify` knows the claims of the theory and these, whose ids must differ from
/// theirs.
pub fn main(own: &[&'static Claim]) -> ExitCode {
    share_limited_memory();
    let arguments = match wrapped(Arguments::command()).try_get_matches().and_then(|found| Arguments::from_arg_matches(&found)) {
        Ok(arguments) => arguments,
        Err(error) => return output::explain(&error),
    };
    let level = ["warn", "info", "debug"][usize::from(arguments.verbose.min(2))];
    start_log(level);
    signals::outlive_file_limit();
    signals::leave_on_interrupt();
    let outcome = run(arguments, own);
    signals::wait_for_handler();
    let (code, fault) = match outcome {
        Ok(code) => (code, output::failure()),
        Err(error) => (ExitCode::FAILURE, Some(output::sentence(&error))),
    };
    let Some(fault) = fault else { return code };
    output::note(format_args!("error: {fault}"));
    ExitCode::FAILURE
}

/// The command, built, with usage lines of at most [`WIDTH`] columns; clap wraps all lines but these.
fn wrapped(command: clap::Command) -> clap::Command {
    let mut command = with_negative_numbers(command);
    command.build();
    wrap_usage(command)
}

fn wrap_usage(mut command: clap::Command) -> clap::Command {
    let usage = command.render_usage().to_string();
    if let Some(line) = usage.strip_prefix(USAGE).filter(|line| !line.contains('\n') && usage.len() > WIDTH) {
        command = command.override_usage(usage_lines(line));
    }
    command.mut_subcommands(wrap_usage)
}

/// The command with options that take `-1` as their value and refuse it with their range. A built command would not change.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    command.allow_negative_numbers(true).mut_subcommands(with_negative_numbers)
}

/// What stands before a usage line.
const USAGE: &str = "Usage: ";

/// A usage line in several, each of which but the first is indented.
fn usage_lines(line: &str) -> String {
    let (mut lines, mut length) = (String::new(), USAGE.len());
    for word in usage_words(line) {
        if length + word.trim_end().len() > WIDTH {
            lines = format!("{}\n{:INDENT$}", lines.trim_end(), "");
            length = INDENT;
        }
        lines.push_str(&word);
        length += word.len();
    }
    lines
}

/// The parts of a usage line that stay together: an option and its value, and all within a pair of angle brackets.
fn usage_words(line: &str) -> Vec<String> {
    let (mut words, mut depth) = (Vec::<String>::new(), 0);
    let is_end = |sign| {
        depth += i32::from(sign == '<') - i32::from(sign == '>');
        depth == 0 && sign == ' '
    };
    for part in line.split_inclusive(is_end) {
        let is_value = part.starts_with('<') && !part.starts_with("<--");
        match words.last_mut().filter(|word| is_value && word.starts_with("--") && !word.contains('<')) {
            Some(option) => option.push_str(part),
            None => words.push(part.to_owned()),
        }
    }
    words
}

/// Columns before a further usage line.
const INDENT: usize = 11;

/// Log lines such as `warning: …` on standard error; `RUST_LOG` overrides `level`.
fn start_log(level: &str) {
    let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level));
    builder.format(|out, record| match record.level() {
        log::Level::Warn => writeln!(out, "warning: {}", output::harmless(record.args())),
        level => writeln!(out, "{}: {}", level.as_str().to_lowercase(), output::harmless(record.args())),
    });
    builder.init();
}

/// Stack of a worker thread in bytes, the same as that of the main thread, because the command runs on a worker.
const STACK: usize = 8 << 20;

fn run(arguments: Arguments, own: &[&'static Claim]) -> anyhow::Result<ExitCode> {
    let threads = match arguments.threads {
        Some(threads) => threads.into(),
        None => threads_of_environment()?,
    };
    start_threads(threads)?;
    // Outside the pool, every parallel loop would wake a thread and wait for it, which takes longer than many loops themselves.
    rayon::scope(|_| dispatch(arguments.command, own))
}

/// The number of threads that the environment asks rayon for, with the limit of `--threads`; 0 for all cores.
fn threads_of_environment() -> anyhow::Result<usize> {
    for name in ["RAYON_NUM_THREADS", "RAYON_RS_NUM_CPUS"] {
        let number = std::env::var(name).ok().and_then(|text| text.parse::<u128>().ok()).filter(|&number| number > 0);
        match number {
            Some(number) if number > MAX_THREADS.into() => {
                bail!("{name} is {number}; at most {MAX_THREADS} threads can be started")
            }
            Some(number) => return Ok(number as usize),
            None => {}
        }
    }
    Ok(0)
}

fn start_threads(threads: usize) -> anyhow::Result<()> {
    let started = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK).build_global();
    started.map_err(|error| {
        let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref());
        let words = cause.map_or_else(|| error.to_string(), system_words);
        anyhow!("the threads cannot be started: {words}; fewer of them may do: --threads 1")
    })
}

fn dispatch(command: Command, claims: &[&'static Claim]) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(own) => demo::run(&own),
        Command::Train(own) => train::run(&own),
        Command::Compare(own) => done(compare::run(&own)),
        Command::Evaluate(own) => done(evaluate::run(&own)),
        Command::Validate(own) => done(validate::run(&own)),
        Command::Figures(own) => done(figures::run(&own)),
        Command::Reproduce(own) => reproduce::run(&own),
        Command::Detect(own) => detect::run(&own),
        Command::Metrics(own) => done(metrics::run(&own)),
        Command::Data(own) => done(data::run(&own)),
        Command::Model(own) => done(model::run(&own)),
        Command::Verify(own) => done(verify::run(&own, claims)),
        Command::Audit(own) => done(audit::run(&own)),
        Command::Profile(own) => done(profile::run(&own)),
        Command::Kernels(own) => done(kernels::run(&own)),
        Command::Doctor(own) => done(doctor::run(&own)),
        Command::Man { out } => done(manual(&out)),
        Command::Completions { shell } => done(completions(shell)),
    }
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "orthoscope", &mut script);
    output::print(String::from_utf8_lossy(&script))
}

fn manual(out: &Path) -> anyhow::Result<()> {
    check_output_folder(out)?;
    make_folder(out)?;
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    write_pages(command, out)?;
    output::say(format_args!("wrote {}", out.join("orthoscope.1").display()))
}

/// Writes the pages of a command and its subcommands, each completely or not at all.
fn write_pages(command: clap::Command, out: &Path) -> crate::Result<()> {
    command.get_subcommands().filter(|own| !own.is_hide_set()).try_for_each(|own| write_pages(own.clone(), out))?;
    let page = clap_mangen::Man::new(command);
    write_atomically(&out.join(page.get_filename()), |file| page.render(file))
}

fn done(result: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}
