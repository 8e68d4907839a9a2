//! The corruption of training images, step by step (Figure 4 of the paper).

use super::super::figure::{Figure, FigureRow};
use super::super::number::readable;
use super::colour::grey;
use super::{Content, Drawing, Name};
use crate::data::corruption::{Corrupted, Source};
use crate::data::{Image, TrainingSet};
use crate::error::{Error, Result};

/// Samples are searched in this many steps of this many images.
const STEPS: u64 = 32;
const BATCH: usize = 8;
/// Drawn where there is no replacement.
const NOTHING: f32 = 0.93;

/// A sample with the replacements before masking, and where it was found.
struct Found {
    sample: Corrupted,
    replacement: Image,
    step: u64,
    slot: usize,
}

/// Figure 4.
pub(super) fn steps(set: &TrainingSet) -> Result<Drawing> {
    let found = search(set)?;
    if found.is_empty() {
        return Err(Error::config("corruption", format!("none of the first {} samples is corrupted", STEPS as usize * BATCH)));
    }
    let masks: Vec<[Image; 2]> = found.iter().map(|(_, own)| [grey(&own.sample.mask), grey(&own.sample.region)]).collect();
    let mut rows: Vec<FigureRow<'_>> = found
        .iter()
        .zip(&masks)
        .map(|((source, own), [mask, region])| FigureRow {
            label: source.key().replace('_', " "),
            note: note(own),
            captions: Vec::new(),
            images: vec![&own.sample.target, mask, &own.replacement, &own.sample.image, region],
        })
        .collect();
    rows[0].captions = ["image x", "mask shape", "replacement y", "corrupted x\u{302}", "region M"].map(String::from).into();
    let caption = format!(
        "Left to right: the training image; the soft mask of its patches; the replacement in the box of each patch, grey outside; the \
         corrupted image, in which the mask blends the replacement in; the region of the loss, where the mask exceeds {}. One row for each \
         source of replacements that the config uses: the first sample with a single patch from it, or else the first with any, of the \
         first {STEPS} training steps of {BATCH} images (seed {}).",
        readable(set.corruption.region_threshold.into(), 3),
        set.seed
    );
    let title = "Corruption of training images, step by step".into();
    let content = Content::Png(Figure { rows, heat_scales: Vec::new() }.draw()?);
    Ok(Drawing { name: Name::Corruption, stem: Name::Corruption.key().into(), title, caption, images: Vec::new(), content })
}

/// For each source with a weight, its sample.
fn search(set: &TrainingSet) -> Result<Vec<(Source, Found)>> {
    let wanted: Vec<Source> = Source::ALL.into_iter().filter(|source| set.corruption.weights.of(*source) > 0.0).collect();
    let mut alone: Vec<Option<Found>> = wanted.iter().map(|_| None).collect();
    let mut mixed: Vec<Option<Found>> = wanted.iter().map(|_| None).collect();
    for step in 0..STEPS {
        if alone.iter().all(Option::is_some) {
            break;
        }
        for (slot, (sample, replacement)) in set.samples_with_replacements(step, BATCH)?.into_iter().enumerate() {
            for (place, source) in wanted.iter().enumerate() {
                let is_alone = sample.patches.len() == 1;
                let best = if is_alone { &mut alone[place] } else { &mut mixed[place] };
                if best.is_none() && sample.patches.iter().any(|patch| patch.source == *source) {
                    let replacement = replacement.mapv(|value| if value.is_nan() { NOTHING } else { value });
                    *best = Some(Found { sample: sample.clone(), replacement, step, slot });
                }
            }
        }
    }
    let best = alone.into_iter().zip(mixed).map(|(alone, mixed)| alone.or(mixed));
    Ok(wanted.into_iter().zip(best).filter_map(|(source, found)| Some((source, found?))).collect())
}

fn note(own: &Found) -> String {
    let opacity = match own.sample.patches.as_slice() {
        [patch] => format!("1 patch\nopacity {}", readable(patch.opacity.into(), 2)),
        patches => format!("{} patches", patches.len()),
    };
    format!("{opacity}\nstep {}, image {}", own.step, own.slot)
}
