//! "The file cannot be opened": paths with signs beyond ASCII, spaces and line feeds, names that are no text, and very long ones.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::fixture::{Ran, Scratch, orthoscope, told};

const CATEGORY: &str = "data/teil β 数据 1";
const KIND: &str = "Riß, 傷 & \"more\"";
const NAMES: [&str; 9] = [
    "ünï 数.png",
    "a  b\tc.png",
    "two\nlines.png",
    "it's \"so\".png",
    "-dash.png",
    "100%20#1?.png",
    "<b>.png",
    "e\u{301}.png",
    "😀.png",
];

/// The category in a folder, with a kind and with images whose names are hard to write.
fn with_names() -> Scratch {
    let scratch = Scratch::new();
    let copy = |from: &str, to: &Path| scratch.write(to, scratch.read(format!("cloth/{from}")));
    let category = Path::new(CATEGORY);
    for (number, name) in NAMES.iter().enumerate() {
        copy(&format!("train/good/00{}.png", number % 6), &category.join("train/good").join(name));
        copy(&format!("test/good/00{}.png", number % 3), &category.join("test/good").join(name));
        copy("test/hole/000.png", &category.join("test").join(KIND).join(name));
        copy("ground_truth/hole/000_mask.png", &category.join("ground_truth").join(KIND).join(name));
    }
    let foreign = OsString::from_vec(b"caf\xe9.png".to_vec());
    copy("test/good/001.png", &category.join("test/good").join(foreign));
    scratch
}

fn ran(scratch: &Scratch, arguments: &[&OsStr]) -> Ran {
    let mut command: Command = orthoscope();
    command.current_dir(scratch.path("")).args(arguments);
    told(command.output().unwrap())
}

#[track_caller]
fn succeeds(scratch: &Scratch, command: &str, more: &[&str]) -> Ran {
    let arguments: Vec<&OsStr> = command.split(' ').chain(more.iter().copied()).map(OsStr::new).collect();
    let ran = ran(scratch, &arguments);
    assert!(ran.code == 0 && !ran.err.contains("skipped"), "{command}: {}", ran.err);
    ran
}

#[test]
fn every_command_reads_and_writes_paths_with_any_signs() {
    let scratch = with_names();
    succeeds(&scratch, "train --config c.toml --out läufe/1 --data", &[CATEGORY]);
    let model = "läufe/1/model.safetensors";
    succeeds(&scratch, "evaluate --out läufe/test --maps läufe/maps --model", &[model, "--data", CATEGORY]);
    let report = scratch.json("läufe/test/metrics.json");
    let images = report["images"].as_array().unwrap();
    assert_eq!(images.len(), 2 * NAMES.len() + 1);
    for name in NAMES {
        for kind in ["good", KIND] {
            assert!(images.iter().any(|image| image["path"] == format!("{kind}/{name}")), "{kind}/{name}");
        }
        let map = Path::new("läufe/maps/teil β 数据 1/test").join(KIND).join(name).with_extension("npy");
        assert!(scratch.path(&map).exists(), "{}", map.display());
    }
    assert!(report["image_auroc_by_kind"][KIND].is_f64());
    succeeds(&scratch, "figures --out läufe/bilder --only defects,roc,misses --model", &[model, "--data", CATEGORY]);
    succeeds(&scratch, "metrics --json --data", &[CATEGORY, "--maps", "läufe/maps/teil β 数据 1/test"]);
    succeeds(&scratch, "data preview --config c.toml --count 2 --out läufe/übersicht.png --data", &[CATEGORY]);
    succeeds(&scratch, "reproduce --config c.toml --out läufe/alle --data data", &[]);
    assert_eq!(scratch.json("läufe/alle/report.json")["runs"][0]["category"], "teil β 数据 1");
}

#[test]
fn every_image_of_a_folder_is_inspected_whatever_its_name() {
    let scratch = with_names();
    let ran = succeeds(&scratch, "detect --json --model run/model.safetensors --out found", &[CATEGORY]);
    let found: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    // Training images, good ones with one that is no text, defects and their masks.
    assert_eq!(found.len(), 4 * NAMES.len() + 1);
    for name in NAMES {
        let stem = Path::new("found/test/good").join(name).with_extension("");
        let json = scratch.json(format!("{}.json", stem.display()));
        assert_eq!(json["image"], format!("{CATEGORY}/test/good/{name}"));
    }
    let foreign = found.iter().filter(|one| one["image"].as_str().unwrap().ends_with("/caf\\xe9.png")).count();
    assert_eq!(foreign, 1);
}

#[test]
fn an_image_with_a_name_that_is_too_long_for_its_results_does_not_stop_the_others() {
    let scratch = Scratch::new();
    let image = scratch.read("cloth/test/good/000.png");
    let (long, longest) = ("l".repeat(236), "m".repeat(237));
    for name in ["a", &long, &longest, "z"] {
        scratch.write(format!("in/{name}.png"), &image);
    }
    let ran = scratch.run("detect --model run/model.safetensors --out found in");
    assert_eq!((ran.code, ran.out.lines().count()), (1, 3), "{}", ran.err);
    let reason = "its results would have names of 256 bytes, and a file name may have 255; rename the image";
    assert!(ran.err.contains(&format!("error: in/{longest}.png: {reason}\n")), "{}", ran.err);
    assert!(scratch.path(format!("found/{long}_reconstruction.png")).exists() && scratch.path("found/z.json").exists());
    // Maps have the names of the test images.
    let name = "n".repeat(251);
    scratch.write(format!("cloth/test/good/{name}.png"), &image);
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new");
    let text = scratch.refuses("evaluate --model run/model.safetensors --data cloth --out other --maps maps");
    assert!(text.ends_with(".tiff: cannot be written: the name has 256 bytes, and a file name may have 255"), "{text}");
}
