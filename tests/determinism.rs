//! Results are bit-identical for any number of threads and after any interruption, and nearly equal for all instruction sets.

use std::sync::Arc;

use orthoscope::backend::cpu::Isa;
use orthoscope::backend::{Cpu, Reference};
use orthoscope::data::corruption::CorruptionConfig;
use orthoscope::data::{AugmentConfig, Batch, Family, Feed, GenerateOptions, TrainingSet};
use orthoscope::model::{Architecture, Autoencoder};
use orthoscope::ops::Backend;
use orthoscope::train::{Checkpoint, ObjectiveConfig, OptimiserConfig, Recipe, Trainer};

fn recipe(model: u8) -> Recipe {
    Recipe {
        architecture: Architecture::Autoencoder(Autoencoder { model, width: 3, dilations: vec![1, 2, 4] }),
        objective: ObjectiveConfig::default(),
        optimiser: OptimiserConfig { steps: 6, batch: 3, warmup_steps: 2, ..OptimiserConfig::default() },
        seed: 5,
    }
}

/// Crops of 24 pixels from 5 images of cloth, with every augmentation.
fn training_set() -> TrainingSet {
    let options = GenerateOptions { family: Family::Cloth, size: 40, train: 5, good: 0, defects_per_kind: 1, seed: 3 };
    let images: Vec<_> = (0..5).map(|index| options.train_image(index).unwrap()).collect();
    TrainingSet {
        textures: images[3..].to_vec(),
        images,
        size: 24,
        augment: AugmentConfig { flip_horizontal: true, flip_vertical: true, quarter_turns: true, ..AugmentConfig::default() },
        corruption: CorruptionConfig::default(),
        seed: 11,
    }
}

fn advance<B: Backend>(trainer: &mut Trainer<B>, set: &TrainingSet, steps: u64) -> Vec<f64> {
    (0..steps).map(|_| trainer.advance(&mut set.batch(trainer.step(), 3).unwrap().into()).unwrap().loss).collect()
}

/// The complete state of a trainer, as bytes.
fn state<B: Backend>(trainer: &Trainer<B>) -> Vec<u8> {
    trainer.checkpoint("config").unwrap().encode().unwrap()
}

#[test]
fn six_steps_equal_three_steps_a_checkpoint_and_three_more() {
    let set = training_set();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint");
    for (model, ema_decay) in [(1, 0.99), (2, 0.99), (2, 0.0)] {
        let mut recipe = recipe(model);
        recipe.optimiser.ema_decay = ema_decay;
        recipe.objective = if model == 1 { with_terms().objective } else { recipe.objective };
        let mut whole = Trainer::new(&Cpu::default(), recipe.clone()).unwrap();
        let losses = advance(&mut whole, &set, 6);
        let mut first = Trainer::new(&Cpu::default(), recipe.clone()).unwrap();
        assert_eq!(advance(&mut first, &set, 3), losses[..3]);
        std::fs::write(&file, state(&first)).unwrap();
        let mut second = Trainer::resume(&Cpu::default(), recipe, &Checkpoint::read(&file).unwrap()).unwrap();
        assert!(second.step() == 3 && state(&second) == state(&first));
        assert_eq!(advance(&mut second, &set, 3), losses[3..]);
        assert!(state(&second) == state(&whole), "Model {model}, EMA decay {ema_decay}");
        assert!(state(&second) != state(&first));
    }
}

/// Model II of width 8, most of whose convolutions use Winograd's algorithm.
fn wide() -> Recipe {
    let architecture = Architecture::Autoencoder(Autoencoder { model: 2, width: 8, dilations: vec![1, 2, 4] });
    Recipe { architecture, ..recipe(2) }
}

/// The loss with every optional term.
fn with_terms() -> Recipe {
    let mut recipe = recipe(2);
    recipe.objective.ssim.weight = 0.5;
    recipe.objective.gradient.weight = 1.0;
    recipe
}

/// A backend for each instruction set of this machine.
fn backends() -> Vec<(Isa, Cpu)> {
    Isa::ALL.into_iter().filter_map(|isa| Some((isa, Cpu::with_isa(isa).ok()?))).collect()
}

#[test]
fn one_two_and_seven_threads_give_the_same_bits_on_every_isa() {
    let set = training_set();
    for (isa, backend) in backends() {
        for (backend, precision) in [(backend.with_bf16(), "bf16"), (backend, "f32")] {
            for recipe in [recipe(2), wide(), with_terms()] {
                let run = |threads: usize| {
                    in_a_pool(threads, || {
                        let mut trainer = Trainer::new(&backend, recipe.clone()).unwrap();
                        (advance(&mut trainer, &set, 4), state(&trainer))
                    })
                };
                let one = run(1);
                assert!(one == run(2) && one == run(7), "{isa:?}, {precision}, {}", recipe.architecture);
            }
        }
    }
}

#[test]
fn every_instruction_set_trains_like_the_reference() {
    let set = training_set();
    for recipe in [recipe(2), wide(), with_terms()] {
        let mut yardstick = Trainer::new(&Reference::<f64>::default(), recipe.clone()).unwrap();
        let wanted = advance(&mut yardstick, &set, 6);
        let wanted_weights = yardstick.weights().to_values(&Reference::default()).unwrap();
        for (isa, backend) in backends() {
            let mut trainer = Trainer::new(&backend, recipe.clone()).unwrap();
            for (loss, wanted) in advance(&mut trainer, &set, 6).iter().zip(&wanted) {
                assert!((loss - wanted).abs() < 1e-5 * wanted, "{isa:?}: loss {loss}, reference {wanted}");
            }
            for (name, values) in trainer.weights().to_values(&backend).unwrap() {
                // Adam normalises the gradient, so where a gradient is only rounding error, updates can differ by a full step.
                let off = values.iter().zip(&wanted_weights[&name]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off < 2e-4, "{isa:?}: {name} differs by {off:e}");
            }
        }
    }
    assert!(!backends().is_empty(), "every machine has the portable instruction set");
}

#[test]
fn bf16_trains_like_f32_and_keeps_weights_in_f32() {
    let set = training_set();
    for (isa, backend) in backends() {
        let [exact, rounded] = [backend.clone(), backend.with_bf16()].map(|backend| {
            let mut trainer = Trainer::new(&backend, wide()).unwrap();
            (advance(&mut trainer, &set, 6), trainer.weights().to_values(&backend).unwrap())
        });
        assert_ne!(exact.0[5], rounded.0[5], "{isa:?}: nothing was rounded");
        for (exact, rounded) in exact.0.iter().zip(&rounded.0) {
            assert!((exact - rounded).abs() < 0.01 * exact, "{isa:?}: loss {rounded}, in f32 {exact}");
        }
        let fine = rounded.1.values().flatten().filter(|value| value.to_bits() & 0xFFFF != 0).count();
        assert!(fine > 1000, "{isa:?}: only {fine} weights have more digits than bf16");
    }
}

#[test]
fn a_training_step_allocates_no_new_tensor_memory() {
    let set = training_set();
    let backend = Cpu::default();
    let mut trainer = Trainer::new(&backend, wide()).unwrap();
    in_a_pool(1, || {
        advance(&mut trainer, &set, 2);
        let held = backend.peak_bytes();
        advance(&mut trainer, &set, 4);
        assert_eq!(backend.peak_bytes(), held);
    });
}

fn same(a: &Batch, b: &Batch) -> bool {
    a.corrupted == b.corrupted && a.target == b.target && a.region == b.region
}

fn in_a_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn prefetched_batches_match_their_steps() {
    let set = Arc::new(training_set());
    let wanted: Vec<Batch> = (0..8).map(|step| set.batch(step, 3).unwrap()).collect();
    let check = |feed: &mut Feed, step: u64| {
        let (equal, supply) = feed.step(step, |batch| Ok(same(batch, &wanted[step as usize]))).unwrap();
        assert!(equal && !supply.making.is_zero(), "step {step}");
    };
    // With a single pool thread, no other thread could make the batch that it waits for.
    for threads in [1, 2, 3] {
        in_a_pool(threads, || {
            let mut feed = Feed::new(Arc::clone(&set), 3, 8);
            [0, 1, 2, 3, 4, 5, 6, 7, 7, 2, 3].into_iter().for_each(|step| check(&mut feed, step));
            // A failed step may be repeated.
            assert!(feed.step(4, |_| Err::<(), _>(orthoscope::Error::Argument("no".into()))).unwrap_err().to_string() == "no");
            [4, 5].into_iter().for_each(|step| check(&mut feed, step));
        });
    }
}

#[test]
fn a_batch_does_not_depend_on_earlier_batches() {
    let (fresh, used) = (training_set(), training_set());
    let batches: Vec<Batch> = (0..6).map(|step| used.batch(step, 3).unwrap()).collect();
    for step in [5, 0, 3] {
        assert!(same(&fresh.batch(step, 3).unwrap(), &batches[step as usize]), "step {step}");
    }
    for (a, b) in [(0, 1), (1, 5), (0, 5)] {
        assert!(!same(&batches[a], &batches[b]), "steps {a} and {b} are equal");
    }
    let other = TrainingSet { seed: 12, ..training_set() };
    assert!(!same(&other.batch(0, 3).unwrap(), &batches[0]));
}
