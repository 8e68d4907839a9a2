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
pub(super) enum Job<B: Backend> {
    Training { trainer: Box<Trainer<B>>, batches: Batches<B> },
    Inferring { inference: Inference<B>, image: Shape, x: ArrayD<f32> },
}

impl<B: Backend> Job<B> {
    /// The job described by `settings`.
    pub(super) fn new(backend: &B, settings: &Settings) -> Result<Self> {
        let architecture = Architecture::autoencoder(settings.model, settings.width)?;
        let image = Shape::new(&[settings.batch, settings.size, settings.size, 3])?;
        architecture.plan(image)?;
        let (set, seed) = (images(settings)?, settings.seed);
        Ok(match settings.task {
            Task::Train => {
                let optimiser = OptimiserConfig { steps: 1_000_000, batch: settings.batch, ..OptimiserConfig::default() };
                let recipe = Recipe { architecture, objective: ObjectiveConfig::default(), optimiser, seed };
                // No batch is made during a step: it would be measured as part of it.
                let batches = Batches::new(backend, set, settings.batch, 0)?;
                Self::Training { trainer: Box::new(Trainer::new(backend, recipe)?), batches }
            }
            Task::Infer => {
                let parameters = Arc::new(Parameters::initialise(backend, &architecture, seed)?);
                let x = set.batch(0, settings.batch)?.corrupted;
                Self::Inferring { inference: Inference::new(backend, parameters), image, x }
            }
        })
    }

    /// Makes the batch of the next step on the host; false if the step needs none.
    pub(super) fn prepare(&mut self) -> bool {
        match self {
            Self::Training { trainer, batches } => batches.prepare(trainer.step()),
            Self::Inferring { .. } => false,
        }
    }

    /// Runs a step and returns its result.
    pub(super) fn step(&mut self) -> Result<Vec<f32>> {
        match self {
            Self::Training { trainer, batches } => Ok(vec![trainer.advance(batches)?.loss as f32]),
            Self::Inferring { inference, image, x } => inference.run(*image, &row_major(x)),
        }
    }
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
        objects: Default::default(),
        seed: settings.seed,
    })
}
