use std::path::{Path, PathBuf};

use crate::Error;
use crate::backend::cuda::compiler::Arch;
use crate::disk::{Outputs, check_output_file, followed};
use crate::profile::predict::Prediction;
use crate::profile::{MAX_STEPS, Peaks, Profile, Settings, Span, Task, compare, doubt, foreign, profile, trace};
use crate::report::prediction::By;
use crate::report::profile as report;
use crate::report::roofline::roofline;
use anyhow::{bail, ensure};

use super::device::{DeviceOption, Opened};
use super::numbers::{OF_THINGS, WIDTHS, multiple_of_8, whole};
use super::output::{print, say_lines, say_record, screen};
use super::predict;

/// Options of a measurement, which make no sense with an existing record.
const MEASURING: [&str; 12] =
    ["phase", "model", "width", "size", "batch", "steps", "warmup", "seed", "device", "precision", "trace", "measure_peaks"];
/// Options of a measurement that a prediction does not have.
const MEASURED: [&str; 9] = ["steps", "warmup", "seed", "device", "trace", "measure_peaks", "kernels", "roofline", "from"];
/// Options that write files.
const WRITING: [&str; 4] = ["json", "csv", "kernels", "roofline"];

/// Arguments of `profile`.
#[derive(clap::Args)]
#[command(
    after_help = "Plain and observed steps alternate, and both must give the same bits. Whole steps are timed plain, operations observed: \
    by CUDA events on a GPU, by the monotonic clock on the CPU. FLOPs count 2 per multiply-add and bytes are the minimum traffic, both by \
    formula. % of peak compares executed FLOPs with the measured peak: Winograd convolutions execute about a quarter of the formula's. \
    Bound by names the limit of an operation: memory, fma (f32 multiply-adds), matrix (bf16 products), both, or overhead, where the \
    call itself takes longer than its work. Peaks are measured once per machine and cached, on a CPU only if nothing \
    else was running. On a GPU or the emulator, kernels are listed too, by the formulas of their headers. nsys and ncu see operations as \
    ranges LAYER/PHASE/OPERATION if the NVTX library is found. Times on the emulator do not predict those on a GPU."
)]
pub struct Arguments {
    /// What a step does: train or infer
    #[arg(long, value_name = "PHASE", default_value = "train", value_parser = task)]
    phase: Task,
    /// Model I or II, as 1 or 2
    #[arg(long, value_name = "MODEL", default_value = "2", value_parser = whole::<u8>(1..=2))]
    model: u8,
    /// Base width w
    #[arg(long, value_name = "W", default_value = "16", value_parser = whole::<usize>(WIDTHS))]
    width: usize,
    /// Side of the images in pixels, a multiple of 8
    #[arg(long, value_name = "PX", default_value = "64", value_parser = multiple_of_8(8..=8192))]
    size: usize,
    /// Images in a step
    #[arg(long, value_name = "B", default_value = "8", value_parser = whole::<usize>(1..=65535))]
    batch: usize,
    /// Measured steps
    #[arg(long, value_name = "N", default_value = "20", value_parser = whole::<usize>(1..=MAX_STEPS as u64))]
    steps: usize,
    /// Warm-up steps before them
    #[arg(long, value_name = "N", default_value = "3", value_parser = whole::<usize>(0..=MAX_STEPS as u64))]
    warmup: usize,
    /// Seed of weights and images
    #[arg(long, value_name = "S", default_value = "0", value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    #[command(flatten)]
    device: DeviceOption,
    /// Show a record written by --json instead of measuring, with --csv, --kernels and --roofline if wanted
    #[arg(long, value_name = "FILE", conflicts_with_all = MEASURING, conflicts_with = "json")]
    from: Option<PathBuf>,
    /// Write the record as JSON, for --from, --diff and scripts; - prints it instead of the table
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Write the operations as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the kernels launched by a GPU or the emulator as CSV: times, work, rates, grid, block, registers, shared memory
    #[arg(long, value_name = "FILE")]
    kernels: Option<PathBuf>,
    /// Draw the roofline of all operations as SVG
    #[arg(long, value_name = "FILE")]
    roofline: Option<PathBuf>,
    /// Write all measured steps for a trace viewer (Perfetto, chrome://tracing)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Rows of the table; files have all rows
    #[arg(long, value_name = "N", default_value = "25", value_parser = whole::<usize>(0..=OF_THINGS))]
    rows: usize,
    /// Measure the peaks of the machine again; nothing else should be running
    #[arg(long)]
    measure_peaks: bool,
    /// Predict a step on a GPU of this architecture, such as sm_90a, instead of measuring one; needs no GPU, and knows more with
    /// NVRTC and nvdisasm (the packages nvidia-cuda-nvrtc and nvidia-cuda-nvdisasm of pip)
    #[arg(long, value_name = "ARCH", value_parser = Arch::named, conflicts_with_all = MEASURED)]
    predict: Option<&'static Arch>,
    /// Peaks measured on such a GPU, as JSON, in place of what a prediction assumes
    #[arg(long, value_name = "FILE", requires = "predict")]
    peaks: Option<PathBuf>,
    /// Rows of a prediction: kernel, layer, phase, or row for each kernel of each layer and phase [default: kernel]
    #[arg(long, value_name = "WHAT", value_parser = by)]
    by: Option<By>,
    /// Also replace files that `profile` did not write
    #[arg(long)]
    overwrite: bool,
    /// Compare two records or two predictions instead; several per side, separated by commas, add the variation between processes
    /// to the noise
    #[arg(
        long,
        value_names = ["A.json,...", "B.json,..."],
        num_args = 2,
        value_parser = results,
        conflicts_with_all = MEASURING,
        conflicts_with_all = WRITING,
        conflicts_with_all = ["from", "predict"]
    )]
    diff: Option<Vec<Results>>,
}

/// The records of one side of a comparison.
#[derive(Clone)]
struct Results(Vec<PathBuf>);

fn results(text: &str) -> anyhow::Result<Results> {
    let names: Vec<&str> = if Path::new(text).exists() { vec![text] } else { text.split(',').map(str::trim).collect() };
    ensure!(!names.contains(&""), "a file name is missing before or after a comma");
    Ok(Results(names.into_iter().map(PathBuf::from).collect()))
}

fn by(text: &str) -> anyhow::Result<By> {
    match text {
        "kernel" => Ok(By::Kernel),
        "layer" => Ok(By::Layer),
        "phase" => Ok(By::Phase),
        "row" => Ok(By::Row),
        _ => bail!("must be kernel, layer, phase or row"),
    }
}

fn task(text: &str) -> anyhow::Result<Task> {
    match text {
        "train" => Ok(Task::Train),
        "infer" => Ok(Task::Infer),
        _ => bail!("must be train or infer"),
    }
}

/// Profiles steps, predicts one, shows a record, or compares two.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let by = arguments.by.filter(|_| arguments.predict.is_none() && arguments.from.is_none());
    ensure!(by.is_none(), "--by chooses the rows of a prediction: it needs --predict, or --from with one");
    if let Some([a, b]) = arguments.diff.as_deref() {
        return show_difference(a, b, arguments.rows);
    }
    let files = &NamedFiles::check(arguments)?;
    if let Some(arch) = arguments.predict {
        let prediction = predict::predict(&arguments.settings(), arch, arguments.device.mode(), arguments.peaks.as_deref())?;
        return show_prediction(arguments, files, &prediction);
    }
    match &arguments.from {
        Some(path) => show(arguments, files, path),
        None => measure(arguments, files),
    }
}

/// Compares records, or two predictions.
fn show_difference(a: &Results, b: &Results, rows: usize) -> anyhow::Result<()> {
    if let Some(sides) = predict::both(&a.0, &b.0)? {
        return predict::compare(&sides, rows);
    }
    let records = |Results(paths): &Results| paths.iter().map(|path| Profile::read(path)).collect::<crate::Result<Vec<_>>>();
    let [a, b] = [records(a)?, records(b)?];
    let found = compare(&a, &b)?;
    if let Some(doubt) = doubt(a.iter().chain(&b)) {
        log::warn!("{doubt}");
    }
    print(report::comparison([&a, &b], &found, rows, screen()))
}

/// Shows an earlier record or prediction.
fn show(arguments: &Arguments, files: &NamedFiles, path: &Path) -> anyhow::Result<()> {
    if let Some(prediction) = Prediction::read(path)? {
        let wrong = arguments.files().find(|(option, _)| ["kernels", "roofline"].contains(option));
        ensure!(wrong.is_none(), "{} is a prediction, which has --csv only", path.display());
        return show_prediction(arguments, files, &prediction);
    }
    ensure!(arguments.by.is_none(), "{} is no prediction, of which --by chooses the rows", path.display());
    let profile = Profile::read(path)?;
    let has_kernels = arguments.kernels.is_none() || !profile.kernels.is_empty();
    ensure!(has_kernels, "{} has no kernels: it is a record of the CPU", path.display());
    if let Some(difference) = foreign(&profile) {
        log::warn!("{} {difference}", path.display());
    }
    finish(arguments, files, (&profile, &[]), None)
}

fn measure(arguments: &Arguments, files: &NamedFiles) -> anyhow::Result<()> {
    match arguments.device.open()? {
        Opened::Cpu(cpu) => {
            ensure!(arguments.kernels.is_none(), "the CPU launches no kernels: --kernels needs a GPU or the emulator");
            let (profile, spans) = profile(&cpu, &arguments.settings(), Peaks::of_cpu(&cpu, arguments.measure_peaks)?)?;
            finish(arguments, files, (&profile, &spans), None)
        }
        Opened::Cuda(cuda) => {
            let peaks = Peaks::of_device(&cuda, arguments.measure_peaks)?;
            let (mut profile, spans) = profile(&cuda, &arguments.settings(), peaks)?;
            profile.describe_kernels(cuda.arch());
            finish(arguments, files, (&profile, &spans), Some(&profile.device))
        }
    }
}

/// Writes the files that were asked for, then prints the record or shows the prediction.
fn show_prediction(arguments: &Arguments, files: &NamedFiles, prediction: &Prediction) -> anyhow::Result<()> {
    let record = serde_json::to_string_pretty(prediction)?;
    files.write(|option| {
        Ok(if option == "csv" { crate::report::prediction::csv(prediction)? } else { record.clone().into_bytes() })
    })?;
    if arguments.json.as_deref().is_some_and(is_standard_output) {
        return say_record(&record);
    }
    predict::show(prediction, arguments.by.unwrap_or(By::Kernel), arguments.rows)
}

impl Arguments {
    fn settings(&self) -> Settings {
        let &Self { phase, model, width, size, batch, steps, warmup, seed, .. } = self;
        Settings { task: phase, model, width, size, batch, steps, warmup, seed }
    }

    /// Options and the files that they write.
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

/// Writes the files that were asked for, then prints the record or shows the result. `device` names a device other than the host.
fn finish(
    arguments: &Arguments,
    files: &NamedFiles,
    (profile, spans): (&Profile, &[Vec<Span>]),
    device: Option<&str>,
) -> anyhow::Result<()> {
    let record = serde_json::to_string_pretty(profile)?;
    files.write(|option| {
        Ok(match option {
            "csv" => report::csv(profile)?,
            "kernels" => report::kernel_csv(profile)?,
            "roofline" => roofline(profile).into_bytes(),
            "trace" => serde_json::to_vec(&trace(profile, spans, device))?,
            _ => record.clone().into_bytes(),
        })
    })?;
    if arguments.json.as_deref().is_some_and(is_standard_output) {
        return say_record(&record);
    }
    print(report::table(profile, arguments.rows, screen()))?;
    if !profile.kernels.is_empty() {
        print(format_args!("\n{}", report::kernel_table(profile, arguments.rows, screen())))?;
    }
    say_lines(format_args!("\n{}", report::sentences(profile, screen()).join("\n")))
}

/// The files that the options name, checked.
struct NamedFiles(Vec<(&'static str, PathBuf, Outputs)>);

impl NamedFiles {
    /// Before anything is measured, refuses files that cannot be written or that `profile` did not write, and one file for two
    /// options.
    fn check(arguments: &Arguments) -> anyhow::Result<Self> {
        let inputs: Vec<PathBuf> = arguments.from.iter().chain(&arguments.peaks).cloned().collect();
        let (mut places, mut files) = (Vec::new(), Vec::new());
        if let Some(path) = arguments.from.as_deref().filter(|path| path.exists()) {
            places.push(("from", place(path)?));
        }
        for (option, path) in arguments.files() {
            if is_standard_output(path) {
                ensure!(option == "json", "--{option} needs a file: only --json takes - for standard output");
                continue;
            }
            check_output_file(path)?;
            let place = place(path)?;
            if let Some((other, _)) = places.iter().find(|(_, other)| *other == place) {
                bail!("--{other} and --{option} both name {}", path.display());
            }
            places.push((option, place));
            files.push((option, path.to_owned(), Outputs::single(path, "profile", arguments.overwrite, &inputs)?));
        }
        Ok(Self(files))
    }

    /// Writes what `bytes` gives for each option.
    fn write(&self, bytes: impl Fn(&str) -> anyhow::Result<Vec<u8>>) -> anyhow::Result<()> {
        self.0.iter().try_for_each(|(option, path, outputs)| Ok(outputs.write(path, &bytes(option)?)?))
    }
}

/// The same path for a file, however it is named.
fn place(path: &Path) -> anyhow::Result<PathBuf> {
    let path = followed(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|error| Error::read(folder, error))?;
    Ok(folder.join(path.file_name().unwrap_or_default()))
}

fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_beside_the_commas_of_a_list_of_records_do_not_count() {
        assert_eq!(results("a.json, b.json ,c.json").unwrap().0, ["a.json", "b.json", "c.json"].map(PathBuf::from));
        assert!(results("a.json, ").is_err_and(|error| error.to_string().contains("a file name is missing")));
    }
}
