//! Models that know themselves: what a weight file says of its training, and pictures that are unlike it.

use crate::fixture::Scratch;

#[test]
fn a_weight_file_knows_its_training() {
    let scratch = Scratch::new();
    let text = scratch.succeeds("model summary --weights run/model.safetensors").out;
    for part in [
        "trained on cloth: 4 steps, seed 0, config ",
        "thresholds from 1 held-out image: ",
        "knows what its training images look like",
    ] {
        assert!(text.replace('\n', " ").contains(part), "{part}: {text}");
    }
    let json = scratch.succeeds("model summary --weights run/model.safetensors --json").out;
    let settings = &serde_json::from_str::<serde_json::Value>(&json).unwrap()["settings"];
    assert_eq!(settings["provenance"]["category"], "cloth");
    // Of one image: it is below the 99 % quantile of all with a probability of 99 %, and bounds nothing from above.
    let interval = &settings["thresholds"]["image_interval"];
    assert!(interval["low"].is_number() && interval["high"].is_null(), "{interval}");
    assert_eq!(settings["appearance"]["low"].as_array().unwrap().len(), 8);
    let new = scratch.succeeds("model summary --width 2").out;
    assert!(!new.contains("trained"), "{new}");
}

#[test]
fn a_picture_unlike_the_training_images_is_named_before_its_verdict() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("mixed")).unwrap();
    std::fs::copy(scratch.path("cloth/test/good/000.png"), scratch.path("mixed/like.png")).unwrap();
    let black = image::RgbImage::from_pixel(40, 40, image::Rgb([250, 5, 5]));
    black.save(scratch.path("mixed/unlike.png")).unwrap();
    let ran = scratch.succeeds("detect --model run/model.safetensors --out found mixed");
    let warning = "warning: mixed/unlike.png is unlike the training images: its ";
    assert_eq!(ran.err.matches("is unlike the training images").count(), 1, "{}", ran.err);
    assert!(ran.err.contains(warning) && ran.err.contains(" in the training images\n"), "{}", ran.err);
    let summary = "1 of 2 images are unlike the training images of cloth: what is said about them means little.";
    assert!(ran.err.contains(summary), "{}", ran.err);
    assert!(scratch.json("found/like.json")["unlike_training"].is_null());
    let found = scratch.json("found/unlike.json");
    assert!(found["unlike_training"]["number"].is_string() && found["unlike_training"]["training"][0].is_number(), "{found}");
    // The test images of the category itself, with their defects, are like it.
    let own = scratch.succeeds("detect --model run/model.safetensors --out own cloth/test");
    assert!(!own.err.contains("unlike"), "{}", own.err);
}
