//! `evaluate` and its `metrics.json`.

use serde_json::Value;

use crate::fixture::Scratch;

/// The stable keys of `metrics.json`.
pub const METRICS: [&str; 10] = [
    "image_auroc",
    "image_auroc_max",
    "image_auroc_sum",
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
    assert_eq!(error, "d.toml: config key `detection.residual`: one of squared, root, gradient and chroma must be above 0");
}
