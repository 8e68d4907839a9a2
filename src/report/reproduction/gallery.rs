//! One run for the gallery of a report: every test image with its results at working resolution, as one script.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ndarray::Array2;
use serde::Serialize;

use super::super::colour::{Scale, heat};
use super::levels::{Levels, packed};
use crate::data::{Category, Image, Plane, TestImage, encode_jpeg, make_folder, write_bytes};
use crate::detect::metrics::{is_anomalous, resize_nearest};
use crate::detect::{Confusion, Cutoffs, Detector, Threshold};
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::run::reproduction::GALLERY_FOLDER;

/// File name of the gallery of a run, in the folder [`GALLERY_FOLDER`] of the run.
pub const GALLERY_FILE: &str = "gallery.js";

/// The function of the page that the script calls. A page that is opened as a file may load scripts, but not data.
const FUNCTION: &str = "orthoscopeGallery";

/// Quality of the JPEG images. They are only looked at; nothing is computed from them.
const QUALITY: u8 = 90;

/// Counts on the test set at the thresholds of the model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Counts {
    /// Images whose score exceeds the image threshold; `None` without one.
    pub images: Option<Confusion>,
    /// Pixels at working resolution whose heatmap value exceeds the pixel threshold; `None` without one, or where a defect image
    /// has no mask. Masks are resized by nearest neighbour.
    pub pixels: Option<Confusion>,
}

/// The content of the script.
#[derive(Serialize)]
struct Gallery {
    image_threshold: Option<Own>,
    pixel_threshold: Option<Own>,
    /// Positions of the pixel threshold, rising.
    thresholds: Vec<f64>,
    /// Heat colour of each level, `rrggbb`.
    colours: Vec<String>,
    /// Values of the darkest and the brightest heat colour.
    scale: [f32; 2],
    /// Whether every defect image has a mask, so that pixels can be judged.
    has_masks: bool,
    counts: Counts,
    images: Vec<Entry>,
}

/// A threshold of the model.
#[derive(Serialize)]
struct Own {
    value: f64,
    /// Where it comes from, in words.
    origin: String,
}

/// One test image at working resolution.
#[derive(Serialize)]
struct Entry {
    /// `KIND/NAME.png`.
    name: String,
    kind: String,
    anomalous: bool,
    score: f64,
    height: usize,
    width: usize,
    /// Height and width of the image file: the page shows its aspect ratio, which the working resolution may not have.
    original: [usize; 2],
    /// x̂ and f(x̂) as JPEG in base64.
    input: String,
    reconstruction: String,
    /// Number of thresholds that each pixel exceeds, and the truth (0 or 1), see [`packed`].
    levels: String,
    truth: String,
}

/// A test image before the levels are known.
struct Examined {
    score: f64,
    original: [usize; 2],
    input: String,
    reconstruction: String,
    heatmap: Plane,
    truth: Array2<bool>,
}

/// Writes the gallery of a run into its folder, as [`GALLERY_FOLDER`]`/`[`GALLERY_FILE`]: input, reconstruction, heatmap and
/// truth of every test image at working resolution. All heatmaps are in memory at once.
///
/// # Errors
/// An unreadable image or mask; an image that cannot be inspected; the file cannot be written.
pub fn record<B: Backend>(detector: &Detector<B>, category: &Category, folder: &Path) -> Result<Counts> {
    let examined = |test: &TestImage| examine(detector, test).map_err(|error| error.in_file(&test.path));
    let examined = category.test.iter().map(examined).collect::<Result<Vec<_>>>()?;
    let gallery = gallery(category, &examined, detector.cutoffs())?;
    let folder = folder.join(GALLERY_FOLDER);
    make_folder(&folder)?;
    let path = folder.join(GALLERY_FILE);
    let json = serde_json::to_string(&gallery).map_err(|error| Error::file(&path, error))?;
    write_bytes(&path, format!("{FUNCTION}({json});\n").as_bytes())?;
    Ok(gallery.counts)
}

fn examine<B: Backend>(detector: &Detector<B>, test: &TestImage) -> Result<Examined> {
    let settings = detector.settings();
    let (image, mask) = test.read(settings.preparation.white_level)?;
    let found = detector.inspect(&image)?;
    let (height, width) = found.heatmap.dim();
    Ok(Examined {
        score: found.scores.get(settings.detection.score),
        original: [image.dim().0, image.dim().1],
        input: jpeg(&settings.preparation.apply(&image)?)?,
        reconstruction: jpeg(&found.reconstruction)?,
        truth: resize_nearest(&mask, height, width)?.mapv(is_anomalous),
        heatmap: found.heatmap,
    })
}

fn jpeg(image: &Image) -> Result<String> {
    Ok(STANDARD.encode(encode_jpeg(image, QUALITY)?))
}

fn gallery(category: &Category, examined: &[Examined], cutoffs: Cutoffs) -> Result<Gallery> {
    let pixel = cutoffs.pixel.map(|threshold| threshold.value);
    let heatmaps = || examined.iter().map(|own| &own.heatmap);
    let levels = Levels::over(heatmaps(), pixel);
    let whole = Plane::from_elem((1, 1), Scale::over(heatmaps()).high);
    let scale = Scale::for_heatmap(&whole, pixel);
    let entries = category.test.iter().zip(examined).map(|(test, own)| entry(test, own, &levels));
    Ok(Gallery {
        image_threshold: cutoffs.image.map(Own::from),
        pixel_threshold: cutoffs.pixel.map(Own::from),
        colours: colours(&levels, scale),
        scale: [scale.low, scale.high],
        has_masks: has_masks(category, examined),
        counts: counts(category, examined, cutoffs),
        images: entries.collect::<Result<_>>()?,
        thresholds: levels.thresholds().to_vec(),
    })
}

impl From<Threshold> for Own {
    fn from(Threshold { value, origin }: Threshold) -> Self {
        Self { value, origin: origin.to_string() }
    }
}

fn entry(test: &TestImage, own: &Examined, levels: &Levels) -> Result<Entry> {
    let (height, width) = own.heatmap.dim();
    Ok(Entry {
        name: test.full_name(),
        kind: test.defect.clone(),
        anomalous: !test.is_good(),
        score: own.score,
        height,
        width,
        original: own.original,
        input: own.input.clone(),
        reconstruction: own.reconstruction.clone(),
        levels: packed(&levels.of(&own.heatmap))?,
        truth: packed(&own.truth.mapv(u8::from))?,
    })
}

/// The colour of each level: that of the smallest value it stands for.
fn colours(levels: &Levels, scale: Scale) -> Vec<String> {
    let values = [scale.low].into_iter().chain(levels.thresholds().iter().map(|&threshold| threshold as f32));
    let hex = |value| heat(scale.place(value)).map(|channel| format!("{:02x}", (channel * 255.0).round() as u8)).concat();
    values.map(hex).collect()
}

/// Whether pixels can be judged: every defect has a mask, and they are not all black at working resolution, where small marks can
/// vanish.
fn has_masks(category: &Category, examined: &[Examined]) -> bool {
    let mut defects = category.test.iter().filter(|test| !test.is_good()).peekable();
    let is_marked = || examined.iter().any(|own| own.truth.iter().any(|&is_anomalous| is_anomalous));
    (defects.peek().is_none() || is_marked()) && defects.all(|test| !test.masks.is_empty())
}

/// The counts, from the values themselves.
fn counts(category: &Category, examined: &[Examined], cutoffs: Cutoffs) -> Counts {
    let images = |threshold: Threshold| {
        let verdicts = category.test.iter().zip(examined).map(|(test, own)| (!test.is_good(), own.score > threshold.value));
        Confusion::of(verdicts)
    };
    let pixels = |threshold: Threshold| {
        let verdict = |(&truth, &value): (&bool, &f32)| (truth, f64::from(value) > threshold.value);
        Confusion::of(examined.iter().flat_map(|own| own.truth.iter().zip(&own.heatmap).map(verdict)))
    };
    Counts { images: cutoffs.image.map(images), pixels: cutoffs.pixel.filter(|_| has_masks(category, examined)).map(pixels) }
}
