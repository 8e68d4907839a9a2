//! Runs that cannot be continued.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use orthoscope::backend::Cpu;
use orthoscope::run::{Config, TrainingJob};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::fixture::{CONFIG, Scratch};

const RESUME: &str = "train --config c.toml --data cloth --out run --resume";
const CHECKPOINT: &str = "run/checkpoint.safetensors";

#[test]
fn resuming_without_a_checkpoint_fails() {
    let scratch = Scratch::new();
    let text = scratch.refuses("train --config c.toml --data cloth --out new --resume");
    assert_eq!(text, "new: holds no checkpoint.safetensors to resume from");
    fs::remove_file(scratch.path(CHECKPOINT)).unwrap();
    assert_eq!(scratch.refuses(RESUME), "run: holds no checkpoint.safetensors to resume from");
}

#[test]
fn resuming_on_other_images_fails() {
    let scratch = Scratch::new();
    let reason = "was made with other training images, or some of them have changed since; choose another folder for these";
    let (first, before) = ("cloth/train/good/000.png", scratch.read("cloth/train/good/000.png"));
    scratch.write(first, scratch.read("cloth/train/good/001.png"));
    assert_eq!(scratch.refuses(RESUME), format!("{CHECKPOINT}: {reason}"));
    fs::remove_file(scratch.path(first)).unwrap();
    assert_eq!(scratch.refuses(RESUME), format!("{CHECKPOINT}: {reason}"));
    scratch.write(first, before);
    scratch.succeeds(RESUME);
}

#[test]
fn resuming_with_another_config_or_architecture_fails() {
    let scratch = Scratch::new();
    for (from, to, reason) in [
        ("width = 2", "width = 3", "model.width is 2 there and 3 now"),
        ("steps = 4", "steps = 5", "train.steps is 4 there and 5 now"),
        ("[model]", "seed = 1\n[model]", "seed is 0 there and 1 now"),
        (
            "width = 2\ndilations = [1, 2]",
            "width = 3\ndilations = [1]",
            "model.dilations is [1, 2] there and [1] now; model.width is 2 there and 3 now",
        ),
    ] {
        scratch.write("c.toml", CONFIG.replace(from, to));
        assert_eq!(scratch.refuses(RESUME), format!("{CHECKPOINT}: was made with another config: {reason}"));
    }
    // What is written on the way may change.
    let config = Config::parse(CONFIG).unwrap();
    let job = TrainingJob::prepare(config, &scratch.path("cloth"), &scratch.path("cut"), false).unwrap();
    let stop = AtomicBool::new(false);
    job.run(&Cpu::default(), &stop, |entry| stop.store(entry.step >= 2, Ordering::Relaxed)).unwrap();
    drop(job);
    scratch.write("c.toml", CONFIG.replace("checkpoint_every = 2", "checkpoint_every = 3"));
    scratch.succeeds(&RESUME.replace("--out run", "--out cut"));
    scratch.succeeds("train --config c.toml --data cloth --out whole");
    assert!(scratch.read("cut/model.safetensors") == scratch.read("whole/model.safetensors"));
}

#[test]
fn resuming_from_a_damaged_or_foreign_file_fails() {
    let scratch = Scratch::new();
    let whole = scratch.read(CHECKPOINT);
    for bytes in [&whole[..0], &whole[..64], &whole[..whole.len() - 1], b"not a checkpoint"] {
        scratch.write(CHECKPOINT, bytes);
        let text = scratch.refuses(RESUME);
        assert!(text.starts_with(&format!("{CHECKPOINT}: not a checkpoint: ")), "{text}");
    }
    scratch.write(CHECKPOINT, scratch.read("run/model.safetensors"));
    assert_eq!(scratch.refuses(RESUME), format!("{CHECKPOINT}: not a checkpoint: no `orthoscope.step` in its metadata"));
}

/// The checkpoint with its tensors changed by `edit` and its metadata unchanged.
fn edited(bytes: &[u8], edit: impl Fn(&mut HashMap<String, Vec<u8>>)) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let mut values = tensors.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
    edit(&mut values);
    let view = |bytes| TensorView::new(Dtype::F32, vec![<[u8]>::len(bytes) / 4], bytes).unwrap();
    let views: Vec<_> = values.iter().map(|(name, bytes)| (name, view(bytes))).collect();
    safetensors::serialize(views, header.metadata().clone()).unwrap()
}

#[test]
fn resuming_with_tensors_of_another_network_fails() {
    let scratch = Scratch::new();
    let whole = scratch.read(CHECKPOINT);
    for (edit, reason) in [
        (drop_weight as fn(&mut HashMap<String, Vec<u8>>), "parameter `e1.0.weight` is missing"),
        (cut_weight, "the checkpoint is not of Model II"),
        (drop_average, "the checkpoint has no tensors `a.*`"),
        (break_moment, "tensor `v.out.bias` holds NaN"),
    ] {
        scratch.write(CHECKPOINT, edited(&whole, edit));
        let text = scratch.refuses(RESUME);
        assert!(text.starts_with(&format!("{CHECKPOINT}: ")) && text.contains(reason), "{text}");
    }
}

fn drop_weight(values: &mut HashMap<String, Vec<u8>>) {
    values.remove("p.e1.0.weight").unwrap();
}

fn cut_weight(values: &mut HashMap<String, Vec<u8>>) {
    values.get_mut("m.e1.0.weight").unwrap().truncate(8);
}

fn drop_average(values: &mut HashMap<String, Vec<u8>>) {
    values.retain(|name, _| !name.starts_with("a."));
}

fn break_moment(values: &mut HashMap<String, Vec<u8>>) {
    values.get_mut("v.out.bias").unwrap()[..4].copy_from_slice(&f32::NAN.to_le_bytes());
}
