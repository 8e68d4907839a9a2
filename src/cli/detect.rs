use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::data::{Image, Strips, check_output_folder, encode_mask_png, encode_png, list_images, shown};
use crate::detect::metrics::Score;
use crate::detect::{Cutoffs, Detector, Examination, ImageScores, Origin, Region, Settings, Unlike};
use crate::disk::{Draft, Outputs, npy};
use crate::ops::Backend;
use crate::report::colour::{Scale, overlay};
use crate::{Error, Result};
use anyhow::bail;
use serde::Serialize;

use super::device::{DeviceOption, on_device};
use super::large::{self, Examined, Files};
use super::output::{note, say, say_json};
use super::progress;
use super::tiles::TileOptions;

/// Files written for an image `NAME`.
const ENDINGS: [&str; 5] = [".json", "_map.npy", "_heatmap.png", "_mask.png", "_reconstruction.png"];

/// Arguments of `detect`.
#[derive(clap::Args)]
#[command(after_help = "For each image, writes NAME.json (score, threshold, anomalous, regions), NAME_map.npy (f32, h x w), \
    NAME_heatmap.png, NAME_mask.png and NAME_reconstruction.png, all at the image's own size. Subfolders are kept. \
    Models trained by `orthoscope train` have thresholds, set on held-out normal images. Other weight files have none: without \
    --threshold and --pixel-threshold, `threshold` and `anomalous` are then null and the mask is empty. A file that is there is \
    replaced only if `detect` wrote it.")]
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
    #[arg(long, value_name = "SCORE", value_parser = number, allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Mark a pixel if its heatmap value exceeds VALUE [default: the model's threshold]
    #[arg(long, value_name = "VALUE", value_parser = number, allow_negative_numbers = true)]
    pixel_threshold: Option<f64>,
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

/// The content of `NAME.json`.
#[derive(Serialize)]
struct Finding {
    image: String,
    score: f64,
    threshold: Option<f64>,
    anomalous: Option<bool>,
    score_kind: Score,
    #[serde(flatten)]
    scores: ImageScores,
    pixel_threshold: Option<f64>,
    anomalous_pixels: usize,
    height: usize,
    width: usize,
    regions: Vec<Region>,
    unlike_training: Option<Unlike>,
}

/// A finite number.
fn number(text: &str) -> Result<f64> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite());
    value.ok_or_else(|| Error::argument("a finite number is needed"))
}

/// Finds anomalies in images. An image that cannot be read is reported, and the others are still processed.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    check_output_folder(&arguments.out)?;
    refuse_to_mix(&arguments.out, &arguments.paths)?;
    let images = named_images(&arguments.paths, &arguments.out)?;
    refuse_to_overwrite(&arguments.out, &images)?;
    let inputs = images.iter().map(|(_, path)| path).chain([&arguments.model]);
    let outputs = Outputs::new(&arguments.out, "detect", arguments.overwrite)?.protecting(inputs);
    // Before any image is looked at.
    let folders: HashSet<PathBuf> =
        images.iter().filter_map(|(name, _)| Some(arguments.out.join(name).parent()?.to_owned())).collect();
    folders.iter().try_for_each(|folder| check_output_folder(folder))?;
    for (name, _) in &images {
        ENDINGS.iter().try_for_each(|ending| outputs.check(&output_file(&arguments.out.join(name), ending)))?;
    }
    on_device!(arguments.device.open()?, |backend| detect(arguments, &backend, &images, &outputs))
}

fn detect(arguments: &Arguments, backend: &impl Backend, images: &[(PathBuf, PathBuf)], outputs: &Outputs) -> anyhow::Result<()> {
    let mut detector = Detector::read(backend, &arguments.model)?;
    arguments.tiles.apply(&mut detector)?;
    let cutoffs = Cutoffs::given(arguments.threshold, arguments.pixel_threshold).or(detector.cutoffs());
    if cutoffs.image.is_none() {
        log::warn!("{} has no thresholds: no verdicts unless --threshold is given", arguments.model.display());
    }
    let bar = progress::image_bar(images.len());
    let mut findings = Vec::with_capacity(images.len());
    let mut failed = 0;
    for (name, path) in images {
        match inspect(&detector, cutoffs, path, (outputs, &arguments.out.join(name))) {
            Ok((results, finding)) => {
                // The other results could not be written either.
                results.write(outputs, &arguments.out.join(name), &finding)?;
                if let Some(unlike) = &finding.unlike_training {
                    bar.suspend(|| log::warn!("{} is unlike the training images: {unlike}", finding.image));
                }
                if !arguments.json {
                    bar.suspend(|| say(line(&finding)))?;
                }
                findings.push(finding);
            }
            Err(error) => {
                failed += 1;
                bar.suspend(|| note(format_args!("error: {error}")));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    summary(&detector, cutoffs, &findings).iter().for_each(note);
    if arguments.json {
        say_json(&findings)?;
    }
    if failed > 0 {
        bail!("{failed} of {} images could not be inspected", images.len());
    }
    Ok(())
}

/// How many images are anomalous, and, if the threshold is that of the model, how many false alarms are to be expected.
fn summary(detector: &Detector<impl Backend>, cutoffs: Cutoffs, findings: &[Finding]) -> Vec<String> {
    let Some(threshold) = cutoffs.image else { return Vec::new() };
    let anomalous = findings.iter().filter(|finding| finding.anomalous == Some(true)).count();
    let mut sentences = vec![format!("{anomalous} of {} images are anomalous.", findings.len())];
    let settings = detector.settings();
    sentences.extend(unlike(settings, findings));
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
fn unlike(settings: &Settings, findings: &[Finding]) -> Option<String> {
    let count = findings.iter().filter(|finding| finding.unlike_training.is_some()).count();
    let category = settings.provenance.as_ref().and_then(|own| own.category.as_deref());
    let category = category.map_or_else(String::new, |name| format!(" of {name}"));
    (count > 0).then(|| {
        format!(
            "{count} of {} images are unlike the training images{category}: what is said about them means little.",
            findings.len()
        )
    })
}

/// Checks that the results do not get into a folder of images, where later commands would read them as images.
fn refuse_to_mix(out: &Path, paths: &[PathBuf]) -> Result<()> {
    let Ok(folder) = out.canonicalize() else { return Ok(()) };
    match paths.iter().find(|path| path.canonicalize().is_ok_and(|path| path == folder)) {
        Some(_) => {
            Err(Error::file(out, "contains the images; choose another --out, so that results are not read as images later"))
        }
        None => Ok(()),
    }
}

/// Every image with its output name, which is its path relative to the given folder, without extension. Results of an earlier run, in
/// an output folder inside a given folder, are no images.
fn named_images(paths: &[PathBuf], out: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut images = Vec::new();
    let mut taken: HashMap<PathBuf, PathBuf> = HashMap::new();
    let results = out.canonicalize().ok();
    let is_result =
        |path: &PathBuf| results.as_ref().is_some_and(|out| path.canonicalize().is_ok_and(|path| path.starts_with(out)));
    for given in paths {
        let root = if given.is_dir() { given.as_path() } else { given.parent().unwrap_or(Path::new("")) };
        for path in list_images(given)?.into_iter().filter(|path| path == given || !is_result(path)) {
            let name = path.strip_prefix(root).unwrap_or(&path).with_extension("");
            if let Some(other) = taken.insert(name.clone(), path.clone()) {
                let reason = match other == path {
                    true => "is given twice".into(),
                    false => format!("would get the same output name `{}` as {}", name.display(), other.display()),
                };
                return Err(Error::file(path, reason));
            }
            images.push((name, path));
        }
    }
    if images.is_empty() {
        return Err(Error::file(out, "contains all images that were found, and results are not read as images"));
    }
    Ok(images)
}

/// Checks that no output would replace an input.
fn refuse_to_overwrite(out: &Path, images: &[(PathBuf, PathBuf)]) -> Result<()> {
    let given: HashSet<PathBuf> = images.iter().filter_map(|(_, path)| path.canonicalize().ok()).collect();
    for (name, path) in images {
        let files = ENDINGS.map(|ending| output_file(&out.join(name), ending));
        if let Some(file) = files.into_iter().find(|file| file.canonicalize().is_ok_and(|file| given.contains(&file))) {
            let reason = format!("is an input, and the results for {} would replace it; choose another --out", path.display());
            return Err(Error::file(file, reason));
        }
    }
    Ok(())
}

/// `NAME` with one of [`ENDINGS`].
fn output_file(stem: &Path, ending: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// What is written for an image beside the JSON file.
enum Results {
    /// In memory.
    Whole(Box<(Image, Examination)>),
    /// Of a picture that is too large for the memory: on the disk, without names.
    Drafts(Vec<Draft>),
}

fn inspect(
    detector: &Detector<impl Backend>,
    cutoffs: Cutoffs,
    path: &Path,
    (outputs, stem): (&Outputs, &Path),
) -> Result<(Results, Finding)> {
    let settings = detector.settings();
    let finding = |score, scores, anomalous, (height, width), anomalous_pixels, regions, unlike_training| Finding {
        image: shown(path.as_os_str()),
        score,
        threshold: cutoffs.image.map(|threshold| threshold.value),
        anomalous,
        score_kind: settings.detection.score,
        scores,
        pixel_threshold: cutoffs.pixel.map(|threshold| threshold.value),
        anomalous_pixels,
        height,
        width,
        regions,
        unlike_training,
    };
    if let Some(strips) = Strips::of_large(path, settings.preparation.white_level)? {
        let size = strips.size();
        let [_, map, heatmap, mask, reconstruction] = ENDINGS.map(|ending| output_file(stem, ending));
        let files = Files { map, heatmap, mask, reconstruction };
        let Examined { drafts, found, marked } = large::examine(detector, cutoffs, (path, strips), (outputs, &files))?;
        let finding = finding(found.score, found.scores, found.anomalous, size, marked, found.regions, found.unlike);
        return Ok((Results::Drafts(drafts), finding));
    }
    let image = settings.preparation.read(path)?;
    let found = detector.examine_with(&image, cutoffs).map_err(|error| error.in_file(path))?;
    let marked = found.mask.iter().filter(|&&marked| marked).count();
    let unlike = detector.unlike(&image)?;
    let finding = finding(found.score, found.scores, found.anomalous, found.mask.dim(), marked, found.regions.clone(), unlike);
    Ok((Results::Whole(Box::new((image, found))), finding))
}

impl Results {
    /// The files of an earlier run go first, and the JSON file comes last: if it exists, the others are complete and of the same run.
    fn write(self, outputs: &Outputs, stem: &Path, finding: &Finding) -> Result<()> {
        let [json_file, ..] = ENDINGS.map(|ending| output_file(stem, ending));
        let json = serde_json::to_string_pretty(finding).map_err(|error| Error::file(&json_file, error))?;
        let json = (json_file, format!("{json}\n").into_bytes());
        match self {
            Self::Whole(own) => {
                let mut files = files(stem, &own.0, &own.1, finding)?;
                files.push(json);
                outputs.replace_together(&files, &[])
            }
            Self::Drafts(mut drafts) => {
                let mut draft = outputs.draft(&json.0)?;
                draft.write_all(&json.1).map_err(|error| Error::write(&json.0, error))?;
                drafts.push(draft);
                outputs.replace_by_drafts(drafts, &[])
            }
        }
    }
}

/// The files of an image but the JSON file.
fn files(stem: &Path, image: &Image, found: &Examination, finding: &Finding) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let [_, map_file, heatmap_file, mask_file, reconstruction_file] = ENDINGS.map(|ending| output_file(stem, ending));
    let scale = Scale::for_heatmap(&found.heatmap, finding.pixel_threshold);
    let map = npy::encode(&found.heatmap)?;
    let heatmap = encode_png(&overlay(image, &found.heatmap, scale)?)?;
    let mask = encode_mask_png(&found.mask.mapv(f32::from))?;
    let reconstruction = encode_png(&found.reconstruction).map_err(|error| error.in_file(&reconstruction_file))?;
    Ok(vec![(map_file, map), (heatmap_file, heatmap), (mask_file, mask), (reconstruction_file, reconstruction)])
}

fn line(finding: &Finding) -> String {
    let verdict = match finding.anomalous {
        Some(true) => "anomalous",
        Some(false) => "normal",
        None => "unknown",
    };
    format!("{verdict:<10} score {:.5}  {}", finding.score, finding.image)
}
