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

#[test]
fn test_images_that_differ_in_their_extension_only_are_refused_because_masks_and_maps_have_none() {
    let scratch = Scratch::new();
    scratch.write("cloth/test/hole/000.jpg", scratch.read("cloth/test/hole/000.png"));
    let text = scratch.refuses("evaluate --model run/model.safetensors --data cloth --out new --maps maps");
    assert!(
        text.ends_with("`hole/000` is also the name of another test image; names must differ in more than their extension"),
        "{text}"
    );
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
