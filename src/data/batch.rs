use ndarray::{ArrayD, ArrayView3, Axis, s, stack};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::corruption::{
    Address, Corrupted, CorruptionConfig, ObjectRanges, Sources, bilinear, corrupt, corrupt_with_replacements,
};
use super::image::{Image, sides};
use crate::error::{Error, Result};
use crate::ops::{Pick, Picks};
use crate::rng::{Purpose, Stream};
use crate::shape::{Shape, in_pixels};

/// Changes that keep a normal image normal. Off by default, because this depends on the category.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AugmentConfig {
    /// Mirror left and right with probability 1/2.
    pub flip_horizontal: bool,
    /// Mirror top and bottom with probability 1/2.
    pub flip_vertical: bool,
    /// Rotate by a random multiple of 90 degrees.
    pub quarter_turns: bool,
    /// Rotate by a random angle, uniform in ± this many degrees, 0 to 45. Beyond its border the image is reflected.
    pub rotation: f32,
}

impl AugmentConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// A rotation outside 0 to 45 degrees.
    pub fn validate(&self) -> Result<()> {
        match (0.0..=45.0).contains(&self.rotation) {
            true => Ok(()),
            false => Err(Error::config("augment.rotation", format!("must be 0 to 45 degrees, got {}", self.rotation))),
        }
    }
}

/// Training images in memory, with the textures and the settings of their corruption.
pub struct TrainingSet {
    /// Normal images, at least as large as a training crop.
    pub images: Vec<Image>,
    /// Replacement textures.
    pub textures: Vec<Image>,
    /// Side of the square crop that the network is trained on.
    pub size: usize,
    /// Allowed augmentations.
    pub augment: AugmentConfig,
    /// The corruption.
    pub corruption: CorruptionConfig,
    /// Grey values of the object in the images, found at first use if the corruption needs them. Start with the default.
    pub objects: ObjectRanges,
    /// Seed of batch order, augmentation and corruption.
    pub seed: u64,
}

/// One training batch on the host: images `[N, H, W, 3]` with masks `[N, H, W, 1]`, or vectors `[N, n]` with masks of that shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Corrupted images x̂.
    pub corrupted: ArrayD<f32>,
    /// Normal images x.
    pub target: ArrayD<f32>,
    /// Region masks M, 0 or 1.
    pub region: ArrayD<f32>,
}

impl Batch {
    /// A batch from the values of x̂, x and M.
    ///
    /// # Errors
    /// Numbers of values that do not fit the shapes of the images and of the masks.
    pub fn new(image: Shape, region: Shape, [corrupted, target, mask]: [Vec<f32>; 3]) -> Result<Self> {
        let array = |shape: Shape, values: Vec<f32>| {
            let len = values.len();
            let array = ArrayD::from_shape_vec(shape.dims(), values);
            array.map_err(|_| Error::shape("batch", format!("{len} values cannot fill {shape}")))
        };
        Ok(Self { corrupted: array(image, corrupted)?, target: array(image, target)?, region: array(region, mask)? })
    }

    /// Shapes of the images and of the region masks.
    ///
    /// # Errors
    /// An empty batch, or arrays that are too large for a kernel.
    pub fn shapes(&self) -> Result<[Shape; 2]> {
        Ok([Shape::new(self.target.shape())?, Shape::new(self.region.shape())?])
    }
}

impl TrainingSet {
    /// Checks the images and the settings.
    ///
    /// # Errors
    /// No image, or one smaller than the training size; a bad corruption config.
    pub fn validate(&self) -> Result<()> {
        self.corruption.validate()?;
        self.augment.validate()?;
        if self.images.is_empty() {
            return Err(Error::argument("there is no training image"));
        }
        if self.size == 0 || !self.size.is_multiple_of(8) {
            return Err(Error::config("data.size", format!("must be a positive multiple of 8, got {}", self.size)));
        }
        for image in &self.images {
            let (height, width) = sides("training image", image)?;
            if height.min(width) < self.size {
                let reason = format!("is {}, but a prepared training image has only {}", self.size, in_pixels(height, width));
                return Err(Error::config("data.size", reason));
            }
        }
        Ok(())
    }

    /// The batch of `step`, a pure function of seed and step. Every epoch visits each image once, in its own order.
    ///
    /// # Errors
    /// Shapes too large.
    pub fn batch(&self, step: u64, count: usize) -> Result<Batch> {
        Shape::new(&[count, self.size, self.size, 3])?;
        let samples = self.samples(step, count)?;
        Ok(Batch {
            corrupted: stacked(samples.iter().map(|sample| sample.image.view()))?,
            target: stacked(samples.iter().map(|sample| sample.target.view()))?,
            region: stacked(samples.iter().map(|sample| sample.region.view().insert_axis(Axis(2))))?,
        })
    }

    /// The corrupted images of the batch of `step`.
    ///
    /// # Errors
    /// As [`TrainingSet::validate`].
    pub fn samples(&self, step: u64, count: usize) -> Result<Vec<Corrupted>> {
        self.each_sample(step, count, corrupt)
    }

    /// The same, each with its replacements before masking, see [`corrupt_with_replacements`].
    ///
    /// # Errors
    /// As [`TrainingSet::validate`].
    pub fn samples_with_replacements(&self, step: u64, count: usize) -> Result<Vec<(Corrupted, Image)>> {
        self.each_sample(step, count, corrupt_with_replacements)
    }

    /// What `corrupt` makes of each image of the batch of `step`.
    fn each_sample<T: Send>(
        &self,
        step: u64,
        count: usize,
        corrupt: impl Fn(&CorruptionConfig, Address, &Image, &Sources<'_>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        self.validate()?;
        let sample = |slot: usize| {
            let pick = self.pick(step, slot, count);
            let x = self.crop(&pick);
            let object = self.corruption.foreground.is_on().then_some(pick.object);
            let sources = Sources { textures: &self.textures, images: &self.images, object };
            corrupt(&self.corruption, Address { seed: self.seed, step: step as u32, index: slot as u32 }, &x, &sources)
        };
        (0..count).into_par_iter().map(sample).collect()
    }

    /// The choices of the batch of `step`: images, crops, flips and rotations.
    pub fn picks(&self, step: u64, count: usize) -> Picks {
        Picks {
            step: step as u32,
            slots: (0..count).filter(|_| !self.images.is_empty()).map(|slot| self.pick(step, slot, count)).collect(),
        }
    }

    /// The choice for `slot` of the batch of `step`.
    fn pick(&self, step: u64, slot: usize, count: usize) -> Pick {
        let position = step * count as u64 + slot as u64;
        let (epoch, place) = (position / self.images.len() as u64, (position % self.images.len() as u64) as usize);
        let number = self.order(epoch)[place];
        let image = &self.images[number];
        let mut stream = Stream::new(self.seed, Purpose::Batch, step as u32, slot as u32);
        // The order of the draws is the order of the fields.
        Pick {
            image: number as u32,
            top: stream.between(0, (image.dim().0 - self.size) as u32),
            left: stream.between(0, (image.dim().1 - self.size) as u32),
            flip_rows: stream.below(2) == 1 && self.augment.flip_vertical,
            flip_columns: stream.below(2) == 1 && self.augment.flip_horizontal,
            turns: stream.below(4) * u32::from(self.augment.quarter_turns),
            half_tangent: (stream.range(-self.augment.rotation, self.augment.rotation).to_radians() / 2.0).tan(),
            object: match self.corruption.foreground.is_on() {
                true => self.objects.of(&self.corruption.foreground, &self.images, number),
                false => [0.0; 2],
            },
        }
    }

    /// The image of `pick`: cropped, flipped, then rotated counter-clockwise.
    fn crop(&self, pick: &Pick) -> Image {
        if pick.half_tangent != 0.0 {
            return self.rotated_crop(pick);
        }
        let (top, left) = (pick.top as usize, pick.left as usize);
        let mut part = self.images[pick.image as usize].slice(s![top..top + self.size, left..left + self.size, ..]);
        if pick.flip_rows {
            part.invert_axis(Axis(0));
        }
        if pick.flip_columns {
            part.invert_axis(Axis(1));
        }
        for _ in 0..pick.turns {
            part.swap_axes(0, 1);
            part.invert_axis(Axis(0));
        }
        part.as_standard_layout().into_owned()
    }

    /// The same with a rotation: every pixel is interpolated in the image. The kernel `corruption_crop` does the same in the same
    /// order.
    fn rotated_crop(&self, pick: &Pick) -> Image {
        let image = &self.images[pick.image as usize];
        let (t, last) = (pick.half_tangent, (self.size - 1) as f32);
        let (cosine, sine, middle) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t), 0.5 * last);
        let colour = |row: usize, column: usize| {
            let (down, right) = (row as f32 - middle, column as f32 - middle);
            let (row, column) = (middle + (cosine * down - sine * right), middle + (sine * down + cosine * right));
            let (mut r, mut c) = match pick.turns {
                0 => (row, column),
                1 => (column, last - row),
                2 => (last - row, last - column),
                _ => (last - column, row),
            };
            if pick.flip_rows {
                r = last - r;
            }
            if pick.flip_columns {
                c = last - c;
            }
            bilinear(image, pick.top as f32 + r, pick.left as f32 + c)
        };
        let mut crop = Image::zeros((self.size, self.size, 3));
        for ((row, column), mut pixel) in ndarray::indices((self.size, self.size)).into_iter().zip(crop.lanes_mut(Axis(2))) {
            pixel.assign(&ndarray::aview1(&colour(row, column)));
        }
        crop
    }

    /// The order of images in an epoch: a Fisher–Yates shuffle with a separate random stream for each epoch.
    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut stream = Stream::new(self.seed, Purpose::Batch, epoch as u32, u32::MAX);
        let mut order: Vec<usize> = (0..self.images.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, stream.below(last as u32 + 1) as usize);
        }
        order
    }
}

/// Images or planes of one size as a batch.
fn stacked<'a>(parts: impl Iterator<Item = ArrayView3<'a, f32>>) -> Result<ArrayD<f32>> {
    let joined = stack(Axis(0), &parts.collect::<Vec<_>>()).map_err(|error| Error::shape("batch", error.to_string()))?;
    Ok(joined.into_dyn())
}
