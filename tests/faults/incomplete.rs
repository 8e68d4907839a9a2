//! Categories that lack something: `reproduce` measures what is there and says what is not.

use std::fs;

use serde_json::Value;

use crate::fixture::png::{header, png};
use crate::fixture::{Ran, Scratch, orthoscope, told};

/// The only run of a reproduction of a category that `damage` changed.
fn reproduced(damage: impl Fn(&Scratch)) -> (Scratch, Value) {
    let scratch = Scratch::new();
    damage(&scratch);
    scratch.succeeds("reproduce --data . --config c.toml --device cpu --out all");
    let run = scratch.json("all/report.json")["runs"][0].clone();
    (scratch, run)
}

fn has_note(run: &Value, words: &str) -> bool {
    run["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains(words))
}

fn remove(scratch: &Scratch, folder: &str) {
    fs::remove_dir_all(scratch.path(folder)).unwrap();
}

/// Removes everything of the kinds of defects.
fn only_good(scratch: &Scratch) {
    for kind in scratch.names("cloth/test").iter().filter(|kind| *kind != "good") {
        remove(scratch, &format!("cloth/test/{kind}"));
    }
    remove(scratch, "cloth/ground_truth");
}

/// What `evaluate` tells and writes for a category that `damage` changed, in a folder with a page of the whole category.
fn evaluated(damage: impl Fn(&Scratch)) -> (Ran, Value, String) {
    const EVALUATE: &str = "evaluate --model run/model.safetensors --data cloth --out new --maps maps";
    let scratch = Scratch::new();
    scratch.succeeds(EVALUATE);
    damage(&scratch);
    let json = scratch.succeeds(&format!("{EVALUATE} --json"));
    assert!(serde_json::from_str::<Value>(&json.out).is_ok() && json.err.contains("cloth: "), "{}", json.err);
    let ran = scratch.succeeds(EVALUATE);
    assert_eq!(ran.err, json.err);
    assert_eq!(scratch.names("new"), ["figure.png", "index.html", "metrics.json"]);
    assert!(scratch.path("maps/cloth/test/good/000.npy").exists() && ran.out.contains("maps as .tiff and .npy below"));
    let page = String::from_utf8(scratch.read("new/index.html")).unwrap();
    (ran, scratch.json("new/metrics.json"), page)
}

#[test]
fn evaluate_measures_what_is_there_and_says_what_is_not() {
    let (ran, metrics, page) = evaluated(only_good);
    assert!(
        page.contains("No defect among the 3 test images: only false alarms can be counted.") && !page.contains("AUROC</dt>")
    );
    let column = "<th>image AUROC</th>";
    assert!(page.contains("<th>called anomalous</th>") && !page.contains(column), "an empty column");
    assert!(ran.err.contains("cloth: no defect among the 3 test images: only false alarms can be counted"), "{}", ran.err);
    assert!(ran.out.contains("false alarms") && ran.out.contains("of\u{a0}3") && !ran.out.contains("AUROC"), "{}", ran.out);
    assert!(metrics.get("image_auroc").is_none() && metrics["image_threshold"]["false_alarms"]["of"] == 3, "{metrics}");
    let (ran, metrics, page) = evaluated(|scratch| remove(scratch, "cloth/ground_truth"));
    assert!(ran.err.contains("no pixel metric for the 5 defect images") && ran.out.contains("image AUROC"), "{}", ran.out);
    assert!(metrics["image_auroc"].is_f64() && metrics.get("pixel_auroc").is_none());
    let protocol = metrics["protocol"].as_str().unwrap();
    assert!(protocol.starts_with("category cloth; no pixel metrics; split test (3 good, 5 anomalous); "), "{protocol}");
    // The table is that of a complete set, and the page has what needs no mask.
    let missing = "Not measured, because they need masks that mark the defects: pixel AUROC, ";
    for part in ["image AUROC, hole", "defects found", "false alarms, expected", "± is one standard error", missing] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(page.contains(missing) && page.contains("<h2>By kind of image</h2>") && page.contains("There is no ground truth: "));
    assert!(page.contains(column));
    assert!(page.contains("Mistakes: ") && page.contains("alt=\"Heatmap of ") && !page.contains("alt=\"Ground truth of "));
    // Without thresholds there is none, also none of an earlier evaluation.
    let scratch = Scratch::new();
    let evaluate = "evaluate --model fresh.safetensors --data cloth --out new";
    scratch.succeeds("model init --model 1 --width 2 --out fresh.safetensors");
    scratch.succeeds(evaluate);
    remove(&scratch, "cloth/ground_truth");
    let ran = scratch.succeeds(evaluate);
    assert!(
        ran.err.contains("and there is no page; --calibrate DIR sets one") && scratch.names("new") == ["metrics.json"],
        "{}",
        ran.err
    );
    let scratch = Scratch::new();
    remove(&scratch, "cloth/test");
    let reason = scratch.refuses("evaluate --model run/model.safetensors --data cloth --out new");
    assert_eq!(reason, "cloth has no folder test, so there is nothing to evaluate");
}

#[test]
fn faults_of_the_data_are_in_the_plan_and_end_a_run_before_its_training() {
    let scratch = Scratch::new();
    let mask = scratch.names("cloth/ground_truth").into_iter().map(|kind| format!("cloth/ground_truth/{kind}")).next().unwrap();
    let name = scratch.names(&mask)[0].clone();
    fs::remove_file(scratch.path(&mask).join(name)).unwrap();
    let ran = scratch.run("reproduce --data . --config c.toml --device cpu --out all");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("warning: a run will fail: ") && ran.err.contains("has no mask"), "{}", ran.err);
    assert!(!scratch.path("all/cloth/seed-0/model.safetensors").exists());
    let report = scratch.json("all/report.json");
    assert_eq!(report["missing"], serde_json::json!([{ "category": "cloth", "seed": 0 }]));
    let page = String::from_utf8(scratch.read("all/index.html")).unwrap();
    assert!(page.contains("0 of\u{a0}1") && page.contains("<strong>Incomplete.</strong>") && page.contains("cloth seed\u{a0}0"));
    let error = scratch.refuses("reproduce --data . --config c.toml --device cpu --out .");
    assert!(error.contains("is the folder of the data"), "{error}");
    for out in ["cloth/results", "./cloth/../cloth/results"] {
        let error = scratch.refuses(&format!("reproduce --data . --config c.toml --device cpu --out {out}"));
        assert!(error.contains("is in the folder of the category cloth"), "{error}");
    }
    // From inside the category.
    let mut command = orthoscope();
    let arguments = ["reproduce", "--data", "..", "--config", "../c.toml", "--device", "cpu", "--out", "results"];
    let ran = told(command.args(arguments).current_dir(scratch.path("cloth")).output().unwrap());
    let error = ran.err;
    assert!(error.contains("is in the folder of the category cloth"), "{error}");
}

#[test]
fn a_mask_of_another_size_than_its_image_is_named_before_the_training_and_left_out() {
    let scratch = Scratch::new();
    let kind = scratch.names("cloth/ground_truth").remove(0);
    scratch.write(format!("cloth/ground_truth/{kind}/000_mask.png"), black(20));
    let ran = scratch.succeeds("reproduce --data . --config c.toml --device cpu --out all");
    assert!(
        ran.err.contains("warning: cloth: 1 of 8 files skipped: ")
            && ran.err.contains("the mask has 20x20 pixels, its image 32x32 pixels"),
        "{}",
        ran.err
    );
    assert_eq!(scratch.json("all/report.json")["runs"][0]["images"]["anomalous"], 4);
}

#[test]
fn an_image_that_is_too_large_is_found_by_its_header() {
    let scratch = Scratch::new();
    let test = scratch.names("cloth/test/good")[0].clone();
    let side = 9000;
    scratch.write(format!("cloth/test/good/{test}"), png(&[(b"IHDR", header(side, side, 8, 2)), (b"IDAT", Vec::new())]));
    let ran = scratch.succeeds("reproduce --data . --config c.toml --device cpu --out all");
    assert!(ran.err.contains("warning: cloth: 1 of 8 files skipped: ") && ran.err.contains("the limit is"), "{}", ran.err);
    assert_eq!(scratch.json("all/report.json")["runs"][0]["images"]["good"], 2);
}

#[test]
fn an_empty_folder_of_training_images_does_not_stop_an_evaluation() {
    let scratch = Scratch::new();
    std::fs::remove_dir_all(scratch.path("cloth/train/good")).unwrap();
    let evaluate = |out: &str| scratch.succeeds(&format!("evaluate --model run/model.safetensors --data cloth --out {out}"));
    evaluate("without");
    std::fs::create_dir(scratch.path("cloth/train/good")).unwrap();
    evaluate("empty");
    assert!(scratch.read("without/metrics.json") == scratch.read("empty/metrics.json"));
}

#[test]
fn a_category_without_a_test_set_is_trained() {
    let (scratch, run) = reproduced(|scratch| {
        remove(scratch, "cloth/test");
        remove(scratch, "cloth/ground_truth");
    });
    assert!(has_note(&run, "there is no folder test: trained and validated, not evaluated"), "{run}");
    assert!(run["verdicts"].is_null() && run.get("image_auroc").is_none() && run["protocol"] == "");
    assert!(run["thresholds"]["image"].is_f64());
    assert!(
        scratch.path("all/cloth/seed-0/model.safetensors").exists() && !scratch.path("all/cloth/seed-0/metrics.json").exists()
    );
}

#[test]
fn without_ground_truth_images_are_judged_and_pixels_are_not() {
    let (whole, complete) = reproduced(|_| ());
    let (scratch, run) = reproduced(|scratch| remove(scratch, "cloth/ground_truth"));
    assert!(has_note(&run, "there is no ground truth"), "{run}");
    assert_eq!(run["images"]["without_mask"], 5);
    for name in ["image_auroc", "image_ap", "image_auroc_by_kind", "verdicts"] {
        assert_eq!(run[name], complete[name], "{name}");
    }
    assert!(complete["pixel_auroc"].is_f64() && complete["au_pro"].is_f64());
    assert!(run.get("pixel_auroc").is_none() && run.get("au_pro").is_none());
    let images = |scratch: &Scratch| scratch.json("all/cloth/seed-0/metrics.json")["images"].clone();
    assert_eq!(images(&scratch), images(&whole));
}

#[test]
fn good_images_alone_count_false_alarms() {
    let (_, run) = reproduced(only_good);
    assert!(has_note(&run, "no defect among the 3 test images: only false alarms can be counted"), "{run}");
    assert!(run["verdicts"]["false_alarms"].as_u64().unwrap() <= 3 && run["verdicts"]["found"] == 0);
    assert!(run.get("image_auroc").is_none());
    // A threshold below every score makes every image a false alarm.
    let (_, run) = reproduced(|scratch| {
        only_good(scratch);
        let config = String::from_utf8(scratch.read("c.toml")).unwrap();
        scratch.write("c.toml", format!("{config}[detection]\nimage_quantile = 0.0\n"));
        for name in scratch.names("cloth/test/good") {
            let path = format!("cloth/test/good/{name}");
            let kept = scratch.read("cloth/train/good/000.png");
            scratch.write(&path, inverted(&kept));
        }
    });
    assert_eq!(run["verdicts"]["false_alarms"], 3, "{run}");
}

/// The image upside down in brightness, which no network trained on it reproduces.
fn inverted(png: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    fs::write(&path, png).unwrap();
    let image = orthoscope::data::read_image(&path).unwrap().mapv(|value| f32::from(value < 0.5));
    orthoscope::data::encode_png(&image).unwrap()
}

#[test]
fn black_masks_leave_no_pixel_metric() {
    let (_, run) = reproduced(|scratch| {
        for kind in scratch.names("cloth/ground_truth") {
            scratch.write(format!("cloth/ground_truth/{kind}/000_mask.png"), black(32));
        }
    });
    assert!(has_note(&run, "the masks of 5 of 5 defect images ("), "{run}");
    assert!(has_note(&run, " mark no pixel; no pixel metric is defined"), "{run}");
    assert_eq!(run["images"]["black_masks"], 5);
    assert!(run["image_auroc"].is_f64() && run.get("pixel_auroc").is_none());
}

#[test]
fn masks_that_mark_nothing_are_named_with_what_they_do_to_the_metrics() {
    let scratch = Scratch::new();
    let kinds = scratch.names("cloth/ground_truth");
    for kind in &kinds[..2] {
        scratch.write(format!("cloth/ground_truth/{kind}/000_mask.png"), black(32));
    }
    let warning = format!(
        "warning: cloth: the masks of 2 of 5 defect images ({}/000.png, {}/000.png) mark no pixel, so that pixel metrics take what is found there for \
         false alarms, and AU-PRO has no region there\n",
        kinds[0], kinds[1]
    );
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new --maps maps");
    assert!(ran.err.contains(&warning), "{}", ran.err);
    assert!(String::from_utf8(scratch.read("new/index.html")).unwrap().contains("The masks of 2 of 5 defect images ("));
    let ran = scratch.succeeds("metrics --maps maps/cloth/test --data cloth");
    assert!(ran.err.contains(&warning), "{}", ran.err);
}

fn black(side: usize) -> Vec<u8> {
    orthoscope::data::encode_png(&orthoscope::data::Image::zeros((side, side, 3))).unwrap()
}

#[test]
fn several_masks_of_one_image_are_united() {
    let (_, once) = reproduced(|_| ());
    let (_, run) = reproduced(|scratch| {
        for kind in scratch.names("cloth/ground_truth") {
            let mask = scratch.read(format!("cloth/ground_truth/{kind}/000_mask.png"));
            scratch.write(format!("cloth/ground_truth/{kind}/000_mask.png"), black(32));
            scratch.write(format!("cloth/ground_truth/{kind}/000_mask_1.png"), &mask);
            scratch.write(format!("cloth/ground_truth/{kind}/000_mask_12.png"), black(32));
        }
    });
    assert!(has_note(&run, "several masks are united for 5 of 5 defect images"), "{run}");
    for name in ["pixel_auroc", "au_pro", "image_auroc"] {
        assert_eq!(run[name], once[name], "{name}");
    }
    assert_eq!(run["images"]["black_masks"], 0);
}

#[test]
fn images_of_different_sizes_are_trained_and_scored() {
    let (_, run) = reproduced(|scratch| {
        scratch.succeeds("data generate --out large --family cloth --size 48 --train 2 --good 1 --defects 1");
        for (from, to) in [("train/good/000", "train/good/100"), ("test/good/000", "test/good/100")] {
            scratch.write(format!("cloth/{to}.png"), scratch.read(format!("large/cloth/{from}.png")));
        }
        remove(scratch, "large");
    });
    assert_eq!((&run["images"]["train"], &run["images"]["good"]), (&6.into(), &4.into()), "{run}");
    assert!(run["pixel_auroc"].is_f64());
}

#[test]
fn one_image_is_trained_on_and_sets_the_thresholds() {
    let (_, run) = reproduced(|scratch| {
        for name in scratch.names("cloth/train/good").iter().skip(1) {
            fs::remove_file(scratch.path(format!("cloth/train/good/{name}"))).unwrap();
        }
    });
    assert_eq!((&run["images"]["train"], &run["images"]["held_out"]), (&1.into(), &1.into()));
    assert!(has_note(&run, "only training image also sets the thresholds"), "{run}");
    assert!(has_note(&run, "so the rate of false alarms to expect is unknown"), "{run}");
}

/// A shard may hold nothing but such a category, and the merge then says what is missing.
#[test]
fn a_category_that_fails_on_its_own_still_has_a_plan_and_a_report() {
    let scratch = Scratch::new();
    scratch.write("broken/train/good/a.png", "not an image");
    let ran = scratch.run("reproduce --data . --category broken --config c.toml --device cpu --out all");
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("1 run to go: of unknown time, because no run can be timed: "), "{}", ran.out);
    assert!(ran.err.ends_with("error: 1 of 1 runs failed: broken seed 0\n"), "{}", ran.err);
    assert!(scratch.json("all/report.json")["runs"].as_array().unwrap().is_empty());
    assert_eq!(scratch.refuses("reproduce --merge all --out merged"), "1 of 1 runs of the plan are missing: broken seed 0");
    let ran = scratch.run("reproduce --data . --category broken --config c.toml --device cpu --out other --budget 1");
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("a budget needs a run that can be timed: ") && ran.err.ends_with("in broken seed 0\n"),
        "{}",
        ran.err
    );
}

#[test]
fn one_failing_category_does_not_stop_the_others() {
    let scratch = Scratch::new();
    scratch.write("broken/train/good/a.png", "not an image");
    let ran = scratch.run("reproduce --data . --config c.toml --device cpu --out all");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("broken seed 0 failed: ") && ran.err.contains("a.png: is not an image"), "{}", ran.err);
    assert!(ran.err.ends_with("error: 1 of 2 runs failed: broken seed 0\n"), "{}", ran.err);
    let report = scratch.json("all/report.json");
    assert_eq!(report["runs"].as_array().unwrap().len(), 1);
    assert_eq!(report["runs"][0]["category"], "cloth");
}
