use std::path::PathBuf;

use orthoscope::data::{Category, check_output_folder};
use orthoscope::detect::{Detector, Resolution};
use orthoscope::ops::Backend;
use orthoscope::report::results::Results;
use orthoscope::run::{Config, EvaluationReport, METRICS_FILE, evaluate_with_maps};

use super::device::{DeviceOption, on_device};
use super::maps::MapFolder;
use super::output::{self, say};
use super::{page, progress};

/// Arguments of `evaluate`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Weight file
    #[arg(long, value_name = "SAFETENSORS")]
    model: PathBuf,
    /// Category folder with test/ and ground_truth/
    #[arg(long, value_name = "ROOT/CATEGORY")]
    data: PathBuf,
    /// Folder for metrics.json, index.html and figure.png
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Resolution of the pixel metrics: native, model, or a side in pixels
    #[arg(long, default_value = "native")]
    resolution: Resolution,
    /// Config file whose [detection] replaces that of the weights; the thresholds of the weights then do not apply. Later files override
    /// earlier ones
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    /// Folder for the heatmaps at the size of their images: DIR/CATEGORY/test/KIND/NAME.tiff, as MVTec's evaluation code reads them, and
    /// NAME.npy
    #[arg(long, value_name = "DIR")]
    maps: Option<PathBuf>,
    /// Print the metrics as JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// Evaluates a weight file on a test set.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    check_output_folder(&arguments.out)?;
    on_device!(arguments.device.open()?, |backend| evaluate(arguments, &backend))
}

fn evaluate(arguments: &Arguments, backend: &impl Backend) -> anyhow::Result<()> {
    let category = Category::open(&arguments.data)?;
    let maps = arguments.maps.as_ref().map(|folder| MapFolder::of(folder, &category)).transpose()?;
    let mut detector = Detector::read(backend, &arguments.model)?;
    if !arguments.config.is_empty() {
        let settings = detector.settings_mut();
        settings.detection = Config::read_layers(&arguments.config, None)?.detection;
        settings.thresholds = None;
        settings.expected = None;
    }
    let bar = progress::image_bar(category.test.len());
    let report = evaluate_with_maps(&detector, &category, arguments.resolution, |test, image, heatmap| {
        bar.inc(1);
        maps.as_ref().map_or(Ok(()), |folder| folder.write(test, image, heatmap))
    })?;
    bar.finish_and_clear();
    report.write(&arguments.out)?;
    let run = page::Run { loss: page::loss_curve(&arguments.model)?, wall: None };
    page::write(&arguments.out, &detector, &category, &report, &run)?;
    print(&results(&detector, &report), arguments.json)?;
    if !arguments.json {
        say(format_args!("wrote {} and index.html", arguments.out.join(METRICS_FILE).display()))?;
        if let Some(folder) = maps {
            say(format_args!("wrote {} maps as .tiff and .npy below {}", category.test.len(), folder.path().display()))?;
        }
    }
    Ok(())
}

/// The evaluation of a detector, judged by the detector's own score and threshold.
pub fn results<'a>(detector: &Detector<impl Backend>, report: &'a EvaluationReport) -> Results<'a> {
    let threshold = detector.cutoffs().image.map(|threshold| threshold.value);
    Results { report, score: detector.settings().detection.score, threshold }
}

/// Prints metrics and protocol, as text or as JSON.
pub fn print(results: &Results<'_>, json: bool) -> anyhow::Result<()> {
    if json {
        return say(serde_json::to_string_pretty(results.report)?);
    }
    output::print(results.table(output::screen()))?;
    say(&results.report.protocol)
}
