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

#[test]
fn masks_that_lie_beside_their_images_count_as_images_and_are_named() {
    let scratch = Scratch::new();
    let [image, mask] =
        ["test/stain/000.png", "ground_truth/stain/000_mask.png"].map(|name| scratch.read(format!("cloth/{name}")));
    for name in ["k/a.png", "k/b.png"] {
        scratch.write(format!("bad/{name}"), &image);
    }
    let evaluate = "evaluate --model run/model.safetensors --abnormal bad --out";
    assert!(!scratch.succeeds(&format!("{evaluate} a")).err.contains("called like"));
    // A number alone is no ending of a mask here.
    for name in ["k/a_mask.png", "k/b_mask_2.png", "k/a_1.png", "c_mask.png"] {
        scratch.write(format!("bad/{name}"), &mask);
    }
    let ran = scratch.succeeds(&format!("{evaluate} b"));
    let warning = "bad: 2 of 6 test images are called like masks, k/a_mask.png like that of k/a.png, and count as images; give masks a folder of their own \
        with --masks, or in ground_truth of a category";
    assert!(ran.err.contains(warning) && ran.err.matches("called like").count() == 1, "{}", ran.err);
}

#[test]
fn masks_in_the_place_of_test_images_are_named() {
    let scratch = Scratch::new();
    for kind in scratch.names("cloth/ground_truth") {
        scratch.write(format!("bad/{kind}/a.png"), scratch.read(format!("cloth/ground_truth/{kind}/000_mask.png")));
    }
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --abnormal bad --out new");
    let count = scratch.names("bad").len();
    let warning = format!("bad: {count} of {count} test images (");
    assert!(
        ran.err.contains(&warning) && ran.err.contains(") are only black and white, as masks are, and count as images"),
        "{}",
        ran.err
    );
}

#[test]
fn masks_among_training_images_are_named() {
    let scratch = Scratch::new();
    let train = "train --config c.toml --device cpu --normal ok --out";
    let names = scratch.names("cloth/train/good");
    for name in &names {
        scratch.write(format!("ok/{name}"), scratch.read(format!("cloth/train/good/{name}")));
    }
    assert!(!scratch.succeeds(&format!("{train} a")).err.contains("look like masks"));
    // One by its content, one by its name.
    scratch.write("ok/x.png", scratch.read("cloth/ground_truth/hole/000_mask.png"));
    let first = names[0].strip_suffix(".png").unwrap();
    scratch.write(format!("ok/{first}_mask.png"), scratch.read(format!("cloth/train/good/{}", names[1])));
    let ran = scratch.succeeds(&format!("{train} b"));
    let of = names.len() + 2;
    assert!(ran.err.contains(&format!("ok: 2 of {of} training images (")), "{}", ran.err);
    assert!(ran.err.contains("x.png) look like masks") && ran.err.contains(&format!("{first}_mask.png")), "{}", ran.err);
}

#[test]
fn an_image_that_is_called_like_the_mask_of_another_is_said_to_have_it() {
    let scratch = Scratch::new();
    scratch.write("cloth/test/stain/000_mask.png", scratch.read("cloth/test/hole/000.png"));
    let [own, other, mask] =
        ["test/stain/000.png", "test/stain/000_mask.png", "ground_truth/stain/000_mask.png"].map(|name| format!("cloth/{name}"));
    let expected = format!(
        "{own}: this defect image has no mask, because {mask} is that of {other}; if that is no image, move it away, else call the mask of this one 000.png"
    );
    let text = scratch.refuses(&format!("{EVALUATE} new"));
    assert_eq!(text, expected);
    // The way that it names.
    scratch.write("cloth/ground_truth/stain/000.png", scratch.read(&mask));
    scratch.succeeds(&format!("{EVALUATE} new"));
}

#[test]
fn a_test_set_whose_masks_are_incomplete_goes_on_the_way_that_is_named() {
    let scratch = Scratch::new();
    let away = |from: &str, to: &str| std::fs::rename(scratch.path(from), scratch.path(to)).unwrap();
    away("cloth/ground_truth/stain/000_mask.png", "cloth/ground_truth/stain/001_mask.png");
    let text = scratch.refuses(&format!("{EVALUATE} new"));
    let way = "; if there is no folder cloth/ground_truth, `evaluate` needs no masks, and has metrics of whole images only";
    assert!(text.ends_with(&format!("cloth/ground_truth/stain/000_mask.png{way}")), "{text}");
    // An empty folder is no other case.
    away("cloth/ground_truth", "truth");
    std::fs::create_dir(scratch.path("cloth/ground_truth")).unwrap();
    assert!(scratch.refuses(&format!("{EVALUATE} new")).ends_with(way));
    std::fs::remove_dir(scratch.path("cloth/ground_truth")).unwrap();
    let ran = scratch.succeeds(&format!("{EVALUATE} new"));
    assert!(ran.err.contains("there is no ground truth"), "{}", ran.err);
    // One mask too many.
    away("truth", "cloth/ground_truth");
    scratch.write("cloth/ground_truth/stain/000_mask.png", scratch.read("cloth/ground_truth/stain/001_mask.png"));
    let text = scratch.refuses(&format!("{EVALUATE} new2"));
    let way = "001_mask.png: this mask has no image in test/stain; add that, or move the mask out of cloth/ground_truth";
    assert!(text.ends_with(way), "{text}");
    away("cloth/test/stain", "stain");
    let text = scratch.refuses(&format!("{EVALUATE} new2"));
    let way = "these masks have no images: there is no folder cloth/test/stain; move them out of cloth/ground_truth";
    assert!(text.ends_with(way), "{text}");
}
