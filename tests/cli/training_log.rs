//! What a training run tells besides its steps: validations, early warnings, and the page of `--watch`.

use std::sync::atomic::{AtomicBool, Ordering};

use orthoscope::backend::Cpu;
use orthoscope::run::{Config, Log, LogLine, Outcome, TrainingJob, ValidationEntry, WarningEntry, WarningKind};

use crate::fixture::{CONFIG, Scratch};

fn validations(scratch: &Scratch, run: &str) -> Vec<ValidationEntry> {
    let lines = Log::lines(&scratch.path(run).join("log.jsonl")).unwrap();
    lines.into_iter().filter_map(|line| if let LogLine::Validation(entry) = line { Some(entry) } else { None }).collect()
}

fn warnings(scratch: &Scratch, run: &str) -> Vec<WarningEntry> {
    let lines = Log::lines(&scratch.path(run).join("log.jsonl")).unwrap();
    lines.into_iter().filter_map(|line| if let LogLine::Warning(entry) = line { Some(entry) } else { None }).collect()
}

fn text(scratch: &Scratch, name: &str) -> String {
    String::from_utf8(scratch.read(name)).unwrap()
}

#[test]
fn a_validation_equals_an_evaluation_of_the_same_weights_on_the_same_set() {
    let scratch = Scratch::new();
    scratch.succeeds("train --config c.toml --data cloth --out new --validate-every 3");
    let entries = validations(&scratch, "new");
    assert_eq!(entries.iter().map(|entry| entry.step).collect::<Vec<_>>(), [3, 4], "every third step and the last one");
    assert_ne!(entries[0].validation, entries[1].validation);
    scratch.succeeds("data validation --config c.toml --data cloth --out set");
    scratch.succeeds("evaluate --model new/model.safetensors --data set --out score --resolution model");
    let metrics = scratch.json("score/metrics.json");
    let last = entries[1].validation;
    assert_eq!(
        (metrics["image_auroc"].as_f64(), metrics["pixel_auroc"].as_f64()),
        (Some(last.image_auroc), Some(last.pixel_auroc))
    );
    assert!(last.normal_residual > 0.0 && last.normal_residual < 1.0);
}

#[test]
fn validation_does_not_change_the_weights() {
    let scratch = Scratch::new();
    scratch.succeeds("train --config c.toml --data cloth --out new --validate-every 1 --watch");
    assert_eq!(validations(&scratch, "new").len(), 4);
    assert!(tensors(&scratch, "new/checkpoint.safetensors") == tensors(&scratch, "run/checkpoint.safetensors"));
    assert!(tensors(&scratch, "new/model.safetensors") == tensors(&scratch, "run/model.safetensors"));
}

/// Names and bytes of the tensors in a file, without its metadata, which holds the config.
fn tensors(scratch: &Scratch, name: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = scratch.read(name);
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut found: Vec<_> = file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

#[test]
fn a_resumed_run_has_the_validations_of_a_run_that_was_not_interrupted() {
    let scratch = Scratch::new();
    let config = CONFIG.replace("checkpoint_every = 2", "checkpoint_every = 3\nvalidate_every = 2");
    scratch.write("c.toml", &config);
    // Stopped after step 2, with its validation; then killed after step 3 as it were, before the checkpoint of step 4.
    let config = Config::parse(&config).unwrap();
    let run = |resume, last| {
        let job = TrainingJob::prepare(config.clone(), &scratch.path("cloth"), &scratch.path("cut"), resume).unwrap();
        let stop = AtomicBool::new(false);
        job.run(&Cpu::default(), &stop, |entry| stop.store(entry.step >= last, Ordering::Relaxed)).unwrap()
    };
    assert_eq!(run(false, 2), Outcome::Interrupted);
    let log = text(&scratch, "cut/log.jsonl");
    let repeated = log.lines().map(|line| line.replace("\"step\":2", "\"step\":3")).collect::<Vec<_>>().join("\n");
    scratch.write("cut/log.jsonl", format!("{log}{repeated}\n"));
    assert_eq!(run(true, 9), Outcome::Finished);
    scratch.succeeds("train --config c.toml --data cloth --out whole");
    let whole = validations(&scratch, "whole");
    assert_eq!(whole.iter().map(|entry| entry.step).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(validations(&scratch, "cut"), whole);
    assert!(scratch.read("cut/model.safetensors") == scratch.read("whole/model.safetensors"));
}

#[test]
fn defects_that_cannot_be_seen_on_small_images_are_left_out_of_the_validation() {
    let scratch = Scratch::new();
    scratch.write("c.toml", CONFIG.replace("size = 32", "size = 8"));
    let set = scratch.succeeds("data validation --data cloth --config c.toml --out set").out;
    let defects = std::fs::read_dir(scratch.path("set/ground_truth")).unwrap().count();
    assert!((1..5).contains(&defects), "{set}");
    assert!(set.contains(&format!("held-out images: 1, copies with a drawn defect: {defects}\n")), "{set}");
    scratch.succeeds("train --config c.toml --data cloth --out new --validate-every 2");
    assert_eq!(validations(&scratch, "new").len(), 2);
}

#[test]
fn a_page_shows_the_finished_run_and_no_longer_reloads() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("train --config c.toml --data cloth --out new --watch --validate-every 2");
    assert!(ran.err.contains("learning curves in new/training.html\n"), "{}", ran.err);
    assert_eq!(scratch.names("new").last().unwrap(), "training.html");
    let page = text(&scratch, "new/training.html");
    for part in
        ["finished</span> step 4 of 4, 100\u{a0}%", "Training loss", "Validation image AUROC", "<h2>Residual on normal images"]
    {
        assert!(page.contains(part), "{part} is missing");
    }
    assert_eq!(page.to_lowercase().matches(">training loss<").count(), 1, "the figure has the title of its section");
    assert!(!page.contains("http-equiv") && page.matches("<svg ").count() == 3);
    // The page of a finished run that is resumed has its whole log.
    std::fs::remove_file(scratch.path("new/training.html")).unwrap();
    scratch.succeeds("train --config c.toml --data cloth --out new --watch --validate-every 2 --resume");
    let again = text(&scratch, "new/training.html");
    let charts = |page: &str| page[page.find("<svg ").unwrap()..page.rfind("</svg>").unwrap()].to_owned();
    assert!(charts(&again) == charts(&page));
    assert!(!scratch.path("run/training.html").exists(), "only with --watch");
}

#[test]
fn a_page_of_a_run_that_failed_says_why() {
    let scratch = Scratch::new();
    let wild =
        CONFIG.replace("steps = 4", "steps = 400\nlearning_rate = 1000.0").replace("warmup_steps = 2", "warmup_steps = 300");
    scratch.write("c.toml", wild);
    assert_eq!(scratch.run("train --config c.toml --data cloth --out new --watch").code, 1);
    let page = text(&scratch, "new/training.html");
    assert!(page.contains("stopped by an error") && page.contains("<li>the loss became NaN at step "), "{page}");
    assert!(!page.contains("http-equiv"));
    // A page that is there shows the next run, too.
    scratch.write("c.toml", CONFIG);
    for name in ["checkpoint.safetensors", "checkpoint.previous.safetensors"] {
        let _ = std::fs::remove_file(scratch.path("new").join(name));
    }
    scratch.succeeds("train --config c.toml --data cloth --out new");
    assert!(text(&scratch, "new/training.html").contains("finished</span> step 4 of 4"));
}

/// The warning lines on standard error after training with the small config of Model I changed like this, and the warnings in the
/// log.
fn warned(scratch: &Scratch, changes: &str) -> (Vec<String>, Vec<WarningEntry>) {
    let config = CONFIG.replace("[model]", "[model]\nmodel = 1").replace("steps = 4\nbatch = 2\nwarmup_steps = 2", changes);
    scratch.write("c.toml", config.replace("checkpoint_every = 2", "checkpoint_every = 1000"));
    let ran = scratch.succeeds("train --config c.toml --data cloth --out new --watch");
    let lines = ran.err.lines().filter_map(|line| line.strip_prefix("warning: "));
    (lines.map(str::to_owned).collect(), warnings(scratch, "new"))
}

#[test]
fn a_healthy_run_gives_no_warning() {
    let scratch = Scratch::new();
    let (said, logged) = warned(&scratch, "steps = 300\nbatch = 2\nwarmup_steps = 2");
    assert!(said.is_empty() && logged.is_empty(), "{said:?}");
    assert!(!text(&scratch, "new/training.html").contains("<h2>Warnings</h2>"));
}

#[test]
fn a_network_with_a_constant_output_gives_one_warning() {
    let scratch = Scratch::new();
    // A rate a hundred times too high: within a few steps the network gives the mean colour for every image.
    let (said, logged) = warned(&scratch, "steps = 300\nbatch = 2\nwarmup_steps = 2\nlearning_rate = 0.1");
    assert!(logged.len() == 1 && said == [logged[0].message.clone()], "{said:?}");
    let warning = &logged[0];
    assert_eq!((warning.step, warning.warning), (100, WarningKind::ConstantOutput));
    assert!(warning.value < 0.05 * warning.reference && warning.reference > 0.05, "{warning:?}");
    assert!(warning.message.starts_with("step 100: the output is nearly constant: "), "{}", warning.message);
    let page = text(&scratch, "new/training.html");
    assert!(page.contains("<h2>Warnings</h2>") && page.contains("the output is nearly constant"));
}

#[test]
fn a_diverging_loss_gives_a_warning() {
    let scratch = Scratch::new();
    // The rate rises to ten thousand times the usual one, so the loss first falls and then rises.
    let (said, logged) = warned(&scratch, "steps = 600\nbatch = 2\nwarmup_steps = 400\nlearning_rate = 10.0");
    let rising: Vec<&WarningEntry> = logged.iter().filter(|entry| entry.warning == WarningKind::RisingLoss).collect();
    assert!(!rising.is_empty() && said.len() == logged.len(), "{said:?}");
    assert!(rising.iter().all(|entry| entry.value > 4.0 * entry.reference && entry.step > 100), "{rising:?}");
}
