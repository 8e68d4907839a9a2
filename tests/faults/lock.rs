//! Two runs in one folder, and what a killed one leaves there.
#![cfg(target_os = "linux")]

use std::fs::{self, File};

use orthoscope::data::lock_folder;

use super::signals::{advance, endless, send};
use crate::fixture::Scratch;

#[test]
fn a_second_run_is_told_which_process_works_in_the_folder() {
    let scratch = Scratch::new();
    let mut child = endless(&scratch, "");
    advance(&scratch, &mut child, 1);
    let words = format!("new: is in use by process {}; wait for its end or choose another folder", child.id());
    for command in [
        "train --config c.toml --data cloth --out new --seed 2",
        "train --config c.toml --data cloth --out new --resume",
        "demo --out new --overwrite",
    ] {
        let ran = scratch.run(command);
        assert_eq!((ran.code, ran.err.lines().last().unwrap()), (1, format!("error: {words}").as_str()), "{command}");
    }
    // Reading, and other files in the same folder, need no lock.
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new");
    send(&child, "KILL");
    child.wait().unwrap();
    drop(lock_folder(&scratch.path("new")).unwrap());
}

#[test]
fn a_lock_of_another_program_is_kept() {
    let scratch = Scratch::new();
    scratch.write("new/.lock", "held by my program\n");
    for command in ["train --config c.toml --data cloth --out new", "demo --out new"] {
        let refused = scratch.refuses(command);
        assert_eq!(refused, "new/.lock: is no lock of orthoscope; move it away, or choose another folder", "{command}");
    }
}

#[test]
fn leftovers_of_killed_commands_are_removed_by_the_next_one_in_the_folder() {
    let commands = [
        ("run", "train --config c.toml --data cloth --out run --resume"),
        ("run", "evaluate --model run/model.safetensors --data cloth --out run"),
        ("found", "detect --model run/model.safetensors --out found cloth/test/good"),
        (".", "data preview --data cloth --config c.toml --out new.png"),
    ];
    for (folder, command) in commands {
        let scratch = Scratch::new();
        let at = |name: &str| format!("{folder}/{name}");
        for name in [".orthoscope-aB3xYz.part", ".orthoscope-inUse0.part", ".aB3xYz.part", "mine.part"] {
            scratch.write(at(name), "x");
        }
        let held = File::options().append(true).open(scratch.path(at(".orthoscope-inUse0.part"))).unwrap();
        held.lock().unwrap();
        scratch.succeeds(command);
        assert!(!scratch.path(at(".orthoscope-aB3xYz.part")).exists(), "{command}");
        for name in [".orthoscope-inUse0.part", ".aB3xYz.part", "mine.part"] {
            assert!(scratch.path(at(name)).exists(), "{command} removed {name}");
        }
    }
}

#[test]
fn leftovers_in_a_subfolder_are_removed_by_a_detection_that_writes_nothing_there() {
    let scratch = Scratch::new();
    let detect = "detect --model run/model.safetensors --out found";
    scratch.succeeds(&format!("{detect} cloth/test"));
    for name in [".orthoscope-aB3xYz.part", "mine.part", "deep/er/.orthoscope-Folder.part/.lock"] {
        scratch.write(format!("found/good/{name}"), "");
    }
    scratch.succeeds(&format!("{detect} cloth/test/good"));
    let names = scratch.names("found/good");
    assert!(!names.contains(&".orthoscope-aB3xYz.part".to_owned()) && names.contains(&"mine.part".to_owned()), "{names:?}");
    assert!(scratch.names("found/good/deep/er").is_empty());
}

#[test]
fn a_killed_training_leaves_nothing_for_long() {
    let scratch = Scratch::new();
    let mut child = endless(&scratch, "");
    advance(&scratch, &mut child, 3);
    send(&child, "KILL");
    child.wait().unwrap();
    let resume = "train --config c.toml --data cloth --steps 10000000 --out new --resume";
    let mut again = crate::fixture::interruptible();
    again.args(resume.split_whitespace()).current_dir(scratch.path("")).stdout(std::process::Stdio::null());
    let mut again = again.stderr(std::process::Stdio::null()).spawn().unwrap();
    advance(&scratch, &mut again, 3);
    send(&again, "INT");
    assert_eq!(again.wait().unwrap().code(), Some(130));
    let parts = fs::read_dir(scratch.path("new"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
    assert_eq!(parts.count(), 0);
}

#[test]
fn images_of_a_killed_generation_go_with_the_next_one() {
    let scratch = Scratch::new();
    let mut endless = crate::fixture::interruptible();
    endless.args("data generate --family wood --train 20000 --out new".split_whitespace()).current_dir(scratch.path(""));
    let mut child = endless.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let begun = || {
        let names = fs::read_dir(scratch.path("new")).into_iter().flatten().map(|entry| entry.unwrap().path());
        names.filter(|path| path.to_string_lossy().ends_with(".part")).collect::<Vec<_>>()
    };
    while begun().first().is_none_or(|hidden| !hidden.join("wood/train/good").exists()) {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // Another process that makes images in the same folder leaves them alone.
    scratch.succeeds("data generate --family grid --size 32 --train 1 --good 1 --defects 1 --out new");
    assert_eq!(begun().len(), 1);
    let ran = scratch.run("data generate --family wood --size 32 --out new");
    let reason = "error: new/wood: is being made by another process; wait for its end or choose another folder\n";
    assert!(ran.code == 1 && ran.err.ends_with(reason), "{}", ran.err);
    send(&child, "KILL");
    child.wait().unwrap();
    assert_eq!(begun().len(), 1, "it was killed before it could remove them");
    scratch.succeeds("data generate --family wood --size 32 --train 1 --good 1 --defects 1 --out new");
    assert_eq!((begun().len(), scratch.names("new")), (0, vec!["grid".to_owned(), "wood".to_owned()]));
}
