use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::corruption::{Corrupted, CorruptionConfig, Sources, corrupt};
use super::image::Image;
use crate::error::{Error, Result};
use crate::ops::{Pick, Picks};
use crate::rng::{Purpose, Stream};
use crate::shape::Shape;

/// Changes that keep a normal image normal. Off by default: which are allowed depends on the category.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AugmentConfig {
    /// Mirror left and right, half of the time.
    pub flip_horizontal: bool,
    /// Mirror top and bottom, half of the time.
    pub flip_vertical: bool,
    /// Turn by a random multiple of 90 degrees.
    pub quarter_turns: bool,
}

/// Training images in memory, and what they are corrupted with.
pub struct TrainingSet {
    /// Normal images, at least as large as a training crop.
    pub images: Vec<Image>,
    /// Replacement textures.
    pub textures: Vec<Image>,
    /// Side of the square that a training image is, or from which it is cropped at random.
    pub size: usize,
    /// Allowed augmentations.
    pub augment: AugmentConfig,
    /// The corruption.
    pub corruption: CorruptionConfig,
    /// Seed of batch order, augmentation and corruption.
    pub seed: u64,
}

/// One training batch on the host.
pub struct Batch {
    /// `[N, H, W, 3]`; `[N, n]` for vectors.
    pub image_shape: Shape,
    /// `[N, H, W, 1]`; `[N, n]` for vectors.
    pub region_shape: Shape,
    /// Corrupted images x̂.
    pub corrupted: Vec<f32>,
    /// Normal images x.
    pub target: Vec<f32>,
    /// Region masks M, 0 or 1.
    pub region: Vec<f32>,
}

impl TrainingSet {
    /// Checks that there is something to train on.
    ///
    /// # Errors
    /// No image, or one smaller than the training size; a bad corruption config.
    pub fn validate(&self) -> Result<()> {
        self.corruption.validate()?;
        if self.images.is_empty() {
            return Err(Error::argument("there is no training image"));
        }
        if self.size == 0 || !self.size.is_multiple_of(8) {
            return Err(Error::config("data.size", format!("must be a positive multiple of 8, got {}", self.size)));
        }
        match self.images.iter().find(|image| image.height.min(image.width) < self.size) {
            Some(Image { height, width, .. }) => Err(Error::config(
                "data.size",
                format!("is {}, but a prepared training image has only {height}x{width}", self.size),
            )),
            None => Ok(()),
        }
    }

    /// The batch of `step`, a pure function of seed and step. Every epoch visits each image once, in its own order.
    ///
    /// # Errors
    /// Shapes too large.
    pub fn batch(&self, step: u64, count: usize) -> Result<Batch> {
        let samples = self.samples(step, count)?;
        let joined = |part: fn(&(Image, Corrupted)) -> &[f32]| samples.iter().map(part).collect::<Vec<_>>().concat();
        Ok(Batch {
            image_shape: Shape::new(&[count, self.size, self.size, 3])?,
            region_shape: Shape::new(&[count, self.size, self.size, 1])?,
            corrupted: joined(|(_, corrupted)| &corrupted.image.pixels),
            target: joined(|(x, _)| &x.pixels),
            region: joined(|(_, corrupted)| &corrupted.region.values),
        })
    }

    /// The images x of the batch of `step`, each with its corruption.
    ///
    /// # Errors
    /// A corruption config that cannot be used.
    pub fn samples(&self, step: u64, count: usize) -> Result<Vec<(Image, Corrupted)>> {
        let sample = |slot: usize| {
            let x = self.crop(&self.pick(step, slot, count))?;
            let sources = Sources { textures: &self.textures, images: &self.images };
            let corrupted = corrupt(&self.corruption, self.seed, step as u32, slot as u32, &x, &sources)?;
            Ok((x, corrupted))
        };
        (0..count).into_par_iter().map(sample).collect()
    }

    /// Which images the batch of `step` shows, and how.
    pub fn picks(&self, step: u64, count: usize) -> Picks {
        Picks { step: step as u32, slots: (0..count).map(|slot| self.pick(step, slot, count)).collect() }
    }

    /// The normal image in `slot` of the batch of `step`: chosen, cropped, flipped, turned.
    fn pick(&self, step: u64, slot: usize, count: usize) -> Pick {
        let position = step * count as u64 + slot as u64;
        let (epoch, place) = (position / self.images.len() as u64, (position % self.images.len() as u64) as usize);
        let number = self.order(epoch)[place];
        let image = &self.images[number];
        let mut stream = Stream::new(self.seed, Purpose::Batch, step as u32, slot as u32);
        // The order of the draws is the order of the fields.
        Pick {
            image: number as u32,
            top: stream.between(0, (image.height - self.size) as u32),
            left: stream.between(0, (image.width - self.size) as u32),
            flip_rows: stream.below(2) == 1 && self.augment.flip_vertical,
            flip_columns: stream.below(2) == 1 && self.augment.flip_horizontal,
            turns: stream.below(4) * u32::from(self.augment.quarter_turns),
        }
    }

    /// The picture of `pick`.
    fn crop(&self, pick: &Pick) -> Result<Image> {
        let image = &self.images[pick.image as usize];
        let (top, left, last) = (pick.top as usize, pick.left as usize, self.size - 1);
        let mut pixels = Vec::with_capacity(self.size * self.size * 3);
        for row in 0..self.size {
            for column in 0..self.size {
                let (mut y, mut x) = match pick.turns {
                    0 => (row, column),
                    1 => (column, last - row),
                    2 => (last - row, last - column),
                    _ => (last - column, row),
                };
                y = if pick.flip_rows { last - y } else { y };
                x = if pick.flip_columns { last - x } else { x };
                let start = ((top + y) * image.width + left + x) * 3;
                pixels.extend_from_slice(&image.pixels[start..start + 3]);
            }
        }
        Image::new(self.size, self.size, pixels)
    }

    /// The order of images in an epoch: Fisher and Yates with the epoch's own stream.
    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut stream = Stream::new(self.seed, Purpose::Batch, epoch as u32, u32::MAX);
        let mut order: Vec<usize> = (0..self.images.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, stream.below(last as u32 + 1) as usize);
        }
        order
    }
}
