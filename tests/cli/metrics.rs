//! `metrics` on external score maps; here, those written by `detect`.

use serde_json::Value;

use super::evaluate::{METRICS, check_metrics};
use crate::fixture::{Scratch, npy, read_npy};

/// The maps of all test images as `maps/DEFECT/NAME.npy`.
fn with_maps() -> Scratch {
    let scratch = Scratch::new();
    scratch.succeeds("detect --model run/model.safetensors --out found cloth/test");
    for kind in scratch.names("cloth/test") {
        for name in scratch.names(format!("found/{kind}")).iter().filter_map(|name| name.strip_suffix("_map.npy")) {
            scratch.write(format!("maps/{kind}/{name}.npy"), scratch.read(format!("found/{kind}/{name}_map.npy")));
        }
    }
    scratch
}

#[test]
fn maps_of_the_model_give_the_metrics_of_the_model() {
    let scratch = with_maps();
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new");
    let theirs = scratch.json("new/metrics.json");
    let ours: Value = serde_json::from_str(&scratch.succeeds("metrics --maps maps --data cloth --json").out).unwrap();
    check_metrics(&ours, &["maps from files", "image score sum", "native resolution"]);
    for key in METRICS {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    let max: Value = serde_json::from_str(&scratch.succeeds("metrics --maps maps --data cloth --json --score max").out).unwrap();
    assert_eq!(max["image_auroc"], theirs["image_auroc_max"]);
    check_metrics(&max, &["image score maximum"]);
    let top: Value = serde_json::from_str(&scratch.succeeds("metrics --maps maps --data cloth --json --score top").out).unwrap();
    assert_eq!(top["image_auroc"], theirs["image_auroc_top"]);
    check_metrics(&top, &["image score mean of the top 0.01 of the heatmap (not in the paper)"]);
    // The mean of all pixels ranks images of one size as their sum does.
    let all = scratch.succeeds("metrics --maps maps --data cloth --json --score top --top-share 1").out;
    assert_eq!(serde_json::from_str::<Value>(&all).unwrap()["image_auroc"], theirs["image_auroc_sum"]);
    for value in ["0", "2", "NaN", "much"] {
        let error = scratch.misused(&format!("metrics --maps maps --data cloth --top-share {value}"));
        assert!(error.contains("a number above 0 and at most 1 is needed"), "{error}");
    }
    // Found before the images are decoded.
    scratch.write("cloth/ground_truth/good/000.png", scratch.read("cloth/ground_truth/hole/000_mask.png"));
    assert!(scratch.refuses("metrics --maps maps --data cloth").contains("which is among the good images"));
    assert_eq!(scratch.refuses("metrics --maps none --data cloth"), "none: there is no such folder, or it is a file");
}

#[test]
fn doubles_and_dimensions_of_one_are_read() {
    let scratch = with_maps();
    let plain = scratch.succeeds("metrics --maps maps --data cloth").out;
    assert!(plain.contains("AU-PRO") && plain.contains("maps from files"), "{plain}");
    let (_, values) = read_npy(&scratch.read("maps/bend/000.npy"));
    let wide: Vec<u8> = values.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect();
    scratch.write("maps/bend/000.npy", npy("<f8", false, "(1, 32, 32, 1)", &wide));
    assert_eq!(scratch.succeeds("metrics --maps maps --data cloth").out, plain);
}

#[test]
fn doubles_are_ranked_as_doubles_and_transposed_maps_are_refused() {
    let scratch = with_maps();
    let of = |name: &str| {
        serde_json::from_str::<Value>(&scratch.succeeds(&format!("metrics --maps {name} --data cloth --json")).out).unwrap()
    };
    let plain = of("maps");
    // Values that f32 rounds to one, or to zero.
    for (name, scale, offset) in [("tiny", 1e-60, 0.0), ("far", 1e-3, 1e9)] {
        for kind in scratch.names("maps") {
            for file in scratch.names(format!("maps/{kind}")) {
                let (_, values) = read_npy(&scratch.read(format!("maps/{kind}/{file}")));
                let wide: Vec<u8> = values.iter().flat_map(|&value| (offset + scale * f64::from(value)).to_le_bytes()).collect();
                scratch.write(format!("{name}/{kind}/{file}"), npy("<f8", false, "(32, 32)", &wide));
            }
        }
    }
    for key in ["pixel_auroc", "pixel_ap", "au_pro", "image_auroc_max"] {
        assert_eq!(of("tiny")[key], plain[key], "{key}");
        let (far, near) = (of("far")[key].as_f64().unwrap(), plain[key].as_f64().unwrap());
        assert!((far - near).abs() < 1e-3, "{key}: {far} {near}");
    }
    let image = orthoscope::data::Image::zeros((24, 40, 3));
    orthoscope::data::write_png(&scratch.path("cloth/test/good/000.png"), &image).unwrap();
    scratch.write("maps/good/000.npy", crate::fixture::npy_f32(&[24, 40], &[0.5; 960]));
    scratch.succeeds("metrics --maps maps --data cloth");
    for (height, width) in [(40, 24), (20, 12)] {
        scratch.write("maps/good/000.npy", crate::fixture::npy_f32(&[height, width], &vec![0.5; height * width]));
        let reason = format!(
            "cloth/test/good/000.png: its map has {height}x{width} pixels (height x width), the image 24x40 pixels (height x width): the map is transposed"
        );
        assert_eq!(scratch.refuses("metrics --maps maps --data cloth"), reason);
    }
}
