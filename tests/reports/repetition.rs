//! "Every run gives other numbers": seeds that do not reproduce, scores that depend on the other images, batches larger than the
//! data.

use crate::fixture::{CONFIG, Scratch};

fn weights(scratch: &Scratch, run: &str) -> Vec<u8> {
    scratch.read(format!("{run}/model.safetensors"))
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_any_number_of_threads_and_another_seed_others() {
    let scratch = Scratch::new();
    for (out, options) in [("one", "--threads 1"), ("three", "--threads 3"), ("seven", "--threads 7 --seed 7")] {
        scratch.succeeds(&format!("train --config c.toml --data cloth --out {out} {options}"));
    }
    assert!(weights(&scratch, "one") == weights(&scratch, "run") && weights(&scratch, "three") == weights(&scratch, "run"));
    assert!(weights(&scratch, "seven") != weights(&scratch, "run"));
    for (out, threads) in [("a", 1), ("b", 3)] {
        scratch.succeeds(&format!("evaluate --model run/model.safetensors --data cloth --out {out} --threads {threads}"));
    }
    for name in ["metrics.json", "index.html", "figure.png"] {
        assert!(scratch.read(format!("a/{name}")) == scratch.read(format!("b/{name}")), "{name}");
    }
}

#[test]
fn the_score_of_an_image_does_not_depend_on_the_others() {
    let scratch = Scratch::new();
    scratch.succeeds("detect --model run/model.safetensors --out all cloth/test");
    scratch.succeeds("detect --model run/model.safetensors --out one cloth/test/stain/000.png");
    scratch.succeeds(
        "detect --model run/model.safetensors --out reversed cloth/test/stain cloth/test/good/002.png cloth/test/good/001.png",
    );
    for ending in ["_map.npy", "_heatmap.png", "_mask.png", "_reconstruction.png", ".json"] {
        let whole = scratch.read(format!("all/stain/000{ending}"));
        assert!(
            whole == scratch.read(format!("one/000{ending}")) && whole == scratch.read(format!("reversed/000{ending}")),
            "{ending}"
        );
    }
    // `evaluate` gives the same image the same score.
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out report");
    let report = scratch.json("report/metrics.json");
    let image = report["images"].as_array().unwrap().iter().find(|image| image["path"] == "stain/000.png").unwrap();
    let found = scratch.json("all/stain/000.json");
    for key in ["score_sum", "score_max", "score_top"] {
        assert_eq!(image[key], found[key], "{key}");
    }
    assert_eq!(report["image_threshold"]["value"], found["threshold"]);
}

#[test]
fn one_training_image_and_batches_larger_than_the_data_are_enough() {
    let scratch = Scratch::new();
    scratch.write("one/train/good/a.png", scratch.read("cloth/train/good/000.png"));
    scratch.write("large.toml", CONFIG.replace("batch = 2", "batch = 9").replace("steps = 4", "steps = 2"));
    scratch.succeeds("train --config c.toml --data one --out single");
    scratch.succeeds("train --config large.toml --data cloth --out large");
    let ran = scratch.succeeds("train --config large.toml --data one --out both");
    assert!(ran.err.contains("thresholds come from 1 training image, on which the network was trained"), "{}", ran.err);
    let ran = scratch.succeeds("detect --model both/model.safetensors --out found one");
    assert_eq!(ran.out.lines().count(), 1);
}
