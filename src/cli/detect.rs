use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::data::{Image, Levels, check_output_folder, doubt_about_levels, encode_mask_png, encode_png, list_images, shown};
use crate::detect::metrics::Score;
use crate::detect::{Cutoffs, Detector, Examination, Origin, Region, Settings, Unlike};
use crate::disk::{LONGEST_NAME, Outputs, npy};
use crate::ops::Backend;
use crate::report::colour::{Scale, overlay};
use crate::{Error, Result};
use anyhow::bail;
use serde::Serialize;

use super::device::{DeviceOption, on_device};
use super::output::{note, say, say_json};
use super::progress;

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
    score_max: f64,
    score_sum: f64,
    score_top: f64,
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
    for (name, _) in images.iter().filter(|(name, path)| check_name(name, path).is_ok()) {
        ENDINGS.iter().try_for_each(|ending| outputs.check(&output_file(&arguments.out.join(name), ending)))?;
    }
    on_device!(arguments.device.open()?, |backend| detect(arguments, &backend, &images, &outputs))
}

fn detect(arguments: &Arguments, backend: &impl Backend, images: &[(PathBuf, PathBuf)], outputs: &Outputs) -> anyhow::Result<()> {
    let detector = Detector::read(backend, &arguments.model)?;
    let cutoffs = Cutoffs::given(arguments.threshold, arguments.pixel_threshold).or(detector.cutoffs());
    if cutoffs.image.is_none() {
        log::warn!("{} has no thresholds: no verdicts unless --threshold is given", arguments.model.display());
    }
    if cutoffs.pixel.is_none() {
        log::warn!("without a pixel threshold, the brightest colour of each heatmap is its own maximum, also of a normal image");
    }
    let bar = progress::image_bar(images.len());
    let (mut findings, mut levels) = (Vec::with_capacity(images.len()), Vec::new());
    let mut failed = 0;
    for (name, path) in images {
        match check_name(name, path).and_then(|()| inspect(&detector, cutoffs, path)) {
            Ok((image, level, found, finding)) => {
                levels.push(level);
                // The other results could not be written either.
                write_files(outputs, &arguments.out.join(name), &image, &found, &finding)?;
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
    if let Some(doubt) = doubt_about_levels(&levels, detector.settings().preparation.white_level) {
        log::warn!("{doubt}");
    }
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

/// Every image with its output name, which is its path relative to the given folder, without extension unless two images differ in nothing else.
/// Results of an earlier run, in an output folder inside a given folder, are no images.
fn named_images(paths: &[PathBuf], out: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut images: Vec<(PathBuf, PathBuf)> = Vec::new();
    let results = out.canonicalize().ok();
    let is_result =
        |path: &PathBuf| results.as_ref().is_some_and(|out| path.canonicalize().is_ok_and(|path| path.starts_with(out)));
    for given in paths {
        let root = if given.is_dir() { given.as_path() } else { given.parent().unwrap_or(Path::new("")) };
        for path in list_images(given)?.into_iter().filter(|path| path == given || !is_result(path)) {
            images.push((path.strip_prefix(root).unwrap_or(&path).to_owned(), path));
        }
    }
    let mut stems: HashMap<PathBuf, usize> = HashMap::new();
    images.iter().for_each(|(name, _)| *stems.entry(name.with_extension("")).or_default() += 1);
    for (name, _) in &mut images {
        let stem = name.with_extension("");
        if stems.get(&stem) == Some(&1) {
            *name = stem;
        }
    }
    check_names(&images)?;
    if images.is_empty() {
        return Err(Error::file(out, "contains all images that were found, and results are not read as images"));
    }
    Ok(images)
}

/// Checks that all output names differ.
fn check_names(images: &[(PathBuf, PathBuf)]) -> Result<()> {
    let mut taken: HashMap<&Path, &Path> = HashMap::new();
    for (name, path) in images {
        if let Some(other) = taken.insert(name, path) {
            let reason = match other == path {
                true => "is given twice".into(),
                false => format!(
                    "would get the same output name `{}` as {}; give one folder that holds both, or inspect them one after the other \
                     with another --out",
                    name.display(),
                    other.display()
                ),
            };
            return Err(Error::file(path, reason));
        }
    }
    Ok(())
}

/// Checks that the names of the results for an image are not too long.
fn check_name(name: &Path, path: &Path) -> Result<()> {
    let own = name.file_name().map_or(0, |name| name.len());
    let longest = own + ENDINGS.map(str::len).into_iter().max().unwrap_or_default();
    match longest > LONGEST_NAME {
        true => {
            let reason = format!("its results would have names of {longest} bytes, and a file name may have {LONGEST_NAME}");
            Err(Error::file(path, format!("{reason}; rename the image")))
        }
        false => Ok(()),
    }
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

fn inspect(
    detector: &Detector<impl Backend>,
    cutoffs: Cutoffs,
    path: &Path,
) -> Result<(Image, Option<Levels>, Examination, Finding)> {
    let (image, levels) = detector.settings().preparation.read_with_levels(path)?;
    let found = detector.examine_with(&image, cutoffs).map_err(|error| error.in_file(path))?;
    let (height, width, _) = image.dim();
    let finding = Finding {
        image: shown(path.as_os_str()),
        score: found.score,
        threshold: cutoffs.image.map(|threshold| threshold.value),
        anomalous: found.anomalous,
        score_kind: detector.settings().detection.score,
        score_max: found.scores.max,
        score_sum: found.scores.sum,
        score_top: found.scores.top,
        pixel_threshold: cutoffs.pixel.map(|threshold| threshold.value),
        anomalous_pixels: found.mask.iter().filter(|&&marked| marked).count(),
        height,
        width,
        regions: found.regions.clone(),
        unlike_training: detector.unlike(&image)?,
    };
    Ok((image, levels, found, finding))
}

/// The files of an earlier run go first, and the JSON file comes last: if it exists, the others are complete and of the same run.
fn write_files(outputs: &Outputs, stem: &Path, image: &Image, found: &Examination, finding: &Finding) -> Result<()> {
    let [json_file, map_file, heatmap_file, mask_file, reconstruction_file] = ENDINGS.map(|ending| output_file(stem, ending));
    let json = serde_json::to_string_pretty(finding).map_err(|error| Error::file(&json_file, error))?;
    let scale = Scale::for_heatmap(&found.heatmap, finding.pixel_threshold);
    let map = npy::encode(&found.heatmap)?;
    let heatmap = encode_png(&overlay(image, &found.heatmap, scale)?)?;
    let mask = encode_mask_png(&found.mask.mapv(f32::from))?;
    let reconstruction = encode_png(&found.reconstruction).map_err(|error| error.in_file(&reconstruction_file))?;
    let files = [
        (map_file, map),
        (heatmap_file, heatmap),
        (mask_file, mask),
        (reconstruction_file, reconstruction),
        (json_file, format!("{json}\n").into_bytes()),
    ];
    outputs.replace_together(&files, &[])
}

fn line(finding: &Finding) -> String {
    let verdict = match finding.anomalous {
        Some(true) => "anomalous",
        Some(false) => "normal",
        None => "unknown",
    };
    format!("{verdict:<10} score {:.5}  {}", finding.score, finding.image)
}
