//! `demo` with few steps: all its files, and that it does not overwrite existing ones.

use orthoscope::data::lock_folder;

use super::evaluate::check_metrics;
use crate::fixture::{Scratch, tree};

#[test]
fn a_short_demo_writes_all_files_and_never_overwrites_them() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("demo --out demo --steps 3");
    let files = ["checkpoint.safetensors", "config.toml", "data", "figure.png", "index.html", "log.jsonl", "metrics.json"];
    assert_eq!(scratch.names("demo"), [&files[..], &["model.safetensors"]].concat());
    check_metrics(&scratch.json("demo/metrics.json"), &["category tiles", "last step 3; seed 0"]);
    assert!(ran.out.contains("open demo/index.html"), "{}", ran.out);
    let page = String::from_utf8(scratch.read("demo/index.html")).unwrap();
    for (at, _) in page.match_indices("src=\"") {
        assert!(page[at..].starts_with("src=\"data:image/png;base64,"), "the page needs another file");
    }
    for (command, reason) in [
        (
            "demo --out demo --steps 3",
            "already holds a demo; choose another folder with --out, or pass --overwrite to replace it",
        ),
        ("demo --out demo --steps 0 --overwrite", "'0' for '--steps <STEPS>': a whole number from 1 to 4294967295"),
        ("demo --out demo --seed 99999999999999999999", "seed"),
    ] {
        let before = tree(&scratch.path("demo"));
        let ran = scratch.run(command);
        assert!(ran.code != 0 && ran.err.contains(reason), "{command}: {}", ran.err);
        assert!(tree(&scratch.path("demo")) == before, "{command} changed the demo");
    }
    // Another process trains there.
    let held = lock_folder(&scratch.path("demo")).unwrap();
    let words = format!("demo: is in use by process {}; wait for its end or choose another folder", std::process::id());
    assert_eq!(scratch.refuses("demo --out demo --steps 2 --overwrite"), words);
    drop(held);
    scratch.write("demo/data/mine.txt", "mine");
    scratch.write("demo/notes.txt", "mine");
    // As a demo that was killed while it made images.
    scratch.write("demo/.orthoscope-Ab12xY.part/.lock", "");
    scratch.write("demo/.orthoscope-Ab12xY.part/data/tiles/train/good/000.png", "");
    scratch.succeeds("demo --out demo --steps 2 --overwrite --seed 1");
    assert!(!scratch.path("demo/.orthoscope-Ab12xY.part").exists());
    assert!(scratch.read("demo/data/mine.txt") == b"mine" && scratch.read("demo/notes.txt") == b"mine");
    check_metrics(&scratch.json("demo/metrics.json"), &["last step 2; seed 1"]);
}

#[test]
fn a_demo_that_was_not_finished_is_told_apart() {
    let scratch = Scratch::new();
    let ways = "; choose another folder with --out, or pass --overwrite to start over";
    let demo = "demo --out demo --steps 2 --device cpu";
    scratch.succeeds(demo);
    // The state in which a kill or Ctrl-C leaves it during its evaluation, during its training, and before its first checkpoint.
    for (gone, command, then) in [
        (
            ["metrics.json", "index.html"],
            "evaluate --model demo/model.safetensors --data demo/data/tiles --out demo/test --device cpu",
            "evaluates its weights",
        ),
        (
            ["model.safetensors", "figure.png"],
            "train --config demo/config.toml --data demo/data/tiles --out demo --resume --device cpu",
            "continues its training",
        ),
    ] {
        gone.iter().for_each(|name| std::fs::remove_file(scratch.path("demo").join(name)).unwrap());
        assert_eq!(
            scratch.refuses(demo),
            format!("demo: holds a demo that was not finished; `orthoscope {command}` {then}{ways}")
        );
        scratch.succeeds(command);
    }
    for name in ["model.safetensors", "checkpoint.safetensors", "checkpoint.previous.safetensors"] {
        let _ = std::fs::remove_file(scratch.path("demo").join(name));
    }
    assert_eq!(scratch.refuses(demo), format!("demo: holds a demo that was not finished; nothing of it can be continued{ways}"));
    scratch.succeeds(&format!("{demo} --overwrite"));
}
