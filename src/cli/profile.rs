use std::path::{Path, PathBuf};

use anyhow::Context;
use orthoscope::backend::Backend;
use orthoscope::data::write_atomically;
use orthoscope::profile::{Peaks, Profile, Settings, Task, compare, profile, trace};
use orthoscope::report::{kernels as report_kernels, profile as report};
use orthoscope::{Error, Result};

use super::device::{DeviceOption, Opened};
use super::output::{print, say};

/// Arguments of `profile`.
#[derive(clap::Args)]
#[command(
    after_help = "Steps are done plain and observed in turn; the same bits must come out. Times are those of whole steps without \
    observation, and of each operation with it: CUDA events on a GPU, the monotonic clock on the CPU. FLOPs count 2 per multiply-add, \
    bytes are the least traffic, both by formula; peaks are measured once per machine and kept in the cache folder. On a GPU or the \
    emulator the kernels of each operation are listed too, with times of their own and the formulas of their headers. nsys and ncu see operations as ranges \
    LAYER/PHASE/OPERATION where the NVTX library is found. On the emulator times say nothing about a GPU."
)]
pub struct Arguments {
    /// What a step is: train or infer
    #[arg(long, value_name = "PHASE", default_value = "train", value_parser = task)]
    phase: Task,
    /// Model I or II, as 1 or 2
    #[arg(long, value_name = "MODEL", default_value = "2")]
    model: u8,
    /// Base width w
    #[arg(long, value_name = "W", default_value = "16")]
    width: usize,
    /// Side of the images in pixels, a multiple of 8
    #[arg(long, value_name = "PX", default_value = "64")]
    size: usize,
    /// Images in a step
    #[arg(long, value_name = "B", default_value = "8")]
    batch: usize,
    /// Steps that count
    #[arg(long, value_name = "N", default_value = "20")]
    steps: usize,
    /// Steps before them that do not count
    #[arg(long, value_name = "N", default_value = "3")]
    warmup: usize,
    /// Seed of weights and images
    #[arg(long, value_name = "S", default_value = "0")]
    seed: u64,
    #[command(flatten)]
    device: DeviceOption,
    /// Write the result as JSON, for --diff and scripts; - prints it instead of the table
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Write the rows as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the kernels that a GPU or the emulator launched as CSV: times, work, rates, grid, block, registers, shared memory
    #[arg(long, value_name = "FILE")]
    kernels: Option<PathBuf>,
    /// Draw the roofline as SVG
    #[arg(long, value_name = "FILE")]
    roofline: Option<PathBuf>,
    /// Write all counted steps for a trace viewer (Perfetto, chrome://tracing)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Rows of the table; the files have all
    #[arg(long, value_name = "N", default_value = "25")]
    rows: usize,
    /// Measure the peaks of the machine anew; do it while nothing else runs
    #[arg(long)]
    measure_peaks: bool,
    /// Compare two results instead
    #[arg(long, value_names = ["A.json", "B.json"], num_args = 2, conflicts_with_all = ["json", "csv", "kernels", "roofline", "trace"])]
    diff: Option<Vec<PathBuf>>,
}

fn task(text: &str) -> Result<Task> {
    match text {
        "train" => Ok(Task::Train),
        "infer" => Ok(Task::Infer),
        _ => Err(Error::argument("a phase is train or infer")),
    }
}

/// Profiles steps, or compares two results.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some([a, b]) = arguments.diff.as_deref() {
        let rows = compare(&read(a)?, &read(b)?)?;
        return print(report::comparison(&rows));
    }
    let files = [
        ("csv", &arguments.csv),
        ("kernels", &arguments.kernels),
        ("roofline", &arguments.roofline),
        ("trace", &arguments.trace),
    ];
    for (option, path) in files.into_iter().filter_map(|(option, path)| Some((option, path.as_ref()?))) {
        if is_standard_output(path) {
            return Err(Error::argument(format!("--{option} needs a file: only --json takes - for standard output")).into());
        }
        can_be_written(path)?;
    }
    if let Some(path) = &arguments.json {
        can_be_written(path)?;
    }
    match arguments.device.open()? {
        Opened::Cpu(_) if arguments.kernels.is_some() => {
            Err(Error::argument("the CPU launches no kernels: --kernels needs a GPU or the emulator").into())
        }
        Opened::Cpu(cpu) => measure(arguments, &cpu, Peaks::of_cpu(&cpu, arguments.measure_peaks)?, |_| ()),
        Opened::Cuda(cuda) => {
            let peaks = Peaks::of_device(&cuda, arguments.measure_peaks)?;
            measure(arguments, &cuda, peaks, |profile| profile.describe_kernels(cuda.arch()))
        }
    }
}

fn measure(
    arguments: &Arguments,
    backend: &impl Backend,
    peaks: Peaks,
    describe: impl FnOnce(&mut Profile),
) -> anyhow::Result<()> {
    let &Arguments { phase, model, width, size, batch, steps, warmup, seed, .. } = arguments;
    let settings = Settings { task: phase, model, width, size, batch, steps, warmup, seed };
    let (mut profile, spans) = profile(backend, &settings, peaks)?;
    describe(&mut profile);
    if let Some(path) = &arguments.csv {
        write(path, &report::csv(&profile)?)?;
    }
    if let Some(path) = &arguments.kernels {
        write(path, &report_kernels::csv(&profile)?)?;
    }
    if let Some(path) = &arguments.roofline {
        write(path, report::roofline(&profile).as_bytes())?;
    }
    if let Some(path) = &arguments.trace {
        write(path, &serde_json::to_vec(&trace(&spans, &profile.device))?)?;
    }
    let json = serde_json::to_string_pretty(&profile)?;
    match arguments.json.as_deref() {
        Some(path) if is_standard_output(path) => return say(json),
        Some(path) => write(path, json.as_bytes())?,
        None => {}
    }
    print(report::table(&profile, arguments.rows))?;
    if !profile.kernels.is_empty() {
        print(format_args!("\n{}", report_kernels::table(&profile, arguments.rows)))?;
    }
    say(format_args!("\n{}", report::sentences(&profile).join("\n")))
}

fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

/// Refuses a place where no file can be made, before anything is measured.
fn can_be_written(path: &Path) -> anyhow::Result<()> {
    if is_standard_output(path) {
        return Ok(());
    }
    if path.is_dir() {
        return Err(Error::file(path, "is a folder; a file is needed here").into());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = tempfile::tempfile_in(folder);
    probe.map(drop).map_err(|error| Error::file(path, format!("cannot be written: {error}")).into())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |file| std::io::Write::write_all(file, bytes))
}

fn read(path: &Path) -> anyhow::Result<Profile> {
    let bytes = std::fs::read(path).map_err(|error| Error::file(path, error))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{}: is no result of profile", path.display()))
}
