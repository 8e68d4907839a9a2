//! `validate`: the validation set of a training, scored without letting an image judge itself.

use orthoscope::detect::Settings;
use safetensors::SafeTensors;
use serde_json::Value;

use crate::fixture::{CONFIG, Scratch};

const VALIDATE: &str = "validate --model run/model.safetensors --data large/cloth --device cpu --out";

/// A model of which `held_out` of 8 images are held out.
fn with_held_out(held_out: f64) -> Scratch {
    let scratch = Scratch::new();
    std::fs::remove_dir_all(scratch.path("run")).unwrap();
    scratch.write("c.toml", CONFIG.replace("size = 32", &format!("size = 64\nheld_out = {held_out}")));
    scratch.succeeds("data generate --out large --family cloth --size 64 --train 8 --good 1 --defects 1");
    scratch.succeeds("train --config c.toml --data large/cloth --out run --device cpu");
    scratch
}

fn scores(metrics: &Value) -> Vec<f64> {
    metrics["images"].as_array().unwrap().iter().map(|image| image["score_max"].as_f64().unwrap()).collect()
}

#[test]
fn no_image_is_judged_by_what_it_has_contributed() {
    let scratch = with_held_out(0.5);
    scratch.write("relative.toml", "detection.relative_score = true");
    let ran = scratch.succeeds(&format!("{VALIDATE} judged --config relative.toml"));
    assert!(ran.out.contains("held-out images: 4, copies with a drawn defect: "), "{}", ran.out);
    assert!(!ran.out.contains("false alarms"), "the good images are those that set the threshold: {}", ran.out);
    let judged = scratch.json("judged/metrics.json");
    assert!(judged.get("image_threshold").is_none(), "{judged}");
    assert!(judged["protocol"].as_str().unwrap().contains("image score relative to"));
    // `evaluate` calibrates on all held-out images, also the one that it judges; files of the same bytes would be refused.
    std::fs::create_dir(scratch.path("normal")).unwrap();
    for name in scratch.names("judged/test/good") {
        let image = image::load_from_memory(&scratch.read(format!("judged/test/good/{name}"))).unwrap();
        image.save(scratch.path(format!("normal/{name}")).with_extension("bmp")).unwrap();
    }
    let own = "--config c.toml --config relative.toml --calibrate normal --device cpu";
    scratch.succeeds(&format!("evaluate --model run/model.safetensors --data judged --out all {own}"));
    let (left_out, all) = (scores(&judged), scores(&scratch.json("all/metrics.json")));
    assert!(left_out.len() >= 8 && left_out.iter().zip(&all).all(|(a, b)| a != b), "{left_out:?} {all:?}");
}

/// Removes the fingerprint of the images from a weight file.
fn without_images(scratch: &Scratch, path: &str) {
    let bytes = scratch.read(path);
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    let settings = metadata.get_mut(Settings::KEY).unwrap();
    let mut value: Value = serde_json::from_str(settings).unwrap();
    assert!(value["provenance"].as_object_mut().unwrap().remove("images").is_some());
    *settings = value.to_string();
    metadata.remove("orthoscope.sha256").unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    scratch.write(path, safetensors::serialize(tensors.tensors(), Some(metadata)).unwrap());
}

#[test]
fn other_images_than_those_of_the_training_are_refused() {
    let scratch = with_held_out(0.25);
    let reason = "are not the training images of the model, or some have changed: it may have been trained on those now held out";
    let (first, before) = ("large/cloth/train/good/000.png", scratch.read("large/cloth/train/good/000.png"));
    scratch.write(first, scratch.read("large/cloth/train/good/001.png"));
    assert_eq!(scratch.refuses(&format!("{VALIDATE} judged")), format!("large/cloth/train/good: {reason}"));
    scratch.write(first, before);
    // Weights of a version that did not record the images: only their number is known.
    without_images(&scratch, "run/model.safetensors");
    for name in scratch.names("large/cloth/train/good").iter().take(4) {
        std::fs::remove_file(scratch.path(format!("large/cloth/train/good/{name}"))).unwrap();
    }
    let error = scratch.refuses(&format!("{VALIDATE} judged"));
    assert!(error.contains("the number of held-out images would be 1, and was 2 when the model was trained"), "{error}");
    std::fs::remove_file(scratch.path("run/config.toml")).unwrap();
    let error = scratch.refuses(&format!("{VALIDATE} judged"));
    assert!(error.contains("config.toml") && error.contains("which images were held out"), "{error}");
}

#[test]
fn training_images_in_the_place_of_held_out_ones_are_named() {
    let scratch = with_held_out(0.0);
    // As a command that was killed while it judged.
    scratch.write("judged/.orthoscope-Ab12xY.part/.lock", "");
    scratch.write("judged/.orthoscope-Ab12xY.part/validation/test/good/000.png", "");
    let ran = scratch.succeeds(&format!("{VALIDATE} judged"));
    assert_eq!(scratch.names("judged"), ["ground_truth", "metrics.json", "test"]);
    assert!(ran.out.contains("category cloth; ") && ran.out.contains("; split validation (8 good, "), "{}", ran.out);
    assert!(ran.out.contains("training images, because no others are held out: 8, copies with"), "{}", ran.out);
    // What is wrong with the command is found before the images are decoded, of which none is one now.
    for name in scratch.names("large/cloth/train/good") {
        scratch.write(format!("large/cloth/train/good/{name}"), "no image");
    }
    let error = scratch.refuses(&format!("{VALIDATE} judged"));
    assert_eq!(error, "judged: exists and is not empty; choose another folder or remove it first");
    assert!(scratch.refuses(&format!("{VALIDATE} new --config none.toml")).starts_with("none.toml: "));
}
