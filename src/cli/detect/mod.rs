mod collector;
mod inspector;
mod pictures;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::data::{check_output_folder, doubt_about_levels};
use crate::detect::{Cutoffs, Detector, Origin, Settings};
use crate::disk::Outputs;
use crate::ops::Backend;
use crate::report::detections::{Counts, PAGE_FILE, Page, Part, Parts, ResultFolder, TABLE_FILE, files_of_all};
use crate::run::{Window, in_order};
use crate::{Error, Result};
use anyhow::bail;
use clap::builder::PossibleValuesParser;

use super::device::{DeviceOption, on_device};
use super::lists::Trimmed;
use super::output::{INTERRUPTED, note, say_json};
use super::progress;
use super::signals::Stop;
use super::tiles::TileOptions;
use collector::Collector;
use inspector::{Inspector, Outcome, pixels};
use pictures::Picture;

/// Words of `--save`: the parts, and one for no part.
const SAVED: [&str; 6] = ["map", "heatmap", "mask", "overlay", "reconstruction", NONE];
const NONE: &str = "none";

/// Most pictures that are worked on at a time. Each has up to six open files, and the system allows a process 256 or more.
const MOST_PICTURES: usize = 16;
/// Pictures that are worked on at a time for each thread, so that none is idle for long.
const PICTURES_PER_THREAD: usize = 4;
/// Pixels that are worked on at a time for each thread. A picture takes about 80 bytes for each of its pixels.
const PIXELS_PER_THREAD: u64 = 1 << 20;

/// What is said at the first Ctrl-C.
const FINISHING: &str = "finishing the images in work, without those in strips; Ctrl-C once more ends at once";

/// Arguments of `detect`.
#[derive(clap::Args)]
#[command(
    after_help = "For each image, writes NAME.json (score, threshold, anomalous, regions with boxes) and the files that --save \
    names: NAME_map.npy (f32, h x w), NAME_heatmap.png, NAME_mask.png, NAME_overlay.png (the image with outlines of the mask) and \
    NAME_reconstruction.png, all at the image's own size. Subfolders are kept. At the end come results.csv, one row for each image, also for \
    skipped ones, and index.html, a page with all images, the worst first. \
    Models trained by `orthoscope train` have thresholds, set on held-out normal images. Other weight files have none: without \
    --threshold and --pixel-threshold, `threshold` and `anomalous` are then null and the mask is empty. A file that is there is \
    replaced only if `detect` wrote it. After Ctrl-C the images in work are finished, but not those of more than 64 Mi pixels, which are seen in \
    strips; results.csv and index.html are not written, and the exit code is 130. A second Ctrl-C ends the command at once."
)]
pub struct Arguments {
    /// Weight file
    #[arg(long, value_name = "SAFETENSORS")]
    model: PathBuf,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Images, or folders of images
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Call an image anomalous if its score exceeds SCORE [default: the model's threshold]
    #[arg(long, value_name = "SCORE", value_parser = number, allow_hyphen_values = true)]
    threshold: Option<f64>,
    /// Mark a pixel if its heatmap value exceeds VALUE [default: the model's threshold]
    #[arg(long, value_name = "VALUE", value_parser = number, allow_hyphen_values = true)]
    pixel_threshold: Option<f64>,
    /// Files to write for each image beside NAME.json
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "map,heatmap,mask,reconstruction", value_parser = Trimmed(PossibleValuesParser::new(SAVED)))]
    save: Vec<String>,
    /// Replace files in the output folder that `detect` did not write, or that were changed since
    #[arg(long)]
    overwrite: bool,
    /// Print all results as one JSON array instead of lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tiles: TileOptions,
    #[command(flatten)]
    device: DeviceOption,
}

/// A finite number.
fn number(text: &str) -> Result<f64> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite());
    value.ok_or_else(|| Error::argument("a finite number is needed"))
}

/// Finds anomalies in images. An image that cannot be read is reported, and the others are still processed.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let parts = parts(&arguments.save)?;
    check_output_folder(&arguments.out)?;
    pictures::refuse_to_mix(&arguments.out, &arguments.paths)?;
    let images = pictures::list(&arguments.paths, &arguments.out)?;
    pictures::refuse_to_overwrite(&arguments.out, &images, &parts)?;
    let model = arguments.model.canonicalize().ok();
    let inputs = images.iter().filter_map(|picture| picture.real.clone()).chain(model);
    let outputs = Outputs::new(&arguments.out, "detect", arguments.overwrite)?.protecting_real(inputs).in_haste();
    pictures::check_outputs(&outputs, &images, &parts, &files_of_all(outputs.folder()))?;
    outputs.remove_leftovers();
    let device = arguments.device.open()?;
    let window = window(device.is_cpu());
    on_device!(device, |backend| detect(arguments, &backend, &images, &parts, &outputs, window))
}

/// How many pictures are worked on at a time.
fn window(is_cpu: bool) -> Window {
    let threads = rayon::current_num_threads();
    // On a GPU one picture after the other, while the results of the one before are given their names.
    let most = if is_cpu { (PICTURES_PER_THREAD * threads).min(MOST_PICTURES) } else { 1 };
    Window { most, cost: PIXELS_PER_THREAD * threads as u64 }
}

/// The files that the words of `--save` name.
fn parts(words: &[String]) -> Result<Parts> {
    let is_none = words.iter().any(|word| word == NONE);
    if is_none && words.iter().any(|word| word != NONE) {
        return Err(Error::argument("--save none stands alone: it means no file but NAME.json for each image"));
    }
    Ok(Part::ALL.into_iter().filter(|part| words.iter().any(|word| word == part.word())).collect())
}

fn detect(
    arguments: &Arguments,
    backend: &impl Backend,
    images: &[Picture],
    parts: &Parts,
    outputs: &Outputs,
    window: Window,
) -> anyhow::Result<ExitCode> {
    let (detector, cutoffs) = opened(arguments, backend, images)?;
    let stop = Stop::listen(FINISHING)?;
    let bar = progress::image_bar(images.len());
    let inspector = Inspector { detector: &detector, cutoffs, parts, outputs, stop: &stop, bar: &bar };
    let mut collector = Collector::new(ResultFolder::new(outputs, parts), &bar, arguments.json);
    let work = |picture: &_| inspector.inspect(picture);
    // After Ctrl-C nothing is begun any more, and no header needs to be read.
    let cost = |picture: &_| if stop.is_set() { 0 } else { pixels(picture) };
    let mut short = Vec::new();
    let take = |picture: &Picture, outcome| match outcome {
        Outcome::Skipped(error) if error.is_out_of_memory() && images.len() > 1 => {
            short.push(picture.clone());
            Ok(())
        }
        outcome => collector.take(picture, outcome),
    };
    in_order(images, window, cost, work, take)?;
    // Without others beside it, a picture may find the memory that it needs.
    short.iter().try_for_each(|picture| collector.take(picture, inspector.inspect(picture)))?;
    collector.sort(images);
    if collector.is_stopped {
        collector.interrupted(images.len());
        return Ok(INTERRUPTED.into());
    }
    conclude(arguments, &detector, cutoffs, parts, &collector)
}

/// The model, and the thresholds that count.
fn opened<B: Backend>(arguments: &Arguments, backend: &B, images: &[Picture]) -> anyhow::Result<(Detector<B>, Cutoffs)> {
    let mut detector = Detector::read(backend, &arguments.model)?;
    arguments.tiles.apply(&mut detector, images.iter().map(|picture| picture.path.as_path()))?;
    let cutoffs = Cutoffs::given(arguments.threshold, arguments.pixel_threshold).or(detector.cutoffs());
    if cutoffs.image.is_none() {
        log::warn!("{} has no thresholds: no verdicts unless --threshold is given", arguments.model.display());
    }
    if cutoffs.pixel.is_none() {
        log::warn!("without a pixel threshold, the brightest colour of each heatmap is its own maximum, also of a normal image");
    }
    Ok((detector, cutoffs))
}

/// Writes the table and the page of all pictures, and says what was found.
fn conclude(
    arguments: &Arguments,
    detector: &Detector<impl Backend>,
    cutoffs: Cutoffs,
    parts: &Parts,
    collector: &Collector<'_>,
) -> anyhow::Result<ExitCode> {
    let (settings, counts, rows) = (detector.settings(), collector.counts(), &collector.rows);
    let (notes, facts) = (notes(settings, cutoffs, counts), facts(arguments, detector));
    collector.finish(&Page {
        rows,
        parts,
        cutoffs,
        knows_training: settings.appearance.is_some(),
        facts,
        notes: notes.clone(),
    })?;
    if let Some(doubt) = doubt_about_levels(&collector.levels, settings.preparation.white_level) {
        log::warn!("{doubt}");
    }
    note(counts);
    notes.iter().for_each(note);
    note(format_args!(
        "{} shows all images, the worst first; {TABLE_FILE} is the table",
        arguments.out.join(PAGE_FILE).display()
    ));
    if let Some(findings) = &collector.findings {
        say_json(findings)?;
    }
    if collector.short > 0 {
        note(short_memory(collector.short, settings.preparation.keeps_size() && detector.tiling()?.is_none()));
    }
    match (counts.skipped, rows.len()) {
        (0, _) => Ok(ExitCode::SUCCESS),
        (1, 1) => bail!("the image could not be inspected"),
        (skipped, all) if skipped == all => bail!("none of the {all} images could be inspected"),
        (skipped, all) => bail!("{skipped} of {all} images could not be inspected"),
    }
}

/// What helps where memory is short for pictures that were tried alone.
fn short_memory(count: usize, is_seen_whole: bool) -> String {
    let tiles = if is_seen_whole { ", or `--tile PX`, with which the network sees only a part at a time" } else { "" };
    format!(
        "memory was short for {count} of the images, also with no other beside it; what helps is more free memory, fewer threads (--threads), \
        smaller images, fewer files in --save{tiles}"
    )
}

/// What the verdicts are worth: how many images are unlike the training images, and how many false alarms are to be expected if
/// the threshold is that of the model.
fn notes(settings: &Settings, cutoffs: Cutoffs, counts: Counts) -> Vec<String> {
    let Some(threshold) = cutoffs.image else { return Vec::new() };
    let mut sentences: Vec<String> = unlike(settings, counts).into_iter().collect();
    if threshold.origin != Origin::User {
        let calibration = settings.thresholds.and_then(|own| own.calibration);
        sentences.extend(
            calibration
                .into_iter()
                .flat_map(|own| own.sentences(settings.detection.image_quantile, settings.detection.relative_score)),
        );
    }
    sentences
}

/// How many images are unlike the training images, if any is.
fn unlike(settings: &Settings, counts: Counts) -> Option<String> {
    let category = settings.provenance.as_ref().and_then(|own| own.category.as_deref());
    let category = category.map_or_else(String::new, |name| format!(" of {name}"));
    (counts.unlike > 0).then(|| {
        format!(
            "{} of {} images are unlike the training images{category}: what is said about them means little.",
            counts.unlike, counts.inspected
        )
    })
}

/// What identifies the model, for the page.
fn facts(arguments: &Arguments, detector: &Detector<impl Backend>) -> Vec<(String, String)> {
    let (settings, fact) = (detector.settings(), |name: &str, value: String| (name.to_owned(), value));
    let mut facts = vec![
        fact("model", crate::data::shown(arguments.model.as_os_str())),
        fact("network", detector.parameters().architecture().to_string()),
        fact("score", format!("{} of the heatmap", settings.detection.score.word())),
    ];
    if let Some(provenance) = &settings.provenance {
        facts.extend(provenance.category.clone().map(|category| fact("trained on", category)));
        facts.push(fact("steps", provenance.steps.to_string()));
        facts.push(fact("config", provenance.config_hash.clone()));
    }
    facts
}
