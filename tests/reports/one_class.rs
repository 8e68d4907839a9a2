//! "NaN", "AUROC 0.0" and crashes where the test set has one class only, and thresholds that need anomalies.

use std::fs;

use orthoscope::data::{Image, encode_png};
use serde_json::Value;

use crate::fixture::Scratch;

const EVALUATE: &str = "evaluate --model run/model.safetensors --data cloth --out new";

/// All numbers in a JSON value.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Number(number) => vec![number.as_f64().unwrap()],
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Object(items) => items.values().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

#[track_caller]
fn metrics_without_class(scratch: &Scratch, said: &str) -> Value {
    let ran = scratch.succeeds(EVALUATE);
    assert!(ran.err.contains(said), "{}", ran.err);
    let text = String::from_utf8(scratch.read("new/metrics.json")).unwrap();
    for word in ["nan", "inf"] {
        assert!(!(ran.out.clone() + &text).to_lowercase().contains(&format!(" {word}")), "{word}: {text}");
    }
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(numbers(&report).into_iter().all(f64::is_finite));
    report
}

fn keys(report: &Value) -> Vec<&str> {
    let kept = ["protocol", "image_score", "image_auroc_by_kind", "image_threshold", "images", "skipped", "weights"];
    report.as_object().unwrap().keys().map(String::as_str).filter(|key| !kept.contains(key)).collect()
}

#[test]
fn a_threshold_needs_no_anomalies_and_a_test_set_without_them_has_false_alarms_only() {
    let scratch = Scratch::new();
    for kind in scratch.names("cloth/test").iter().filter(|kind| *kind != "good") {
        fs::remove_dir_all(scratch.path(format!("cloth/test/{kind}"))).unwrap();
    }
    fs::remove_dir_all(scratch.path("cloth/ground_truth")).unwrap();
    scratch.succeeds("train --config c.toml --data cloth --out own");
    let ran = scratch.succeeds("detect --model own/model.safetensors --out found cloth/test");
    assert!(!ran.out.contains("unknown"), "there are verdicts: {}", ran.out);
    assert!(scratch.json("found/good/000.json")["threshold"].as_f64().unwrap() > 0.0);
    let report = metrics_without_class(&scratch, "no defect among the 3 test images: only false alarms can be counted");
    assert!(keys(&report).is_empty(), "no metric is invented: {:?}", keys(&report));
    assert_eq!(
        (&report["image_threshold"]["false_alarms"]["of"], &report["image_threshold"]["misses"]),
        (&3.into(), &Value::Null)
    );
    // Such results can be set beside others.
    let ran = scratch.succeeds("compare new new");
    assert!(ran.out.contains("of 3 (") && ran.out.contains("not defined") && !ran.out.contains("NaN"), "{}", ran.out);
    let ran = scratch.succeeds("reproduce --data . --config c.toml --out all");
    assert!(!ran.out.contains("NaN"), "{}", ran.out);
}

#[test]
fn a_test_set_without_good_images_has_misses_only() {
    const SAID: &str = "no good image among the 5 test images: of whole images, only the defects found can be counted, because \
        AUROC, AP and F1 compare with good ones";
    let scratch = Scratch::new();
    fs::remove_dir_all(scratch.path("cloth/test/good")).unwrap();
    let report = metrics_without_class(&scratch, SAID);
    assert!(keys(&report).iter().all(|key| !key.starts_with("image")), "{:?}", keys(&report));
    assert_eq!(
        (&report["image_threshold"]["misses"]["of"], &report["image_threshold"]["false_alarms"]),
        (&5.into(), &Value::Null)
    );
}

#[test]
fn equal_training_images_without_any_structure_give_a_finite_threshold() {
    let scratch = Scratch::new();
    for number in 0..4 {
        let grey = encode_png(&Image::from_elem((32, 32, 3), 0.5)).unwrap();
        scratch.write(format!("flat/train/good/{number}.png"), &grey);
        scratch.write(format!("flat/test/good/{number}.png"), &grey);
    }
    scratch.succeeds("train --config c.toml --data flat --out own");
    let ran = scratch.succeeds("evaluate --model own/model.safetensors --data flat --out new");
    let report = scratch.json("new/metrics.json");
    assert!(numbers(&report).into_iter().all(f64::is_finite), "{report}");
    // The held-out image, which sets the threshold, is one of these.
    assert!(ran.out.contains("0 of\u{a0}4"), "{}", ran.out);
}
