//! "The metrics were too good": test images among the training images.

use crate::fixture::Scratch;

fn copy(scratch: &Scratch, from: &str, to: &str) {
    scratch.write(to, scratch.read(from));
}

#[test]
fn a_test_image_that_is_also_a_training_image_is_named() {
    let scratch = Scratch::new();
    let evaluate = "evaluate --model run/model.safetensors --data cloth --out new";
    assert!(!scratch.succeeds(evaluate).err.contains("warning"));
    copy(&scratch, "cloth/test/good/002.png", "cloth/train/good/renamed.png");
    copy(&scratch, "cloth/test/stain/000.png", "cloth/train/good/day/1.png");
    let ran = scratch.succeeds(evaluate);
    let seen = "warning: cloth: 2 of 8 test images are training images, too: \
        cloth/test/good/002.png has the content of cloth/train/good/renamed.png; ";
    assert!(ran.err.contains(seen), "{}", ran.err);
}

#[test]
fn a_test_set_of_the_training_images_is_called_that() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --normal cloth/train/good --out new");
    assert!(ran.err.contains("the good test images are those that the model was trained on"), "{}", ran.err);
}

#[test]
fn thresholds_are_never_chosen_on_the_test_set() {
    let scratch = Scratch::new();
    let text = scratch.refuses("evaluate --model run/model.safetensors --data cloth --out new --calibrate cloth/test/good");
    assert!(text.contains("is in the test set; thresholds must come from other images"), "{text}");
}
