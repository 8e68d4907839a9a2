//! A disk that fills up while a file is written. A limit on the file size gives the same failure without a separate disk.
#![cfg(unix)]

use std::process::Command;

use crate::fixture::{Ran, Scratch, sentence, told, tree};

/// Runs a command that cannot write files larger than `kilobytes`, with the signal as a shell leaves it.
fn with_file_limit(scratch: &Scratch, kilobytes: u32, command: &str) -> Ran {
    with_file_limit_and(scratch, "", kilobytes, command)
}

/// The same after the shell command `first`.
fn with_file_limit_and(scratch: &Scratch, first: &str, kilobytes: u32, command: &str) -> Ran {
    let script = format!("{first} ulimit -f {}; exec {} {command}", 2 * kilobytes, env!("CARGO_BIN_EXE_orthoscope"));
    told(Command::new("sh").args(["-c", &script]).current_dir(scratch.path("")).env_remove("RUST_LOG").output().unwrap())
}

#[track_caller]
fn check(ran: &Ran, file: &str) {
    assert_eq!(ran.code, 1, "{}", ran.err);
    let text = sentence(&ran.err);
    assert!(text.starts_with(&format!("{file}: cannot be written: File too large")), "{text}");
}

#[test]
fn single_files_are_written_completely_or_not_at_all() {
    let scratch = Scratch::new();
    let before = tree(&scratch.path(""));
    for (command, file) in [
        ("model init --model 2 --width 8 --out new.safetensors", "new.safetensors"),
        ("model init --model 2 --width 8 --out run/model.safetensors --overwrite", "run/model.safetensors"),
        ("data preview --data cloth --count 8 --out new.png", "new.png"),
    ] {
        check(&with_file_limit(&scratch, 8, command), file);
        assert!(tree(&scratch.path("")) == before, "{command} left something behind");
    }
}

#[test]
fn a_dataset_is_written_completely_or_not_at_all() {
    let scratch = Scratch::new();
    let before = tree(&scratch.path(""));
    for (out, target) in [(".", "./wood"), ("new", "new/wood")] {
        let command = format!("data generate --out {out} --family wood --size 64 --train 1 --good 1 --defects 1");
        check(&with_file_limit(&scratch, 4, &command), &format!("{target}/train/good/000.png"));
        assert!(tree(&scratch.path("")) == before, "{command} left something behind");
    }
}

#[test]
fn a_failed_write_keeps_the_old_checkpoint() {
    let scratch = Scratch::new();
    let checkpoint = scratch.read("run/checkpoint.safetensors");
    let model = scratch.read("run/model.safetensors");
    let ran = with_file_limit(&scratch, 8, "train --config c.toml --data cloth --out run --resume");
    check(&ran, "run/model.safetensors");
    assert!(scratch.read("run/checkpoint.safetensors") == checkpoint && scratch.read("run/model.safetensors") == model);
    let ran = with_file_limit(&scratch, 8, "train --config c.toml --data cloth --out new");
    check(&ran, "new/checkpoint.safetensors");
    assert_eq!(scratch.names("new"), ["config.toml", "log.jsonl"], "the log is kept");
}

#[test]
fn detection_writes_its_json_last() {
    let scratch = Scratch::new();
    let ran = with_file_limit(&scratch, 4, "detect --model run/model.safetensors --out new cloth/test/bend");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("error: new/000_map.npy: cannot be written: File too large"), "{}", ran.err);
    assert!(scratch.names("new").is_empty(), "{:?}", scratch.names("new"));
}

#[test]
fn it_makes_no_difference_whether_the_signal_is_ignored() {
    let scratch = Scratch::new();
    let before = tree(&scratch.path(""));
    let ran = with_file_limit_and(&scratch, "trap '' XFSZ;", 8, "model init --model 2 --width 8 --out new.safetensors");
    check(&ran, "new.safetensors");
    assert!(tree(&scratch.path("")) == before);
}

#[test]
fn a_failed_evaluation_keeps_the_files_of_the_earlier_one_together() {
    let scratch = Scratch::new();
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out found");
    let before = tree(&scratch.path("found"));
    scratch.succeeds("model init --model 2 --width 4 --out other.safetensors");
    // Enough for the metrics, not for the page.
    let ran = with_file_limit(&scratch, 8, "evaluate --model other.safetensors --data cloth --out found");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(tree(&scratch.path("found")) == before, "old and new files are mixed");
}

#[test]
fn failed_figures_an_audit_and_claims_keep_the_files_of_the_earlier_ones_together() {
    let scratch = Scratch::new();
    scratch.succeeds("model init --model 2 --width 2 --seed 8 --out other.safetensors");
    scratch.succeeds("data generate --out more --family cloth --size 32 --train 8 --good 5 --defects 1");
    let figures = "figures --data cloth --only scores,misses,network --out new --model";
    let audit = "audit --data more/cloth --images 5 --probes 2 --singular-values 2 --out new --model";
    let verify = "verify --claim C2 --out new --seed";
    for (command, [old, new], kilobytes) in [
        (figures, ["run/model.safetensors", "other.safetensors"], 8),
        // Enough for the record, not for the page.
        (audit, ["run/model.safetensors", "other.safetensors"], 16),
        (verify, ["0", "1"], 8),
    ] {
        scratch.succeeds(&format!("{command} {old}"));
        let before = tree(&scratch.path("new"));
        let ran = with_file_limit(&scratch, kilobytes, &format!("{command} {new}"));
        assert!(ran.code == 1 && ran.err.contains("cannot be written: File too large"), "{command}: {}", ran.err);
        assert!(tree(&scratch.path("new")) == before, "{command} mixed old and new files");
        std::fs::remove_dir_all(scratch.path("new")).unwrap();
    }
}

#[test]
fn a_failed_detection_keeps_the_files_of_the_earlier_one_together() {
    let scratch = Scratch::new();
    scratch.succeeds("detect --model run/model.safetensors --out new cloth/test/bend");
    let before = tree(&scratch.path("new"));
    scratch.succeeds("model init --model 2 --width 2 --seed 8 --out other.safetensors");
    // Enough for some of the files, not for the map.
    let ran = with_file_limit(&scratch, 4, "detect --model other.safetensors --out new cloth/test/bend");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(tree(&scratch.path("new")) == before, "old and new files are mixed");
}

#[test]
fn a_detection_that_ends_early_has_no_table() {
    use orthoscope::data::{Image, write_png};
    let scratch = Scratch::new();
    scratch.write("in/a.png", scratch.read("cloth/test/good/000.png"));
    write_png(&scratch.path("in/b.png"), &Image::from_elem((120, 120, 3), 0.5)).unwrap();
    scratch.succeeds("detect --model run/model.safetensors --out new in");
    scratch.succeeds("model init --model 2 --width 2 --seed 8 --out other.safetensors");
    let before = tree(&scratch.path("new"));
    // Enough for the files of the first picture, not for the map of the second.
    let ran = with_file_limit(&scratch, 20, "detect --model other.safetensors --out new in");
    assert!(ran.code == 1 && ran.err.contains("new/b_map.npy: cannot be written"), "{}", ran.err);
    let after = tree(&scratch.path("new"));
    let is_old = |name: &str| before[std::path::Path::new(name)] == after[std::path::Path::new(name)];
    assert!(is_old("b_map.npy") && is_old("b.json") && !is_old("a_map.npy") && !is_old("a.json"));
    for name in ["results.csv", "index.html"] {
        assert!(!after.contains_key(std::path::Path::new(name)), "{name} is about another run");
    }
}
