//! Samples of a training as a figure: image, corrupted image, mask and change, one row per sample.

use super::colour::grey;
use super::figure::{Figure, FigureRow};
use crate::data::corruption::{Corrupted, PatchShape, Source};
use crate::data::{Image, TrainingSet};
use crate::error::Result;

/// Columns of the figure.
const CAPTIONS: [&str; 4] = ["image x", "corrupted x\u{302}", "mask M", "change |x\u{302} − x|"];
/// Caption of the mask if a pixel counts by how much it changed.
const WEIGHT_CAPTION: &str = "weight M";

/// The first `count` samples of the batch of a step.
///
/// # Errors
/// A sample that cannot be made, or a figure that is too large.
pub fn preview(set: &TrainingSet, is_weighted: bool, step: u64, count: usize) -> Result<Image> {
    let samples = set.samples(step, count)?;
    let changes: Vec<Image> = samples.iter().map(|sample| (&sample.target - &sample.image).mapv_into(f32::abs)).collect();
    let mask = |sample: &Corrupted| grey(if is_weighted { &sample.region } else { &sample.mask });
    let masks = samples.iter().map(mask).collect::<Result<Vec<_>>>()?;
    let mut captions = CAPTIONS;
    if is_weighted {
        captions[2] = WEIGHT_CAPTION;
    }
    let mut rows: Vec<FigureRow<'_>> = Vec::new();
    for (number, ((sample, mask), change)) in samples.iter().zip(&masks).zip(&changes).enumerate() {
        rows.push(FigureRow {
            label: format!("sample {number}"),
            note: sources(sample),
            captions: if number == 0 { captions.map(String::from).into() } else { Vec::new() },
            images: vec![&sample.target, &sample.image, mask, change],
        });
    }
    Figure { rows, heat_scales: vec![] }.draw()
}

/// Where the patches of a sample come from, one line per source, and how many of them are Perlin shapes.
fn sources(corrupted: &Corrupted) -> String {
    let line = |count: usize, name: String| match count {
        0 => None,
        1 => Some(name),
        count => Some(format!("{count} × {name}")),
    };
    let count = |source| corrupted.patches.iter().filter(|patch| patch.source == source).count();
    let used = Source::ALL.into_iter().filter_map(|source| line(count(source), source.key().replace('_', " ")));
    let perlin = corrupted.patches.iter().filter(|patch| patch.shape != PatchShape::Disk).count();
    used.chain(line(perlin, "Perlin shape".to_owned())).collect::<Vec<_>>().join("\n")
}
