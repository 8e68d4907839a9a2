//! `train`: its flags, its files, and that only the seed decides what comes out.

use orthoscope::run::{Config, LogEntry};

use crate::fixture::Scratch;

const FILES: [&str; 4] = ["checkpoint.safetensors", "config.toml", "log.jsonl", "model.safetensors"];

#[test]
fn every_flag_and_every_file() {
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
fn progress_is_plain_lines_where_there_is_no_terminal() {
    let ran = Scratch::new().succeeds("train --config c.toml --data cloth --out new");
    let mut lines: Vec<&str> = ran.err.lines().collect();
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
fn the_seed_decides_the_weights_and_the_threads_do_not() {
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
fn resuming_a_finished_run_changes_nothing() {
    let scratch = Scratch::new();
    let before = FILES.map(|name| scratch.read(format!("run/{name}")));
    scratch.succeeds("train --config c.toml --data cloth --out run --resume");
    assert!(before == FILES.map(|name| scratch.read(format!("run/{name}"))));
}

#[test]
fn the_config_that_a_run_writes_repeats_it() {
    let scratch = Scratch::new();
    scratch.succeeds("train --config run/config.toml --data cloth --out again");
    assert!(scratch.read("again/model.safetensors") == scratch.read("run/model.safetensors"));
}

#[test]
fn textures_come_from_a_folder_if_told_so() {
    let scratch = Scratch::new();
    scratch.succeeds("train --config c.toml --data cloth --out new --textures cloth/test/good");
    assert!(scratch.read("new/model.safetensors") != scratch.read("run/model.safetensors"));
    let config = Config::read(&scratch.path("new/config.toml")).unwrap();
    assert_eq!(config.data.textures, Some("cloth/test/good".into()));
}

#[test]
fn a_run_speaks_up_when_asked() {
    let scratch = Scratch::new();
    let said = |flag: &str| scratch.succeeds(&format!("train --config c.toml --data cloth --out new{flag} {flag}")).err;
    assert!(said("-v").contains("info: 5 images to train on, 1 held out, 30 replacement textures"));
    assert!(said("-vv").contains("debug: step 4: loss 0."));
}
