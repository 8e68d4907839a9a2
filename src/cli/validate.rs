use std::path::PathBuf;

use anyhow::Context;
use orthoscope::data::{Image, TrainingSet, check_output_folder};
use orthoscope::detect::Detector;
use orthoscope::ops::Backend;
use orthoscope::run::{CONFIG_FILE, Config, METRICS_FILE, ValidationReport, load_training_set, validate_detector};

use super::device::{DeviceOption, on_device};
use super::evaluate;
use super::output::say;

/// Arguments of `validate`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Weight file; config.toml beside it tells which images were held out
    #[arg(long, value_name = "SAFETENSORS")]
    model: PathBuf,
    /// Category folder that the model was trained on
    #[arg(long, value_name = "ROOT/CATEGORY")]
    data: PathBuf,
    /// Folder for the images in the layout of a category, and metrics.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Config file over the one beside the weights; its [detection] replaces that of the weights. Later files override earlier ones
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    /// Print the metrics as JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// Scores a weight file on the validation set of its training.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    check_output_folder(&arguments.out)?;
    on_device!(arguments.device.open()?, |backend| validate(arguments, &backend))
}

fn validate(arguments: &Arguments, backend: &impl Backend) -> anyhow::Result<()> {
    let mut detector = Detector::read(backend, &arguments.model)?;
    let trained = arguments.model.with_file_name(CONFIG_FILE);
    let config = Config::read(&trained).context("the config of the training tells which images were held out")?;
    let (set, held_out) = load_training_set(&config, &arguments.data)?;
    if !arguments.config.is_empty() {
        let layers = [&[trained], &arguments.config[..]].concat();
        detector.settings_mut().replace_detection(Config::read_layers(&layers, None)?.detection);
    }
    let ValidationReport { report, defects } = validate_detector(&detector, &held_out, &arguments.out)?;
    evaluate::print(&evaluate::results(&detector, &report), arguments.json)?;
    if !arguments.json {
        say(format_args!("wrote {}; {}", arguments.out.join(METRICS_FILE).display(), counts(&set, &held_out, defects)))?;
    }
    Ok(())
}

/// What a validation set is made of, in words. Where nothing is held out, training images take the place of held-out ones.
pub fn counts(set: &TrainingSet, held_out: &[Image], defects: usize) -> String {
    let name = if set.images == held_out { "training images, because none is held out" } else { "held-out images" };
    format!("{name}: {}, copies with a drawn defect: {defects}", held_out.len())
}
