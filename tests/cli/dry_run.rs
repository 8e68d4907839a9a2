//! `train --dry-run`: everything that is known before a training, and no training.

use crate::fixture::{CONFIG, Scratch};

#[test]
fn a_dry_run_tells_what_the_training_would_be_and_draws_its_first_batch() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("train --config c.toml --data cloth --out new --dry-run");
    for part in
        ["images        5 to train on; thresholds from 1 held-out image", "network       Model ", " weights", "device        cpu"]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    for part in [
        "memory        at least ",
        " were free before",
        "time          4 steps of 0.",
        "first batch   new/first_batch.png",
        "nothing was trained",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
    assert_eq!(scratch.names("new").iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>(), ["first_batch.png"]);
    scratch.succeeds("data preview --config c.toml --data cloth --out preview.png --count 2");
    assert_eq!(scratch.read("new/first_batch.png"), scratch.read("preview.png"), "the same samples");
    // The folder is still free for the run, which is the one without a dry run.
    scratch.succeeds("train --config c.toml --data cloth --out new");
    assert_eq!(scratch.read("new/model.safetensors"), scratch.read("run/model.safetensors"));
}

#[test]
fn a_dry_run_refuses_what_the_training_would_refuse() {
    let scratch = Scratch::new();
    let dry = |options: &str| scratch.refuses(&format!("train --config c.toml --data cloth {options} --dry-run"));
    assert!(dry("--out run").contains("already holds a run"));
    scratch.write("none.toml", CONFIG.replace("steps = 4", "steps = 0"));
    assert!(dry("--out new --config none.toml").contains("`train.steps`"));
    scratch.write("mine/first_batch.png", "mine");
    assert!(dry("--out mine").contains("first_batch.png: is there already"));
    assert_eq!(scratch.read("mine/first_batch.png"), b"mine");
}

#[test]
fn of_a_resumed_run_the_steps_left_are_told_and_the_lengthening_is_free() {
    let scratch = Scratch::new();
    let before = scratch.read("run/checkpoint.safetensors");
    let ran = scratch.succeeds("train --config c.toml --data cloth --out run --resume --steps 10 --dry-run");
    assert!(ran.out.contains("6 steps after the 4 done of 0."), "{}", ran.out);
    assert_eq!(scratch.read("run/checkpoint.safetensors"), before);
}
