//! "The result of one image is gone": images of equal names, in different folders or with different extensions, whose results
//! replace each other.

use std::collections::BTreeSet;

use crate::fixture::{Scratch, read_npy};

const ENDINGS: usize = 5;

/// Four different pictures, of which every two have a name or a stem in common.
fn with_equal_names() -> Scratch {
    let scratch = Scratch::new();
    for (from, to) in
        [("good/000", "in/a/1.png"), ("good/001", "in/b/1.png"), ("hole/000", "in/a/1.jpg"), ("stain/000", "in/a/deep/1.png")]
    {
        scratch.write(to, scratch.read(format!("cloth/test/{from}.png")));
    }
    scratch
}

#[test]
fn images_of_equal_names_or_stems_keep_their_own_results() {
    let scratch = with_equal_names();
    for _ in 0..2 {
        let ran = scratch.succeeds("detect --model run/model.safetensors --out found in --json");
        let listed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 4);
        assert_eq!(scratch.names("found/a").len(), 2 * ENDINGS + 1, "{:?}", scratch.names("found/a"));
        for (name, from) in [("a/1.png", "a/1.png"), ("a/1.jpg", "a/1.jpg"), ("a/deep/1", "a/deep/1.png"), ("b/1", "b/1.png")] {
            let own = scratch.json(format!("found/{name}.json"));
            assert_eq!(own["image"], format!("in/{from}"));
            let sum: f64 = read_npy(&scratch.read(format!("found/{name}_map.npy"))).1.iter().map(|&value| f64::from(value)).sum();
            let score = own["score_sum"].as_f64().unwrap();
            assert!((sum - score).abs() < 1e-6 * score, "{name}: the map is of another image");
        }
    }
    let found = ["a/1.png", "a/1.jpg", "a/deep/1", "b/1"].map(|name| scratch.read(format!("found/{name}_map.npy")));
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 4);
}

#[test]
fn folders_with_equal_names_given_side_by_side_are_refused_with_what_to_do() {
    let scratch = with_equal_names();
    let text = scratch.refuses("detect --model run/model.safetensors --out found in/b in/a/deep");
    let remedy = "give one folder that holds both, or inspect them one after the other with another --out";
    assert_eq!(text, format!("in/a/deep/1.png: would get the same output name `1.png` as in/b/1.png; {remedy}"));
}

#[test]
fn no_names_in_one_folder_stop_it() {
    let scratch = Scratch::new();
    let image = scratch.read("cloth/test/good/000.png");
    for (name, bytes) in [
        ("a.jpg", &b"no image"[..]),
        ("a.png", &image),
        ("a.png.png", &image),
        ("a.png.png.png", b"no image"),
        ("b.png.png", &image),
    ] {
        scratch.write(format!("one/{name}"), bytes);
    }
    let ran = scratch.run("detect --model run/model.safetensors --save none --out found one");
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("error: one/a.jpg: is not an image") && ran.err.contains("error: one/a.png.png.png: "),
        "{}",
        ran.err
    );
    assert!(ran.err.ends_with("error: 2 of 5 images could not be inspected\n"), "{}", ran.err);
    let written = ["a.png.json", "a.png.png.json", "b.png.json", "index.html", "results.csv"];
    assert_eq!(scratch.names("found"), written);
    for (name, from) in [("a.png", "a.png"), ("a.png.png", "a.png.png"), ("b.png", "b.png.png")] {
        assert_eq!(scratch.json(format!("found/{name}.json"))["image"], format!("one/{from}"));
    }
}

/// A hole in another format beside that of the same name, and the same for a good image.
fn with_equal_stems() -> Scratch {
    let scratch = Scratch::new();
    for (from, to) in [("hole/000.png", "hole/000.jpg"), ("good/001.png", "good/000.jpg")] {
        scratch.write(format!("cloth/test/{to}"), scratch.read(format!("cloth/test/{from}")));
    }
    scratch
}

const EVALUATE: &str = "evaluate --model run/model.safetensors --data cloth --out new --maps maps";

#[test]
fn a_mask_that_two_images_could_have_is_refused_with_both_names() {
    let scratch = with_equal_stems();
    let text = scratch.refuses(EVALUATE);
    let expected = "cloth/ground_truth/hole/000_mask.png: may be the mask of cloth/test/hole/000.jpg or of cloth/test/hole/000.png; put the whole name \
        of its image into its own, as in 000.jpg_mask.png";
    assert_eq!(text, expected);
    // The same with free folders.
    for (folder, from) in [("bad/hole", "cloth/test/hole"), ("masks/hole", "cloth/ground_truth/hole")] {
        for name in scratch.names(from) {
            scratch.write(format!("{folder}/{name}"), scratch.read(format!("{from}/{name}")));
        }
    }
    let free = "evaluate --model run/model.safetensors --normal cloth/test/good --abnormal bad --out new";
    let text = scratch.refuses(&format!("{free} --masks masks"));
    assert!(text.contains(": may be the mask of bad/hole/000.jpg or of bad/hole/000.png; "), "{text}");
    // Without masks there is nothing to confuse.
    scratch.succeeds(free);
    assert_eq!(scratch.json("new/metrics.json")["images"].as_array().unwrap().len(), 6);
}

#[test]
fn test_images_that_differ_in_their_extension_only_keep_their_own_masks_maps_and_scores() {
    let scratch = with_equal_stems();
    let mask = scratch.read("cloth/ground_truth/hole/000_mask.png");
    std::fs::remove_file(scratch.path("cloth/ground_truth/hole/000_mask.png")).unwrap();
    scratch.write("cloth/ground_truth/hole/000.png_mask.png", &mask);
    let text = scratch.refuses(EVALUATE);
    assert!(text.contains("hole/000.jpg: this defect image has no mask cloth/ground_truth/hole/000.jpg_mask.png; "), "{text}");
    scratch.write("cloth/ground_truth/hole/000.jpg/left.png", &mask);
    scratch.succeeds(EVALUATE);
    let report = scratch.json("new/metrics.json");
    assert_eq!(report["images"].as_array().unwrap().len(), 10);
    // As `detect` calls them.
    for name in ["hole/000.jpg", "hole/000.png", "good/000.jpg", "good/000.png", "good/001"] {
        let path = if name.contains('.') { name.to_owned() } else { format!("{name}.png") };
        let own = report["images"].as_array().unwrap().iter().find(|image| image["path"] == path).unwrap();
        let sum: f64 =
            read_npy(&scratch.read(format!("maps/cloth/test/{name}.npy"))).1.iter().map(|&value| f64::from(value)).sum();
        let score = own["score_sum"].as_f64().unwrap();
        assert!((sum - score).abs() < 1e-6 * score, "{name}: the map is of another image");
    }
    scratch.succeeds("detect --model run/model.safetensors --out found cloth/test");
    let read = scratch.succeeds("metrics --maps found --data cloth --json");
    let read: serde_json::Value = serde_json::from_str(&read.out).unwrap();
    assert_eq!(read["pixel_auroc"], report["pixel_auroc"]);
}

#[test]
fn equal_names_of_different_kinds_keep_their_own_maps_and_scores() {
    let scratch = Scratch::new();
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new --maps maps");
    let report = scratch.json("new/metrics.json");
    let images = report["images"].as_array().unwrap();
    let named: BTreeSet<&str> = images.iter().map(|image| image["path"].as_str().unwrap()).collect();
    assert_eq!(named.len(), 8, "every image has a name of its own: {named:?}");
    let maps: BTreeSet<Vec<u8>> =
        named.iter().map(|name| scratch.read(format!("maps/cloth/test/{}", name.replace(".png", ".npy")))).collect();
    assert_eq!(maps.len(), 8);
}
