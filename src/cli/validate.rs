use std::path::PathBuf;

use crate::data::{Image, TrainingSet, check_output_folder, check_validation_folder};
use crate::detect::{Detector, Source};
use crate::ops::Backend;
use crate::report::results::Results;
use crate::run::{
    CONFIG_FILE, Config, METRICS_FILE, TrainingImages, ValidationReport, check_held_out, check_validation_memory,
    load_training_set, source_of_held_out, validate_detector,
};
use anyhow::Context;

use super::device::on_device;
use super::evaluate::{self, Reporting};
use super::images::TrainingFolder;
use super::output::say;

/// Arguments of `validate`.
#[derive(clap::Args)]
#[command(
    override_usage = "orthoscope validate [OPTIONS] --model <SAFETENSORS>\n                           <--data <ROOT/CATEGORY>|--normal <DIR>> --out <DIR>"
)]
pub struct Arguments {
    /// Weight file; config.toml beside it tells which images were held out
    #[arg(long, value_name = "SAFETENSORS")]
    model: PathBuf,
    #[command(flatten)]
    images: TrainingFolder,
    /// Folder for the images in the layout of a category, and metrics.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Config file over the one beside the weights; its [detection] replaces that of the weights. Later files override earlier
    /// ones
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    #[command(flatten)]
    reporting: Reporting,
}

/// Scores a weight file on the validation set of its training.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    check_output_folder(&arguments.out)?;
    arguments.images.dataset().check_outside(&arguments.out)?;
    check_validation_folder(&arguments.out)?;
    on_device!(arguments.reporting.device.open()?, |backend| validate(arguments, &backend))
}

fn validate(arguments: &Arguments, backend: &impl Backend) -> anyhow::Result<()> {
    let mut detector = Detector::read(backend, &arguments.model)?;
    let trained = arguments.model.with_file_name(CONFIG_FILE);
    let config = Config::read(&trained).context("the config of the training tells which images were held out")?;
    let data = arguments.images.dataset();
    if !arguments.config.is_empty() {
        let layers = [&[trained], &arguments.config[..]].concat();
        detector.settings_mut().replace_detection(Config::read_layers(&layers, None)?.detection);
    }
    check_validation_memory(&config, &data.train_images()?.images)?;
    let loaded = load_training_set(&config, &data)?;
    loaded.warn(&data);
    check_held_out(&detector, &data, &loaded)?;
    let TrainingImages { set, held_out, .. } = loaded;
    let ValidationReport { report, defects } = validate_detector(&detector, &held_out, &data.name(), &arguments.out)?;
    let score = detector.settings().detection.score;
    evaluate::print(&report, &Results::new(&report, score, None), arguments.reporting.json)?;
    if !arguments.reporting.json {
        say(format_args!("wrote {}; {}", arguments.out.join(METRICS_FILE).display(), counts(&set, &held_out, defects)))?;
    }
    Ok(())
}

/// What a validation set is made of, in words. Where nothing is held out but copies, training images take the place of held-out
/// ones.
pub fn counts(set: &TrainingSet, held_out: &[Image], defects: usize) -> String {
    let name = match source_of_held_out(set, held_out) {
        Source::Training => "training images, because no others are held out",
        _ => "held-out images",
    };
    format!("{name}: {}, copies with a drawn defect: {defects}", held_out.len())
}
