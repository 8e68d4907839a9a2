use std::ops::Range;

use ndarray::Array2;
use rayon::prelude::*;

use super::samples::Samples;
use crate::data::corruption::{Address, Corrupted, CorruptionConfig, Patches, Sources, corrupt};
use crate::data::{Image, TrainingSet};
use crate::error::{Error, Result};
use crate::shape::in_pixels;

/// Step numbers of the corruptions here; no training reaches them. Those of further copies are below, one for each image.
const STEPS: [u32; 3] = [u32::MAX - 2, u32::MAX - 3, u32::MAX - 4];

/// Copies that are drawn until one differs from its image.
const ATTEMPTS: u32 = 100;

/// Corrupted copies of images, as points of Rⁿ in row-major order.
pub struct ImageSamples<'a> {
    /// The points.
    pub samples: Samples<'a>,
    /// Height, width and 3 channels of every image.
    pub extents: [usize; 3],
}

/// Samples of `images`, with the corruption, the textures and the seed of `set`, whose images are the reference. Every copy
/// differs from its image and has no kept noise, so x̂ = x off the patches.
///
/// # Errors
/// Images of different sizes; a config that [`CorruptionConfig::validate`] refuses.
pub fn image_samples<'a>(images: &'a [Image], set: &'a TrainingSet) -> Result<ImageSamples<'a>> {
    let Some(first) = images.first() else { return Err(Error::argument("there is no image to audit")) };
    let (height, width, channels) = first.dim();
    if let Some(other) = images.iter().chain(&set.images).find(|image| image.dim() != first.dim()) {
        let (h, w, _) = other.dim();
        let sizes = [in_pixels(height, width), in_pixels(h, w)].join(" and ");
        return Err(Error::argument(format!("an audit needs images of one size, got {sizes}")));
    }
    let corruption = Corruption::new(set);
    let own = corruption.of_each(images, STEPS[0])?;
    let reference = corruption.of_each(&set.images, STEPS[1])?;
    let samples = Samples {
        images: rows(images.iter())?,
        corrupted: rows(own.iter().map(|sample| &sample.image))?,
        region: regions(&own, channels)?,
        reference: rows(set.images.iter())?,
        corrupted_reference: rows(reference.iter().map(|sample| &sample.image))?,
        errors: Box::new(move |index, copies| corruption.errors(&images[index], STEPS[2] - index as u32, copies)),
    };
    Ok(ImageSamples { samples, extents: [height, width, channels] })
}

/// The corruption of a training set, with a patch in every copy.
struct Corruption<'a> {
    config: CorruptionConfig,
    sources: Sources<'a>,
    seed: u64,
}

impl<'a> Corruption<'a> {
    fn new(set: &'a TrainingSet) -> Self {
        let mut config = set.corruption.clone();
        config.clean = 0.0;
        config.kept_noise.max = 0.0;
        config.patches = Patches { min: config.patches.min.max(1), max: config.patches.max.max(1) };
        let sources = Sources { textures: &set.textures, images: &set.images, object: None };
        Self { config, sources, seed: set.seed }
    }

    /// A copy of each image. One that the corruption happens to leave as it is, is drawn again.
    fn of_each(&self, images: &[Image], step: u32) -> Result<Vec<Corrupted>> {
        let copy = |number: u32| {
            let image = &images[number as usize];
            for attempt in 0..ATTEMPTS {
                let copy = self.corrupted(image, step, number + attempt * images.len() as u32)?;
                if copy.image != *image {
                    return Ok(copy);
                }
            }
            Err(Error::argument(format!("the corruption changed nothing in {ATTEMPTS} copies of image {number}")))
        };
        (0..images.len() as u32).into_par_iter().map(copy).collect()
    }

    /// e of the copies of these numbers.
    fn errors(&self, image: &Image, step: u32, copies: Range<usize>) -> Result<Array2<f64>> {
        let copies = copies.into_par_iter().map(|number| self.corrupted(image, step, number as u32));
        let differences = copies.map(|copy| Ok(copy?.image - image)).collect::<Result<Vec<Image>>>()?;
        rows(differences.iter())
    }

    fn corrupted(&self, image: &Image, step: u32, index: u32) -> Result<Corrupted> {
        corrupt(&self.config, Address { seed: self.seed, step, index }, image, &self.sources)
    }
}

/// One row per image.
fn rows<'a>(images: impl Iterator<Item = &'a Image>) -> Result<Array2<f64>> {
    let mut count = 0;
    let values: Vec<f64> = images
        .inspect(|_| count += 1)
        .flat_map(|image| image.iter().map(|&value| f64::from(value)).collect::<Vec<_>>())
        .collect();
    let n = values.len() / count.max(1);
    Array2::from_shape_vec((count, n), values).map_err(|error| Error::shape("audit", error))
}

/// Where the mask of each copy is above 0, once per channel.
fn regions(copies: &[Corrupted], channels: usize) -> Result<Array2<bool>> {
    let mask = |copy: &Corrupted| -> Vec<bool> {
        copy.mask.iter().flat_map(|&covered| std::iter::repeat_n(covered > 0.0, channels)).collect()
    };
    let values: Vec<bool> = copies.iter().flat_map(mask).collect();
    let n = values.len() / copies.len().max(1);
    Array2::from_shape_vec((copies.len(), n), values).map_err(|error| Error::shape("audit", error))
}
