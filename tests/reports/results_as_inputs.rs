//! "The second run found twice as many images": results that were written among the images and are read again.

use crate::fixture::Scratch;

const DETECT: &str = "detect --model run/model.safetensors";

#[test]
fn results_among_the_images_are_not_inspected_or_trained_on_by_any_later_command() {
    let scratch = Scratch::new();
    for name in scratch.names("cloth/train/good") {
        scratch.write(format!("parts/{name}"), scratch.read(format!("cloth/train/good/{name}")));
    }
    scratch.succeeds(&format!("{DETECT} --out parts/found parts"));
    for out in ["parts/found", "parts/second", "elsewhere"] {
        let ran = scratch.succeeds(&format!("{DETECT} --out {out} parts"));
        assert_eq!(ran.out.lines().count(), 6, "{out}: {}", ran.out);
        assert!(ran.err.contains("pictures that are results of orthoscope are passed over"), "{}", ran.err);
    }
    let ran = scratch.succeeds("train --config c.toml --normal parts --out new");
    assert!(
        ran.err.contains("parts: 36 of 42 files skipped: parts/found/000_heatmap.png: is a result of `orthoscope detect`"),
        "{}",
        ran.err
    );
    // The weights are those of the six images.
    let weights = |run: &str| {
        let bytes = scratch.read(format!("{run}/model.safetensors"));
        safetensors::SafeTensors::deserialize(&bytes).unwrap().tensor("e1.0.weight").unwrap().data().to_vec()
    };
    assert!(weights("new") == weights("run"));
    // Somebody's own picture among the results is theirs, and so is a result that they have drawn on.
    scratch.write("parts/found/mine.png", scratch.read("cloth/test/good/000.png"));
    scratch.write("parts/found/000_heatmap.png", scratch.read("cloth/test/good/001.png"));
    let ran = scratch.succeeds(&format!("{DETECT} --out fresh parts"));
    assert_eq!(ran.out.lines().count(), 8, "{}", ran.out);
}

#[test]
fn a_folder_of_results_only_is_called_that_and_single_results_can_be_given() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{DETECT} --out found cloth/test/good"));
    let text = scratch.refuses(&format!("{DETECT} --out new found"));
    assert_eq!(text, "found: contains no image but 9 results of orthoscope");
    let ran = scratch.succeeds(&format!("{DETECT} --out new found/000_reconstruction.png"));
    assert_eq!(ran.out.lines().count(), 1);
}
