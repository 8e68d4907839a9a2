//! "Good images glow": heatmaps that are stretched to the maximum of each image, so that the best image looks as bad as the
//! worst.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ndarray::{ArrayView1, Axis};
use orthoscope::data::{Image, encode_png, read_image};
use orthoscope::report::colour::heat;

use crate::fixture::{Scratch, read_npy};

fn maximum(scratch: &Scratch, map: &str) -> f32 {
    read_npy(&scratch.read(map)).1.into_iter().fold(0.0, f32::max)
}

/// How far the most colourful pixel is from grey.
fn colour(image: &Image) -> f32 {
    let spread = |rgb: ArrayView1<'_, f32>| {
        let [least, most] = [f32::min, f32::max].map(|pick| rgb.iter().copied().reduce(pick).unwrap());
        most - least
    };
    image.lanes(Axis(2)).into_iter().map(spread).fold(0.0, f32::max)
}

#[test]
fn overlays_of_good_images_stay_grey_and_only_the_anomalous_one_glows() {
    let scratch = Scratch::new();
    for name in scratch.names("cloth/test/good") {
        scratch.write(format!("in/good/{name}"), scratch.read(format!("cloth/test/good/{name}")));
    }
    let checks = Image::from_shape_fn((32, 32, 3), |(row, column, _)| f32::from(u8::from((row / 8 + column / 8) % 2 == 0)));
    scratch.write("in/bad.png", encode_png(&checks).unwrap());
    scratch.succeeds("detect --model run/model.safetensors --out first in");
    let good = ["good/000", "good/001", "good/002"];
    let threshold = good.iter().map(|name| maximum(&scratch, &format!("first/{name}_map.npy"))).fold(0.0, f32::max);
    scratch.succeeds(&format!("detect --model run/model.safetensors --pixel-threshold {threshold} --out found in"));
    let glow = |name: &str| colour(&read_image(&scratch.path(format!("found/{name}_heatmap.png"))).unwrap());
    let is_marked = |name: &str| {
        let mask = read_image(&scratch.path(format!("found/{name}_mask.png"))).unwrap();
        mask.iter().any(|&value| value > 0.0)
    };
    for name in good {
        // The threshold is at a quarter of the scale, where a dark violet covers a fifth of the image.
        assert!(glow(name) < 0.1, "{name}: {}", glow(name));
        assert!(!is_marked(name), "{name}");
    }
    assert!(glow("bad") > 0.25 && is_marked("bad"), "{}", glow("bad"));
}

#[test]
fn a_model_without_a_pixel_threshold_says_that_its_colours_cannot_be_compared() {
    let scratch = Scratch::new();
    scratch.succeeds("model init --model 2 --width 2 --out bare.safetensors");
    let warning =
        "warning: without a pixel threshold, the brightest colour of each heatmap is its own maximum, also of a normal image";
    let detect = "detect --model bare.safetensors --out found cloth/test/good";
    assert!(scratch.succeeds(detect).err.contains(warning));
    assert!(!scratch.succeeds(&format!("{detect} --pixel-threshold 1")).err.contains(warning));
}

/// The heatmap of a good image on a page.
fn on_page(page: &str, name: &str) -> Vec<u8> {
    let alternative = format!("alt=\"Heatmap of {name}\"");
    let article = page.split("<article>").find(|article| article.contains("<span>good</span>") && article.contains(&alternative));
    let before = article.unwrap_or_else(|| panic!("{name} is not on the page")).split(&alternative).next().unwrap();
    let uri = before.rsplit("data:image/png;base64,").next().unwrap().split('"').next().unwrap();
    STANDARD.decode(uri).unwrap()
}

#[test]
fn heatmaps_on_the_page_have_the_scale_of_the_model() {
    let scratch = Scratch::new();
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out page");
    scratch.succeeds("detect --model run/model.safetensors --out found cloth/test");
    let page = String::from_utf8(scratch.read("page/index.html")).unwrap();
    for name in ["001", "002"] {
        let threshold = scratch.json(format!("found/good/{name}.json"))["pixel_threshold"].as_f64().unwrap() as f32;
        let place = maximum(&scratch, &format!("found/good/{name}_map.npy")) / (4.0 * threshold);
        assert!(place < 0.5, "{name} is a quiet image: {place}");
        scratch.write("heat.png", on_page(&page, &format!("{name}.png")));
        let picture = read_image(&scratch.path("heat.png")).unwrap();
        // Its lightness grows with the value, and so does its red up to here.
        let found = picture.index_axis(Axis(2), 0).iter().copied().fold(0.0, f32::max);
        assert!((found - heat(place)[0]).abs() < 2.0 / 255.0, "{name}: red is {found}, {} at {place}", heat(place)[0]);
    }
}
