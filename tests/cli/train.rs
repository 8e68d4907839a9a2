//! `train`: its flags, its files, and that the result depends only on the seed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::ArrayD;
use orthoscope::backend::Cpu;
use orthoscope::data::lock_folder;
use orthoscope::model::WeightFile;
use orthoscope::run::{Config, LogEntry, Outcome, TrainingJob};
use safetensors::SafeTensors;

use crate::fixture::{CONFIG, Scratch};

const FILES: [&str; 5] =
    ["checkpoint.previous.safetensors", "checkpoint.safetensors", "config.toml", "log.jsonl", "model.safetensors"];

#[test]
fn every_flag_is_applied_and_every_file_written() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("train --config c.toml --data cloth --out new/deep --steps 3 --seed 5 --threads 2");
    assert_eq!(ran.out, "wrote new/deep/model.safetensors\n");
    assert_eq!(scratch.names("new/deep"), FILES);
    let config = Config::read(&scratch.path("new/deep/config.toml")).unwrap();
    assert_eq!((config.train.steps, config.seed, config.model.width), (3, 5, 2));
    let log = String::from_utf8(scratch.read("new/deep/log.jsonl")).unwrap();
    let entries: Vec<LogEntry> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.iter().map(|entry| entry.step).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(entries.iter().all(|entry| entry.loss > 0.0 && entry.rate > 0.0 && entry.images_per_second > 0.0));
    assert!(entries.iter().all(|entry| entry.batch_ms > 0.0 && entry.wait_ms >= 0.0 && entry.step_ms > entry.wait_ms));
    assert_eq!(entries[0].wait_ms, entries[0].batch_ms, "nothing could be done before the first batch");
}

#[test]
fn held_out_copies_promise_no_rate_of_false_alarms() {
    let scratch = Scratch::new();
    let train = "train --config c.toml --data cloth --out";
    let ran = scratch.succeeds(&format!("{train} new"));
    assert!(!ran.err.contains("with the pixels") && ran.err.contains("Expected false alarms: "), "{}", ran.err);
    let copy = |number: u32| scratch.write(format!("cloth/train/good/{number:03}.png"), scratch.read("cloth/train/good/000.png"));
    // Half of 30 images are held out: some of the 25 copies, and some of the others.
    (6..30).for_each(copy);
    scratch.write("half.toml", "[data]\nheld_out = 0.5");
    let ran = scratch.succeeds(&format!("{train} half --config half.toml"));
    let copies =
        ran.err.split("with the pixels of a training image or of each other: ").nth(1).and_then(|rest| rest.split(' ').next());
    let left = 15 - copies.unwrap().parse::<usize>().unwrap();
    assert!((1..=5).contains(&left) && ran.err.contains(&format!("from {left} held-out image")), "{}", ran.err);
    (1..6).for_each(copy);
    (6..30).for_each(|number| std::fs::remove_file(scratch.path(format!("cloth/train/good/{number:03}.png"))).unwrap());
    let unknown = "on which the network was trained, so the rate of false alarms to expect is unknown.";
    let ran = scratch.succeeds(&format!("{train} copies"));
    let words = "warning: held-out images with the pixels of a training image: 1 of 1, so the thresholds may be too low; ";
    assert!(ran.err.contains(words) && ran.err.contains(unknown), "{}", ran.err);
    for command in ["evaluate --data cloth --out found", "detect --out looked cloth/test/good"] {
        let ran = scratch.succeeds(&format!("{command} --model copies/model.safetensors"));
        let said = format!("{}{}", ran.out, ran.err);
        assert!(!said.contains("Expected false alarms") && said.contains(unknown), "{command}: {said}");
    }
}

#[test]
fn terms_of_the_loss_are_logged_and_named_in_the_protocol() {
    let scratch = Scratch::new();
    scratch.write("more.toml", "[objective.ssim]\nweight = 0.5\nwindow = 5\n[objective.gradient]\nweight = 2.0\nscales = 2");
    scratch.succeeds("train --config c.toml --config more.toml --data cloth --out new --steps 2");
    let log = String::from_utf8(scratch.read("new/log.jsonl")).unwrap();
    for line in log.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let [loss, regions, ssim, gradient] =
            ["loss", "loss_regions", "loss_ssim", "loss_gradient"].map(|key| entry[key].as_f64().unwrap());
        assert!(regions > 0.0 && ssim > 0.0 && gradient > 0.0);
        assert!((loss - (regions + 0.5 * ssim + 2.0 * gradient)).abs() < 1e-5 * loss, "{line}");
    }
    assert!(!String::from_utf8(scratch.read("run/log.jsonl")).unwrap().contains("loss_"), "no terms, no keys");
    scratch.succeeds("evaluate --model new/model.safetensors --data cloth --out found");
    let line = scratch.json("found/metrics.json")["protocol"].as_str().unwrap().to_owned();
    assert!(line.contains("; loss with 0.5 ssim (window 5) + 2 gradient (2 scales) (not in the paper); device"), "{line}");
    scratch.write("more.toml", "[objective.ssim]\nwindow = 6");
    let error = scratch.refuses("train --config c.toml --config more.toml --data cloth --out other");
    assert_eq!(error, "more.toml: config key `objective.ssim.window`: must be odd, 3 to 31, got 6");
}

#[test]
fn progress_is_plain_lines_without_a_terminal() {
    let ran = Scratch::new().succeeds("train --config c.toml --data cloth --out new");
    let mut lines: Vec<&str> = ran.err.lines().collect();
    // One of the six images is held out.
    let few = "The 99\u{a0}% quantile needs at least 100 images; with 1 held-out image it is close to the largest score.";
    assert_eq!(lines.pop(), Some(few));
    let expected = "Expected false alarms: 50\u{a0}% (95\u{a0}%: 2.5 to 98\u{a0}%), from 1 held-out image.";
    assert_eq!(lines.pop(), Some(expected));
    let summary = lines.pop().unwrap();
    for part in ["waited for data ", " % of the time; making a batch took ", "images were decoded and resized once", " thread"] {
        assert!(summary.contains(part), "{summary}");
    }
    assert!(lines[0].starts_with("step 1/4  loss 0."), "{}", ran.err);
    assert!(lines.last().unwrap().starts_with("step 4/4  loss 0."), "{}", ran.err);
    for part in [" images/s  ", " left"] {
        assert!(lines.iter().all(|line| line.contains(part)), "{}", ran.err);
    }
    assert!(!ran.err.contains(['\r', '\u{1b}']), "{:?}", ran.err);
}

#[test]
fn thresholds_from_training_images_promise_nothing() {
    let scratch = Scratch::new();
    for name in scratch.names("cloth/train/good").into_iter().skip(1) {
        std::fs::remove_file(scratch.path(format!("cloth/train/good/{name}"))).unwrap();
    }
    let ran = scratch.succeeds("train --config c.toml --data cloth --out one");
    let words = "The thresholds come from 1 training image, on which the network was trained, so the rate of false alarms to expect \
        is unknown.";
    assert_eq!(ran.err.lines().last(), Some(words));
    let ran = scratch.succeeds("evaluate --model one/model.safetensors --data cloth --out new");
    assert!(ran.out.contains(words), "{}", ran.out);
    let threshold = &scratch.json("new/metrics.json")["image_threshold"];
    assert_eq!(threshold["calibration"], serde_json::json!({"images": 1, "source": "training"}));
    assert!(threshold["expected_false_alarms"].is_null() && threshold["false_alarms"]["of"] == 3);
}

#[test]
fn weights_depend_on_the_seed_but_not_on_threads() {
    let scratch = Scratch::new();
    let trained = |out: &str, options: &str| {
        scratch.succeeds(&format!("train --config c.toml --data cloth --out {out} {options}"));
        ["model.safetensors", "checkpoint.safetensors"].map(|name| scratch.read(format!("{out}/{name}")))
    };
    let one = trained("one", "--threads 1");
    assert!(one == trained("three", "--threads 3"), "three threads give other weights than one");
    assert!(one != trained("other", "--seed 1"), "another seed gives the same weights");
    let first = ["model.safetensors", "checkpoint.safetensors"].map(|name| scratch.read(format!("run/{name}")));
    assert!(one == first, "a second run gives other weights");
}

#[test]
fn two_trainings_do_not_write_into_one_folder() {
    let scratch = Scratch::new();
    let held = lock_folder(&scratch.path("new")).unwrap();
    let command = "train --config c.toml --data cloth --out new --steps 1 --watch";
    let words = format!("new: is in use by process {}; wait for its end or choose another folder", std::process::id());
    assert_eq!(scratch.refuses(command), words);
    drop(held);
    scratch.succeeds(command);
}

#[test]
fn resuming_a_finished_run_changes_nothing() {
    let scratch = Scratch::new();
    let before = FILES.map(|name| scratch.read(format!("run/{name}")));
    let ran = scratch.succeeds("train --config c.toml --data cloth --out run --resume");
    assert!(before == FILES.map(|name| scratch.read(format!("run/{name}"))));
    let words = "the run was finished at step 4 before; --resume --steps N with a larger N lengthens it";
    assert!(ran.err.lines().any(|line| line == words), "{}", ran.err);
    let longer = scratch.succeeds("train --config c.toml --data cloth --out run --resume --steps 5");
    assert!(!longer.err.contains("was finished"), "{}", longer.err);
    assert!(scratch.succeeds("train --data cloth --out run --resume").err.contains("was finished at step 5 before"));
}

#[test]
fn the_config_written_by_a_run_reproduces_it() {
    let scratch = Scratch::new();
    scratch.succeeds("train --config run/config.toml --data cloth --out again");
    assert!(scratch.read("again/model.safetensors") == scratch.read("run/model.safetensors"));
}

#[test]
fn textures_can_come_from_a_folder() {
    let scratch = Scratch::new();
    scratch.succeeds("train --config c.toml --data cloth --out new --textures cloth/test/good");
    assert!(scratch.read("new/model.safetensors") != scratch.read("run/model.safetensors"));
    let config = Config::read(&scratch.path("new/config.toml")).unwrap();
    assert_eq!(config.data.textures, Some("cloth/test/good".into()));
}

#[test]
fn verbose_runs_log_details() {
    let scratch = Scratch::new();
    let said = |flag: &str| scratch.succeeds(&format!("train --config c.toml --data cloth --out new{flag} {flag}")).err;
    assert!(said("-v").contains("info: 5 images to train on, 1 held out, 30 replacement textures"));
    assert!(said("-vv").contains("debug: step 4: loss 0."));
}

/// The text of a config with the key names of version 0.1.0.
fn with_old_names(config: &str) -> String {
    let names = [
        ("learning_rate", "rate"),
        ("warmup_steps", "warmup"),
        ("final_lr_fraction", "final_fraction"),
        ("ema_decay", "average"),
    ];
    names.iter().fold(config.to_owned(), |text, (new, old)| text.replace(&format!("\n{new} = "), &format!("\n{old} = ")))
}

/// The values in a weight file.
fn values(scratch: &Scratch, name: &str) -> HashMap<String, ArrayD<f32>> {
    WeightFile::read(&scratch.path(name)).unwrap().values
}

#[test]
fn a_run_of_an_older_version_resumes_to_the_same_weights() {
    let scratch = Scratch::new();
    // Stopped by the library after its first step.
    let job = TrainingJob::prepare(Config::parse(CONFIG).unwrap(), &scratch.path("cloth"), &scratch.path("old"), false).unwrap();
    let stop = AtomicBool::new(false);
    assert_eq!(job.run(&Cpu::default(), &stop, |_| stop.store(true, Ordering::Relaxed)).unwrap(), Outcome::Interrupted);
    drop(job);
    // Its files in the format of version 0.1.0.
    let bytes = scratch.read("old/checkpoint.safetensors");
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut metadata: HashMap<_, _> =
        header.metadata().clone().unwrap().into_iter().map(|(key, text)| (key, with_old_names(&text))).collect();
    for key in ["orthoscope.sha256", "orthoscope.arithmetic", "orthoscope.images"] {
        assert!(metadata.remove(key).is_some(), "{key}");
    }
    assert!(metadata["orthoscope.config"].contains("\nwarmup = 2\n"));
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    scratch.write("old/checkpoint.safetensors", safetensors::serialize(tensors.tensors(), Some(metadata)).unwrap());
    let config = String::from_utf8(scratch.read("old/config.toml")).unwrap();
    scratch.write("old/config.toml", with_old_names(&config));
    let ran = scratch.succeeds("train --config old/config.toml --data cloth --out old --resume");
    assert!(values(&scratch, "old/model.safetensors") == values(&scratch, "run/model.safetensors"));
    assert!(scratch.read("old/config.toml") == scratch.read("run/config.toml"), "the new names are written");
    let warnings: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 1, "{}", ran.err);
    assert!(warnings[0].starts_with("warning: old/config.toml: `train.rate` is now `train.learning_rate`, "), "{}", warnings[0]);
}

#[test]
fn a_value_under_both_its_old_and_new_name_is_rejected() {
    let scratch = Scratch::new();
    scratch.write("c.toml", CONFIG.replace("warmup_steps = 2", "warmup_steps = 2\nwarmup = 3"));
    let text = scratch.refuses("train --config c.toml --data cloth --out new");
    let reason = "is the old name of `train.warmup_steps`, which is set too; remove one of them";
    assert_eq!(text, format!("c.toml: line 10, config key `train.warmup`: {reason}"));
}
