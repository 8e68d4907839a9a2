//! `evaluate` and its `metrics.json`.

use std::io::Cursor;

use serde_json::{Value, json};
use tiff::decoder::{Decoder, DecodingResult};

use crate::fixture::{Scratch, read_npy};

/// The stable keys of `metrics.json`.
pub const METRICS: [&str; 11] = [
    "image_auroc",
    "image_auroc_max",
    "image_auroc_sum",
    "image_auroc_top",
    "pixel_auroc",
    "image_ap",
    "pixel_ap",
    "image_f1_max",
    "pixel_f1_max",
    "au_pro",
    "au_pro_200",
];

/// Checks that all metrics are present and in [0, 1], and that the protocol has its required entries.
#[track_caller]
pub fn check_metrics(metrics: &Value, protocol: &[&str]) {
    for key in METRICS {
        let value = metrics[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", metrics[key]));
        assert!((0.0..=1.0).contains(&value), "{key} = {value}");
    }
    let line = metrics["protocol"].as_str().unwrap();
    for part in protocol {
        assert!(line.contains(part), "`{part}` is not in: {line}");
    }
}

#[test]
fn metrics_protocol_and_page_are_written() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new/deep");
    assert_eq!(scratch.names("new/deep"), ["figure.png", "index.html", "metrics.json"]);
    let metrics = scratch.json("new/deep/metrics.json");
    let split = "category cloth; pixel metrics at native resolution; split test (3 good, 5 anomalous)";
    let run = ["last step 4; seed 0; config ", "device cpu", " commit ", "image score sum", "heatmap k=13 n=3", split];
    check_metrics(&metrics, &run);
    assert!(ran.out.contains("AU-PRO") && ran.out.contains(metrics["protocol"].as_str().unwrap()));
    assert_eq!(metrics["images"].as_array().unwrap().len(), 8);
    assert_eq!(metrics["image_auroc_by_kind"].as_object().unwrap().len(), 5);
    assert_eq!(metrics["image_auroc"], metrics["image_auroc_sum"]);
}

#[test]
fn json_on_standard_output_equals_the_file() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new --json");
    assert_eq!(ran.out.as_bytes(), scratch.read("new/metrics.json"));
}

#[test]
fn the_resolution_of_pixel_metrics_is_reported_and_used() {
    let scratch = Scratch::new();
    let at = |resolution: &str| {
        let command = format!("evaluate --model run/model.safetensors --data cloth --out {resolution} --resolution {resolution}");
        scratch.succeeds(&command);
        scratch.json(format!("{resolution}/metrics.json"))
    };
    check_metrics(&at("model"), &["pixel metrics at model resolution"]);
    let coarse = at("16");
    check_metrics(&coarse, &["pixel metrics at 16x16 resolution"]);
    assert_ne!(coarse["pixel_auroc"], at("model")["pixel_auroc"]);
    assert_eq!(coarse["image_auroc"], at("model")["image_auroc"]);
}

#[test]
fn weights_without_a_run_can_be_evaluated_on_a_test_set_without_training_images() {
    let scratch = Scratch::new();
    scratch.succeeds("model init --model 1 --width 2 --out fresh.safetensors");
    std::fs::remove_dir_all(scratch.path("cloth/train")).unwrap();
    scratch.succeeds("evaluate --model fresh.safetensors --data cloth --out new");
    check_metrics(&scratch.json("new/metrics.json"), &["weights of unknown origin"]);
}

#[test]
fn another_detection_config_replaces_that_of_the_weights() {
    let scratch = Scratch::new();
    scratch.write(
        "d.toml",
        "[detection]\nwindow = 5\nscore = \"max\"\n[detection.residual]\nsquared = 0.0\ngradient = 1.0\nchroma = 0.003",
    );
    let own = "evaluate --model run/model.safetensors --data cloth --out";
    scratch.succeeds(&format!("{own} a"));
    scratch.succeeds(&format!("{own} b --config d.toml"));
    let (before, after) = (scratch.json("a/metrics.json"), scratch.json("b/metrics.json"));
    let line = after["protocol"].as_str().unwrap();
    assert!(line.contains("heatmap k=5 n=3 of 1 gradient (2 scales) + 0.003 chroma (not in the paper)"), "{line}");
    assert!(line.contains("image score maximum") && before["images"] != after["images"]);
    scratch.write("d.toml", "[detection.residual]\nsquared = 0.0");
    let error = scratch.refuses(&format!("{own} c --config d.toml"));
    assert_eq!(
        error,
        "d.toml: line 1, config key `detection.residual`: one of squared, root, gradient, ssim and chroma must be above 0"
    );
}

#[test]
fn the_score_can_have_a_smoothing_of_its_own() {
    let scratch = Scratch::new();
    let own = "evaluate --model run/model.safetensors --data cloth --out";
    let with = |name: &str, text: &str| {
        scratch.write("d.toml", text);
        scratch.succeeds(&format!("{own} {name} --config d.toml"));
        scratch.json(format!("{name}/metrics.json"))
    };
    let plain = with("a", "[detection]\nscore = \"top\"\ntop_share = 0.02");
    let line = plain["protocol"].as_str().unwrap();
    assert!(line.contains("image score mean of the top 0.02 of the heatmap (not in the paper)"), "{line}");
    assert_eq!(plain["image_auroc"], plain["image_auroc_top"]);
    let same = with("b", "[detection.score_smoothing]\nwindow = 13\nrepeats = 3");
    assert!(!same["protocol"].as_str().unwrap().contains("of its own"));
    assert_eq!(same["images"], with("c", "")["images"]);
    let sharp = with("d", "[detection.score_smoothing]\nwindow = 3\nrepeats = 1");
    let line = sharp["protocol"].as_str().unwrap();
    assert!(line.contains("heatmap k=13 n=3; image score from a heatmap k=3 n=1 of its own (not in the paper)"), "{line}");
    assert_eq!(sharp["pixel_auroc"], same["pixel_auroc"], "the heatmap of the pixels is the same");
    for (sharp, same) in sharp["images"].as_array().unwrap().iter().zip(same["images"].as_array().unwrap()) {
        assert!(sharp["score_max"].as_f64() > same["score_max"].as_f64(), "less smoothing, higher maximum");
    }
    scratch.write("d.toml", "[detection.score_smoothing]\nwindow = 4\nrepeats = 3");
    let error = scratch.refuses(&format!("{own} e --config d.toml"));
    assert_eq!(error, "d.toml: line 2, config key `detection.score_smoothing.window`: must be odd and at most 4095, got 4");
}

#[test]
fn a_relative_score_is_that_of_the_heatmap_over_what_normal_images_have_there() {
    let scratch = Scratch::new();
    scratch.write("relative.toml", "detection.relative_score = true");
    scratch.succeeds("train --config c.toml --config relative.toml --data cloth --out relative");
    scratch.succeeds("evaluate --model relative/model.safetensors --data cloth --out a");
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out b");
    let (relative, plain) = (scratch.json("a/metrics.json"), scratch.json("b/metrics.json"));
    let line = relative["protocol"].as_str().unwrap();
    assert!(line.contains("image score relative to the heatmap of normal images (not in the paper)"), "{line}");
    assert_eq!(relative["pixel_auroc"], plain["pixel_auroc"], "the heatmap of the pixels is the same");
    let pixels = f64::from(32 * 32);
    for (relative, plain) in relative["images"].as_array().unwrap().iter().zip(plain["images"].as_array().unwrap()) {
        let score = |of: &serde_json::Value, name: &str| of[name].as_f64().unwrap();
        // A ratio to what is normal is of the order of 1, squared differences are far smaller.
        assert!(score(relative, "score_sum") > 0.1 * pixels && score(plain, "score_sum") < 0.1 * pixels, "{relative} {plain}");
    }
    scratch.write("other.toml", "[detection]\nrelative_score = true\nwindow = 5");
    let error = scratch.refuses("evaluate --model run/model.safetensors --data cloth --out c --config other.toml");
    assert!(
        error.contains("config key `detection.relative_score`: needs the heatmap that is expected of normal images"),
        "{error}"
    );
}

/// Height, width and values of a TIFF file of f32, read by the decoder.
fn read_tiff(bytes: Vec<u8>) -> (u32, u32, Vec<f32>) {
    let mut decoder = Decoder::new(Cursor::new(bytes)).unwrap();
    let (width, height) = decoder.dimensions().unwrap();
    assert_eq!(decoder.colortype().unwrap(), tiff::ColorType::Gray(32));
    match decoder.read_image().unwrap() {
        DecodingResult::F32(values) => (height, width, values),
        _ => panic!("the values are no f32"),
    }
}

#[test]
fn maps_are_written_for_other_programs_and_have_the_metrics_of_the_evaluation() {
    let scratch = Scratch::new();
    // A name with a point, and a good image that is not square: its map has the size of the image.
    std::fs::rename(scratch.path("cloth/test/good/000.png"), scratch.path("cloth/test/good/a.b.png")).unwrap();
    let image = orthoscope::data::Image::from_elem((40, 24, 3), 0.25);
    orthoscope::data::write_png(&scratch.path("cloth/test/good/001.png"), &image).unwrap();
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new --maps maps/deep -vv");
    let waits = ran.err.lines().find_map(|line| line.split_once("waited ")?.1.split(' ').next()?.parse::<usize>().ok());
    assert!(waits.is_some_and(|waits| waits < 8), "for 16 maps: {}", ran.err);
    assert!(ran.out.ends_with("wrote 8 maps as .tiff and .npy below maps/deep/cloth/test\n"), "{}", ran.out);
    assert_eq!(scratch.names("maps/deep/cloth/test"), scratch.names("cloth/test"));
    let names = ["001.npy", "001.tiff", "002.npy", "002.tiff", "a.b.npy", "a.b.tiff"];
    assert_eq!(scratch.names("maps/deep/cloth/test/good"), names);
    scratch.succeeds("detect --model run/model.safetensors --out found cloth/test/good");
    for (name, height, width) in [("001", 40, 24), ("002", 32, 32), ("a.b", 32, 32)] {
        let (shape, values) = read_npy(&scratch.read(format!("maps/deep/cloth/test/good/{name}.npy")));
        assert_eq!((shape, values.len()), (vec![height, width], height * width));
        let of_tiff = read_tiff(scratch.read(format!("maps/deep/cloth/test/good/{name}.tiff")));
        assert_eq!(of_tiff, (height as u32, width as u32, values.clone()));
        let of_detect = read_npy(&scratch.read(format!("found/{name}_map.npy"))).1;
        assert_eq!(of_detect, values, "detect and evaluate write the same map");
    }
    let read = scratch.succeeds("metrics --maps maps/deep/cloth/test --data cloth --json").out;
    let (read, evaluated): (Value, _) = (serde_json::from_str(&read).unwrap(), scratch.json("new/metrics.json"));
    for key in ["pixel_auroc", "pixel_ap", "pixel_f1_max", "au_pro", "au_pro_200"] {
        assert_eq!(read[key], evaluated[key], "{key}");
    }
}

#[test]
fn the_size_of_maps_does_not_depend_on_the_resolution_of_the_metrics() {
    let scratch = Scratch::new();
    let own = "evaluate --model run/model.safetensors --data cloth --out new";
    scratch.succeeds(&format!("{own} --maps a"));
    scratch.succeeds(&format!("{own} --maps b --resolution 16"));
    let map = |folder: &str| scratch.read(format!("{folder}/cloth/test/bend/000.tiff"));
    assert!(map("a") == map("b"));
}

#[test]
fn maps_are_not_written_among_the_test_images() {
    let scratch = Scratch::new();
    let own = "evaluate --model run/model.safetensors --data cloth --out new --maps";
    let error = scratch.refuses(&format!("{own} ."));
    assert_eq!(error, "./cloth/test: is among the images of cloth/test; choose another folder");
    assert_eq!(scratch.refuses(&format!("{own} c.toml")), "c.toml: is a file; the output needs a folder here");
}
/// Copies of the training images `cloth/train/good` in folders below `normal`, and of good ones of another seed.
fn with_normal_images() -> Scratch {
    let scratch = Scratch::new();
    scratch.succeeds("data generate --out other --family cloth --size 32 --train 12 --good 1 --defects 1 --seed 9");
    for (number, name) in scratch.names("other/cloth/train/good").iter().enumerate() {
        scratch.write(format!("normal/{}/{name}", number % 3), scratch.read(format!("other/cloth/train/good/{name}")));
    }
    scratch
}

#[test]
fn the_false_alarms_expected_and_found_are_reported() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new");
    let metrics = scratch.json("new/metrics.json");
    let threshold = &metrics["image_threshold"];
    assert_eq!(threshold["calibration"], json!({"images": 1, "source": "held_out"}));
    assert_eq!((&threshold["quantile"], &threshold["expected_false_alarms"]["mean"]), (&json!(0.99), &json!([0.5, 0.5])));
    let exceeds = |image: &&Value| image["score_sum"].as_f64() > threshold["value"].as_f64();
    let (good, bad): (Vec<_>, Vec<_>) = metrics["images"].as_array().unwrap().iter().partition(|image| image["kind"] == "good");
    let alarms = good.iter().copied().filter(exceeds).count();
    let misses = bad.len() - bad.iter().copied().filter(exceeds).count();
    for (key, count, of) in [("false_alarms", alarms, 3), ("misses", misses, 5)] {
        let rate = &threshold[key];
        assert_eq!((&rate["count"], &rate["of"]), (&json!(count), &json!(of)), "{key}");
        let bounds: Vec<f64> = rate["interval"].as_array().unwrap().iter().map(|bound| bound.as_f64().unwrap()).collect();
        let share = count as f64 / f64::from(of);
        assert!(bounds[0] <= share && share <= bounds[1] && bounds[1] - bounds[0] > 0.5, "{key}: {rate}");
    }
    for part in
        ["false alarms, expected", "false alarms, found", "misses, found", "2.5 to 98\u{a0}%", "needs at least 100 images"]
    {
        assert!(ran.out.contains(part), "{part} is not in {}", ran.out);
    }
    let page = String::from_utf8(scratch.read("new/index.html")).unwrap();
    assert!(page.contains("<dt>false alarms, expected</dt>") && page.contains("from 1 held-out image."));
}

#[test]
fn thresholds_can_come_from_given_normal_images() {
    let scratch = with_normal_images();
    scratch.write("d.toml", "[detection]\nwindow = 5\nimage_quantile = 0.9\nscore = \"max\"");
    let own = "evaluate --model run/model.safetensors --data cloth --out";
    scratch.succeeds(&format!("{own} without --config d.toml"));
    assert!(scratch.json("without/metrics.json").get("image_threshold").is_none(), "no threshold fits another [detection]");
    scratch.succeeds(&format!("{own} new --config d.toml --calibrate normal"));
    let metrics = scratch.json("new/metrics.json");
    let line = metrics["protocol"].as_str().unwrap();
    assert!(line.contains("; thresholds from 12 given normal images; "), "{line}");
    let threshold = &metrics["image_threshold"];
    assert_eq!(threshold["calibration"], json!({"images": 12, "source": "given"}));
    // Rank 0.9 · 11 = 9.9: between the third and the second largest of 12.
    assert_eq!(threshold["expected_false_alarms"]["mean"], json!([2.0 / 13.0, 3.0 / 13.0]));
    // The threshold is the quantile of the scores that the same settings give these images.
    scratch.succeeds("data generate --out scored --family cloth --size 32 --train 1 --good 1 --defects 1");
    std::fs::remove_dir_all(scratch.path("scored/cloth/test/good")).unwrap();
    for (folder, name) in
        (0..3).flat_map(|folder| scratch.names(format!("normal/{folder}")).into_iter().map(move |name| (folder, name)))
    {
        scratch.write(format!("scored/cloth/test/good/{name}"), scratch.read(format!("normal/{folder}/{name}")));
    }
    scratch.succeeds("evaluate --model run/model.safetensors --data scored/cloth --out scores --config d.toml");
    let images = scratch.json("scores/metrics.json")["images"].as_array().unwrap().clone();
    let mut scores: Vec<f64> =
        images.iter().filter(|image| image["kind"] == "good").map(|image| image["score_max"].as_f64().unwrap()).collect();
    scores.sort_by(f64::total_cmp);
    assert_eq!(scores.len(), 12);
    let wanted = scores[9] + 0.9 * (scores[10] - scores[9]);
    assert!((threshold["value"].as_f64().unwrap() - wanted).abs() < 1e-6 * wanted, "{threshold} {wanted}");
}

#[test]
fn what_is_wrong_with_the_command_is_found_before_images_are_decoded() {
    let scratch = Scratch::new();
    // The first error of the test set.
    scratch.write("cloth/ground_truth/good/000.png", scratch.read("cloth/ground_truth/hole/000_mask.png"));
    let own = "evaluate --model run/model.safetensors --data cloth --out new";
    assert!(scratch.refuses(own).contains("which is among the good images"));
    for (options, start) in [
        ("--config none.toml", "none.toml: "),
        ("--calibrate none", "none: there is no such file or folder"),
        ("--calibrate cloth/test/good", "cloth/test/good/000.png: is in the test set"),
        ("--tile 32", "--tile cannot be used: this model resizes every picture to "),
    ] {
        let error = scratch.refuses(&format!("{own} {options}"));
        assert!(error.starts_with(start), "{options}: {error}");
    }
}

#[test]
fn images_that_must_not_set_thresholds_are_named() {
    let scratch = with_normal_images();
    let own = "evaluate --model run/model.safetensors --data cloth --out new --calibrate";
    let reason = "is in the test set; thresholds must come from other images, or they are chosen on the test set";
    assert_eq!(scratch.refuses(&format!("{own} cloth/test/good")), format!("cloth/test/good/000.png: {reason}"));
    assert_eq!(scratch.refuses(&format!("{own} nowhere")), "nowhere: there is no such file or folder");
    scratch.write("empty/readme.txt", "");
    assert_eq!(scratch.refuses(&format!("{own} empty")), "empty: contains no image; PNG, JPEG, TIFF, BMP, WebP and PNM are read");
    std::os::unix::fs::symlink(scratch.path("cloth/train/good/000.png"), scratch.path("normal/0/known.png")).unwrap();
    let text = scratch.refuses(&format!("{own} normal"));
    assert!(text.starts_with("normal: 1 of 13 images are in train/good") && text.ends_with("give only the others"), "{text}");
    let reason = "training images or copies of them, so the rate of false alarms to expect is unknown";
    for name in scratch.names("cloth/train/good") {
        scratch.write(format!("copies/camera/new{name}"), scratch.read(format!("cloth/train/good/{name}")));
    }
    let ran = scratch.succeeds(&format!("{own} copies"));
    assert!(ran.err.contains(&format!("warning: copies: all images are {reason}")), "{}", ran.err);
    scratch.write("copies/one.png", scratch.read("cloth/test/good/001.png"));
    let copied = scratch.refuses(&format!("{own} copies"));
    assert!(
        copied.starts_with("copies/one.png: is in the test set (copies/one.png has the content of cloth/test/good/001.png); "),
        "{copied}"
    );
    let ran = scratch.succeeds(&format!("{own} cloth/train/good"));
    assert!(ran.err.contains(&format!("warning: cloth/train/good: all images are {reason}")), "{}", ran.err);
    let metrics = scratch.json("new/metrics.json");
    let threshold = &metrics["image_threshold"];
    assert!(threshold["expected_false_alarms"].is_null() && threshold["false_alarm_probability"].is_null(), "{threshold}");
    assert!(metrics["protocol"].as_str().unwrap().contains("; thresholds from 6 training-folder images; "), "{metrics}");
    assert!(ran.out.contains("so the rate of false alarms to expect is unknown"), "{}", ran.out);
}
