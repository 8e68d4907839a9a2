//! "The ground truth is empty although my masks are not": masks that are not 0 and 255.

use orthoscope::data::{Image, Plane, encode_jpeg, encode_mask_png, encode_png, read_image, read_mask};
use serde_json::Value;

use crate::fixture::Scratch;
use crate::fixture::picture::{fields, strip, with};

const EVALUATE: &str = "evaluate --model run/model.safetensors --data cloth --out";

/// Writes every mask anew, from the marked pixels (1) of the old one.
fn rewrite(scratch: &Scratch, extension: &str, write: impl Fn(&Plane) -> Vec<u8>) {
    for kind in scratch.names("cloth/ground_truth") {
        for name in scratch.names(format!("cloth/ground_truth/{kind}")) {
            let path = format!("cloth/ground_truth/{kind}/{name}");
            let mask = read_mask(&scratch.path(&path)).unwrap();
            std::fs::remove_file(scratch.path(&path)).unwrap();
            let stem = path.rsplit_once('.').unwrap().0;
            scratch.write(format!("{stem}.{extension}"), write(&mask));
        }
    }
}

fn grey(mask: &Plane, value: impl Fn(usize, usize) -> u8) -> Vec<u8> {
    let level = |(row, column), &marked: &f32| if marked > 0.0 { f32::from(value(row, column)) / 255.0 } else { 0.0 };
    encode_mask_png(&Plane::from_shape_fn(mask.dim(), |at| level(at, &mask[at]))).unwrap()
}

/// The pixel metrics, of a test set of which no file is skipped.
#[track_caller]
fn metrics(scratch: &Scratch, out: &str) -> [Value; 4] {
    let ran = scratch.succeeds(&format!("{EVALUATE} {out}"));
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    let report = scratch.json(format!("{out}/metrics.json"));
    assert_eq!(report["skipped"], serde_json::json!([]));
    ["pixel_auroc", "pixel_ap", "pixel_f1_max", "au_pro"].map(|key| report[key].clone())
}

#[test]
fn masks_with_values_from_236_to_255_mark_the_same_pixels() {
    let scratch = Scratch::new();
    let whole = metrics(&scratch, "a");
    rewrite(&scratch, "png", |mask| grey(mask, |row, column| 236 + ((row * 7 + column) % 20) as u8));
    assert_eq!(metrics(&scratch, "b"), whole);
}

#[test]
fn masks_of_0_and_1_and_of_one_dark_colour_mark_the_same_pixels() {
    let scratch = Scratch::new();
    let whole = metrics(&scratch, "a");
    rewrite(&scratch, "png", |mask| grey(mask, |_, _| 1));
    assert_eq!(metrics(&scratch, "b"), whole);
    // As annotation tools write their first class.
    rewrite(&scratch, "png", |mask| {
        let (height, width) = mask.dim();
        let red = |(row, column, channel)| if channel == 0 { mask[[row, column]] * 128.0 / 255.0 } else { 0.0 };
        encode_png(&Image::from_shape_fn((height, width, 3), red)).unwrap()
    });
    assert_eq!(metrics(&scratch, "c"), whole);
}

#[test]
fn dark_masks_of_several_values_are_named_with_what_is_needed() {
    let scratch = Scratch::new();
    rewrite(&scratch, "png", |mask| grey(mask, |row, _| 1 + (row % 3) as u8));
    let ran = scratch.succeeds(&format!("{EVALUATE} new"));
    let reason = "the brightest value of this mask is 3; anomalous pixels must exceed 127, or all have one value on black";
    assert!(ran.err.contains("5 of 8 files skipped: ") && ran.err.contains(reason), "{}", ran.err);
    assert!(ran.err.contains("no defect among the 3 test images"), "{}", ran.err);
}

#[test]
fn masks_with_soft_edges_and_noise_of_jpeg_are_cut_at_half_of_white() {
    let scratch = Scratch::new();
    let whole = metrics(&scratch, "a");
    rewrite(&scratch, "JPG", |mask| {
        let (height, width) = mask.dim();
        encode_jpeg(&Image::from_shape_fn((height, width, 3), |(row, column, _)| mask[[row, column]]), 60).unwrap()
    });
    let lossy = metrics(&scratch, "b");
    let far = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs();
    assert!(far(&whole[0], &lossy[0]) < 0.02, "{whole:?} {lossy:?}");
}

#[test]
fn a_mask_of_another_size_than_its_image_takes_the_image_out_and_says_so() {
    let scratch = Scratch::new();
    scratch.write("cloth/ground_truth/stain/000_mask.png", encode_mask_png(&Plane::ones((16, 32))).unwrap());
    let ran = scratch.succeeds(&format!("{EVALUATE} new"));
    let reason = "ground_truth/stain/000_mask.png: the mask has 16x32 pixels (height x width), its image 32x32 pixels";
    assert!(ran.err.contains(&format!("1 of 8 files skipped: test/stain/000.png: {reason}")), "{}", ran.err);
    assert_eq!(scratch.json("new/metrics.json")["images"].as_array().unwrap().len(), 7);
}

/// A picture as a TIFF file that stores it turned to the left, with a tag that says so if `is_told`.
fn turned(image: &Image, is_told: bool) -> Vec<u8> {
    let (height, width, _) = image.dim();
    let stored = Image::from_shape_fn((width, height, 3), |(row, column, channel)| image[[column, width - 1 - row, channel]]);
    let bytes = stored.iter().map(|value| (value * 255.0).round() as u8).collect();
    let fields = fields(height as u32, width as u32, 8, 2, 3);
    strip(if is_told { with(fields, 274, &[6]) } else { fields }, bytes)
}

#[test]
fn masks_of_images_that_exif_turns_fit_if_they_are_turned_alike_or_upright() {
    let scratch = Scratch::new();
    // Not square, so that nothing fits by chance.
    let paths = |part: &str| -> Vec<String> {
        let kinds = scratch.names(format!("cloth/{part}"));
        let files = |kind: &String| {
            let folder = format!("cloth/{part}/{kind}");
            scratch.names(&folder).into_iter().map(move |name| format!("{folder}/{name}")).collect::<Vec<_>>()
        };
        kinds.iter().flat_map(files).collect()
    };
    let cut =
        |path: &String| (path.clone(), read_image(&scratch.path(path)).unwrap().slice_move(ndarray::s![..24, .., ..]).to_owned());
    let [images, masks] = ["test", "ground_truth"].map(|part| paths(part).iter().map(cut).collect::<Vec<_>>());
    let write = |files: &[(String, Image)], content: &dyn Fn(&Image) -> Vec<u8>| {
        files.iter().for_each(|(path, image)| scratch.write(path, content(image)));
    };
    write(&images, &|image| encode_png(image).unwrap());
    write(&masks, &|mask| encode_png(mask).unwrap());
    let upright = metrics(&scratch, "upright");
    write(&images, &|image| turned(image, true));
    assert_eq!(metrics(&scratch, "image-turned"), upright, "the mask was drawn on the upright picture");
    write(&masks, &|mask| turned(mask, true));
    assert_eq!(metrics(&scratch, "both-turned"), upright, "the mask has the orientation of the sensor, and says so");
    // It has the orientation of the sensor and does not say so.
    write(&masks, &|mask| turned(mask, false));
    let ran = scratch.succeeds(&format!("{EVALUATE} untold"));
    let reason = "the mask has 32x24 pixels (height x width), its image 24x32 pixels (height x width); one of them is turned, perhaps by its EXIF data";
    assert!(ran.err.contains("5 of 8 files skipped: ") && ran.err.contains(reason), "{}", ran.err);
}
