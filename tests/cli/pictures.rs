//! Pictures of any format through the commands: formats, white level, grey data.

use orthoscope::data::read_image;

use crate::fixture::picture::{Page, fields, strip, tiff};
use crate::fixture::png::{header, png, stored};
use crate::fixture::{CONFIG, Ran, Scratch};

const TRAIN: &str = "train --config c.toml --data cloth --out new";

/// A grey or RGB picture of 16 bits, value k of the picture being `value(k)`.
fn deep(channels: usize, value: impl Fn(usize) -> u16) -> Vec<u8> {
    let row = |row: usize| {
        let values = (0..32 * channels).flat_map(|k| value(row * 32 * channels + k).to_be_bytes());
        std::iter::once(0).chain(values).collect::<Vec<u8>>()
    };
    let rows: Vec<u8> = (0..32).flat_map(row).collect();
    png(&[(b"IHDR", header(32, 32, 16, if channels == 1 { 0 } else { 2 })), (b"IDAT", stored(&rows)), (b"IEND", vec![])])
}

#[track_caller]
fn quiet(ran: Ran) {
    assert!(!ran.err.contains("warning"), "{}", ran.err);
}

/// The training images of the category, rewritten.
fn rewrite(scratch: &Scratch, write: impl Fn(&[f32]) -> Vec<u8>) {
    for name in scratch.names("cloth/train/good") {
        let path = format!("cloth/train/good/{name}");
        let image = read_image(&scratch.path(&path)).unwrap();
        scratch.write(&path, write(image.as_slice().unwrap()));
    }
}

#[test]
fn every_format_is_trained_on_and_inspected() {
    let scratch = Scratch::new();
    let ramp: Vec<u8> = (0..32 * 32).map(|k| (k % 251) as u8).collect();
    scratch.write("cloth/train/good/006.TIF", strip(fields(32, 32, 8, 1, 1), ramp.clone()));
    let other: Vec<u8> = ramp.iter().map(|value| 255 - value).collect();
    scratch.write("cloth/train/good/007.pgm", [&b"P5 32 32 255\n"[..], &other].concat());
    quiet(scratch.succeeds(TRAIN));
    scratch.write("in/a.tiff", strip(fields(32, 32, 8, 1, 1), ramp.clone()));
    scratch.write("in/b.pgm", [&b"P5 32 32 255\n"[..], &ramp].concat());
    let page = || Page { fields: fields(32, 32, 8, 1, 1), data: vec![ramp.clone()] };
    scratch.write("in/c.tif", tiff(true, &[page(), page()]));
    let ran = scratch.succeeds("detect --model new/model.safetensors --out out in");
    let scores: Vec<&str> = ran.out.lines().map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert!(scores.len() == 3 && scores.iter().all(|score| score == &scores[0]), "{}", ran.out);
    let warned = "in/c.tif: holds more than one picture, of which only the first is read";
    assert_eq!(ran.err.matches(warned).count(), 1, "{}", ran.err);
}

#[test]
fn twelve_bits_are_noticed_and_the_white_level_of_training_counts_in_detection() {
    let scratch = Scratch::new();
    rewrite(&scratch, |image| deep(3, |k| (image[k] * 4095.0).round() as u16));
    let ran = scratch.succeeds(TRAIN);
    assert!(ran.err.contains("set data.white_level = 4095 if the camera has 12 bits"), "{}", ran.err);
    scratch.write("c.toml", CONFIG.replace("size = 32\n", "size = 32\nwhite_level = 4095\n"));
    quiet(scratch.succeeds("train --config c.toml --data cloth --out white"));
    // 255 / 15 and 4095 / 15 are whole numbers, so both pictures have the same values.
    scratch.write("in/deep.png", deep(1, |k| (k % 16) as u16 * 273));
    scratch.write(
        "in/shallow.pgm",
        [&b"P5 32 32 255\n"[..], &(0..1024).map(|k| k % 16 * 17).map(|v| v as u8).collect::<Vec<_>>()].concat(),
    );
    let scores = |run: &str| {
        let out = scratch.succeeds(&format!("detect --model {run}/model.safetensors --out {run}-out in")).out;
        out.lines().map(|line| line.split_whitespace().nth(2).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (white, dark) = (scores("white"), scores("new"));
    assert!(white[0] == white[1] && dark[0] != dark[1], "{white:?} {dark:?}");
    let evaluate = "evaluate --model white/model.safetensors --data cloth --out test";
    scratch.succeeds(evaluate);
    assert!(scratch.json("test/metrics.json")["protocol"].as_str().unwrap().contains("; white level 4095; "));
    for (value, reason) in [("-1", "must be 0 or 1e-6 to 4294967295, got -1"), ("'x'", "must be a number, got \"x\"")] {
        scratch.write("c.toml", format!("[data]\nwhite_level = {value}\n"));
        let text = scratch.refuses(TRAIN);
        assert!(text.contains("white_level") && text.contains(reason), "{text}");
    }
}

#[test]
fn floating_point_images_in_another_unit_are_refused_in_training() {
    let scratch = Scratch::new();
    let float = |scale: f32| {
        let values: Vec<u8> = (0..1024).flat_map(|k| (k as f32 / 1023.0 * scale).to_le_bytes()).collect();
        strip(crate::fixture::picture::with(fields(32, 32, 32, 1, 1), 339, &[3]), values)
    };
    scratch.write("cloth/train/good/006.tif", float(255.0));
    let text = scratch.refuses(TRAIN);
    assert!(text.starts_with("config key `data.white_level`: ") && text.contains(" is 255, and 1 is white"), "{text}");
    scratch.write("cloth/train/good/006.tif", float(1.0));
    quiet(scratch.succeeds(TRAIN));
}

/// The options of the corruption that the weights of a run record.
fn recorded(scratch: &Scratch, run: &str) -> String {
    let bytes = scratch.read(format!("{run}/model.safetensors"));
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let settings = header["__metadata__"]["orthoscope.detection"].as_str().unwrap().to_owned();
    let settings: serde_json::Value = serde_json::from_str(&settings).unwrap();
    settings["provenance"]["corruption_options"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn grey_images_get_grey_patches_which_the_weights_record() {
    let scratch = Scratch::new();
    assert_eq!(recorded(&scratch, "run"), "");
    rewrite(&scratch, |image| deep(1, |k| (image[3 * k] * 65535.0) as u16));
    scratch.succeeds(TRAIN);
    assert_eq!(recorded(&scratch, "new"), "colours = \"grey\"");
    scratch.write("c.toml", format!("{CONFIG}[corruption]\ncolours = 'any'\n"));
    scratch.succeeds("train --config c.toml --data cloth --out any");
    assert_eq!(recorded(&scratch, "any"), "colours = \"any\"");
    let weights = |run: &str| scratch.read(format!("{run}/model.safetensors"));
    assert_ne!(weights("new"), weights("any"));
    scratch.write("c.toml", format!("{CONFIG}[corruption]\ncolours = 'grey'\n"));
    scratch.succeeds("train --config c.toml --data cloth --out grey");
    let parameters = |run: &str| {
        let bytes = weights(run);
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[8 + length..].to_vec()
    };
    assert_eq!(parameters("grey"), parameters("new"));
}
