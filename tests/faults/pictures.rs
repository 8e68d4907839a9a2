//! Damaged, empty and huge images, and masks of the wrong size, in training, evaluation and detection.

use orthoscope::data::{Plane, write_mask_png};

use crate::fixture::Scratch;
use crate::fixture::png::{header, png, stored};

const TRAIN: &str = "train --config c.toml --data cloth --out new";
const EVALUATE: &str = "evaluate --model run/model.safetensors --data cloth --out new";

fn huge() -> Vec<u8> {
    png(&[(b"IHDR", header(100_000, 100_000, 16, 6)), (b"IDAT", stored(&[0])), (b"IEND", vec![])])
}

#[test]
fn every_command_names_an_unreadable_image_and_goes_on() {
    let whole = Scratch::new().read("cloth/train/good/003.png");
    let cases: [(Vec<u8>, &str); 4] = [
        (whole[..whole.len() / 2].to_vec(), "the PNG data cannot be read: "),
        (vec![], "is empty (0 bytes)"),
        (b"GIF89a......".to_vec(), "is a GIF picture, which is not read; convert it to PNG or TIFF"),
        (huge(), "has 100000x100000 pixels, 10000000000 in all; the limit is 67108864"),
    ];
    for (bytes, reason) in cases {
        let scratch = Scratch::new();
        scratch.write("cloth/train/good/003.png", &bytes);
        scratch.write("cloth/test/hole/000.png", &bytes);
        scratch.write("bad.png", &bytes);
        for (command, words) in [
            (TRAIN, "cloth: 1 of 6 files skipped: train/good/003.png: "),
            ("data preview --data cloth --config c.toml --out new.png", "cloth: 1 of 6 files skipped: train/good/003.png: "),
            (
                "evaluate --model run/model.safetensors --data cloth --out report",
                "cloth: 1 of 8 files skipped: test/hole/000.png: ",
            ),
        ] {
            let ran = scratch.succeeds(command);
            assert!(ran.err.contains(&format!("warning: {words}{reason}")), "{command}: {}", ran.err);
        }
        let ran = scratch.run("detect --model run/model.safetensors --out found bad.png");
        assert!(ran.code == 1 && ran.err.contains(&format!("error: bad.png: {reason}")), "{}", ran.err);
        assert_eq!(scratch.names("found"), ["index.html", "results.csv"], "nothing but the row of a picture that cannot be read");
    }
}

#[test]
fn errors_name_unreadable_textures() {
    let scratch = Scratch::new();
    scratch.write("textures/a.png", "");
    assert_eq!(scratch.refuses(&format!("{TRAIN} --textures textures")), "textures/a.png: is empty (0 bytes)");
    let reason = "none: there is no such file or folder; the path starts at the working directory";
    assert_eq!(scratch.refuses(&format!("{TRAIN} --textures none")), format!("config key `data.textures`: {reason}"));
}

#[test]
fn masks_of_the_wrong_size_or_without_an_image_are_named() {
    let scratch = Scratch::new();
    let mask = "cloth/ground_truth/stain/000_mask.png";
    write_mask_png(&scratch.path(mask), &Plane::ones((16, 32))).unwrap();
    let ran = scratch.succeeds(&EVALUATE.replace("new", "report"));
    let reason = "ground_truth/stain/000_mask.png: the mask has 16x32 pixels (height x width), its image 32x32 pixels";
    assert!(ran.err.contains(&format!("cloth: 1 of 8 files skipped: test/stain/000.png: {reason}")), "{}", ran.err);
    std::fs::rename(scratch.path(mask), scratch.path("cloth/ground_truth/stain/007_mask.png")).unwrap();
    assert!(scratch.refuses(EVALUATE).starts_with("cloth/test/stain/000.png: this defect image has no mask"));
    std::fs::remove_file(scratch.path("cloth/test/stain/000.png")).unwrap();
    let text = scratch.refuses(EVALUATE);
    assert!(text.contains("stain/007_mask.png: this mask has no image in test/stain"), "{text}");
}
