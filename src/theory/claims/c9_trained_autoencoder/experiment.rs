//! One training, and the trained network as a map of Rⁿ.

use std::sync::Arc;

use ndarray::Array1;

use crate::backend::Cpu;
use crate::data::Batch;
use crate::error::Result;
use crate::model::{Inference, Parameters};
use crate::theory::pictures::{Layout, Pictures};
use crate::theory::resemblance::{CorruptedSample, Measures};
use crate::train::{OptimiserConfig, Recipe, Trainer};

/// Batch size for measuring a network.
const AT_ONCE: usize = 64;
/// The input of a fully connected network is `2 (y - ½)`, with values from -1 to 1 and mean 0, so that training need not learn the mean
/// first. This is a similarity of Rⁿ, so ratios of lengths do not change.
const SCALE: f32 = 2.0;

/// One training with the objective of Method §3, with new images in every step.
#[derive(Clone)]
pub(super) struct Experiment {
    /// The training images, in the layout of the network.
    pub(super) pictures: Pictures,
    /// The network f, the objective, the optimiser, and the seed of the initial weights.
    pub(super) recipe: Recipe,
    /// The device.
    pub(super) cpu: Cpu,
}

impl Experiment {
    /// The same network, weights and optimiser, but x̂ = x: a plain autoencoder.
    #[must_use]
    pub(super) fn without_corruption(&self) -> Self {
        Self { pictures: self.pictures.uncorrupted(), ..self.clone() }
    }

    /// Trains the network.
    ///
    /// # Errors
    /// A recipe out of range; images that do not fit the network; a loss that is not finite.
    pub(super) fn train(&self) -> Result<Trained> {
        let backend = self.cpu.clone();
        let units = Units::of(self.pictures.layout());
        let mut trainer = Trainer::new(&backend, self.recipe.clone())?;
        let OptimiserConfig { steps, batch, .. } = self.recipe.optimiser;
        for step in 0..steps as u32 {
            let batch = units.batch(self.pictures.batch(step, batch)?);
            trainer.advance(&mut batch.into())?;
        }
        let parameters = Arc::new(trainer.weights().duplicate(&backend)?);
        Ok(Trained { pictures: self.pictures.clone(), units, parameters, backend })
    }
}

/// A trained network as a map of Rⁿ.
pub(super) struct Trained {
    pictures: Pictures,
    units: Units,
    parameters: Arc<Parameters<Cpu>>,
    backend: Cpu,
}

impl Trained {
    /// f of each point `[n]`.
    ///
    /// # Errors
    /// Points of another length; the device failed.
    pub(super) fn apply(&self, points: &[Array1<f64>]) -> Result<Vec<Array1<f64>>> {
        let mut inference = Inference::new(&self.backend, Arc::clone(&self.parameters));
        let mut images = Vec::with_capacity(points.len());
        for some in points.chunks(AT_ONCE) {
            let input: Vec<f32> = some.iter().flatten().map(|&value| self.units.of_pixel(value as f32)).collect();
            let output = inference.run(self.pictures.shape(some.len())?, &input)?;
            let pixels = |values: &[f32]| values.iter().map(|&value| f64::from(self.units.to_pixel(value))).collect();
            images.extend(output.chunks(output.len() / some.len()).map(pixels));
        }
        Ok(images)
    }

    /// How close it is to π on `samples`.
    ///
    /// # Errors
    /// As [`Measures::of`].
    pub(super) fn measures(&self, samples: &[CorruptedSample]) -> Result<Measures> {
        Measures::of(self.pictures.manifold(), samples, |points| self.apply(points))
    }
}

/// The input of a network for a pixel value v: `scale (v - middle)`.
#[derive(Clone, Copy, Debug)]
struct Units {
    middle: f32,
    scale: f32,
}

impl Units {
    fn of(layout: Layout) -> Self {
        match layout {
            Layout::Grey => Self { middle: 0.5, scale: SCALE },
            Layout::Rgb => Self { middle: 0.0, scale: 1.0 },
        }
    }

    fn of_pixel(self, value: f32) -> f32 {
        self.scale * (value - self.middle)
    }

    fn to_pixel(self, value: f32) -> f32 {
        self.middle + value / self.scale
    }

    fn batch(self, mut batch: Batch) -> Batch {
        batch.corrupted.iter_mut().chain(&mut batch.target).for_each(|value| *value = self.of_pixel(*value));
        batch
    }
}
