//! Images of a known manifold with the paper's partial corruption (Method §2): training batches, and samples for measuring a
//! network.

use std::sync::Arc;

use ndarray::Axis;
use rayon::prelude::*;

use super::manifold::{GreyOnRgb, Manifold, grey_to_rgb};
use super::resemblance::CorruptedSample;
use crate::data::corruption::{Address, Corrupted, CorruptionConfig, Patches, Sources, corrupt};
use crate::data::{Batch, Image, image, row_major};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::shape::Shape;

/// Step number of [`Pictures::samples`]; no training reaches it.
const UNSEEN: u32 = u32::MAX;
/// Number of normal images from which the source "another image" takes patches.
const OTHERS: u32 = 32;

/// How an image is stored as a point of Rⁿ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A vector of n = H·W grey values, for a fully connected network. Colours of the corruption are averaged over the channels.
    Grey,
    /// `[H, W, 3]`, n = 3·H·W, for a convolutional network. The channels of x are equal, those of x̂ need not be.
    Rgb,
}

/// Square images sampled from a manifold, corrupted or not. Everything is a function of seed, step and slot.
#[derive(Clone)]
pub struct Pictures {
    space: Arc<dyn Manifold>,
    grey: Arc<dyn Manifold>,
    side: usize,
    layout: Layout,
    corruption: CorruptionConfig,
    others: Vec<Image>,
    seed: u64,
}

impl Pictures {
    /// Images of `grey`, whose points are `side` x `side` grey values; without `corruption`, x̂ = x.
    ///
    /// # Errors
    /// A manifold with another number of values; an invalid corruption config.
    pub fn new(
        grey: Arc<dyn Manifold>,
        side: usize,
        layout: Layout,
        corruption: Option<CorruptionConfig>,
        seed: u64,
    ) -> Result<Self> {
        if side.checked_mul(side) != Some(grey.ambient()) {
            let (name, n) = (grey.name(), grey.ambient());
            return Err(Error::argument(format!("{name}: {n} values do not fill an image of {side}x{side}")));
        }
        let corruption = corruption.unwrap_or_else(nothing);
        corruption.validate()?;
        let space: Arc<dyn Manifold> = match layout {
            Layout::Grey => Arc::clone(&grey),
            Layout::Rgb => Arc::new(GreyOnRgb::new(Arc::clone(&grey))),
        };
        let mut own = Self { space, grey, side, layout, corruption, others: vec![], seed };
        own.others = (0..OTHERS).map(|slot| own.normal(UNSEEN - 1, slot)).collect::<Result<_>>()?;
        Ok(own)
    }

    /// The same images without corruption, for training a plain autoencoder.
    #[must_use]
    pub fn uncorrupted(&self) -> Self {
        Self { corruption: nothing(), ..self.clone() }
    }

    /// D, in the layout of the points.
    pub fn manifold(&self) -> &dyn Manifold {
        &*self.space
    }

    /// How images are stored.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Shape of a batch of `count` images.
    ///
    /// # Errors
    /// A shape too large.
    pub fn shape(&self, count: usize) -> Result<Shape> {
        match self.layout {
            Layout::Grey => Shape::new(&[count, self.side * self.side]),
            Layout::Rgb => Shape::new(&[count, self.side, self.side, 3]),
        }
    }

    /// The training batch of `step`. Every step has new images.
    ///
    /// # Errors
    /// A shape too large.
    pub fn batch(&self, step: u32, count: usize) -> Result<Batch> {
        let drawn = self.corrupted(step, count)?;
        let images = |part: fn(&Corrupted) -> &Image| drawn.iter().flat_map(|sample| self.laid_out(part(sample))).collect();
        let region = drawn.iter().flat_map(|sample| sample.region.iter().copied()).collect();
        let region_shape = match self.layout {
            Layout::Grey => self.shape(count)?,
            Layout::Rgb => Shape::new(&[count, self.side, self.side, 1])?,
        };
        let values = [images(|sample| &sample.image), images(|sample| &sample.target), region];
        Batch::new(self.shape(count)?, region_shape, values)
    }

    /// Samples that occur in no batch. x is rounded to f32, so that x̂ = x exactly outside the region.
    ///
    /// # Errors
    /// A shape too large.
    pub fn samples(&self, count: usize) -> Result<Vec<CorruptedSample>> {
        Ok(self.corrupted(UNSEEN, count)?.iter().map(|corrupted| self.sample(corrupted)).collect())
    }

    /// The normal image of one of these samples with this number of other corruptions.
    ///
    /// # Errors
    /// As [`Pictures::samples`].
    pub fn corruptions(&self, index: u32, count: usize) -> Result<Vec<CorruptedSample>> {
        let x = self.normal(UNSEEN, index)?;
        let step = UNSEEN - 2 - index;
        (0..count as u32).into_par_iter().map(|slot| Ok(self.sample(&self.corrupt(step, slot, &x)?))).collect()
    }

    fn sample(&self, corrupted: &Corrupted) -> CorruptedSample {
        let wide = |image: &Image| self.laid_out(image).into_iter().map(f64::from).collect();
        let channels = self.space.ambient() / corrupted.region.len();
        CorruptedSample {
            target: wide(&corrupted.target),
            corrupted: wide(&corrupted.image),
            region: corrupted.region.iter().flat_map(|&mask| std::iter::repeat_n(mask > 0.0, channels)).collect(),
        }
    }

    /// Images with their corruption.
    fn corrupted(&self, step: u32, count: usize) -> Result<Vec<Corrupted>> {
        (0..count as u32).into_par_iter().map(|slot| self.corrupt(step, slot, &self.normal(step, slot)?)).collect()
    }

    fn corrupt(&self, step: u32, slot: u32, x: &Image) -> Result<Corrupted> {
        let sources = Sources { textures: &[], images: &self.others, ..Sources::default() };
        corrupt(&self.corruption, Address { seed: self.seed, step, index: slot }, x, &sources)
    }

    /// x as RGB.
    fn normal(&self, step: u32, slot: u32) -> Result<Image> {
        let mut stream = Stream::new(self.seed, Purpose::Batch, step, slot);
        let pixels = grey_to_rgb(&self.grey.sample(&mut stream)).into_iter().map(|value| value as f32).collect();
        image(self.side, self.side, pixels)
    }

    /// An image in the layout of the points.
    fn laid_out(&self, image: &Image) -> Vec<f32> {
        let pixels = image.lanes(Axis(2)).into_iter();
        match self.layout {
            Layout::Rgb => row_major(image).into_owned(),
            // In f64, where the mean of three equal values is that value.
            Layout::Grey => pixels.map(|rgb| (rgb.iter().copied().map(f64::from).sum::<f64>() / 3.0) as f32).collect(),
        }
    }
}

/// A corruption without patches.
fn nothing() -> CorruptionConfig {
    CorruptionConfig { patches: Patches { min: 0, max: 0 }, ..CorruptionConfig::default() }
}
