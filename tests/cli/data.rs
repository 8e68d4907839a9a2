//! `data generate` and `data preview`.

use orthoscope::data::{Category, read_image};

use crate::fixture::{Scratch, tree};

#[test]
fn generated_categories_have_the_expected_layout_and_counts() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("data generate --out new --size 32 --train 2 --good 1 --defects 1 --seed 3");
    assert_eq!(scratch.names("new"), ["cloth", "grid", "pebbles", "tiles", "wood"]);
    assert_eq!(ran.out.lines().count(), 5);
    for name in scratch.names("new") {
        let category = Category::open(&scratch.path("new").join(&name)).unwrap();
        assert_eq!(category.train.len(), 2, "{name}");
        assert!(category.test.iter().filter(|test| test.is_good()).count() == 1 && category.test.len() > 4, "{name}");
    }
    scratch.succeeds("data generate --out again --family wood --size 32 --train 2 --good 1 --defects 1 --seed 3 --threads 1");
    assert!(tree(&scratch.path("again/wood")) == tree(&scratch.path("new/wood")));
}

#[test]
fn a_preview_is_a_png_beside_the_images() {
    let scratch = Scratch::new();
    let refused = |out: &str| scratch.refuses(&format!("data preview --data cloth --config c.toml --out {out}"));
    assert_eq!(refused("new.jpg"), "new.jpg: will be a PNG file; choose a name that ends in .png");
    assert_eq!(refused("cloth/train/good/x.png"), "cloth/train/good: is among the images of cloth/train; choose another folder");
}

#[test]
fn a_preview_shows_the_batch_of_its_step() {
    let scratch = Scratch::new();
    let sheet = |name: &str, options: &str| {
        scratch.succeeds(&format!("data preview --data cloth --config c.toml --out {name}.png {options}"));
        read_image(&scratch.path(format!("{name}.png"))).unwrap()
    };
    let (one, two) = (sheet("one", "--count 1"), sheet("two", "--count 2"));
    assert!(one.dim().1 >= 4 * 32 && one.dim().0 >= 32 && two.dim().0 > one.dim().0);
    assert_eq!(sheet("again", "--count 1 --step 0 --threads 1"), one);
    assert_ne!(sheet("later", "--count 1 --step 1"), one);
    assert_ne!(sheet("textures", "--count 2 --textures cloth/test/good"), two);
}

#[test]
fn a_validation_set_has_the_held_out_images_and_is_evaluated_like_a_category() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("data validation --data cloth --config c.toml --out valid");
    assert!(ran.out.starts_with("wrote valid: held-out images: "), "{}", ran.out);
    scratch.write("all.toml", "data.held_out = 0.0");
    let ran = scratch.succeeds("data validation --data cloth --config c.toml --config all.toml --out known");
    assert!(ran.out.starts_with("wrote known: training images, because no others are held out: "), "{}", ran.out);
    assert_eq!(scratch.names("valid/test"), ["crack", "good", "hole", "scratch", "stain"]);
    assert_eq!(scratch.names("valid/ground_truth"), ["crack", "hole", "scratch", "stain"]);
    assert_eq!(scratch.names("valid/test/good").len(), scratch.names("valid/test/crack").len());
    scratch.succeeds("evaluate --model run/model.safetensors --data valid --out found");
    assert!(scratch.json("found/metrics.json")["pixel_auroc"].is_f64());
    // Found before the images are decoded, of which none is one now.
    for name in scratch.names("cloth/train/good") {
        scratch.write(format!("cloth/train/good/{name}"), "no image");
    }
    let error = scratch.refuses("data validation --data cloth --config c.toml --out valid");
    assert_eq!(error, "valid: exists and is not empty; choose another folder or remove it first");
}
