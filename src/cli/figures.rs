use std::path::{Path, PathBuf};

use crate::data::{Category, Dataset, Folders, TrainingSet, check_output_folder, layout_hint, warn_of_skipped};
use crate::detect::{Detector, Resolution, Settings};
use crate::disk::Outputs;
use crate::model::{Architecture, WeightFile};
use crate::ops::Backend;
use crate::report::figures::{self, Ablation, Drawing, Input, Inputs, Name, Pick, Source, Test};
use crate::run::{
    CONFIG_FILE, EvaluationReport, LOG_FILE, Log, LogEntry, TestSet, check_evaluation_memory, config_for_training,
    evaluate_detector, load_training_set,
};
use crate::{Error, Result};
use anyhow::{anyhow, bail};

use super::device::{DeviceOption, on_device};
use super::images::{self, FreeFolders};
use super::lists::Trimmed;
use super::output::{note, say};
use super::progress;

/// Base width and image side of the networks that are drawn without a model.
const WIDTH: usize = 64;
const SIDE: usize = 256;

/// Arguments of `figures`.
#[derive(clap::Args)]
#[command(
    after_help = "Figures 1 to 5 of the paper are defects, reconstructions, detection, corruption and network. The others are roc, \
    pro, scores, misses, false_alarms, training and ablation. Without --only, a figure whose input is missing is skipped, and the reason is \
    printed. Also writes index.html and figures.json."
)]
pub struct Arguments {
    /// Folder for the figures
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Weight file; log.jsonl and config.toml of its run are read if they are in the same folder
    #[arg(long, value_name = "SAFETENSORS")]
    model: Option<PathBuf>,
    /// Category folder with test/ and ground_truth/, and train/good/ for the corruption
    #[arg(long, value_name = "ROOT/CATEGORY")]
    data: Option<PathBuf>,
    #[command(flatten)]
    folders: FreeFolders,
    /// Record that benches/ablate.py --json has written
    #[arg(long, value_name = "JSON")]
    ablation: Option<PathBuf>,
    /// Figures to draw [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = Trimmed(str::parse::<Name>))]
    only: Vec<Name>,
    /// The image that stands for its kind: the one with the median score, or the first by name
    #[arg(long, value_enum, default_value_t = Choice::Median)]
    pick: Choice,
    /// Config file of the corruption; later ones override earlier ones [default: config.toml in the folder of the model]
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    /// Folder of replacement textures; overrides the config
    #[arg(long, value_name = "DIR")]
    textures: Option<PathBuf>,
    /// Resolution of the pixel metrics: native, model, or a side in pixels
    #[arg(long, default_value = "native")]
    resolution: Resolution,
    /// Replace files in the output folder that `figures` did not write, or that were changed since
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    device: DeviceOption,
}

impl Arguments {
    /// Where the images lie, if any are given.
    fn dataset(&self) -> Option<Dataset> {
        let folders = self.folders.folders();
        let is_given = self.data.is_some() || folders != Folders::default();
        is_given.then(|| images::dataset(self.data.as_ref(), folders))
    }
}

/// [`Pick`] on the command line.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Choice {
    Median,
    First,
}

/// Draws the figures.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    check_output_folder(&arguments.out)?;
    arguments.dataset().iter().try_for_each(|data| data.check_outside(&arguments.out))?;
    let inputs = arguments.config.iter().chain(&arguments.model).chain(&arguments.ablation);
    let outputs = Outputs::new(&arguments.out, "figures", arguments.overwrite)?.protecting(inputs);
    figures::LISTS.iter().try_for_each(|name| outputs.check(&arguments.out.join(name)))?;
    on_device!(arguments.device.open()?, |backend| draw(arguments, &backend, &outputs)).map_err(advised)
}

/// Adds to an error of short memory what can be changed here.
fn advised(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Error>() {
        Some(own) if own.is_out_of_memory() => {
            anyhow!("{own}; `--only NAME` draws one figure at a time, and `--threads 1` needs less")
        }
        _ => error,
    }
}

fn draw(arguments: &Arguments, backend: &impl Backend, outputs: &Outputs) -> anyhow::Result<()> {
    let only = &arguments.only;
    let names: Vec<Name> = Name::ALL.into_iter().filter(|name| only.is_empty() || only.contains(name)).collect();
    let wants = |source: Source| names.iter().any(|name| name.source() == source);
    let ablation = when(wants(Source::Ablation), || ablation(arguments))?;
    let log = when(wants(Source::Log), || log(arguments))?;
    let training_set = when(wants(Source::TrainingSet), || training_set(arguments))?;
    let category = when(wants(Source::Test), || category(arguments))?;
    for name in only {
        let reason = match name.source() {
            Source::Network => None,
            Source::Test => category.as_ref().err(),
            Source::TrainingSet => training_set.as_ref().err(),
            Source::Log => log.as_ref().err(),
            Source::Ablation => ablation.as_ref().err(),
        };
        if let Some(reason) = reason {
            bail!("the figure `{name}` cannot be drawn: {reason}");
        }
    }
    let tested = match category {
        Ok((model, category)) => Ok(evaluate(arguments, backend, model, category)?),
        Err(reason) => Err(reason),
    };
    let pick = match arguments.pick {
        Choice::Median => Pick::Median,
        Choice::First => Pick::First,
    };
    let test = tested.as_ref().map(|(detector, category, report)| Test::new(detector, category, report, pick));
    let networks = if wants(Source::Network) { networks(arguments.model.as_deref())? } else { Vec::new() };
    let inputs = Inputs { networks, test: test.map_err(String::clone), training_set, log, ablation };
    let (mut drawings, mut skipped) = (Vec::new(), Vec::new());
    for name in names {
        match figures::draw(name, &inputs)? {
            Ok(drawn) => drawings.extend(drawn),
            Err(reason) => skipped.push((name, reason)),
        }
    }
    let (heading, protocol) = match &tested {
        Ok((_, category, report)) => (format!("Figures of {}", category.name), Some(report.protocol.as_str())),
        Err(_) => ("Figures".to_owned(), None),
    };
    figures::write(outputs, &heading, protocol, &drawings, &skipped)?;
    tell(&arguments.out, &drawings, &skipped)
}

fn tell(out: &Path, drawings: &[Drawing], skipped: &[(Name, String)]) -> anyhow::Result<()> {
    for (name, reason) in skipped {
        note(format_args!("skipped {name}: {reason}"));
    }
    drawings.iter().try_for_each(|drawing| say(format_args!("wrote {}", out.join(drawing.file()).display())))?;
    say(format_args!("wrote {} and figures.json", out.join("index.html").display()))
}

/// An input that is loaded only if a figure needs it.
fn when<T>(is_wanted: bool, load: impl FnOnce() -> Result<Input<T>>) -> Result<Input<T>> {
    if is_wanted { load() } else { Ok(Err("it was not asked for".to_owned())) }
}

fn ablation(arguments: &Arguments) -> Result<Input<Ablation>> {
    match &arguments.ablation {
        Some(path) => Ablation::read(path).map(Ok),
        None => Ok(Err("it needs --ablation".to_owned())),
    }
}

fn log(arguments: &Arguments) -> Result<Input<Vec<LogEntry>>> {
    let Some(model) = &arguments.model else { return Ok(Err("it needs --model".to_owned())) };
    let path = model.with_file_name(LOG_FILE);
    let log = match Log::read(&path) {
        Ok(log) => log,
        Err(error) => return Ok(Err(error.to_string())),
    };
    Ok(if log.is_empty() { Err(format!("{} has no steps, or there is no such file", path.display())) } else { Ok(log) })
}

/// The training images with the config of the corruption. Without a model the defaults are as good as any; with a model another
/// corruption than that of its run would be misleading.
fn training_set(arguments: &Arguments) -> Result<Input<(TrainingSet, usize)>> {
    let data = match arguments.dataset() {
        None => return Ok(Err("it needs --data or --normal".to_owned())),
        Some(Dataset::Folders(Folders { normal: None, .. })) => return Ok(Err("it needs --normal".to_owned())),
        Some(Dataset::Category(root)) if root.is_dir() && !root.join("train").is_dir() => {
            return Ok(Err(format!("{} has no folder train{}", root.display(), layout_hint(&root))));
        }
        Some(data) => data,
    };
    let mut layers = arguments.config.clone();
    if let (true, Some(model)) = (layers.is_empty(), &arguments.model) {
        let own = model.with_file_name(CONFIG_FILE);
        if !own.is_file() {
            return Ok(Err(format!("there is no {} in the folder of the model; --config gives one", own.display())));
        }
        layers.push(own);
    }
    let config = config_for_training(&layers, arguments.textures.as_deref())?;
    let loaded = load_training_set(&config, &data)?;
    loaded.warn(&data);
    Ok(Ok((loaded.set, config.train.batch)))
}

/// The model and the test set, if that defines all metrics.
fn category(arguments: &Arguments) -> Result<Input<(PathBuf, Category)>> {
    let (Some(model), Some(data)) = (&arguments.model, arguments.dataset()) else {
        return Ok(Err("it needs --model and --data, or --model, --normal, --abnormal and --masks".to_owned()));
    };
    if let Dataset::Category(root) = &data
        && root.is_dir()
        && !root.join("test").is_dir()
    {
        return Ok(Err(format!("{} has no folder test{}", root.display(), layout_hint(root))));
    }
    let listed = data.test_set()?;
    let (_, settings) = weights(model)?;
    check_evaluation_memory(&listed, arguments.resolution, Some(&settings.preparation))?;
    let test_set = TestSet::read(listed)?;
    warn_of_skipped(&data, &test_set.category.skipped, test_set.category.test.len());
    Ok(match test_set.counts.defines_all_metrics() {
        true => Ok((model.clone(), test_set.category)),
        false => Err(format!("{data}: {}", test_set.lacks().join("; "))),
    })
}

/// A detector, the category it is tested on, and the result.
type Tested<B> = (Detector<B>, Category, EvaluationReport);

fn evaluate<B: Backend>(arguments: &Arguments, backend: &B, model: PathBuf, category: Category) -> Result<Tested<B>> {
    let detector = Detector::read(backend, &model)?;
    let bar = progress::image_bar(category.test.len());
    let report = evaluate_detector(&detector, &category, arguments.resolution, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok((detector, category, report))
}

/// The network of the model at its working resolution; without a model, Models I and II of the paper.
fn networks(model: Option<&Path>) -> Result<Vec<(Architecture, usize)>> {
    let Some(path) = model else {
        return [1, 2].into_iter().map(|model| Ok((Architecture::autoencoder(model, WIDTH)?, SIDE))).collect();
    };
    let (architecture, settings) = weights(path)?;
    let side = settings.preparation.size;
    Ok(vec![(architecture, if side == 0 { SIDE } else { side })])
}

/// What a weight file says of its network.
fn weights(path: &Path) -> Result<(Architecture, Settings)> {
    let file = WeightFile::read(path)?;
    let settings = Settings::from_metadata(&file.metadata).map_err(|error| error.in_file(path))?;
    Ok((file.architecture, settings))
}
