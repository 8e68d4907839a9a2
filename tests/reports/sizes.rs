//! "Sizes must match": images of different sizes in one folder, tiny ones, and those that are not square.

use orthoscope::data::{Image, encode_png, read_image};

use crate::fixture::{Scratch, read_npy};

const SIZES: [(usize, usize); 7] = [(1, 1), (1, 40), (61, 1), (2, 3), (7, 100), (33, 32), (64, 64)];

fn with_sizes() -> Scratch {
    let scratch = Scratch::new();
    for (height, width) in SIZES {
        let value = |(row, column, channel)| ((row * 53 + column * 31 + channel * 7) % 97) as f32 / 96.0;
        let image = Image::from_shape_fn((height, width, 3), value);
        scratch.write(format!("mixed/{height}x{width}.png"), encode_png(&image).unwrap());
    }
    scratch
}

#[test]
fn images_of_any_sizes_are_trained_on_together_down_to_one_pixel() {
    let scratch = with_sizes();
    let ran = scratch.succeeds("train --config c.toml --normal mixed --out new -v");
    assert!(ran.err.contains("6 images to train on, 1 held out"), "{}", ran.err);
    let loss: serde_json::Value =
        serde_json::from_slice(scratch.read("new/log.jsonl").split(|&byte| byte == b'\n').next().unwrap()).unwrap();
    assert!(loss["loss"].as_f64().unwrap().is_finite(), "{loss}");
}

#[test]
fn results_have_the_size_of_their_image_and_finite_scores() {
    let scratch = with_sizes();
    scratch.succeeds("model init --model 1 --width 2 --out native.safetensors");
    for model in ["run/model.safetensors", "native.safetensors"] {
        let ran = scratch.succeeds(&format!("detect --model {model} --out found mixed"));
        assert_eq!(ran.out.lines().count(), SIZES.len(), "{}", ran.out);
        for (height, width) in SIZES {
            let stem = format!("found/{height}x{width}");
            let json = scratch.json(format!("{stem}.json"));
            assert!(json["score"].as_f64().unwrap().is_finite() && json["height"] == height && json["width"] == width, "{json}");
            assert_eq!(read_npy(&scratch.read(format!("{stem}_map.npy"))).0, [height, width]);
            let overlay = read_image(&scratch.path(format!("{stem}_heatmap.png"))).unwrap();
            assert_eq!(overlay.dim(), (height, width, 3));
        }
    }
}

#[test]
fn a_test_set_of_any_sizes_has_metrics_at_native_resolution() {
    let scratch = with_sizes();
    for (height, width) in SIZES {
        let half = Image::from_shape_fn((height, width, 3), |(row, _, _)| f32::from(u8::from(2 * row < height)));
        scratch.write(format!("truth/{height}x{width}.png"), encode_png(&half).unwrap());
    }
    let test = "--normal cloth/test/good --abnormal mixed --masks truth";
    for resolution in ["native", "model", "16"] {
        let out = format!("{resolution}-out");
        let ran =
            scratch.succeeds(&format!("evaluate --model run/model.safetensors {test} --resolution {resolution} --out {out}"));
        assert!(!ran.err.contains("skipped"), "{}", ran.err);
        let value = scratch.json(format!("{out}/metrics.json"))["pixel_auroc"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&value), "{resolution}: {value}");
    }
}
