//! A whole network trains as on the reference backend. From the third step on, the recorded step is replayed.

use ndarray::ArrayD;
use orthoscope::backend::Reference;
use orthoscope::data::corruption::CorruptionConfig;
use orthoscope::data::{AugmentConfig, Family, GenerateOptions, TrainingSet};
use orthoscope::model::{Architecture, Autoencoder};
use orthoscope::ops::Backend;
use orthoscope::train::{ObjectiveConfig, OptimiserConfig, Recipe, Trainer};

use crate::Open;

on_cuda!(twenty_steps_of_model_ii_match_the_reference);

const STEPS: u64 = 20;
const BATCH: usize = 2;

fn recipe() -> Recipe {
    Recipe {
        architecture: Architecture::Autoencoder(Autoencoder { model: 2, width: 4, dilations: vec![1, 2, 4] }),
        objective: ObjectiveConfig::default(),
        optimiser: OptimiserConfig {
            steps: STEPS,
            batch: BATCH,
            warmup_steps: 2,
            learning_rate: 3e-3,
            ..OptimiserConfig::default()
        },
        seed: 5,
    }
}

fn training_set() -> TrainingSet {
    let options = GenerateOptions { family: Family::Cloth, size: 24, train: 4, good: 0, defects_per_kind: 1, seed: 3 };
    let images: Vec<_> = (0..4).map(|index| options.train_image(index).unwrap()).collect();
    TrainingSet {
        textures: images[2..].to_vec(),
        images,
        size: 16,
        augment: AugmentConfig { flip_horizontal: true, flip_vertical: true, quarter_turns: true, ..AugmentConfig::default() },
        corruption: CorruptionConfig::default(),
        objects: Default::default(),
        seed: 11,
    }
}

/// The losses of all steps, all on the same batch, and the final weights.
fn train<B: Backend>(backend: &B) -> (Vec<f64>, Vec<(String, ArrayD<f32>)>) {
    let (set, mut trainer) = (training_set(), Trainer::new(backend, recipe()).unwrap());
    let mut batches = set.batch(0, BATCH).unwrap().into();
    let losses = (0..STEPS).map(|_| trainer.advance(&mut batches).unwrap().loss).collect();
    let mut weights: Vec<_> = trainer.weights().to_values(backend).unwrap().into_iter().collect();
    weights.sort_by(|a, b| a.0.cmp(&b.0));
    (losses, weights)
}

fn twenty_steps_of_model_ii_match_the_reference(open: &Open) {
    let (wanted, wanted_weights) = train(&Reference::<f32>::default());
    let (losses, weights) = train(&open(1));
    for (step, (loss, wanted)) in losses.iter().zip(&wanted).enumerate() {
        assert!((loss - wanted).abs() <= 1e-4 * wanted, "step {step}: loss {loss}, reference {wanted}");
    }
    assert!(losses[STEPS as usize - 1] < 0.8 * losses[0], "the loss does not fall: {losses:?}");
    for ((name, values), (_, wanted)) in weights.iter().zip(&wanted_weights) {
        let off = values.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off <= 1e-4, "{name} differs by {off:e}");
    }
}
