use std::path::{Path, PathBuf};

use crate::Result;
use crate::data::{
    Category, Dataset, Image, Plane, TestImage, check_output_file, check_output_folder, doubt_about_levels, warn_of_skipped,
};
use crate::detect::{Detector, Resolution, Source};
use crate::disk::Outputs;
use crate::ops::Backend;
use crate::report::results::Results;
use crate::run::{
    CalibrationImages, Config, METRICS_FILE, Measured, MetricsFile, TestReport, TestSet, check_evaluation_memory,
    evaluate_test_set,
};
use serde::Serialize;

use super::device::{DeviceOption, on_device};
use super::images::TestFolders;
use super::maps::MapFolder;
use super::output::{self, note, say};
use super::tiles::TileOptions;
use super::{page, progress};

/// Why nothing is said about false alarms and misses.
const NO_THRESHOLD: &str = "the model has no image threshold, so neither false alarms nor misses can be counted, and there is no page; \
    --calibrate DIR sets one";

/// Arguments of `evaluate`.
#[derive(clap::Args)]
#[command(
    override_usage = "orthoscope evaluate [OPTIONS] --model <SAFETENSORS>\n                           --data <ROOT/CATEGORY> --out <DIR>\n       \
        orthoscope evaluate [OPTIONS] --model <SAFETENSORS> --out <DIR>\n                           \
        [--normal <DIR>] [--abnormal <DIR>] [--masks <DIR>]"
)]
pub struct Arguments {
    /// Weight file
    #[arg(long, value_name = "SAFETENSORS")]
    model: PathBuf,
    #[command(flatten)]
    images: TestFolders,
    /// Folder for metrics.json, index.html and figure.png
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Resolution of the pixel metrics: native, model, or a side in pixels
    #[arg(long, default_value = "native")]
    resolution: Resolution,
    /// Config file whose [detection] replaces that of the weights; the thresholds of the weights then do not apply. Later files
    /// override earlier ones
    #[arg(long, value_name = "TOML")]
    config: Vec<PathBuf>,
    /// Folder of normal images, searched recursively, whose quantiles replace the thresholds of the weights. They must be images
    /// that the network was not trained on and that are not in the test set
    #[arg(long, value_name = "DIR")]
    calibrate: Option<PathBuf>,
    /// Folder for the heatmaps at the size of their images: DIR/CATEGORY/test/KIND/NAME.tiff, as MVTec's evaluation code reads
    /// them, and NAME.npy
    #[arg(long, value_name = "DIR")]
    maps: Option<PathBuf>,
    /// Replace files in the output folders that `evaluate` did not write, or that were changed since
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    tiles: TileOptions,
    #[command(flatten)]
    reporting: Reporting,
}

/// How a model is run and its metrics printed.
#[derive(clap::Args)]
pub struct Reporting {
    /// Print the metrics as JSON instead of a table
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub device: DeviceOption,
}

/// Evaluates a weight file on a test set.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    check_output_folder(&arguments.out)?;
    // What is in the way of a file is found now, not after all images.
    let existing =
        page::FILES.into_iter().chain([METRICS_FILE]).map(|name| arguments.out.join(name)).filter(|path| path.exists());
    existing.into_iter().try_for_each(|path| check_output_file(&path))?;
    arguments.images.dataset().check_outside(&arguments.out)?;
    on_device!(arguments.reporting.device.open()?, |backend| evaluate(arguments, &backend))
}

fn evaluate(arguments: &Arguments, backend: &impl Backend) -> anyhow::Result<()> {
    let data = arguments.images.dataset();
    let listed = data.test_set()?;
    let inputs = || arguments.config.iter().chain([&arguments.model]);
    let outputs = Outputs::new(&arguments.out, "evaluate", arguments.overwrite)?.protecting(inputs());
    let names = page::FILES.into_iter().chain([METRICS_FILE]);
    names.into_iter().try_for_each(|name| outputs.check(&arguments.out.join(name)))?;
    let maps = arguments.maps.as_ref().map(|folder| MapFolder::of(folder, &listed, &data, arguments.overwrite));
    let maps = maps.transpose()?;
    let mut detector = Detector::read(backend, &arguments.model)?;
    // Whatever is wrong with the command is found before images are decoded.
    let calibration = prepare(arguments, &mut detector, &listed)?;
    check_evaluation_memory(&listed, arguments.resolution, Some(&detector.settings().preparation))?;
    let test_set = TestSet::read(listed)?;
    warn_of_images(&test_set, &data, &detector)?;
    let category = &test_set.category;
    if let Some((folder, images)) = calibration {
        calibrate(&mut detector, folder, &images)?;
    }
    let bar = progress::image_bar(category.test.len());
    let keep = |test: &TestImage, image: &Image, heatmap: &Plane| {
        bar.inc(1);
        maps.as_ref().map_or(Ok(()), |folder| folder.write(test, image, heatmap))
    };
    let measured = evaluate_test_set(&detector, &test_set, arguments.resolution, keep)?;
    maps.iter().try_for_each(MapFolder::settle)?;
    bar.finish_and_clear();
    match &measured {
        Measured::Complete(report) => conclude(arguments, &outputs, &detector, (&test_set, report))?,
        Measured::Partial(report) => conclude(arguments, &outputs, &detector, (&test_set, report))?,
    }
    if let Some(folder) = maps.filter(|_| !arguments.reporting.json) {
        say(format_args!("wrote {} maps as .tiff and .npy below {}", category.test.len(), folder.path().display()))?;
    }
    Ok(())
}

/// The fingerprint of the images that the model was trained on, if it is known.
fn trained_on(detector: &Detector<impl Backend>) -> Option<&str> {
    detector.settings().provenance.as_ref()?.images.as_deref()
}

/// Gives a detector the settings of the command, and lists the images that will set its thresholds, if any will.
fn prepare<'a>(
    arguments: &'a Arguments,
    detector: &mut Detector<impl Backend>,
    listed: &Category,
) -> Result<Option<(&'a Path, CalibrationImages)>> {
    if !arguments.config.is_empty() {
        detector.settings_mut().replace_detection(Config::read_layers(&arguments.config, None)?.detection);
    }
    if arguments.calibrate.is_some() {
        // They are about to be set anew, with these tiles.
        detector.settings_mut().thresholds = None;
    }
    arguments.tiles.apply(detector, listed.test.iter().map(|test| test.path.as_path()))?;
    let folder = arguments.calibrate.as_deref();
    let trained_on = trained_on(detector);
    folder.map(|folder| CalibrationImages::list(folder, listed, trained_on).map(|images| (folder, images))).transpose()
}

/// Warns of files that cannot be used, of images that are called like masks, and of masks that mark nothing.
pub fn warn_of_files(test_set: &TestSet, data: &Dataset) {
    warn_of_skipped(data, &test_set.category.skipped, test_set.category.test.len());
    test_set.doubts().for_each(|doubt| log::warn!("{data}: {doubt}"));
}

/// Warns of files that cannot be used, of images that the model was trained on, and of images that are nearly black.
fn warn_of_images(test_set: &TestSet, data: &Dataset, detector: &Detector<impl Backend>) -> Result<()> {
    warn_of_files(test_set, data);
    if trained_on(detector).map_or(Ok(false), |fingerprint| test_set.was_trained_on(fingerprint))? {
        log::warn!("{data}: the good test images are those that the model was trained on, so new ones may get more false alarms");
    } else if let Some(seen) = test_set.seen_in_training() {
        log::warn!("{data}: {seen}; metrics say less about new images then");
    }
    if let Some(doubt) = doubt_about_levels(&test_set.levels, detector.settings().preparation.white_level) {
        log::warn!("{data}: {doubt}");
    }
    Ok(())
}

/// Writes and prints what the test set defines, says what it lacks, and writes the page. If there is no page, there is also none
/// of an earlier evaluation.
fn conclude<M: Serialize>(
    arguments: &Arguments,
    outputs: &Outputs,
    detector: &Detector<impl Backend>,
    (test_set, report): (&TestSet, &TestReport<M>),
) -> anyhow::Result<()> {
    let (data, mut gaps) = (arguments.images.dataset(), test_set.gaps());
    let run = page::Run { loss: page::loss_curve(&arguments.model), wall: None };
    let mut files = page::files(&arguments.out, detector, (&test_set.category, report), test_set.lacks(), &run)?;
    let has_page = !files.is_empty();
    gaps.extend((!has_page).then(|| NO_THRESHOLD.to_owned()));
    gaps.iter().for_each(|gap| note(format_args!("{data}: {gap}")));
    let obsolete: Vec<PathBuf> = page::FILES.iter().filter(|_| !has_page).map(|name| arguments.out.join(name)).collect();
    files.push(report.file(&arguments.out)?);
    outputs.replace_together(&files, &obsolete)?;
    print(report, &results(detector, report), arguments.reporting.json)?;
    if arguments.reporting.json {
        return Ok(());
    }
    let page = if has_page { " and index.html" } else { "" };
    say(format_args!("wrote {}{page}", arguments.out.join(METRICS_FILE).display()))
}

/// Takes the thresholds from the normal images of a folder.
fn calibrate(detector: &mut Detector<impl Backend>, folder: &Path, images: &CalibrationImages) -> Result<()> {
    if images.source == Source::TrainingFolder {
        let reason = "training images or copies of them, so the rate of false alarms to expect is unknown";
        log::warn!("{}: all images are {reason}", folder.display());
    }
    let bar = progress::image_bar(images.len());
    let skipped = images.calibrate(detector, || bar.inc(1))?;
    bar.finish_and_clear();
    warn_of_skipped(folder.display(), &skipped, images.len() - skipped.len());
    Ok(())
}

/// The evaluation of a detector, judged by the detector's own score and threshold.
pub fn results<'a, M: Serialize>(detector: &Detector<impl Backend>, report: &'a TestReport<M>) -> Results<'a> {
    let threshold = detector.cutoffs().image.map(|threshold| threshold.value);
    Results::new(report, detector.settings().detection.score, threshold)
}

/// Prints metrics and protocol, as text or as JSON.
pub fn print<M: Serialize>(report: &TestReport<M>, results: &Results<'_>, json: bool) -> anyhow::Result<()> {
    if json {
        return output::say_json(report);
    }
    output::print(results.table(output::screen()))?;
    for note in results.notes() {
        say(note)?;
    }
    say(results.protocol)
}
