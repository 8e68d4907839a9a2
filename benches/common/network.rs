//! A whole training step, and inference.

use std::hint::black_box;
use std::sync::Arc;

use orthoscope::Result;
use orthoscope::data::corruption::CorruptionConfig;
use orthoscope::data::{AugmentConfig, Family, GenerateOptions, TrainingSet, row_major};
use orthoscope::model::{Architecture, Inference, Parameters};
use orthoscope::ops::Backend;
use orthoscope::train::{Batches, ObjectiveConfig, OptimiserConfig, Recipe, Trainer};

use super::{Bench, Size};

/// FLOPs of inference and of a training step, by the network's plan.
pub fn flops(size: Size) -> Result<[u64; 2]> {
    let plan = Architecture::autoencoder(2, size.width)?.plan(size.images(0, 3)?)?;
    Ok([plan.flops(), plan.training_flops()])
}

/// A training step on a batch that is there; making one; both together, as `train` does it, on the device where it can be.
pub fn training<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let (set, n) = (pictures(bench.size)?, bench.size.batch);
    let mut batch = set.batch(0, n)?.into();
    let mut alone = trainer(bench)?;
    bench.time("training step", || alone.advance(&mut batch).map(drop))?;
    let mut step = 0;
    bench.time("batch on the host", || {
        step += 1;
        set.batch(step, n).map(|batch| drop(black_box(batch)))
    })?;
    let (mut batches, mut trainer) = (Batches::new(bench.backend, set, n, 0)?, trainer(bench)?);
    bench.time("training step with corruption", || trainer.advance(&mut batches).map(drop))
}

/// A forward pass from host to host.
pub fn inference<B: Backend>(bench: &mut Bench<'_, '_, B>) -> Result<()> {
    let architecture = Architecture::autoencoder(2, bench.size.width)?;
    let x = pictures(bench.size)?.batch(0, bench.size.batch)?.corrupted;
    let image = bench.size.images(0, 3)?;
    let mut inference = Inference::new(bench.backend, Arc::new(Parameters::initialise(bench.backend, &architecture, 0)?));
    bench.time("inference", || inference.run(image, &row_major(&x)).map(|y| drop(black_box(y))))
}

fn trainer<B: Backend>(bench: &Bench<'_, '_, B>) -> Result<Trainer<B>> {
    let recipe = Recipe {
        architecture: Architecture::autoencoder(2, bench.size.width)?,
        objective: ObjectiveConfig::default(),
        optimiser: OptimiserConfig { steps: 1_000_000, batch: bench.size.batch, ..OptimiserConfig::default() },
        seed: 0,
    };
    Trainer::new(bench.backend, recipe)
}

fn pictures(size: Size) -> Result<TrainingSet> {
    let side = size.side + 32;
    let options = GenerateOptions { family: Family::Tiles, size: side, train: 8, good: 0, defects_per_kind: 1, seed: 0 };
    Ok(TrainingSet {
        images: (0..8).map(|index| options.train_image(index)).collect::<Result<_>>()?,
        textures: Vec::new(),
        size: size.side,
        augment: AugmentConfig::default(),
        corruption: CorruptionConfig::default(),
        seed: 0,
    })
}
