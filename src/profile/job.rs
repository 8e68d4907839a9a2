//! One step of training or inference on any backend, with synthetic images.

use std::sync::Arc;

use ndarray::ArrayD;

use super::{Settings, Task};
use crate::data::corruption::CorruptionConfig;
use crate::data::{AugmentConfig, Family, GenerateOptions, TrainingSet, row_major};
use crate::error::Result;
use crate::model::{Architecture, Inference, Parameters};
use crate::ops::Backend;
use crate::shape::Shape;
use crate::train::{Batches, ObjectiveConfig, OptimiserConfig, Recipe, Trainer};

/// Images that batches are cropped from.
const IMAGES: u32 = 8;
/// By how many pixels their side exceeds that of the crops.
const MARGIN: usize = 32;

/// A job of many steps. The results of plain and observed steps are compared.
pub(super) trait Job {
    /// Makes the batch of the next step on the host; false if the step needs none.
    fn prepare(&mut self) -> Result<bool>;
    /// Runs a step and returns its result.
    fn step(&mut self) -> Result<Vec<f32>>;
}

/// The job that `settings` ask for.
pub(super) fn job<B: Backend>(backend: &B, settings: &Settings) -> Result<Box<dyn Job>> {
    let architecture = Architecture::autoencoder(settings.model, settings.width)?;
    let image = Shape::new(&[settings.batch, settings.size, settings.size, 3])?;
    architecture.plan(image)?;
    let set = images(settings)?;
    Ok(match settings.task {
        Task::Train => Box::new(Training::new(backend, architecture, set, settings)?),
        Task::Infer => {
            let parameters = Arc::new(Parameters::initialise(backend, &architecture, settings.seed)?);
            let x = set.batch(0, settings.batch)?.corrupted;
            Box::new(Inferring { inference: Inference::new(backend, parameters), image, x })
        }
    })
}

fn images(settings: &Settings) -> Result<TrainingSet> {
    let options = GenerateOptions {
        family: Family::Tiles,
        size: settings.size + MARGIN,
        train: IMAGES,
        good: 0,
        defects_per_kind: 1,
        seed: settings.seed,
    };
    Ok(TrainingSet {
        images: (0..IMAGES).map(|index| options.train_image(index)).collect::<Result<_>>()?,
        textures: Vec::new(),
        size: settings.size,
        augment: AugmentConfig::default(),
        corruption: CorruptionConfig::default(),
        seed: settings.seed,
    })
}

struct Training<B: Backend> {
    trainer: Trainer<B>,
    batches: Batches<B>,
}

impl<B: Backend> Training<B> {
    fn new(backend: &B, architecture: Architecture, set: TrainingSet, settings: &Settings) -> Result<Self> {
        let recipe = Recipe {
            architecture,
            objective: ObjectiveConfig::default(),
            optimiser: OptimiserConfig { steps: 1_000_000, batch: settings.batch, ..OptimiserConfig::default() },
            seed: settings.seed,
        };
        // No batch is made during a step: it would be measured as part of it.
        let batches = Batches::new(backend, set, settings.batch, 0)?;
        Ok(Self { trainer: Trainer::new(backend, recipe)?, batches })
    }
}

impl<B: Backend> Job for Training<B> {
    fn prepare(&mut self) -> Result<bool> {
        Ok(self.batches.prepare(self.trainer.step()))
    }

    fn step(&mut self) -> Result<Vec<f32>> {
        Ok(vec![self.trainer.advance(&mut self.batches)?.loss as f32])
    }
}

struct Inferring<B: Backend> {
    inference: Inference<B>,
    image: Shape,
    x: ArrayD<f32>,
}

impl<B: Backend> Job for Inferring<B> {
    fn prepare(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn step(&mut self) -> Result<Vec<f32>> {
        self.inference.run(self.image, &row_major(&self.x))
    }
}
