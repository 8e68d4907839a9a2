//! "It never ends", "my files are missing": links in circles, hidden files, folders that cannot be read.
#![cfg(unix)]

use std::os::unix::fs::symlink;

use crate::fixture::Scratch;

const DETECT: &str = "detect --model run/model.safetensors --out";
const JUNK: [&str; 7] =
    [".DS_Store", "._000.png", "Thumbs.db", "desktop.ini", ".hidden.png", "__MACOSX/._000.png", ".cache/thumb.png"];

#[test]
fn links_in_circles_end_and_are_named_and_the_other_images_are_used() {
    let scratch = Scratch::new();
    for folder in ["cloth/train/good", "cloth/test/good"] {
        symlink("..", scratch.path(format!("{folder}/up"))).unwrap();
        symlink(".", scratch.path(format!("{folder}/same"))).unwrap();
        symlink("loop.png", scratch.path(format!("{folder}/loop.png"))).unwrap();
        symlink("none.png", scratch.path(format!("{folder}/dead.png"))).unwrap();
    }
    let ran = scratch.succeeds("train --config c.toml --data cloth --out new -v");
    assert!(ran.err.contains("5 images to train on, 1 held out"), "{}", ran.err);
    for name in ["up", "same", "loop.png", "dead.png"] {
        assert!(ran.err.contains(&format!("train/good/{name}")), "{name}: {}", ran.err);
    }
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out report");
    assert_eq!(scratch.json("report/metrics.json")["images"].as_array().unwrap().len(), 8, "{}", ran.err);
    let ran = scratch.run(&format!("{DETECT} found cloth/test/good"));
    assert_eq!((ran.code, ran.out.lines().count()), (1, 3), "{}", ran.err);
    for what in ["up: is a link to a folder", "same: is a link to a folder", "loop.png: cannot be read", "dead.png: no such file"]
    {
        assert!(ran.err.contains(what), "{what}: {}", ran.err);
    }
    assert!(ran.err.ends_with("error: 2 of 5 images could not be inspected\n"), "{}", ran.err);
}

#[test]
fn links_to_images_and_categories_are_followed() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("linked")).unwrap();
    symlink("../cloth", scratch.path("linked/part")).unwrap();
    symlink("../cloth/test/good/000.png", scratch.path("linked/one.png")).unwrap();
    scratch.succeeds("train --config c.toml --data linked/part --out new");
    assert!(scratch.read("new/model.safetensors") == scratch.read("run/model.safetensors"));
    let ran = scratch.succeeds(&format!("{DETECT} found linked/part linked/one.png"));
    assert!(ran.out.lines().any(|line| line.ends_with("linked/one.png")), "{}", ran.out);
}

#[test]
fn hidden_files_and_those_of_other_systems_are_no_images() {
    let scratch = Scratch::new();
    for folder in ["cloth/train/good", "cloth/test/good", "cloth/test/stain", "cloth/ground_truth/stain", "cloth/test", "cloth"] {
        JUNK.iter().for_each(|name| scratch.write(format!("{folder}/{name}"), "junk"));
    }
    for command in [
        "train --config c.toml --data cloth --out new",
        "evaluate --model run/model.safetensors --data cloth --out report",
        "data preview --data cloth --config c.toml --out sheet.png",
        "reproduce --data . --category cloth --config c.toml --out all",
        "detect --model run/model.safetensors --out found cloth/test",
    ] {
        let ran = scratch.succeeds(command);
        assert!(
            !ran.err.contains("skipped") && !ran.err.contains("junk") && !ran.err.contains("warning"),
            "{command}: {}",
            ran.err
        );
    }
    assert!(scratch.read("new/model.safetensors") == scratch.read("run/model.safetensors"));
}
