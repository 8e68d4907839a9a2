//! The corruption of training images, step by step (Figure 4 of the paper).

use super::super::colour::grey;
use super::super::figure::{Figure, FigureRow};
use super::super::number::readable;
use super::drawing::{Content, Drawing, Name};
use crate::data::corruption::{Corrupted, Source};
use crate::data::{Image, TrainingSet};
use crate::error::{Error, Result};

/// Samples are searched in the first steps of the training, up to about so many images.
const IMAGES: usize = 256;
/// Drawn where there is no replacement.
const NOTHING: f32 = 0.93;

/// A sample with the replacements before masking, and where it was found.
struct Found {
    sample: Corrupted,
    replacement: Image,
    step: u64,
    slot: usize,
}

/// Figure 4, of samples that a training with `batch` images in a step sees.
pub(super) fn steps(set: &TrainingSet, batch: usize) -> Result<Drawing> {
    let steps = IMAGES.div_ceil(batch);
    let found = search(set, steps as u64, batch)?;
    if found.is_empty() {
        return Err(Error::config("corruption", format!("none of the first {} samples is corrupted", steps * batch)));
    }
    let masks = found.iter().map(|(_, own)| Ok([grey(&own.sample.mask)?, grey(&own.sample.region)?]));
    let masks = masks.collect::<Result<Vec<_>>>()?;
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
         source of replacements that the config uses: of the first {steps} steps of {batch} images (seed {}), the sample with the largest \
         region among those with a single patch from that source, or among all with one where no sample has a single patch.",
        readable(set.corruption.region_threshold.into(), 3),
        set.seed
    );
    let title = "Corruption of training images, step by step".into();
    let content = Content::Png(Figure { rows, heat_scales: Vec::new() }.draw()?);
    Ok(Drawing { name: Name::Corruption, stem: Name::Corruption.key().into(), title, caption, images: Vec::new(), content })
}

/// For each source with a weight, the sample with the largest region among those with a single patch, or else among all with a
/// patch from it; of equal regions the first.
fn search(set: &TrainingSet, steps: u64, batch: usize) -> Result<Vec<(Source, Found)>> {
    let wanted = Source::ALL.into_iter().filter(|source| set.corruption.weights.of(*source) > 0.0);
    let mut best: Vec<(Source, Option<Found>)> = wanted.map(|source| (source, None)).collect();
    for step in 0..steps {
        for (slot, (sample, replacement)) in set.samples_with_replacements(step, batch)?.iter().enumerate() {
            for (source, own) in &mut best {
                let is_used = sample.patches.iter().any(|patch| patch.source == *source);
                if is_used && own.as_ref().is_none_or(|own| rank(sample) > rank(&own.sample)) {
                    let replacement = replacement.mapv(|value| if value.is_nan() { NOTHING } else { value });
                    *own = Some(Found { sample: sample.clone(), replacement, step, slot });
                }
            }
        }
    }
    Ok(best.into_iter().filter_map(|(source, found)| Some((source, found?))).collect())
}

/// Single patches before several, then by the pixels of the region.
fn rank(sample: &Corrupted) -> (bool, usize) {
    (sample.patches.len() == 1, sample.region.iter().filter(|&&value| value > 0.5).count())
}

fn note(own: &Found) -> String {
    let opacity = match own.sample.patches.as_slice() {
        [patch] => format!("1 patch\nopacity {}", readable(patch.opacity.into(), 2)),
        patches => format!("{} patches", patches.len()),
    };
    format!("{opacity}\nstep {}, image {}", own.step, own.slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::AugmentConfig;
    use crate::data::corruption::{CorruptionConfig, Patches};

    fn set(patches: Patches) -> TrainingSet {
        let image =
            |k: usize| Image::from_shape_fn((32, 32, 3), |(row, column, c)| ((row * 7 + column * 3 + c + k) % 13) as f32 / 13.0);
        let corruption = CorruptionConfig { patches, ..CorruptionConfig::default() };
        TrainingSet {
            images: vec![image(0), image(5)],
            textures: vec![],
            objects: Default::default(),
            size: 32,
            augment: AugmentConfig::default(),
            corruption,
            seed: 3,
        }
    }

    #[test]
    fn each_source_with_material_has_a_row_with_a_single_patch() {
        let set = set(Patches { min: 1, max: 3 });
        let found = search(&set, 32, 8).unwrap();
        let sources: Vec<Source> = found.iter().map(|(source, _)| *source).collect();
        let expected: Vec<Source> =
            Source::ALL.into_iter().filter(|&own| own != Source::Texture && set.corruption.weights.of(own) > 0.0).collect();
        assert_eq!(sources, expected, "there are no textures");
        for (source, own) in &found {
            assert_eq!((own.sample.patches.len(), own.sample.patches[0].source), (1, *source));
            assert_eq!(set.samples(own.step, 8).unwrap()[own.slot], own.sample);
            assert!(own.replacement.iter().all(|value| value.is_finite()));
        }
        let drawing = steps(&set, 8).unwrap();
        assert!(matches!(drawing.content, Content::Png(_)) && drawing.caption.contains("seed 3"));
    }

    #[test]
    fn several_patches_are_shown_where_there_is_no_single_one() {
        let found = search(&set(Patches { min: 3, max: 3 }), 32, 8).unwrap();
        assert!(found.iter().all(|(source, own)| own.sample.patches.iter().any(|patch| patch.source == *source)));
        assert!(note(&found[0].1).starts_with("3 patches\nstep "));
    }

    #[test]
    fn a_config_without_patches_is_refused() {
        let error = steps(&set(Patches { min: 0, max: 0 }), 8).unwrap_err().to_string();
        assert!(error.contains("none of the first 256 samples is corrupted"), "{error}");
    }
}
