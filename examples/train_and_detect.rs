//! Trains on generated images and finds a defect in another one: `cargo run --release --example train_and_detect`.

use ndarray::{Array3, s};
use orthoscope::Result;
use orthoscope::backend::Cpu;
use orthoscope::run::Config;
use orthoscope::train::{Batches, Trainer};

/// Diagonal stripes, `[32, 32, 3]` with values in [0, 1].
fn stripes(phase: usize) -> Array3<f32> {
    Array3::from_shape_fn((32, 32, 3), |(y, x, _)| ((x + y + phase) % 8) as f32 / 7.0)
}

fn main() -> Result<()> {
    let normal: Vec<_> = (0..8).map(stripes).collect();
    let config = Config::parse("model.width = 8\ndata.size = 32\ntrain = { steps = 200, batch = 2, learning_rate = 0.005 }")?;
    let (set, held_out) = config.training_set(&normal)?;

    let backend = Cpu::default();
    let mut trainer = Trainer::new(&backend, config.recipe())?;
    let mut batches = Batches::new(&backend, set, config.train.batch, config.train.steps)?;
    while trainer.step() < config.train.steps {
        trainer.advance(&mut batches)?;
    }
    let detector = config.detector(&trainer, &held_out)?;

    let mut image = stripes(3);
    image.slice_mut(s![12..20, 10..18, ..]).fill(0.5);
    for (name, image) in [("normal", stripes(3)), ("defect", image)] {
        let found = detector.examine(&image)?;
        println!("{name}: score {:.2}, anomalous: {:?}, regions: {}", found.score, found.anomalous, found.regions.count());
    }
    Ok(())
}
