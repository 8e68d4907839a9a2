//! A loss that is not finite: training stops and the last good state is kept.

use orthoscope::Error;
use orthoscope::backend::Cpu;
use orthoscope::data::Batch;
use orthoscope::run::{Config, Log};
use orthoscope::shape::Shape;
use orthoscope::train::{Checkpoint, Trainer};

use crate::fixture::{CONFIG, Scratch, sentence};

#[test]
fn a_far_too_high_learning_rate_stops_the_run_and_keeps_its_checkpoint() {
    let scratch = Scratch::new();
    let wild =
        CONFIG.replace("steps = 4", "steps = 400\nlearning_rate = 1000.0").replace("warmup_steps = 2", "warmup_steps = 300");
    scratch.write("c.toml", wild.replace("checkpoint_every = 2", "checkpoint_every = 1"));
    let ran = scratch.run("train --config c.toml --data cloth --out new");
    assert_eq!(ran.code, 1, "{}", ran.err);
    let text = sentence(&ran.err);
    assert!(text.starts_with("the loss became NaN at step "), "{text}");
    assert!(
        text.ends_with("a lower train.learning_rate may help; new/checkpoint.safetensors holds the last good state"),
        "{text}"
    );
    assert_eq!(scratch.names("new"), ["checkpoint.previous.safetensors", "checkpoint.safetensors", "config.toml", "log.jsonl"]);
    let steps = Log::read(&scratch.path("new/log.jsonl")).unwrap().len() as u64;
    assert_eq!(Checkpoint::read(&scratch.path("new/checkpoint.safetensors")).unwrap().step, steps);
}

fn batch(value: f32) -> Batch {
    let [image_shape, region_shape] = [3, 1].map(|channels| Shape::new(&[2, 16, 16, channels]).unwrap());
    let ramp = |len: usize| (0..len).map(|k| (k * 31 % 101) as f32 / 100.0).collect::<Vec<f32>>();
    let (mut corrupted, region) = (ramp(1536), ramp(512).into_iter().map(f32::round).collect());
    corrupted[700] = value;
    Batch::new(image_shape, region_shape, [corrupted, ramp(1536), region]).unwrap()
}

#[test]
fn a_batch_with_a_nan_changes_nothing() {
    let recipe = Config::parse(CONFIG).unwrap().recipe();
    let [mut hit, mut spared] = [(); 2].map(|()| Trainer::new(&Cpu::default(), recipe.clone()).unwrap());
    let state = |trainer: &Trainer<Cpu>| trainer.checkpoint("").unwrap().encode().unwrap();
    for value in [f32::NAN, f32::INFINITY] {
        let before = state(&hit);
        let error = hit.advance(&mut batch(value).into()).unwrap_err();
        assert!(matches!(error, Error::NonFinite { step, .. } if step == hit.step() + 1), "{error}");
        assert!(state(&hit) == before);
        let [first, second] = [&mut hit, &mut spared].map(|trainer| trainer.advance(&mut batch(0.5).into()).unwrap().loss);
        assert_eq!(first, second);
    }
    assert!(state(&hit) == state(&spared));
}
