use std::path::{Path, PathBuf};

use anyhow::Context;
use orthoscope::data::{check_output_file, followed, write_atomically};
use orthoscope::profile::{Known, Peaks, Profile, Settings, Span, Task, compare, profile, trace};
use orthoscope::report::roofline::roofline;
use orthoscope::report::{kernels, profile as report};
use orthoscope::{Error, Result};

use super::device::{DeviceOption, Opened};
use super::output::{print, say, screen};

/// Options of what is measured: they mean nothing beside results that are there.
const MEASURING: [&str; 12] =
    ["phase", "model", "width", "size", "batch", "steps", "warmup", "seed", "device", "precision", "trace", "measure_peaks"];
/// Options of what is written.
const WRITING: [&str; 4] = ["json", "csv", "kernels", "roofline"];

/// Arguments of `profile`.
#[derive(clap::Args)]
#[command(
    after_help = "Steps are done plain and observed in turn; the same bits must come out. Times are those of whole steps without \
    observation, and of each operation with it: CUDA events on a GPU, the monotonic clock on the CPU. FLOPs count 2 per multiply-add, \
    bytes are the least traffic, both by formula. Bound by says what an operation would wait for at best: memory, fma (multiply-adds in \
    f32), matrix (bf16 products), both, or overhead, where there is so little work that the call itself counts. Peaks are measured once \
    per machine and kept in the cache folder, those of a CPU if nothing else ran meanwhile. On a GPU or the emulator the kernels of each operation are \
    listed too, with times of their own and the formulas of their headers. nsys and ncu see operations as ranges LAYER/PHASE/OPERATION \
    where the NVTX library is found. On the emulator times say nothing about a GPU."
)]
pub struct Arguments {
    /// What a step is: train or infer
    #[arg(long, value_name = "PHASE", default_value = "train", value_parser = task)]
    phase: Task,
    /// Model I or II, as 1 or 2
    #[arg(long, value_name = "MODEL", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=2))]
    model: u8,
    /// Base width w
    #[arg(long, value_name = "W", default_value = "16", value_parser = at_least_one)]
    width: usize,
    /// Side of the images in pixels, a multiple of 8
    #[arg(long, value_name = "PX", default_value = "64", value_parser = side)]
    size: usize,
    /// Images in a step
    #[arg(long, value_name = "B", default_value = "8", value_parser = at_least_one)]
    batch: usize,
    /// Steps that count
    #[arg(long, value_name = "N", default_value = "20", value_parser = at_least_one)]
    steps: usize,
    /// Steps before them that do not count
    #[arg(long, value_name = "N", default_value = "3")]
    warmup: usize,
    /// Seed of weights and images
    #[arg(long, value_name = "S", default_value = "0")]
    seed: u64,
    #[command(flatten)]
    device: DeviceOption,
    /// Show a result that --json wrote instead of measuring: the table, and --csv, --kernels and --roofline
    #[arg(long, value_name = "FILE", conflicts_with_all = MEASURING, conflicts_with = "json")]
    from: Option<PathBuf>,
    /// Write the result as JSON, for --from, --diff and scripts; - prints it instead of the table
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Write the rows as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the kernels that a GPU or the emulator launched as CSV: times, work, rates, grid, block, registers, shared memory
    #[arg(long, value_name = "FILE")]
    kernels: Option<PathBuf>,
    /// Draw every operation under the roofs of memory and arithmetic, as SVG
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
    /// Compare two results instead; several of each side, parted by commas, have what processes differ by in the noise
    #[arg(
        long,
        value_names = ["A.json,...", "B.json,..."],
        num_args = 2,
        value_parser = results,
        conflicts_with_all = MEASURING,
        conflicts_with_all = WRITING,
        conflicts_with = "from"
    )]
    diff: Option<Vec<Results>>,
}

/// The files of one side of a comparison.
#[derive(Clone)]
struct Results(Vec<PathBuf>);

fn results(text: &str) -> Result<Results> {
    let names: Vec<&str> = if Path::new(text).exists() { vec![text] } else { text.split(',').collect() };
    if names.contains(&"") {
        return Err(Error::argument("a file name is missing beside a comma"));
    }
    Ok(Results(names.into_iter().map(PathBuf::from).collect()))
}

fn at_least_one(text: &str) -> anyhow::Result<usize> {
    match text.parse()? {
        0 => Err(Error::argument("must be at least 1").into()),
        number => Ok(number),
    }
}

fn side(text: &str) -> anyhow::Result<usize> {
    let side = at_least_one(text)?;
    if side.is_multiple_of(8) { Ok(side) } else { Err(Error::argument("must be a multiple of 8").into()) }
}

fn task(text: &str) -> Result<Task> {
    match text {
        "train" => Ok(Task::Train),
        "infer" => Ok(Task::Infer),
        _ => Err(Error::argument("a phase is train or infer")),
    }
}

/// Profiles steps, shows a result, or compares two.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some([a, b]) = arguments.diff.as_deref() {
        let [a, b] = [read_all(a)?, read_all(b)?];
        let rows = compare(&a, &b)?;
        return print(report::comparison([&a, &b], &rows, arguments.rows, screen()));
    }
    check_files(arguments)?;
    if let Some(path) = &arguments.from {
        let profile = read(path)?;
        if arguments.kernels.is_some() && profile.kernels.is_empty() {
            return Err(Error::argument(format!("{} has no kernels to list, it is of the CPU", path.display())).into());
        }
        return show(arguments, &profile);
    }
    match arguments.device.open()? {
        Opened::Cpu(_) if arguments.kernels.is_some() => {
            Err(Error::argument("the CPU launches no kernels: --kernels needs a GPU or the emulator").into())
        }
        Opened::Cpu(cpu) => {
            let (profile, spans) = profile(&cpu, &arguments.settings(), Peaks::of_cpu(&cpu, arguments.measure_peaks)?)?;
            finish(arguments, &profile, &spans, None)
        }
        Opened::Cuda(cuda) => {
            let peaks = Known::recalled(Peaks::of_device(&cuda, arguments.measure_peaks)?);
            let (mut profile, spans) = profile(&cuda, &arguments.settings(), peaks)?;
            profile.describe_kernels(cuda.arch());
            finish(arguments, &profile, &spans, Some(&profile.device))
        }
    }
}

impl Arguments {
    fn settings(&self) -> Settings {
        let &Self { phase, model, width, size, batch, steps, warmup, seed, .. } = self;
        Settings { task: phase, model, width, size, batch, steps, warmup, seed }
    }

    /// Options with the files that they write.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = [
            ("json", &self.json),
            ("csv", &self.csv),
            ("kernels", &self.kernels),
            ("roofline", &self.roofline),
            ("trace", &self.trace),
        ];
        files.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?)))
    }
}

/// Refuses files that cannot be written, and one name for two of them, before anything is measured.
fn check_files(arguments: &Arguments) -> anyhow::Result<()> {
    let mut places: Vec<(&str, PathBuf)> = Vec::new();
    if let Some(path) = arguments.from.as_deref().filter(|path| path.exists()) {
        places.push(("from", place(path)?));
    }
    for (option, path) in arguments.files() {
        if is_standard_output(path) {
            match option {
                "json" => continue,
                _ => {
                    return Err(
                        Error::argument(format!("--{option} needs a file: only --json takes - for standard output")).into()
                    );
                }
            }
        }
        check_output_file(path)?;
        let place = place(path)?;
        if let Some((other, _)) = places.iter().find(|(_, other)| *other == place) {
            return Err(Error::argument(format!("--{other} and --{option} both name {}", path.display())).into());
        }
        places.push((option, place));
    }
    Ok(())
}

/// The file's only name, whatever way leads to it.
fn place(path: &Path) -> anyhow::Result<PathBuf> {
    let path = followed(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|error| Error::system(folder, &error))?;
    Ok(folder.join(path.file_name().unwrap_or_default()))
}

/// Writes what only a measurement has, then shows it. A device beside the host has a name.
fn finish(arguments: &Arguments, profile: &Profile, spans: &[Vec<Span>], device: Option<&str>) -> anyhow::Result<()> {
    if let Some(path) = &arguments.trace {
        write(path, &serde_json::to_vec(&trace(spans, device))?)?;
    }
    let json = serde_json::to_string_pretty(profile)?;
    match arguments.json.as_deref() {
        Some(path) if is_standard_output(path) => {
            write_files(arguments, profile)?;
            return say(json);
        }
        Some(path) => write(path, json.as_bytes())?,
        None => {}
    }
    show(arguments, profile)
}

fn show(arguments: &Arguments, profile: &Profile) -> anyhow::Result<()> {
    write_files(arguments, profile)?;
    print(report::table(profile, arguments.rows, screen()))?;
    if !profile.kernels.is_empty() {
        print(format_args!("\n{}", kernels::table(profile, arguments.rows, screen())))?;
    }
    say(format_args!("\n{}", report::sentences(profile, screen()).join("\n")))
}

fn write_files(arguments: &Arguments, profile: &Profile) -> anyhow::Result<()> {
    if let Some(path) = &arguments.csv {
        write(path, &report::csv(profile)?)?;
    }
    if let Some(path) = &arguments.kernels {
        write(path, &kernels::csv(profile)?)?;
    }
    if let Some(path) = &arguments.roofline {
        write(path, roofline(profile).as_bytes())?;
    }
    Ok(())
}

fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |file| std::io::Write::write_all(file, bytes))
}

fn read_all(Results(paths): &Results) -> anyhow::Result<Vec<Profile>> {
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> anyhow::Result<Profile> {
    let bytes = std::fs::read(path).map_err(|error| Error::system(path, &error))?;
    let profile: Profile =
        serde_json::from_slice(&bytes).with_context(|| format!("{}: is no result of profile", path.display()))?;
    match profile.peaks.fault() {
        Some(fault) => Err(Error::file(path, fault).into()),
        None => Ok(profile),
    }
}
