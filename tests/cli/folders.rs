//! Images in folders of any structure, and files in them that cannot be used.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::ArrayD;
use orthoscope::backend::Cpu;
use orthoscope::data::{Plane, read_mask, write_mask_png};
use orthoscope::detect::Settings;
use orthoscope::model::WeightFile;
use orthoscope::run::{Config, TrainingJob};
use serde_json::Value;

use crate::fixture::{CONFIG, Scratch};

const TRAIN: &str = "train --config c.toml --device cpu";
const EVALUATE: &str = "evaluate --model run/model.safetensors --device cpu";
const FREE: &str = "--normal parts/fresh --abnormal parts/nok --masks parts/truth";

/// A fixture with the images of `cloth` once more in folders of another structure: `parts/ok`, `parts/fresh`, `parts/nok` with
/// two kinds of defects and one image of its own, and `parts/truth`. The same file names are used in several folders.
fn with_parts() -> Scratch {
    let scratch = Scratch::new();
    let copy = |from: String, to: String| scratch.write(to, scratch.read(from));
    for (number, name) in scratch.names("cloth/train/good").iter().enumerate() {
        let place = ["", "monday/", "monday/camera2/"][number % 3];
        copy(format!("cloth/train/good/{name}"), format!("parts/ok/{place}part{}.png", number / 3));
    }
    for name in scratch.names("cloth/test/good") {
        copy(format!("cloth/test/good/{name}"), format!("parts/fresh/{name}"));
    }
    for kind in scratch.names("cloth/test").iter().filter(|kind| *kind != "good") {
        let place = match kind.as_str() {
            "hole" | "stain" => format!("{kind}/000"),
            "bend" => "000".to_owned(),
            other => format!("hole/{other}/000"),
        };
        copy(format!("cloth/test/{kind}/000.png"), format!("parts/nok/{place}.png"));
        copy(format!("cloth/ground_truth/{kind}/000_mask.png"), format!("parts/truth/{place}_mask.png"));
    }
    scratch
}

fn protocol(metrics: &Value) -> &str {
    metrics["protocol"].as_str().unwrap()
}

fn settings(scratch: &Scratch, path: &str) -> Value {
    let bytes = scratch.read(path);
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    serde_json::from_str(&header.metadata().clone().unwrap()[Settings::KEY]).unwrap()
}

/// Weights and settings of a run, without the name of its images.
fn trained(scratch: &Scratch, run: &str) -> (HashMap<String, ArrayD<f32>>, Settings) {
    let file = WeightFile::read(&scratch.path(run).join("model.safetensors")).unwrap();
    let mut settings = Settings::from_metadata(&file.metadata).unwrap();
    assert!(settings.provenance.as_mut().unwrap().category.take().is_some());
    (file.values, settings)
}

#[test]
fn a_folder_of_normal_images_is_the_training_set_of_a_category() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{TRAIN} --normal cloth/train/good --out free"));
    assert!(trained(&scratch, "free") == trained(&scratch, "run"), "the same weights and thresholds");
    scratch.succeeds(&format!("{TRAIN} --normal cloth/train/good --out run --resume"));
    let both = scratch.misused(&format!("{TRAIN} --normal cloth/train/good --data cloth --out new"));
    assert!(both.contains("--normal") && both.contains("cannot be used with"), "{both}");
    assert!(scratch.misused(&format!("{TRAIN} --out new")).contains("--data <ROOT/CATEGORY>"));
    for (folder, reason) in [
        ("none", "none: there is no such folder"),
        ("run", "run: contains no image; PNG, JPEG, TIFF, BMP, WebP and PNM are read"),
        ("c.toml", "c.toml: is a file; a folder is needed here"),
    ] {
        assert_eq!(scratch.refuses(&format!("{TRAIN} --normal {folder} --out new")), reason);
    }
    let reason = scratch.refuses(&format!("{TRAIN} --normal cloth/train --out cloth/train/good/new"));
    assert_eq!(reason, "cloth/train/good/new: is among the images of cloth/train; choose another folder");
}

#[test]
fn subfolders_are_searched_to_any_depth() {
    let scratch = with_parts();
    let ran = scratch.succeeds(&format!("{TRAIN} -v --normal parts/ok --out free"));
    assert!(ran.err.contains("5 images to train on, 1 held out") && !ran.err.contains("warning"), "{}", ran.err);
    // The same files in a category are the same training set.
    for name in ["part0.png", "part1.png", "monday/part0.png", "monday/part1.png"] {
        scratch.write(format!("own/train/good/{name}"), scratch.read(format!("parts/ok/{name}")));
    }
    for number in 0..2 {
        let name = format!("monday/camera2/part{number}.png");
        scratch.write(format!("own/train/good/{name}"), scratch.read(format!("parts/ok/{name}")));
    }
    scratch.succeeds(&format!("{TRAIN} --data own --out own-run"));
    assert!(trained(&scratch, "own-run") == trained(&scratch, "free"));
    // A deep file is part of what a run must continue with.
    fs::remove_file(scratch.path("parts/ok/monday/camera2/part1.png")).unwrap();
    let reason = scratch.refuses(&format!("{TRAIN} --normal parts/ok --out free --resume"));
    assert!(reason.contains("was made with other training images"), "{reason}");
}

#[test]
fn a_test_set_in_folders_has_the_metrics_of_the_category() {
    let scratch = with_parts();
    scratch.succeeds(&format!("{EVALUATE} --data cloth --out a"));
    scratch.succeeds(&format!("{EVALUATE} {FREE} --out b --maps maps"));
    let (category, free) = (scratch.json("a/metrics.json"), scratch.json("b/metrics.json"));
    for key in
        ["image_auroc", "image_ap", "image_auroc_max", "pixel_auroc", "pixel_ap", "pixel_f1_max", "au_pro", "image_threshold"]
    {
        assert_eq!(free[key], category[key], "{key}");
    }
    assert!(protocol(&free).starts_with("category parts; ") && protocol(&free).contains("(3 good, 5 anomalous)"), "{free}");
    let images = free["images"].as_array().unwrap();
    let named = |key: &str| images.iter().map(|image| image[key].as_str().unwrap()).collect::<Vec<_>>();
    let kinds = named("kind");
    assert_eq!(kinds, ["abnormal", "good", "good", "good", "hole", "hole", "hole", "stain"], "{kinds:?}");
    let paths = named("path");
    assert!(paths.contains(&"hole/000.png") && paths.contains(&"abnormal/000.png"), "{paths:?}");
    assert_eq!(paths.iter().filter(|path| path.ends_with("/000.png") && path.matches('/').count() == 2).count(), 2, "{paths:?}");
    // Equal names in different folders have their own maps.
    for path in paths {
        let map = format!("maps/parts/test/{}", path.replace(".png", ".npy"));
        assert!(scratch.path(&map).exists(), "{map}");
    }
    let read = scratch.succeeds(&format!("metrics --maps maps/parts/test {FREE} --json")).out;
    let read: Value = serde_json::from_str(&read).unwrap();
    assert_eq!((&read["pixel_auroc"], &read["au_pro"]), (&category["pixel_auroc"], &category["au_pro"]));
    let page = String::from_utf8(scratch.read("b/index.html")).unwrap();
    assert!(page.contains("stain"), "kinds are the subfolders");
}

#[test]
fn all_masks_of_an_image_are_united_whatever_they_are_called() {
    let scratch = with_parts();
    scratch.succeeds(&format!("{EVALUATE} {FREE} --out once"));
    let half = |from: &str, to: &str, wanted: fn(usize) -> bool| {
        let whole = read_mask(&scratch.path(from)).unwrap();
        let part =
            Plane::from_shape_fn(whole.dim(), |(row, column)| if wanted(row + column) { whole[[row, column]] } else { 0.0 });
        fs::create_dir_all(scratch.path(to).parent().unwrap()).unwrap();
        write_mask_png(&scratch.path(to), &part).unwrap();
    };
    for (stem, even, odd) in [
        ("hole/000", "hole/000_1", "hole/000_2"),
        ("stain/000", "stain/000/left", "stain/000/deep/right"),
        ("000", "000", "000_mask_2"),
    ] {
        let from = format!("parts/truth/{stem}_mask.png");
        half(&from, &format!("parts/truth/{even}.png"), |place| place % 2 == 0);
        half(&from, &format!("parts/truth/{odd}.png"), |place| place % 2 == 1);
        fs::remove_file(scratch.path(from)).unwrap();
    }
    scratch.succeeds(&format!("{EVALUATE} {FREE} --out parts-united"));
    let (once, united) = (scratch.json("once/metrics.json"), scratch.json("parts-united/metrics.json"));
    for key in ["pixel_auroc", "pixel_ap", "au_pro", "images"] {
        assert_eq!(united[key], once[key], "{key}");
    }
    // Half of a mask alone gives other metrics, so the halves are not left out.
    fs::remove_file(scratch.path("parts/truth/stain/000/deep/right.png")).unwrap();
    scratch.succeeds(&format!("{EVALUATE} {FREE} --out half"));
    assert_ne!(scratch.json("half/metrics.json")["pixel_ap"], once["pixel_ap"]);
}

#[test]
fn masks_that_do_not_fit_are_named() {
    let scratch = with_parts();
    fs::remove_file(scratch.path("parts/truth/stain/000_mask.png")).unwrap();
    scratch.write("parts/truth/stain/other_mask.png", scratch.read("parts/truth/000_mask.png"));
    let ran = scratch.succeeds(&format!("{EVALUATE} {FREE} --out new"));
    assert!(ran.err.contains("stain/000.png has no mask: no pixel metric for the 5 defect images"), "{}", ran.err);
    let reason = "parts/truth/stain/other_mask.png: this mask has no image in --abnormal";
    assert!(ran.err.contains(&format!("1 of 9 files skipped: {reason}")), "{}", ran.err);
    let metrics = scratch.json("new/metrics.json");
    assert!(metrics["image_auroc"].is_f64() && metrics.get("pixel_auroc").is_none(), "{metrics}");
    let text = scratch.refuses(&format!("metrics --maps none {FREE}"));
    assert_eq!(text, "parts/nok/stain/000.png: has no mask, without which no pixel metric is defined");
    let text = scratch.refuses(&format!("{EVALUATE} --normal parts/fresh --abnormal parts/nok --masks parts/ok --out new2"));
    assert!(
        text.starts_with("parts/ok: holds no mask of an image in --abnormal; the mask of 000 is called 000, 000_mask"),
        "{text}"
    );
    // Without masks there is nothing to be missing.
    let ran = scratch.succeeds(&format!("{EVALUATE} --normal parts/fresh --abnormal parts/nok --out plain"));
    assert!(ran.err.contains("there is no ground truth: no pixel metric") && ran.out.contains("image AUROC"), "{}", ran.err);
    let metrics = "metrics --maps maps";
    let figures = "figures --model run/model.safetensors --out x";
    let evaluate = &format!("{EVALUATE} --out x");
    for command in [evaluate, &format!("{evaluate} --normal parts/fresh"), metrics, figures] {
        let told = scratch.misused(&format!("{command} --masks parts/truth"));
        let needed = "error: the following required arguments were not provided:\n  --abnormal <DIR>\n\n";
        assert!(told.starts_with(needed), "{command}: {told}");
        let told = scratch.misused(&format!("{command} --data own --masks parts/truth"));
        assert!(told.starts_with("error: the argument '--") && told.contains("cannot be used with"), "{command}: {told}");
    }
}

#[test]
fn folders_within_another_are_refused_but_for_masks_among_the_images() {
    let scratch = with_parts();
    for (folders, reason) in [
        ("--normal parts --abnormal parts/nok", "parts/nok: is within --normal parts, so its files would count twice"),
        ("--normal parts/nok/hole --abnormal parts/nok", "parts/nok/hole: is within --abnormal parts/nok, so"),
        ("--normal parts/ok --abnormal parts/../parts/ok", "parts/../parts/ok: is the same folder as --normal parts/ok, so"),
        (
            "--abnormal parts/nok --masks parts/nok",
            "parts/nok: is the same folder as --masks parts/nok, so its files would count twice; give the masks a folder of their own",
        ),
        ("--abnormal parts/nok/hole --masks parts/nok", "parts/nok/hole: is within --masks parts/nok, so"),
        ("--abnormal cloth/test", "cloth/test/good: is among the anomalous images, but `good` stands for normal ones"),
    ] {
        let text = scratch.refuses(&format!("{EVALUATE} {folders} --out new"));
        assert!(text.starts_with(reason), "{text}");
    }
    scratch.succeeds(&format!("{EVALUATE} {FREE} --out a"));
    fs::rename(scratch.path("parts/truth"), scratch.path("parts/nok/truth")).unwrap();
    scratch.succeeds(&format!("{EVALUATE} {} --out b", FREE.replace("parts/truth", "parts/nok/truth")));
    assert_eq!(scratch.json("a/metrics.json")["images"], scratch.json("b/metrics.json")["images"]);
    for out in ["parts/nok/new", "parts/fresh", "parts/nok/truth/new"] {
        let text = scratch.refuses(&format!("{EVALUATE} {} --out {out}", FREE.replace("parts/truth", "parts/nok/truth")));
        assert!(text.contains("is among the images of parts/"), "{text}");
    }
}

#[test]
fn a_folder_good_in_capitals_is_no_kind_of_defect() {
    let scratch = with_parts();
    let rename = |from: &str, to: &str| fs::rename(scratch.path(from), scratch.path(to)).unwrap();
    rename("cloth/test/good", "cloth/test/Good");
    let reason =
        "cloth/test/Good: would be a kind of defect, because normal images are in test/good; did you mean that? Rename it";
    assert_eq!(scratch.refuses(&format!("{EVALUATE} --data cloth --out new")), reason);
    // Also without masks, where it went through.
    rename("cloth/ground_truth", "truth");
    assert_eq!(scratch.refuses(&format!("{EVALUATE} --data cloth --out new")), reason);
    let text = scratch.refuses(&format!("{EVALUATE} --abnormal cloth/test --out new"));
    assert!(text.starts_with("cloth/test/Good: is among the anomalous images, but `good` stands for normal ones"), "{text}");
    rename("cloth/train/good", "cloth/train/GOOD");
    let text = scratch.refuses(&format!("{TRAIN} --data cloth --out new"));
    assert_eq!(text, "cloth: has no folder train/good; rename cloth/train/GOOD to that");
}

#[test]
fn a_wrong_folder_of_masks_is_answered_with_the_right_one() {
    let scratch = with_parts();
    fs::rename(scratch.path("cloth/test/good"), scratch.path("good")).unwrap();
    scratch.write("deep/k/a.png", scratch.read("good/000.png"));
    scratch.write("flat/a_mask.png", scratch.read("cloth/ground_truth/stain/000_mask.png"));
    let start = "holds no mask of an image in --abnormal; ";
    for (folders, reason) in [
        ("--abnormal cloth/test/stain --masks cloth/ground_truth", "did you mean --masks cloth/ground_truth/stain?"),
        ("--abnormal cloth/test --masks cloth/ground_truth/stain", "did you mean --masks cloth/ground_truth?"),
        (
            "--abnormal deep --masks flat",
            "masks need the same subfolders as their images: that of k/a.png is looked for in flat/k, not in flat",
        ),
    ] {
        let folder = folders.rsplit_once(' ').unwrap().1;
        let text = scratch.refuses(&format!("{EVALUATE} {folders} --out new"));
        assert_eq!(text, format!("{folder}: {start}{reason}"));
    }
}

#[test]
fn good_images_alone_report_their_false_alarms() {
    let scratch = with_parts();
    scratch.succeeds(&format!("{EVALUATE} {FREE} --out new"));
    let ran = scratch.succeeds(&format!("{EVALUATE} --normal parts/fresh --out new"));
    assert_eq!(scratch.names("new"), ["figure.png", "index.html", "metrics.json"]);
    let page = String::from_utf8(scratch.read("new/index.html")).unwrap();
    assert!(page.contains("No defect among the 3 test images") && !page.contains("AUROC</dt>"), "not that of the whole test set");
    assert!(ran.out.contains("false alarms") && ran.out.contains("of\u{a0}3") && !ran.out.contains("AUROC"), "{}", ran.out);
    let metrics = scratch.json("new/metrics.json");
    let rate = &metrics["image_threshold"]["false_alarms"];
    let above = metrics["images"].as_array().unwrap().iter();
    let above = above.filter(|image| image["score_sum"].as_f64() > metrics["image_threshold"]["value"].as_f64()).count();
    assert_eq!(
        (&rate["count"], &rate["of"], rate["interval"].as_array().unwrap().len()),
        (&above.into(), &3.into(), 2),
        "{rate}"
    );
    assert!(!metrics.as_object().unwrap().keys().any(|key| key.contains("auroc") && key != "image_auroc_by_kind"), "{metrics}");
    // A model without a threshold cannot have false alarms.
    scratch.succeeds("model init --model 2 --width 2 --out bare.safetensors");
    let ran = scratch.succeeds("evaluate --model bare.safetensors --device cpu --normal parts/fresh --out bare");
    assert!(
        ran.err.contains("the model has no image threshold, so neither false alarms nor misses can be counted"),
        "{}",
        ran.err
    );
    assert_eq!(scratch.names("bare"), ["metrics.json"], "nothing is marked without thresholds");
    // Images of the training are no test.
    let ran = scratch.succeeds(&format!("{EVALUATE} --normal cloth/train/good --out seen"));
    assert!(ran.err.contains("cloth/train/good: the good test images are those that the model was trained on"), "{}", ran.err);
}

#[test]
fn a_folder_that_is_no_category_gets_a_hint() {
    let scratch = with_parts();
    fs::create_dir(scratch.path("empty")).unwrap();
    let model = "--model run/model.safetensors --device cpu";
    let commands = [
        format!("{TRAIN} --out new"),
        format!("evaluate {model} --out new"),
        format!("validate {model} --out new"),
        format!("figures {model} --only roc --out new"),
        "metrics --maps none".to_owned(),
        "data preview --out new.png".to_owned(),
        "data validation --out new".to_owned(),
        format!("audit {model} --out new"),
    ];
    for command in &commands {
        let text = scratch.refuses(&format!("{command} --data ."));
        assert!(text.ends_with("; did you mean ./cloth?"), "{command}: {text}");
    }
    let text = scratch.refuses(&format!("{TRAIN} --data cloth/train/good --out new"));
    assert_eq!(text, "cloth/train/good: has no folder train/good; did you mean cloth?");
    let text = scratch.refuses(&format!("{TRAIN} --data parts --out new"));
    assert_eq!(text, "parts: has no folder train/good; for images in any folders give --normal parts");
    let text = scratch.refuses(&format!("{EVALUATE} --data parts --out new"));
    assert!(text.ends_with("nothing to evaluate; for images in any folders give --normal parts"), "{text}");
    let layout = "; the layout is train/good, test/DEFECT, ground_truth/DEFECT";
    assert_eq!(scratch.refuses(&format!("{TRAIN} --data empty --out new")), format!("empty: has no folder train/good{layout}"));
    fs::create_dir_all(scratch.path("cable/train/good")).unwrap();
    let text = scratch.refuses(&format!("{TRAIN} --data . --out new"));
    assert!(text.ends_with("; did you mean ./cable, or another of its 2 categories?"), "{text}");
}

/// Files that cannot be used, and why.
fn bad(whole: &[u8]) -> [(&'static str, Vec<u8>, &'static str); 4] {
    [
        ("cut.png", whole[..whole.len() / 2].to_vec(), "the PNG data cannot be read: "),
        ("deep/empty.jpg", Vec::new(), "is empty (0 bytes)"),
        ("foreign.gif", b"GIF89a......".to_vec(), "is a GIF picture, "),
        ("text.jpeg", b"no image".to_vec(), "is not an image: "),
    ]
}

#[test]
fn bad_files_of_a_training_set_are_named_counted_and_left_out() {
    let scratch = Scratch::new();
    let files = bad(&scratch.read("cloth/train/good/000.png"));
    for (name, bytes, _) in &files {
        scratch.write(format!("cloth/train/good/{name}"), bytes);
    }
    for junk in
        ["Thumbs.db", ".DS_Store", "._000.png", "desktop.ini", "@eaDir/000.png/thumb.jpg", "__MACOSX/._a.png", "notes.txt"]
    {
        scratch.write(format!("cloth/train/good/{junk}"), "junk");
    }
    let ran = scratch.succeeds(&format!("{TRAIN} --data cloth --out new"));
    let warning = ran.err.lines().find(|line| line.starts_with("warning: ")).unwrap();
    assert!(warning.starts_with("warning: cloth: 4 of 10 files skipped: train/good/"), "{warning}");
    assert!(!ran.err.contains("junk") && !ran.err.contains("Thumbs"), "{}", ran.err);
    for (name, _, reason) in &files {
        assert!(warning.contains(&format!("train/good/{name}: {reason}")), "{name}: {warning}");
    }
    // The weights are those of the other images alone.
    let value = |path: &str, key: &str| settings(&scratch, path)["provenance"][key].clone();
    assert_eq!(value("new/model.safetensors", "skipped"), serde_json::json!({ "skipped": 4, "of": 10 }));
    assert_eq!(value("new/model.safetensors", "images"), value("run/model.safetensors", "images"));
    let weights = |path: &str| {
        safetensors::SafeTensors::deserialize(&scratch.read(path)).unwrap().tensor("e1.0.weight").unwrap().data().to_vec()
    };
    assert!(weights("new/model.safetensors") == weights("run/model.safetensors"));
    scratch.succeeds("evaluate --model new/model.safetensors --device cpu --data cloth --out report");
    assert!(protocol(&scratch.json("report/metrics.json")).contains("; training set: 4 of 10 files skipped; "));
    // A file that is mended is another training set; one that is removed is not.
    scratch.write("cloth/train/good/cut.png", scratch.read("cloth/train/good/000.png"));
    let text = scratch.refuses(&format!("{TRAIN} --data cloth --out new --resume"));
    assert!(text.contains("have changed since (4 of 10 files skipped then, 3 of 10 files skipped now)"), "{text}");
    for (name, _, _) in &files {
        fs::remove_file(scratch.path(format!("cloth/train/good/{name}"))).unwrap();
    }
    scratch.succeeds(&format!("{TRAIN} --data cloth --out new --resume"));
    assert!(weights("new/model.safetensors") == weights("run/model.safetensors"));
}

#[test]
fn an_interrupted_run_with_bad_files_resumes_to_the_same_bits() {
    let scratch = Scratch::new();
    scratch.write("cloth/train/good/003.png", "");
    scratch.write("cloth/train/good/day/cut.jpg", "\u{fffd}");
    let job = TrainingJob::prepare(Config::parse(CONFIG).unwrap(), &scratch.path("cloth"), &scratch.path("cut"), false).unwrap();
    let stop = AtomicBool::new(false);
    job.run(&Cpu::default(), &stop, |entry| stop.store(entry.step >= 2, Ordering::Relaxed)).unwrap();
    assert_eq!(job.skipped().unwrap().to_string(), "2 of 7 files skipped");
    drop(job);
    scratch.succeeds(&format!("{TRAIN} --data cloth --out cut --resume"));
    scratch.succeeds(&format!("{TRAIN} --data cloth --out whole"));
    assert!(scratch.read("cut/model.safetensors") == scratch.read("whole/model.safetensors"));
    assert!(scratch.read("whole/model.safetensors") != scratch.read("run/model.safetensors"));
}

#[test]
fn a_training_set_of_which_nothing_is_left_is_an_error() {
    let scratch = Scratch::new();
    scratch.write("bad/a.png", "");
    scratch.write("bad/b/c.bmp", "BM");
    let preview = "data preview --config c.toml --out new.png";
    for command in [&format!("{TRAIN} --out new"), preview, "data validation --config c.toml --out new"] {
        let text = scratch.refuses(&format!("{command} --normal bad"));
        assert!(
            text.starts_with("bad: nothing is left to train on: 2 of 2 files skipped: bad/a.png: is empty (0 bytes); "),
            "{text}"
        );
    }
    scratch.write("c.toml", format!("{CONFIG}[augment]\n").replace("size = 32", "size = 40\nfit = 'crop'"));
    let text = scratch.refuses(&format!("{TRAIN} --data cloth --out new"));
    let reason = "train/good/000.png: has 32x32 pixels as prepared, data.size asks for at least 40x40";
    assert!(text.starts_with(&format!("cloth: nothing is left to train on: 6 of 6 files skipped: {reason}; ")), "{text}");
    assert!(text.ends_with("; and 1 more, which -v names"), "{text}");
}

#[test]
fn bad_files_of_a_test_set_are_counted_beside_the_metrics() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{EVALUATE} --data cloth --out clean"));
    for (name, bytes, _) in bad(&scratch.read("cloth/test/good/000.png")) {
        scratch.write(format!("cloth/test/good/{name}"), bytes);
    }
    scratch.write("cloth/test/stray.png", scratch.read("cloth/test/good/000.png"));
    let ran = scratch.succeeds(&format!("{EVALUATE} --data cloth --out new --maps maps"));
    assert!(ran.err.contains("warning: cloth: 5 of 13 files skipped: test/"), "{}", ran.err);
    assert!(ran.out.contains("5 of 13 files skipped.\n"), "beside the metrics: {}", ran.out);
    let (clean, new) = (scratch.json("clean/metrics.json"), scratch.json("new/metrics.json"));
    for key in ["image_auroc", "pixel_auroc", "au_pro", "images", "image_threshold"] {
        assert_eq!(new[key], clean[key], "{key}");
    }
    assert_eq!(clean["skipped"], serde_json::json!([]));
    assert!(protocol(&new).contains("(3 good, 5 anomalous; 5 of 13 files skipped)"), "{new}");
    let skipped = new["skipped"].as_array().unwrap();
    let has = |file: &str, reason: &str| {
        skipped.iter().any(|one| one["file"] == file && one["reason"].as_str().unwrap().starts_with(reason))
    };
    assert!(has("test/good/deep/empty.jpg", "is empty") && has("test/stray.png", "this image is not in a folder"), "{skipped:?}");
    let page = String::from_utf8(scratch.read("new/index.html")).unwrap();
    assert!(page.contains("5 of 13 files skipped."), "also on the page");
    // A mask that cannot be read takes its image with it, and metrics of maps leave out the same.
    scratch.write("cloth/ground_truth/stain/000_mask.png", "");
    let ran = scratch.succeeds(&format!("{EVALUATE} --data cloth --out less"));
    assert!(
        ran.err.contains("6 of 13 files skipped: ") && !protocol(&scratch.json("less/metrics.json")).contains("5 anomalous"),
        "{}",
        ran.err
    );
    let read = scratch.succeeds("metrics --maps maps/cloth/test --data cloth --json");
    let read: Value = serde_json::from_str(&read.out).unwrap();
    assert_eq!(
        (&read["pixel_auroc"], read["skipped"].as_array().unwrap().len()),
        (&scratch.json("less/metrics.json")["pixel_auroc"], 6)
    );
    for name in scratch.names("cloth/test/good").iter().filter(|name| name.ends_with(".png")) {
        scratch.write(format!("cloth/test/good/{name}"), "");
    }
    let ran = scratch.succeeds(&format!("{EVALUATE} --data cloth --out none"));
    assert!(
        ran.err.contains("no good image among the 4 test images") && ran.out.contains("9 of 13 files skipped."),
        "{}",
        ran.out
    );
    fs::remove_dir_all(scratch.path("cloth/ground_truth")).unwrap();
    for kind in ["bend", "hole", "stain", "thread", "tear", "crack", "scratch"] {
        let _ = fs::remove_dir_all(scratch.path(format!("cloth/test/{kind}")));
    }
    for kind in scratch.names("cloth/test").iter().filter(|kind| *kind != "good" && !kind.ends_with(".png")) {
        fs::remove_dir_all(scratch.path(format!("cloth/test/{kind}"))).unwrap();
    }
    let text = scratch.refuses(&format!("{EVALUATE} --data cloth --out nothing"));
    assert!(text.starts_with("cloth: nothing is left to test on: 8 of 8 files skipped: "), "{text}");
}

#[test]
fn every_command_on_normal_images_takes_a_folder_of_them() {
    let scratch = with_parts();
    scratch.write("c.toml", CONFIG.replace("size = 32", "size = 64"));
    scratch.succeeds("data generate --out large --family cloth --size 64 --train 8 --good 5 --defects 1");
    let normal = "large/cloth/train/good";
    scratch.write(format!("{normal}/day/bad.png"), "");
    let skips = format!("1 of 9 files skipped: {normal}/day/bad.png: is empty (0 bytes)");
    for command in [
        "train --config c.toml --out large-run",
        "data preview --config c.toml --out sheet.png",
        "data validation --config c.toml --out valid",
        "validate --model large-run/model.safetensors --out judged",
        "figures --config c.toml --only corruption --out drawn",
    ] {
        let ran = scratch.succeeds(&format!("{command} --normal {normal}"));
        assert!(ran.err.contains(&format!("warning: {normal}: {skips}")), "{command}: {}", ran.err);
    }
    let judged = scratch.json("judged/metrics.json");
    assert!(protocol(&judged).starts_with("category good; ") && protocol(&judged).contains("training set: 1 of 9 files skipped"));
    scratch.write("spare/one/bad.png", "");
    for (number, name) in scratch.names("cloth/train/good").iter().enumerate() {
        for folder in [format!("{number}"), format!("more{number}")] {
            scratch.write(format!("spare/{folder}/{name}"), scratch.read(format!("cloth/train/good/{name}")));
        }
    }
    let options = "--images 5 --probes 2 --singular-values 2 --device cpu";
    let ran = scratch.succeeds(&format!("audit --model run/model.safetensors --normal spare {options}"));
    assert!(ran.err.contains("spare: 1 of 13 files skipped: spare/one/bad.png: is empty (0 bytes)"), "{}", ran.err);
    assert!(ran.out.contains("5 images of spare"), "{}", ran.out);
    scratch.succeeds(&format!("figures --model run/model.safetensors {FREE} --only defects,roc --out figures"));
    assert!(scratch.json("figures/figures.json")["figures"].as_array().unwrap().len() >= 2);
}

#[test]
fn calibration_leaves_out_what_cannot_be_read() {
    let scratch = with_parts();
    scratch.write("parts/ok/monday/bad.png", "");
    let ran = scratch.succeeds(&format!("{EVALUATE} {FREE} --calibrate parts/ok --out new"));
    assert!(ran.err.contains("parts/ok: 1 of 7 files skipped: parts/ok/monday/bad.png: is empty (0 bytes)"), "{}", ran.err);
    assert!(protocol(&scratch.json("new/metrics.json")).contains("; thresholds from 6 given normal images; "));
    scratch.write("junk/a.png", "");
    let text = scratch.refuses(&format!("{EVALUATE} {FREE} --calibrate junk --out none"));
    assert!(text.starts_with("junk: nothing is left to calibrate on: 1 of 1 files skipped: "), "{text}");
}

#[test]
fn a_reproduction_leaves_out_bad_files_and_says_so() {
    let scratch = Scratch::new();
    scratch.write("cloth/train/good/bad.png", "");
    scratch.write("cloth/test/good/deep/bad.png", "");
    let ran = scratch.succeeds("reproduce --data . --config c.toml --device cpu --out all");
    assert!(ran.err.contains("warning: cloth: 1 of 9 files skipped: test/good/deep/bad.png: is empty (0 bytes)"), "{}", ran.err);
    let run = scratch.json("all/report.json")["runs"][0].clone();
    assert_eq!((&run["images"]["skipped_train"], &run["images"]["skipped_test"]), (&1.into(), &1.into()), "{run}");
    assert_eq!((&run["images"]["train"], &run["images"]["good"]), (&5.into(), &3.into()), "{run}");
    let notes: Vec<&str> = run["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    assert!(notes.contains(&"training set: 1 of 7 files skipped"), "{notes:?}");
    assert!(notes.contains(&"test set: 1 of 9 files skipped: test/good/deep/bad.png: is empty (0 bytes)"), "{notes:?}");
}

#[test]
fn detection_goes_on_after_files_of_other_formats() {
    let scratch = Scratch::new();
    for (name, bytes, _) in bad(&scratch.read("cloth/test/good/000.png")) {
        scratch.write(format!("in/{name}"), bytes);
    }
    scratch.write("in/deep/000.png", scratch.read("cloth/test/good/000.png"));
    scratch.write("in/Thumbs.db", "junk");
    let ran = scratch.run("detect --model run/model.safetensors --device cpu --out found in");
    assert_eq!((ran.code, ran.out.lines().count()), (1, 1), "{}", ran.err);
    assert!(
        ran.err.contains("error: in/foreign.gif: is a GIF picture, ") && scratch.path("found/deep/000.json").exists(),
        "{}",
        ran.err
    );
    assert!(ran.err.ends_with("error: 4 of 5 images could not be inspected\n"), "{}", ran.err);
}
